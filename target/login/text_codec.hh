// SPDX-License-Identifier: GPL-2.0-only
//
// Key=value text as login and Text PDUs carry it: reading, writing, and the constants inside
// values.
//
// Reading works on (pointer, length) slices of the received bytes and never looks for a terminator
// of its own. Writing goes through one bounded writer that adds whole pairs or nothing. Decoders
// compute the decoded size first and refuse before they write. Nothing here knows what a key
// means; that is the key table's and the negotiation's business. RFC 7143 section 6.1.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "base/span.hh"
#include "base/text.hh"
#include "target/config/key_table.hh"

namespace chiscsi {

// Bytes that grow by appending, up to a limit.
class TextBuffer {
 public:
  explicit TextBuffer(size_t limit) : limit_(limit) {}

  // Errors, with nothing appended: kNoSpace beyond the limit, kNoMemory. Context: process.
  Status append(Bytes bytes);
  void truncate(size_t size) { size_ = size < size_ ? size : size_; }
  void clear() { size_ = 0; }
  // Gives the memory back as well.
  void reset() { buffer_.reset(), size_ = 0; }
  Bytes bytes() const { return {buffer_.data(), size_}; }
  size_t size() const { return size_; }

 private:
  Buffer buffer_;
  size_t size_ = 0;
  size_t limit_;
};

struct KeyValue {
  Text key;
  Text value;
};

// Walks over the pairs of one whole text (all PDUs of a continued one, joined).
class KeyValueReader {
 public:
  enum class Next : uint8_t { kPair, kEnd, kMalformed };

  explicit KeyValueReader(Bytes text);

  // Reads one pair. Runs of NUL bytes between pairs are skipped. Malformed are: no NUL at the end,
  // no
  // '=', and a key that is no standard-label of at most 63 characters. Context: any.
  Next next(KeyValue* pair);
  // After kMalformed: what is wrong, a literal.
  const char* problem() const { return problem_; }

 private:
  Next malformed(const char* problem);
  Text rest_;
  const char* problem_ = "";
};

// Adds key=value pairs to a buffer. A pair that does not fit leaves no trace, and the writer
// remembers it: check status() once at the end.
class TextWriter {
 public:
  explicit TextWriter(TextBuffer& buffer) : buffer_(buffer), pair_start_(buffer.size()) {}

  void pair(Text key, Text value);
  void number(Text key, uint64_t value);
  // "0x" and two lower-case digits per byte.
  void hex(Text key, Bytes value);

  // A pair in pieces: begin, any number of add, end.
  void begin(Text key);
  void add(Text part);
  void end();

  // kNoSpace or kNoMemory when some pair is missing.
  Status status() const { return status_; }
  bool is_complete() const { return status_.is_ok(); }
  size_t size() const { return buffer_.size(); }

 private:
  void append(Bytes bytes);
  TextBuffer& buffer_;
  size_t pair_start_;
  Status status_;
};

// How much of `text` to send in a PDU with room for `limit` bytes: all of it, else up to the last
// NUL that fits, else `limit` bytes of a pair that is longer.
size_t text_part_size(Bytes text, size_t limit);

// Decodes a hexadecimal (0x...) or base64 (0b...) constant. An odd number of hexadecimal digits
// counts as having a leading 0; base64 must be padded, without stray bits (RFC 4648 section 4).
// False when malformed, empty, or longer than `room`; then nothing was written. Context: any.
bool decode_binary(Text text, MutableBytes room, size_t* size);
// Like decode_binary(), but the decoded size has to be that of `exact`.
bool decode_binary_exactly(Text text, MutableBytes exact);
// The bytes that decode_binary() would need, or 0 when the prefix or the length is wrong.
size_t decoded_size(Text text);

// True for Reject, Irrelevant and NotUnderstood: answers, never offers (section 6.2).
bool is_answer_word(Text value);

// The known keys of one text with their values, which are slices of that text.
class OfferedKeys {
 public:
  bool has(TextKey key) const { return present_[index(key)]; }
  Text value(TextKey key) const { return values_[index(key)]; }
  void set(TextKey key, Text value) {
    present_[index(key)] = true;
    values_[index(key)] = value;
  }
  void clear() { *this = OfferedKeys(); }
  uint32_t count() const;

 private:
  static size_t index(TextKey key) { return static_cast<size_t>(key); }
  Text values_[kTextKeyCount];
  bool present_[kTextKeyCount] = {};
};

// All keys that a peer has sent in one negotiation, to notice the second time.
class SeenKeys {
 public:
  enum class Add : uint8_t { kFirst, kAgain, kTooMany };
  static constexpr uint32_t kMaxKeys = 256;

  explicit SeenKeys(uint32_t limit) : limit_(limit < kMaxKeys ? limit : kMaxKeys) {}
  Add add(const KeyInfo& info);
  Add add_unknown(Text name);
  void clear();

 private:
  uint64_t unknown_[kMaxKeys] = {};  // Hashes of names: 64 bits, so that chance does not collide.
  uint32_t unknown_count_ = 0;
  uint32_t known_count_ = 0;
  bool known_[kTextKeyCount] = {};
  uint32_t limit_;
};

// Reads a whole text: notes known keys in `offered` and answers unknown ones with NotUnderstood.
// Returns nullptr, or a literal that says what is malformed, repeated, too long or too much.
const char* collect_keys(Bytes text, SeenKeys& seen, OfferedKeys& offered, TextWriter& answer);

}  // namespace chiscsi
