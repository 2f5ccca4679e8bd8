// SPDX-License-Identifier: GPL-2.0-only
//
// Output: the answer to a control request, as lines `key=value` in records.
//
// It grows up to the room that the asker has and counts the rest, so whoever writes needs to know
// of no limit and the asker learns how much room it would have taken. Characters that would end a
// line or confuse a terminal become '?': values may come from an initiator. What was written may
// hold secrets and is wiped before it goes. A file that is to be read back gets the bytes beyond
// ASCII as they are: a secret may have any. Context: process.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "base/text.hh"

namespace chiscsi::control {

class Output {
 public:
  enum class Reader : uint8_t { kAnybody, kFile };
  explicit Output(size_t room, Reader reader = Reader::kAnybody) : room_(room), reader_(reader) {}
  ~Output();
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // Makes sure that `size` bytes can be written, for an answer that must not fail once what it
  // tells of has happened. Errors: kNoSpace, kNoMemory.
  Status reserve(size_t size);

  // One line.
  void pair(Text key, Text value) { begin(key).add(value).end(); }
  void number(Text key, uint64_t value) { begin(key).add_number(value).end(); }
  void hex(Text key, uint64_t value) { begin(key).add_hex(value, 1).end(); }
  void yes_no(Text key, bool value) { pair(key, value ? "Yes" : "No"); }

  // A line whose value is put together: begin(), any number of add(), end().
  Output& begin(Text key);
  Output& add(Text text);
  Output& add_number(uint64_t value);
  // At least `digits` lower case digits, without a prefix.
  Output& add_hex(uint64_t value, unsigned digits);
  Output& add_hex_bytes(Bytes bytes);
  void end() { put("\n"); }
  // Lines that are put together already, the last newline too.
  void copy(Text lines);
  // The empty line.
  void end_record() { put("\n"); }

  // Bytes of all that was written.
  size_t size() const { return size_; }
  bool fits() const { return size_ <= room_; }
  // Memory ran out on the way.
  bool is_broken() const { return broken_; }
  // The caller frees it by os_free(), after wiping it. Null when nothing is kept.
  uint8_t* release(size_t* kept);

 private:
  void put(Text text);
  bool grow(size_t wanted);
  // Of the character at the front of `text`; 0 when it is replaced.
  size_t clean_bytes(Bytes text) const;

  const size_t room_;
  const Reader reader_;
  uint8_t* memory_ = nullptr;
  size_t capacity_ = 0;
  size_t size_ = 0;
  bool broken_ = false;
};

}  // namespace chiscsi::control
