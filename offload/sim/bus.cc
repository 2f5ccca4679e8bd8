// SPDX-License-Identifier: GPL-2.0-only
//
// Mapping and unmapping, and the adapter's writes.
#include "offload/sim/bus.hh"

#include <new>

#include "base/lock.hh"

namespace chiscsi::sim {

namespace {

// Calls `step(memory, at, size)` for each contiguous part of `size` bytes at `offset` of a piece.
template <typename Step>
void walk_piece(const os_fragment& piece, uint32_t offset, size_t size, Step step) {
  if (piece.page == nullptr) {
    auto* memory = static_cast<uint8_t*>(const_cast<void*>(piece.address));
    return step(memory + piece.offset + offset, size_t{0}, size);
  }
  for (size_t at = 0; at < size;) {
    const size_t position = piece.offset + offset + at;
    const size_t in_page = position % OS_PAGE_SIZE;
    const size_t count = size - at < OS_PAGE_SIZE - in_page ? size - at : OS_PAGE_SIZE - in_page;
    void* page = os_page_nth(piece.page, static_cast<uint32_t>(position / OS_PAGE_SIZE));
    auto* memory = static_cast<uint8_t*>(os_page_map(page));
    step(memory + in_page, at, count);
    os_page_unmap(memory);
    at += count;
  }
}

uint32_t offset_in_page(const os_fragment& piece) {
  const auto start = reinterpret_cast<size_t>(piece.page == nullptr ? piece.address : nullptr);
  return static_cast<uint32_t>((start + piece.offset) % OS_PAGE_SIZE);
}

}  // namespace

void copy_to_piece(const os_fragment& piece, uint32_t offset, Bytes data) {
  walk_piece(piece, offset, data.size(), [data](uint8_t* memory, size_t at, size_t count) {
    copy_bytes({memory, count}, data.slice(at, count));
  });
}

void copy_from_piece(const os_fragment& piece, uint32_t offset, MutableBytes data) {
  walk_piece(piece, offset, data.size(), [data](uint8_t* memory, size_t at, size_t count) {
    copy_bytes(data.slice(at, count), {memory, count});
  });
}

Bus::~Bus() {
  for (uint32_t i = 0; entries_ != nullptr && i < kEntries; ++i)
    os_free(entries_[i].copy);
  if (lock_ != nullptr) os_spinlock_destroy(lock_);
}

bool Bus::init(bool bounce) {
  bounce_ = bounce;
  lock_ = os_spinlock_create();
  memory_ = Buffer::allocate(sizeof(Entry) * kEntries);
  if (lock_ == nullptr || !memory_) return false;
  entries_ = reinterpret_cast<Entry*>(memory_.data());
  for (uint32_t i = 0; i < kEntries; ++i)
    ::new (&entries_[i]) Entry;
  return true;
}

uint64_t Bus::map(const os_fragment& piece) {
  const uint32_t offset = offset_in_page(piece);
  if (piece.length == 0 || offset + uint64_t{piece.length} > 1u << kWindowShift) return 0;
  uint8_t* copy = nullptr;
  if (bounce_) {
    copy = static_cast<uint8_t*>(os_alloc(piece.length, OS_ALLOC_ATOMIC));
    if (copy == nullptr) return 0;
    copy_from_piece(piece, 0, {copy, piece.length});
  }
  {
    SpinGuard guard(lock_);
    for (uint32_t tries = 0; tries < kEntries; ++tries) {
      const uint64_t serial = next_++;
      Entry& entry = entries_[serial % kEntries];
      if (entry.serial != 0 || entry.users != 0) continue;
      entry.serial = serial;
      entry.offset = offset;
      entry.piece = piece;
      entry.copy = copy;
      ++mapped_;
      return (serial << kWindowShift) + offset;
    }
  }
  os_free(copy);
  return 0;
}

Bus::Entry* Bus::find_locked(uint64_t address, uint32_t length, BusResult* why) {
  const uint64_t serial = address >> kWindowShift;
  const auto offset = static_cast<uint32_t>(address & ((1u << kWindowShift) - 1));
  *why = serial >= kFirstSerial && serial < next_ ? BusResult::kUnmapped : BusResult::kNeverMapped;
  Entry& entry = entries_[serial % kEntries];
  if (serial == 0 || entry.serial != serial) return nullptr;
  *why = BusResult::kNeverMapped;
  if (offset < entry.offset || offset + uint64_t{length} > entry.offset + entry.piece.length) {
    return nullptr;
  }
  *why = BusResult::kDone;
  return &entry;
}

BusResult Bus::unmap(uint64_t address, uint32_t length) {
  BusResult why;
  os_fragment piece{};
  uint8_t* copy = nullptr;
  {
    SpinGuard guard(lock_);
    Entry* entry = find_locked(address, length, &why);
    if (entry == nullptr) return why;
    const bool is_start = (address & ((1u << kWindowShift) - 1)) == entry->offset;
    if (!is_start || length != entry->piece.length) return BusResult::kNeverMapped;
    piece = entry->piece;
    copy = std::exchange(entry->copy, nullptr);
    entry->serial = 0;
    --mapped_;
  }
  if (copy != nullptr) copy_to_piece(piece, 0, {copy, length});
  os_free(copy);
  return BusResult::kDone;
}

bool Bus::is_mapped(uint64_t address, uint32_t length) {
  BusResult why;
  SpinGuard guard(lock_);
  return find_locked(address, length, &why) != nullptr;
}

// Under the lock, so that an unmap which has returned is the end of all writes.
BusResult Bus::write(uint64_t address, Bytes data) {
  BusResult why;
  SpinGuard guard(lock_);
  Entry* entry = find_locked(address, static_cast<uint32_t>(data.size()), &why);
  if (entry == nullptr) return why;
  const auto offset = static_cast<uint32_t>(address & ((1u << kWindowShift) - 1)) - entry->offset;
  if (entry->copy != nullptr) {
    copy_bytes({entry->copy + offset, data.size()}, data);
  } else {
    copy_to_piece(entry->piece, offset, data);
  }
  return BusResult::kDone;
}

}  // namespace chiscsi::sim
