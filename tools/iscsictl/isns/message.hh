// SPDX-License-Identifier: GPL-2.0-only
//
// iSNS messages (RFC 4171 sections 5 and 6): headers, and attributes as tag, length and value.
//
// Reading never goes behind what was received: a bad length is a ProtocolError, and unknown tags
// are passed over by whoever asks for known ones. A message of several PDUs is one Message here.
#pragma once

#include <netinet/in.h>

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace isns {

// What the other side sent is no iSNS, or is more than anybody needs.
struct ProtocolError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Function : uint16_t {
  kRegister = 0x0001,    // DevAttrReg
  kQuery = 0x0002,       // DevAttrQry
  kDeregister = 0x0004,  // DevDereg
  kScnRegister = 0x0005,
  kScnDeregister = 0x0006,
  kStateChange = 0x0008,    // SCN
  kStatusInquiry = 0x000d,  // ESI
};
inline constexpr uint16_t kResponseBit = 0x8000;

enum class Tag : uint32_t {
  kDelimiter = 0,
  kEntityIdentifier = 1,
  kEntityProtocol = 2,
  kTimestamp = 4,
  kRegistrationPeriod = 6,
  kPortalAddress = 16,
  kPortalPort = 17,
  kEsiInterval = 19,
  kEsiPort = 20,
  kScnPort = 23,
  kNodeName = 32,
  kNodeType = 33,
  kNodeAlias = 34,
  kScnBitmap = 35,
  kGroupNodeName = 48,
  kGroupPortalAddress = 49,
  kGroupPortalPort = 50,
  kGroupTag = 51,
};

inline constexpr uint32_t kProtocolIscsi = 2;
inline constexpr uint32_t kNodeTarget = 1, kNodeInitiator = 2;
// SCN bitmap: objects removed, added, updated, as far as they are initiators or oneself.
inline constexpr uint32_t kScnInitiatorChanges = 0x80 | 0x10 | 0x08 | 0x04;

enum class Status : uint32_t {
  kSuccess = 0,
  kFormatError = 2,
  kInvalidRegistration = 3,
  kSourceUnknown = 6,
  kNoSuchEntry = 9,
  kNotSupported = 15,
  kEsiNotAvailable = 21,
};
const char* describe(Status status);

inline constexpr size_t kHeaderSize = 12;
// A PDU's payload is at most this; a message of ours always fits, see split().
inline constexpr size_t kMaxPduPayload = 65532;
// Nobody's answer is longer; more is refused rather than stored.
inline constexpr size_t kMaxMessage = 4 * 1024 * 1024;

struct Header {
  uint16_t function;
  uint16_t length;
  uint16_t flags;
  uint16_t transaction;
  uint16_t sequence;

  static constexpr uint16_t kClient = 0x8000, kServer = 0x4000, kAuthentication = 0x2000,
                            kReplace = 0x1000, kLast = 0x0800, kFirst = 0x0400;
  // `bytes` has kHeaderSize. Throws ProtocolError.
  static Header parse(std::span<const uint8_t> bytes);
};

struct Message {
  uint16_t function = 0;
  uint16_t flags = 0;  // kClient, kServer and kReplace only.
  uint16_t transaction = 0;
  std::vector<uint8_t> payload;

  bool is_response() const { return (function & kResponseBit) != 0; }
  // The PDUs of the message, one after the other.
  std::vector<uint8_t> encode() const;
};

// Puts PDUs together to messages. One per stream.
class Assembler {
 public:
  // Takes bytes as they come.
  void feed(std::span<const uint8_t> bytes) {
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
  }
  // The next whole message. Throws ProtocolError; the stream is of no use afterwards.
  std::optional<Message> next();
  bool empty() const { return pending_.empty() && !open_; }

 private:
  void append(const Header& header, std::span<const uint8_t> payload);
  std::vector<uint8_t> pending_;
  std::optional<Message> open_;
  uint16_t next_sequence_ = 0;
};

struct Attribute {
  Tag tag;
  std::span<const uint8_t> value;

  // Throw ProtocolError for a value of another shape.
  uint32_t number() const;
  std::string text() const;
  in6_addr address() const;
};

// Attributes of a payload, in order; they refer to its memory. Throws ProtocolError.
std::vector<Attribute> parse_attributes(std::span<const uint8_t> payload);

class Writer {
 public:
  Writer& number(Tag tag, uint32_t value);
  Writer& text(Tag tag, std::string_view value);  // NUL-terminated and padded.
  Writer& address(Tag tag, const in6_addr& value);
  Writer& empty(Tag tag);
  Writer& delimiter() { return empty(Tag::kDelimiter); }
  Writer& raw(std::span<const uint8_t> bytes);
  Writer& status(Status status);
  std::vector<uint8_t> take() { return std::move(bytes_); }

 private:
  void be32(uint32_t value);
  void head(Tag tag, size_t length);
  std::vector<uint8_t> bytes_;
};

// The status at the start of a response, and what follows. Throws ProtocolError.
Status split_status(std::span<const uint8_t> payload, std::span<const uint8_t>* rest);

}  // namespace isns
