// SPDX-License-Identifier: GPL-2.0-only
//
// What the transport's tests share: PDUs as bytes of the wire, serialised here a second time and by
// other means than the sources use, lists of buffers whose every byte is guarded by the sanitizer,
// and a ConnUser that writes down what it is told.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "os/memory.h"
#include "transport/conn.hh"

namespace chiscsi::test {

using ByteVector = std::vector<uint8_t>;

// CRC32C bit by bit; the digest as it lies on the wire.
inline ByteVector plain_digest(const ByteVector& data) {
  uint32_t crc = 0xffffffff;
  for (const uint8_t byte : data) {
    crc ^= byte;
    for (int bit = 0; bit < 8; ++bit)
      crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  crc = ~crc;
  return {static_cast<uint8_t>(crc), static_cast<uint8_t>(crc >> 8),
          static_cast<uint8_t>(crc >> 16), static_cast<uint8_t>(crc >> 24)};
}

inline void append(ByteVector& to, const ByteVector& more) {
  to.insert(to.end(), more.begin(), more.end());
}

inline ByteVector pattern(size_t size, uint8_t seed) {
  ByteVector bytes(size);
  uint32_t state = seed * 2654435761u + 1;
  for (uint8_t& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

struct WirePdu {
  uint8_t opcode = 0;
  uint32_t tag = 0;
  ByteVector ahs;  // Whole words.
  ByteVector data;
};

// The 48 bytes, put together by hand.
inline ByteVector wire_header(const WirePdu& pdu) {
  ByteVector header(48);
  header[0] = pdu.opcode;
  header[1] = 0x80;
  header[4] = static_cast<uint8_t>(pdu.ahs.size() / 4);
  header[5] = static_cast<uint8_t>(pdu.data.size() >> 16);
  header[6] = static_cast<uint8_t>(pdu.data.size() >> 8);
  header[7] = static_cast<uint8_t>(pdu.data.size());
  for (int i = 0; i < 4; ++i)
    header[16 + i] = static_cast<uint8_t>(pdu.tag >> (24 - 8 * i));
  return header;
}

inline ByteVector serialise(const WirePdu& pdu, bool header_digest, bool data_digest) {
  ByteVector wire = wire_header(pdu);
  append(wire, pdu.ahs);
  if (header_digest) append(wire, plain_digest(wire));
  if (pdu.data.empty()) return wire;
  ByteVector data = pdu.data;
  while (data.size() % 4 != 0)
    data.push_back(0);
  append(wire, data);
  if (data_digest) append(wire, plain_digest(data));
  return wire;
}

inline std::string hex(const uint8_t* data, size_t size) {
  static const char kDigits[] = "0123456789abcdef";
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    text += kDigits[data[i] >> 4];
    text += kDigits[data[i] & 15];
  }
  return text;
}
inline std::string hex(const ByteVector& bytes) { return hex(bytes.data(), bytes.size()); }

// A driver's list of buffers, with memory of its own.
class SgMemory {
 public:
  // An element of heap memory that ends where its block ends.
  void add_address(uint32_t size) {
    chiscsi_sgvec element = {};
    auto* memory = static_cast<uint8_t*>(malloc(size == 0 ? 1 : size));
    own(memory);
    fill(memory, size == 0 ? 1 : size);
    element.sg_addr = memory;
    element.sg_length = size;
    elements_.push_back(element);
    starts_.push_back(memory);
  }
  // An element of host pages, `offset` bytes into the first of them. The sanitizer cannot guard
  // what lies beside it in the pages: surroundings_intact() looks there.
  void add_pages(uint32_t offset, uint32_t size, bool with_address = false) {
    const size_t room =
        (size_t{offset} + size + OS_PAGE_SIZE - 1) / OS_PAGE_SIZE * OS_PAGE_SIZE + OS_PAGE_SIZE;
    auto* memory = static_cast<uint8_t*>(aligned_alloc(OS_PAGE_SIZE, room));
    own(memory);
    fill(memory, room);
    guards_.push_back({memory, offset});
    guards_.push_back({memory + offset + size, room - offset - size});
    chiscsi_sgvec element = {};
    element.sg_page = memory;
    element.sg_offset = offset;
    element.sg_length = size;
    if (with_address) element.sg_addr = memory + offset;
    elements_.push_back(element);
    starts_.push_back(memory + offset);
  }
  // An element that names no memory.
  void add_nothing(uint32_t size) {
    chiscsi_sgvec element = {};
    element.sg_length = size;
    elements_.push_back(element);
    starts_.push_back(nullptr);
  }

  SgList list() const { return {elements_.data(), static_cast<uint32_t>(elements_.size())}; }
  chiscsi_sgvec* elements() { return elements_.data(); }
  unsigned count() const { return static_cast<unsigned>(elements_.size()); }

  ByteVector content() const {
    ByteVector all;
    for (size_t i = 0; i < elements_.size(); ++i) {
      if (starts_[i] != nullptr)
        all.insert(all.end(), starts_[i], starts_[i] + elements_[i].sg_length);
    }
    return all;
  }
  void set_content(const ByteVector& data) {
    size_t at = 0;
    for (size_t i = 0; i < elements_.size(); ++i) {
      for (uint32_t j = 0; starts_[i] != nullptr && j < elements_[i].sg_length; ++j) {
        if (at < data.size()) starts_[i][j] = data[at++];
      }
    }
  }
  // Nothing was written in the pages beside the elements.
  bool surroundings_intact() const {
    for (const auto& [start, size] : guards_) {
      for (size_t i = 0; i < size; ++i) {
        if (start[i] != kFill) return false;
      }
    }
    return true;
  }

  static constexpr uint8_t kFill = 0xee;

 private:
  struct Free {
    void operator()(uint8_t* memory) const { free(memory); }
  };
  void own(uint8_t* memory) { memory_.emplace_back(memory); }
  static void fill(uint8_t* memory, size_t size) { std::fill(memory, memory + size, kFill); }

  std::vector<std::unique_ptr<uint8_t, Free>> memory_;
  std::vector<chiscsi_sgvec> elements_;
  std::vector<uint8_t*> starts_;
  std::vector<std::pair<uint8_t*, size_t>> guards_;
};

// A ConnUser that does nothing; tests override what they need.
class IdleUser : public ConnUser {
 public:
  RxAction on_header(RxPdu&, Placement*) override { return RxAction::kContinue; }
  RxAction on_pdu(RxPdu&) override { return RxAction::kContinue; }
  void on_header_digest_error() override {}
  void on_pass_end() override {}
  bool next_pdu(TxPdu*) override { return false; }
  void pdu_sent(TxPdu&) override {}
  void pdu_dropped(TxPdu&) override {}
  void on_placed(const Landing&) override {}
  void on_released(PlacedTask&) override {}
  void on_moved() override {}
  void on_closed(CloseReason) override {}
};

// Writes down what the reader says, and takes the data into memory of exactly its size.
class RecordingUser : public IdleUser {
 public:
  RxAction on_header(RxPdu& pdu, Placement* placement) override {
    ++questions;
    const RxAction action = header_action ? header_action(pdu) : RxAction::kContinue;
    if (action == RxAction::kPause) return action;
    std::string event = "header " + hex(reinterpret_cast<const uint8_t*>(&pdu.bhs), 48);
    event += " ahs " + hex(pdu.ahs, pdu.ahs_size);
    if (pdu.ahs_too_long) event += " too long";
    events.push_back(event);
    data.assign(pdu.data_size(), 0xcc);
    if (place) {
      place(pdu, placement);
    } else {
      placement->memory = MutableBytes(data.data(), data.size());
    }
    return action;
  }
  RxAction on_pdu(RxPdu& pdu) override {
    ++questions;
    const RxAction action = pdu_action ? pdu_action(pdu) : RxAction::kContinue;
    if (action == RxAction::kPause) return action;
    events.push_back("pdu " + hex(data) + (pdu.data_digest_error ? " bad digest" : ""));
    return action;
  }
  void on_header_digest_error() override { events.push_back("header digest error"); }

  std::function<RxAction(RxPdu&)> header_action;
  std::function<RxAction(RxPdu&)> pdu_action;
  std::function<void(RxPdu&, Placement*)> place;
  std::vector<std::string> events;
  ByteVector data;
  int questions = 0;
};

}  // namespace chiscsi::test
