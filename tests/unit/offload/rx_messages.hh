// SPDX-License-Identifier: GPL-2.0-only
//
// What the tests and the fuzzer of the assembler share: messages of an adapter as bytes, put
// together by hand, and a feeder that hands them over in pages of their own. A page lives until it
// is given back, so that the sanitizer finds one that is used afterwards, given back twice or kept;
// and no byte beside a fragment may be read.
#pragma once

#include <sanitizer/asan_interface.h>

#include <cstdlib>
#include <map>

#include "offload/rx_assembler.hh"
#include "os/memory.h"
#include "tests/unit/transport/wire.hh"

namespace chiscsi::test {

inline void append_be(ByteVector& to, uint64_t value, int size) {
  for (int i = size - 1; i >= 0; --i)
    to.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

// CPL_ISCSI_HDR: opcode | tid, pdu_len_ddp, len, seq, urg, reserved, status; the header.
inline ByteVector hdr_message(const ByteVector& header, uint32_t seq, uint32_t pdu_size) {
  ByteVector bytes = {0x33, 0, 1, 0x23};
  append_be(bytes, pdu_size, 2);
  append_be(bytes, header.size(), 2);
  append_be(bytes, seq, 4);
  append_be(bytes, 0, 4);
  append(bytes, header);
  return bytes;
}

// CPL_ISCSI_DATA: opcode | tid, reserved, len, seq, urg, reserved, status; the payload.
inline ByteVector data_message(const ByteVector& payload) {
  ByteVector bytes = {0xb2, 0, 1, 0x23};
  append_be(bytes, payload.size(), 4);
  append_be(bytes, 0, 8);
  append(bytes, payload);
  return bytes;
}

// CPL_RX_ISCSI_DDP: opcode | tid, urg, len, seq, nxt_seq, ulp_crc, ddpvld.
inline ByteVector ddp_message(uint32_t wire_size, uint32_t seq, uint32_t ddpvld) {
  ByteVector bytes = {0x49, 0, 1, 0x23, 0, 0};
  append_be(bytes, wire_size, 2);
  append_be(bytes, seq, 4);
  append_be(bytes, 0, 8);
  append_be(bytes, ddpvld, 4);
  return bytes;
}

// CPL_RX_ISCSI_CMP: opcode | tid, pdu_len_ddp, len, seq, urg, reserved, status, ulp_crc, ddpvld;
// the header.
inline ByteVector cmp_message(const ByteVector& header, uint32_t seq, uint32_t pdu_size,
                              uint32_t ddpvld) {
  ByteVector bytes = {0x45, 0, 1, 0x23};
  append_be(bytes, pdu_size, 2);
  append_be(bytes, header.size(), 2);
  append_be(bytes, seq, 4);
  append_be(bytes, 0, 8);
  append_be(bytes, ddpvld, 4);
  append(bytes, header);
  return bytes;
}

// Free-list pages that are alive.
class Pages {
 public:
  // Pages that hold `size` bytes from `offset` on; nothing else may be read.
  static os_fragment make(const uint8_t* data, uint32_t size, uint32_t offset) {
    const size_t room = (size_t{offset} + size + OS_PAGE_SIZE) / OS_PAGE_SIZE * OS_PAGE_SIZE;
    auto* page = static_cast<uint8_t*>(aligned_alloc(OS_PAGE_SIZE, room));
    std::copy(data, data + size, page + offset);
    ASAN_POISON_MEMORY_REGION(page, offset);
    ASAN_POISON_MEMORY_REGION(page + offset + size, room - offset - size);
    alive()[page] = room;
    return {page, nullptr, offset, size};
  }
  static void put(void* page) {
    const auto found = alive().find(page);
    if (found == alive().end()) abort();  // Not ours, or given back before.
    ASAN_UNPOISON_MEMORY_REGION(page, found->second);
    alive().erase(found);
    free(page);
  }
  static size_t count() { return alive().size(); }

 private:
  static std::map<void*, size_t>& alive() {
    static std::map<void*, size_t> pages;
    return pages;
  }
};

// Hands messages to an assembler.
struct Feeder {
  explicit Feeder(uint32_t chip, uint32_t rcv_nxt = 0) : chip(chip) {
    assembler.start(chip, rcv_nxt);
  }
  // In fragments: cut at these places, each part somewhere in pages of its own.
  RxVerdict feed(const ByteVector& bytes, const std::vector<size_t>& cuts = {}) {
    std::vector<os_fragment> fragments;
    size_t from = 0;
    for (size_t i = 0; i <= cuts.size(); ++i) {
      const size_t to = i < cuts.size() ? cuts[i] : bytes.size();
      const auto offset = static_cast<uint32_t>((bytes.size() + 64 * i) % OS_PAGE_SIZE);
      fragments.push_back(
          Pages::make(bytes.data() + from, static_cast<uint32_t>(to - from), offset));
      from = to;
    }
    lld_ingress message = {};
    message.fragments = fragments.data();
    message.fragment_count = static_cast<uint32_t>(fragments.size());
    return assembler.feed(message);
  }
  RxVerdict feed_inline(const ByteVector& bytes) {
    const auto exact = std::make_unique<uint8_t[]>(bytes.size());
    std::copy(bytes.begin(), bytes.end(), exact.get());
    lld_ingress message = {};
    message.bytes = exact.get();
    message.size = static_cast<uint32_t>(bytes.size());
    return assembler.feed(message);
  }

  ByteVector header() const {
    // SAFETY: 48 bytes without padding.
    const auto* bhs = reinterpret_cast<const uint8_t*>(&assembler.bhs());
    ByteVector bytes(bhs, bhs + 48);
    bytes.insert(bytes.end(), assembler.ahs().begin(), assembler.ahs().end());
    return bytes;
  }
  ByteVector payload() const {
    ByteVector bytes;
    assembler.for_each_piece([&bytes](const uint8_t* data, uint32_t size) {
      bytes.insert(bytes.end(), data, data + size);
    });
    return bytes;
  }

  const uint32_t chip;
  RxAssembler assembler{&Pages::put};
};

}  // namespace chiscsi::test
