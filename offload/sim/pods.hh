// SPDX-License-Identifier: GPL-2.0-only
//
// Pods: the adapter's memory of page pods, the tags that lead to them, and who has reserved which.
//
// The memory is written by the adapter's worker alone; reserving and releasing is the client's in
// any context, with the rules of the kernel's allocator: runs of slots, and a colour that goes on
// with each use of the first slot.
#pragma once

#include "base/endian.hh"
#include "base/lock.hh"
#include "base/own_ptr.hh"
#include "offload/lld.h"
#include "os/thread.h"

namespace chiscsi::sim {

inline constexpr uint32_t kPodSize = 64;
inline constexpr uint32_t kPagesOfPod = 4;

struct Pod {
  Be32 vld_tid, pgsz_tag_clr, max_offset, page_offset;
  Be64 reserved;
  Be64 address[kPagesOfPod + 1];
  bool is_valid() const { return (vld_tid.get() & 1u << 24) != 0; }
  uint32_t tid() const { return vld_tid.get() & 0xff'ffff; }
};
static_assert(sizeof(Pod) == kPodSize && alignof(Pod) == 1);

// What a Data-Out or an R2T is about.
struct PodQuery {
  uint32_t tid;
  uint32_t tag;
  uint32_t offset;
  uint32_t length;
  uint32_t page_shift;
};

class Pods {
 public:
  ~Pods();
  // Context: process.
  bool init(uint32_t size, uint32_t llimit, uint32_t tag_mask);

  uint32_t slots() const { return slots_; }
  uint32_t tag_mask() const { return tag_mask_; }

  // Context of these two: any.
  int reserve(uint32_t pages, lld_tag* tag);
  // False when it is not a run that is reserved.
  bool release(const lld_tag& tag);
  uint32_t reserved() const { return reserved_; }

  // Context of the rest: the worker.
  // `lock_address` is that of the message. False outside of the pods; fills `written` with the
  // slots.
  bool write(uint32_t lock_address, Bytes data, uint32_t* written);
  bool is_ddp_tag(uint32_t tag) const;
  // 0, or bits of cpl::ddpvld that say why nothing can be placed.
  uint32_t check(const PodQuery& query) const;
  // The fifth addresses of the pods that a query touches are right. Precondition: check() is 0.
  bool is_linked(const PodQuery& query) const;
  // Calls place(address, offset in the data, length) for each page. Precondition: check() is 0.
  template <typename Place>
  void for_each_page(const PodQuery& query, Place place) const;
  // True when `matches(pod)` of any valid pod. Context: any.
  template <typename Matches>
  bool any_valid(Matches matches) const {
    SpinGuard guard(lock_);
    for (uint32_t i = 0; i < slots_; ++i) {
      if (pods_[i].is_valid() && matches(pods_[i])) return true;
    }
    return false;
  }
  uint32_t valid() const { return valid_; }
  // None is valid any more; what is reserved stays so.
  void forget();

 private:
  struct Slot {
    uint32_t run = 0;  // Slots of the run that begins here; 0: none does.
    uint8_t used = 0;
    uint8_t colour = 0;
    uint8_t run_colour = 0;
  };
  static constexpr uint32_t kColourBits = 6;
  static constexpr uint32_t kColourMask = (1u << kColourBits) - 1;

  uint32_t no_ddp_bit() const { return 1u << (tag_bits_ - 1); }
  uint32_t index_of(uint32_t tag) const { return (tag & (no_ddp_bit() - 1)) >> kColourBits; }
  uint32_t find_run_locked(uint32_t count) const;
  uint32_t check_pod(const Pod& pod, const PodQuery& query) const;
  // The slots from first to last that hold the pages of a query.
  uint32_t first_slot(const PodQuery& query) const;
  uint32_t last_slot(const PodQuery& query) const;

  os_spinlock* lock_ = nullptr;
  Buffer memory_;
  Buffer slot_memory_;
  Pod* pods_ = nullptr;
  Slot* owners_ = nullptr;
  uint32_t slots_ = 0;
  uint32_t llimit_ = 0;
  uint32_t tag_mask_ = 0;
  uint32_t tag_bits_ = 32;
  uint32_t reserved_ = 0;
  uint32_t valid_ = 0;
};

template <typename Place>
void Pods::for_each_page(const PodQuery& query, Place place) const {
  const uint32_t page_size = 1u << query.page_shift;
  const Pod& head = pods_[index_of(query.tag)];
  uint64_t position = uint64_t{head.page_offset.get()} + query.offset;
  uint32_t slot = index_of(query.tag) + static_cast<uint32_t>(position >> query.page_shift) / 4;
  uint32_t entry = static_cast<uint32_t>(position >> query.page_shift) % kPagesOfPod;
  for (uint32_t at = 0; at < query.length;) {
    const uint32_t in_page = static_cast<uint32_t>(position) & (page_size - 1);
    const uint32_t left = query.length - at;
    const uint32_t count = left < page_size - in_page ? left : page_size - in_page;
    place(pods_[slot].address[entry].get() + in_page, at, count);
    at += count;
    position += count;
    // The fifth address saves a look at the next pod for one page.
    if (++entry > kPagesOfPod) {
      entry = 1;
      ++slot;
    }
  }
}

}  // namespace chiscsi::sim
