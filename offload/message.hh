// SPDX-License-Identifier: GPL-2.0-only
//
// OffloadMessage: one message of an adapter on its way to who handles it.
//
// Made in softirq by copying what was inside the response and taking over the page references of
// the fragments; it is one allocation of the size it needs. Who takes it out of its queue either
// hands the pages on and calls free_empty(), or lets it go by drop().
#pragma once

#include "base/alloc.hh"
#include "base/list.hh"
#include "base/span.hh"
#include "offload/cpl.hh"
#include "offload/lld.h"

namespace chiscsi {

// Copies the first bytes of a message, wherever they are; returns how many there were.
size_t peek_ingress(const lld_ingress& message, MutableBytes out);

class OffloadMessage {
 public:
  // Null without memory; then the pages are still the caller's. Context: any, no spinlock held.
  static OffloadMessage* copy(const lld_ingress& message, cpl::Opcode opcode);

  cpl::Opcode opcode() const { return opcode_; }
  uint32_t total() const { return total_; }
  bool has_pages() const { return fragment_count_ != 0; }
  lld_ingress ingress() const;
  // The first sizeof(T) bytes; false when there are fewer.
  template <typename T>
  bool read(T* out) const {
    static_assert(alignof(T) == 1);
    return peek_ingress(ingress(), {reinterpret_cast<uint8_t*>(out), sizeof(T)}) == sizeof(T);
  }

  // The pages were handed on.
  static void free_empty(OffloadMessage* message) { os_free(message); }
  static void drop(OffloadMessage* message, void (*page_put)(void*));

  ListNode node;
  uint32_t life = 0;  // Of a request for a connection: the adapter's when it came.

 private:
  uint32_t queue_ = 0;
  uint32_t size_ = 0;
  uint32_t fragment_count_ = 0;
  uint32_t total_ = 0;
  cpl::Opcode opcode_ = {};
  // Then os_fragment[fragment_count_] and the bytes.
  os_fragment* fragments() { return reinterpret_cast<os_fragment*>(this + 1); }
  const os_fragment* fragments() const { return reinterpret_cast<const os_fragment*>(this + 1); }
  uint8_t* bytes() { return reinterpret_cast<uint8_t*>(fragments() + fragment_count_); }
  const uint8_t* bytes() const {
    return reinterpret_cast<const uint8_t*>(fragments() + fragment_count_);
  }
};

using OffloadMessages = List<OffloadMessage, &OffloadMessage::node>;

}  // namespace chiscsi
