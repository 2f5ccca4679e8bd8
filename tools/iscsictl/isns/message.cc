// SPDX-License-Identifier: GPL-2.0-only
//
// Coding and decoding of iSNS messages. See message.hh.
#include "isns/message.hh"

#include <algorithm>
#include <cstring>

namespace isns {

namespace {

constexpr uint16_t kVersion = 1;
constexpr size_t kAttributeHead = 8;
constexpr size_t kMaxText = 256;

uint16_t be16_at(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

uint32_t be32_at(std::span<const uint8_t> bytes, size_t at) {
  return static_cast<uint32_t>(be16_at(bytes, at)) << 16 | be16_at(bytes, at + 2);
}

void put16(std::vector<uint8_t>& out, uint16_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}

void put_header(std::vector<uint8_t>& out, const Header& header) {
  put16(out, kVersion);
  put16(out, header.function);
  put16(out, header.length);
  put16(out, header.flags);
  put16(out, header.transaction);
  put16(out, header.sequence);
}

size_t padded(size_t length) { return (length + 3) & ~size_t{3}; }

}  // namespace

const char* describe(Status status) {
  switch (status) {
    case Status::kSuccess:
      return "success";
    case Status::kFormatError:
      return "message format error";
    case Status::kInvalidRegistration:
      return "invalid registration";
    case Status::kSourceUnknown:
      return "source unknown";
    case Status::kNoSuchEntry:
      return "no such entry";
    case Status::kNotSupported:
      return "message not supported";
    case Status::kEsiNotAvailable:
      return "no status inquiries offered";
  }
  return "refused";
}

Header Header::parse(std::span<const uint8_t> bytes) {
  if (bytes.size() < kHeaderSize) throw ProtocolError("short header");
  if (be16_at(bytes, 0) != kVersion) throw ProtocolError("not iSNS version 1");
  const Header header{be16_at(bytes, 2), be16_at(bytes, 4), be16_at(bytes, 6), be16_at(bytes, 8),
                      be16_at(bytes, 10)};
  if (header.length % 4 != 0) throw ProtocolError("a length that is no multiple of four");
  if ((header.flags & kAuthentication) != 0) throw ProtocolError("authentication is not supported");
  return header;
}

std::vector<uint8_t> Message::encode() const {
  std::vector<uint8_t> out;
  uint16_t sequence = 0;
  size_t done = 0;
  do {
    const size_t size = std::min(payload.size() - done, kMaxPduPayload);
    uint16_t bits = flags;
    if (done == 0) bits |= Header::kFirst;
    if (done + size == payload.size()) bits |= Header::kLast;
    put_header(out, {function, static_cast<uint16_t>(size), bits, transaction, sequence++});
    out.insert(out.end(), payload.begin() + static_cast<ptrdiff_t>(done),
               payload.begin() + static_cast<ptrdiff_t>(done + size));
    done += size;
  } while (done < payload.size());
  return out;
}

std::optional<Message> Assembler::next() {
  while (pending_.size() >= kHeaderSize) {
    const Header header = Header::parse(pending_);
    const size_t whole = kHeaderSize + header.length;
    if (pending_.size() < whole) return std::nullopt;
    append(header, std::span(pending_).subspan(kHeaderSize, header.length));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<ptrdiff_t>(whole));
    if ((header.flags & Header::kLast) != 0) {
      std::optional<Message> done = std::move(open_);
      open_.reset();
      return done;
    }
  }
  return std::nullopt;
}

void Assembler::append(const Header& header, std::span<const uint8_t> payload) {
  const bool first = (header.flags & Header::kFirst) != 0;
  if (first == open_.has_value()) throw ProtocolError("PDUs of a message out of order");
  if (first) {
    next_sequence_ = 0;
    open_.emplace();
    open_->function = header.function;
    open_->flags = header.flags & (Header::kClient | Header::kServer | Header::kReplace);
    open_->transaction = header.transaction;
  }
  if (header.function != open_->function || header.transaction != open_->transaction ||
      header.sequence != next_sequence_++) {
    throw ProtocolError("PDUs of different messages mixed");
  }
  if (open_->payload.size() + payload.size() > kMaxMessage) throw ProtocolError("message too long");
  open_->payload.insert(open_->payload.end(), payload.begin(), payload.end());
}

uint32_t Attribute::number() const {
  if (value.size() != 4) throw ProtocolError("a number that has not four bytes");
  return be32_at(value, 0);
}

std::string Attribute::text() const {
  if (value.size() > kMaxText) throw ProtocolError("a text of more than 256 bytes");
  const auto end = std::find(value.begin(), value.end(), uint8_t{0});
  std::string text(value.begin(), end);
  const auto plain = [](char c) { return static_cast<unsigned char>(c) > ' ' && c != 0x7f; };
  if (!std::all_of(text.begin(), text.end(), plain))
    throw ProtocolError("a text with blanks or controls");
  return text;
}

in6_addr Attribute::address() const {
  in6_addr address;
  if (value.size() != sizeof(address)) throw ProtocolError("an address that has not 16 bytes");
  std::memcpy(&address, value.data(), sizeof(address));
  return address;
}

std::vector<Attribute> parse_attributes(std::span<const uint8_t> payload) {
  std::vector<Attribute> list;
  while (!payload.empty()) {
    if (payload.size() < kAttributeHead) throw ProtocolError("a cut attribute");
    const uint32_t tag = be32_at(payload, 0);
    const size_t length = be32_at(payload, 4);
    payload = payload.subspan(kAttributeHead);
    if (length % 4 != 0 || length > payload.size())
      throw ProtocolError("an attribute's bad length");
    list.push_back({static_cast<Tag>(tag), payload.first(length)});
    payload = payload.subspan(length);
  }
  return list;
}

void Writer::be32(uint32_t value) {
  put16(bytes_, static_cast<uint16_t>(value >> 16));
  put16(bytes_, static_cast<uint16_t>(value));
}

void Writer::head(Tag tag, size_t length) {
  be32(static_cast<uint32_t>(tag));
  be32(static_cast<uint32_t>(length));
}

Writer& Writer::number(Tag tag, uint32_t value) {
  head(tag, 4);
  be32(value);
  return *this;
}

Writer& Writer::text(Tag tag, std::string_view value) {
  const size_t length = padded(value.size() + 1);
  head(tag, length);
  bytes_.insert(bytes_.end(), value.begin(), value.end());
  bytes_.resize(bytes_.size() + length - value.size());
  return *this;
}

Writer& Writer::address(Tag tag, const in6_addr& value) {
  head(tag, sizeof(value));
  return raw({value.s6_addr, sizeof(value)});
}

Writer& Writer::empty(Tag tag) {
  head(tag, 0);
  return *this;
}

Writer& Writer::raw(std::span<const uint8_t> bytes) {
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  return *this;
}

Writer& Writer::status(Status status) {
  be32(static_cast<uint32_t>(status));
  return *this;
}

Status split_status(std::span<const uint8_t> payload, std::span<const uint8_t>* rest) {
  if (payload.size() < 4) throw ProtocolError("a response without status");
  *rest = payload.subspan(4);
  return static_cast<Status>(be32_at(payload, 0));
}

}  // namespace isns
