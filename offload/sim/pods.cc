// SPDX-License-Identifier: GPL-2.0-only
//
// Allocation of page pods, writes of them, and the adapter's checks of a tag.
#include "offload/sim/pods.hh"

#include "base/error.hh"
#include "offload/cpl.hh"

namespace chiscsi::sim {

namespace {
constexpr uint32_t kMostPages = 0xffff;  // The kernel's allocator takes 16 bits.
constexpr uint32_t kWriteUnit = 32;

uint32_t bits_of(uint32_t mask) {
  return mask == 0 ? 0 : 32 - static_cast<uint32_t>(__builtin_clz(mask));
}
}  // namespace

Pods::~Pods() {
  if (lock_ != nullptr) os_spinlock_destroy(lock_);
}

bool Pods::init(uint32_t size, uint32_t llimit, uint32_t tag_mask) {
  slots_ = size / kPodSize;
  llimit_ = llimit;
  if (tag_mask == 0) {
    uint32_t index_bits = 1;
    while (1u << index_bits < slots_)
      ++index_bits;
    // One bit says "no placement", two are to spare.
    tag_mask = (1u << (kColourBits + index_bits + 3)) - 1;
  }
  tag_mask_ = tag_mask;
  tag_bits_ = bits_of(tag_mask);
  lock_ = os_spinlock_create();
  if (lock_ == nullptr || tag_bits_ <= kColourBits + 1) return false;
  if (slots_ == 0) return true;
  memory_ = Buffer::allocate(size_t{slots_} * kPodSize);
  slot_memory_ = Buffer::allocate(size_t{slots_} * sizeof(Slot));
  if (!memory_ || !slot_memory_) return false;
  // SAFETY: a Pod is made of bytes; a Slot of zeros is a Slot.
  pods_ = reinterpret_cast<Pod*>(memory_.data());
  owners_ = reinterpret_cast<Slot*>(slot_memory_.data());
  return true;
}

uint32_t Pods::find_run_locked(uint32_t count) const {
  uint32_t length = 0;
  for (uint32_t i = 0; i < slots_; ++i) {
    length = owners_[i].used != 0 ? 0 : length + 1;
    if (length == count) return i + 1 - count;
  }
  return slots_;
}

int Pods::reserve(uint32_t pages, lld_tag* tag) {
  const uint32_t count = (pages + kPagesOfPod - 1) / kPagesOfPod;
  if (count == 0 || pages > kMostPages) return -static_cast<int>(Error::kInvalid);
  SpinGuard guard(lock_);
  const uint32_t first = find_run_locked(count);
  if (first == slots_) return -static_cast<int>(Error::kNoSpace);
  Slot& slot = owners_[first];
  slot.colour = static_cast<uint8_t>((slot.colour + 1) & kColourMask);
  slot.run = count;
  slot.run_colour = slot.colour;
  for (uint32_t i = first; i < first + count; ++i)
    owners_[i].used = 1;
  reserved_ += count;
  *tag = {first << kColourBits | slot.colour, first, count, first};
  return 0;
}

bool Pods::release(const lld_tag& tag) {
  SpinGuard guard(lock_);
  if (tag.ddp_index >= slots_) return false;
  Slot& slot = owners_[tag.ddp_index];
  if (slot.run == 0 || slot.run != tag.pod_count || (tag.tag & kColourMask) != slot.run_colour) {
    return false;
  }
  for (uint32_t i = 0; i < slot.run; ++i)
    owners_[tag.ddp_index + i].used = 0;
  reserved_ -= slot.run;
  slot.run = 0;
  return true;
}

bool Pods::write(uint32_t lock_address, Bytes data, uint32_t* written) {
  const uint64_t start = uint64_t{lock_address} * kWriteUnit;
  if (data.empty() || data.size() % kPodSize != 0 || start < llimit_) return false;
  const uint64_t offset = start - llimit_;
  if (offset % kPodSize != 0 || offset + data.size() > uint64_t{slots_} * kPodSize) return false;
  const auto first = static_cast<uint32_t>(offset / kPodSize);
  *written = static_cast<uint32_t>(data.size() / kPodSize);
  SpinGuard guard(lock_);
  for (uint32_t i = first; i < first + *written; ++i)
    valid_ -= pods_[i].is_valid() ? 1 : 0;
  copy_bytes(memory_.bytes().skip(offset), data);
  for (uint32_t i = first; i < first + *written; ++i)
    valid_ += pods_[i].is_valid() ? 1 : 0;
  return true;
}

void Pods::forget() {
  SpinGuard guard(lock_);
  for (uint32_t i = 0; i < slots_; ++i)
    pods_[i] = Pod();
  valid_ = 0;
}

bool Pods::is_ddp_tag(uint32_t tag) const { return slots_ != 0 && (tag & no_ddp_bit()) == 0; }

uint32_t Pods::first_slot(const PodQuery& query) const {
  const uint64_t position = uint64_t{pods_[index_of(query.tag)].page_offset.get()} + query.offset;
  const uint64_t page = position >> query.page_shift;
  return index_of(query.tag) + static_cast<uint32_t>(page / kPagesOfPod);
}

uint32_t Pods::last_slot(const PodQuery& query) const {
  PodQuery end = query;
  end.offset += query.length - 1;
  return first_slot(end);
}

uint32_t Pods::check_pod(const Pod& pod, const PodQuery& query) const {
  const uint32_t mine = query.tag & (no_ddp_bit() - 1);
  const uint32_t pods = pod.pgsz_tag_clr.get();
  if (!pod.is_valid()) return cpl::ddpvld::kInvalidPod;
  if (pod.tid() != query.tid) return cpl::ddpvld::kTidMismatch;
  if ((pods ^ mine) >> kColourBits << kColourBits != 0) return cpl::ddpvld::kPodMismatch;
  if (((pods ^ mine) & kColourMask) != 0) return cpl::ddpvld::kColour;
  if (uint64_t{query.offset} + query.length > pod.max_offset.get()) return cpl::ddpvld::kOffset;
  return 0;
}

uint32_t Pods::check(const PodQuery& query) const {
  if (!is_ddp_tag(query.tag)) return cpl::ddpvld::kInvalidTag;
  if (index_of(query.tag) >= slots_) return cpl::ddpvld::kUpperLimit;
  if (query.length == 0) return 0;
  // The head says where the first byte lies, so it comes first.
  if (const uint32_t why = check_pod(pods_[index_of(query.tag)], query); why != 0) return why;
  const uint32_t last = last_slot(query);
  if (last >= slots_) return cpl::ddpvld::kUpperLimit;
  for (uint32_t i = first_slot(query); i <= last; ++i) {
    if (const uint32_t why = check_pod(pods_[i], query); why != 0) return why;
  }
  return 0;
}

bool Pods::is_linked(const PodQuery& query) const {
  if (query.length == 0) return true;
  for (uint32_t i = first_slot(query); i < last_slot(query); ++i) {
    if (pods_[i].address[kPagesOfPod].get() != pods_[i + 1].address[0].get()) return false;
  }
  return true;
}

}  // namespace chiscsi::sim
