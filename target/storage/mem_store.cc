// SPDX-License-Identifier: GPL-2.0-only
//
// See mem_store.hh. Two levels: an array of leaves, each an array of pages; both appear by the
// first write to them.
#include "target/storage/mem_store.hh"

#include "base/alloc.hh"
#include "base/lock.hh"
#include "target/storage/data_buffer.hh"

namespace chiscsi::storage {

MemStore::MemStore(uint64_t size) {
  facts_.size = size;
  facts_.block_size = 512;
  facts_.physical_size = OS_PAGE_SIZE;
  facts_.discard_granularity = OS_PAGE_SIZE;
  facts_.flags = OS_STORAGE_CAN_DISCARD | OS_STORAGE_DISCARD_ZEROS | OS_STORAGE_CAN_MAP;
  leaf_count_ = (size / OS_PAGE_SIZE + kPagesPerLeaf - 1) / kPagesPerLeaf;
}

Result<OwnPtr<Store>> MemStore::create(uint64_t size) {
  OwnPtr<MemStore> store = make<MemStore>(Alloc::kMaySleep, size);
  if (!store) return Error::kNoMemory;
  store->leaves_ = static_cast<std::atomic<Leaf*>*>(
      allocate(store->leaf_count_ * sizeof(std::atomic<Leaf*>), Alloc::kMaySleep));
  if (store->leaves_ == nullptr) return Error::kNoMemory;
  for (os_spinlock*& lock : store->locks_) {
    lock = os_spinlock_create();
    if (lock == nullptr) return Error::kNoMemory;
  }
  return OwnPtr<Store>(std::move(store));
}

MemStore::~MemStore() {
  for (uint64_t i = 0; leaves_ != nullptr && i < leaf_count_; ++i) {
    Leaf* leaf = leaves_[i].load();
    if (leaf == nullptr) continue;
    for (std::atomic<uint8_t*>& page : leaf->pages) {
      if (uint8_t* memory = page.load()) os_chunk_free(memory, OS_PAGE_SIZE);
    }
    os_free(leaf);
    os_relax();
  }
  os_free(leaves_);
  for (os_spinlock* lock : locks_) {
    if (lock != nullptr) os_spinlock_destroy(lock);
  }
}

template <typename Visit>
Status MemStore::for_each_spot(uint64_t offset, uint64_t length, Visit visit) {
  while (length != 0) {
    Spot spot{offset / OS_PAGE_SIZE, static_cast<uint32_t>(offset % OS_PAGE_SIZE), 0};
    const uint64_t here = OS_PAGE_SIZE - spot.offset;
    spot.length = static_cast<uint32_t>(here < length ? here : length);
    CHISCSI_TRY(visit(spot));
    if ((spot.page + 1) % kPagesPerLeaf == 0) os_relax();
    offset += spot.length;
    length -= spot.length;
  }
  return Status();
}

// Null: the leaf is not there, and so is no page of it.
std::atomic<uint8_t*>* MemStore::slot(uint64_t page) const {
  Leaf* leaf = leaves_[page / kPagesPerLeaf].load(std::memory_order_acquire);
  return leaf != nullptr ? &leaf->pages[page % kPagesPerLeaf] : nullptr;
}

Result<std::atomic<uint8_t*>*> MemStore::make_slot(uint64_t page) {
  if (std::atomic<uint8_t*>* found = slot(page)) return found;
  auto* fresh = static_cast<Leaf*>(allocate(sizeof(Leaf), Alloc::kMaySleep));
  if (fresh == nullptr) return Error::kNoSpace;
  Leaf* none = nullptr;
  if (!leaves_[page / kPagesPerLeaf].compare_exchange_strong(none, fresh)) os_free(fresh);
  return slot(page);
}

Status MemStore::make_page(uint64_t page) {
  std::atomic<uint8_t*>* place = CHISCSI_TRY(make_slot(page));
  if (place->load(std::memory_order_acquire) != nullptr) return Status();
  os_chunk chunk;
  if (os_pages_alloc_kept(1, &chunk) == 0) return Error::kNoSpace;
  auto* fresh = static_cast<uint8_t*>(chunk.address);
  __builtin_memset(fresh, 0, OS_PAGE_SIZE);
  // Counted first: who takes it away again counts after that.
  pages_.fetch_add(1, std::memory_order_relaxed);
  uint8_t* none = nullptr;
  if (place->compare_exchange_strong(none, fresh)) return Status();
  pages_.fetch_sub(1, std::memory_order_relaxed);
  os_chunk_free(fresh, OS_PAGE_SIZE);
  return Status();
}

void MemStore::read_spot(const Spot& spot, uint8_t* to) const {
  const std::atomic<uint8_t*>* place = slot(spot.page);
  if (place != nullptr) {
    SpinGuard guard(lock_of(spot.page));
    if (const uint8_t* memory = place->load(std::memory_order_acquire)) {
      __builtin_memcpy(to, memory + spot.offset, spot.length);
      return;
    }
  }
  __builtin_memset(to, 0, spot.length);
}

// A page that is not there was freed after make_pages(): by a command that clears all of it and
// counts as the later of the two.
void MemStore::write_spot(const Spot& spot, const uint8_t* from) {
  std::atomic<uint8_t*>* place = slot(spot.page);
  SpinGuard guard(lock_of(spot.page));
  if (uint8_t* memory = place->load(std::memory_order_acquire)) {
    __builtin_memcpy(memory + spot.offset, from, spot.length);
  }
}

Status MemStore::make_pages(uint64_t offset, uint64_t length) {
  return for_each_spot(offset, length, [&](const Spot& spot) { return make_page(spot.page); });
}

// Pieces of the list against parts of pages.
Status MemStore::move(const os_storage_request& request, bool write) {
  uint64_t offset = request.offset;
  const bool whole = for_each_piece_of(
      request.data, request.data_count, request.data_skip, request.length,
      [&](uint8_t* memory, uint32_t bytes) {
        const Status moved = for_each_spot(offset, bytes, [&](const Spot& spot) -> Status {
          write ? write_spot(spot, memory) : read_spot(spot, memory);
          memory += spot.length;
          return Status();
        });
        offset += bytes;
        return moved.is_ok();
      });
  return whole ? Status() : Status(Error::kInvalid);
}

// As many as one lock is for; returns how many. Null stays where no page was.
uint32_t MemStore::exchange(uint64_t page, uint32_t most, DataBuffer& data, uint32_t index) {
  const auto here = static_cast<uint32_t>(kPagesPerLock - page % kPagesPerLock);
  const uint32_t count = here < most ? here : most;
  std::atomic<uint8_t*>* place = slot(page);
  SpinGuard guard(lock_of(page));
  for (uint32_t i = index; i < index + count; ++i, ++place) {
    // make_page() takes no lock.
    uint8_t* before = place->exchange(data.page(i), std::memory_order_acq_rel);
    if (before == nullptr) pages_.fetch_add(1, std::memory_order_relaxed);
    data.set_page(i, before);
  }
  return count;
}

// All that may fail comes first. Of a page that is not written to its end the data is copied.
Status MemStore::take(const os_storage_request& request, DataBuffer& data) {
  const uint64_t first = request.offset / OS_PAGE_SIZE;
  const auto whole = static_cast<uint32_t>(request.length / OS_PAGE_SIZE);
  const auto rest = static_cast<uint32_t>(request.length % OS_PAGE_SIZE);
  for (uint64_t page = first; page < first + whole; page += kPagesPerLeaf - page % kPagesPerLeaf)
    CHISCSI_TRY(make_slot(page));
  if (rest != 0) CHISCSI_TRY(make_page(first + whole));
  for (uint32_t i = 0; i < whole;)
    i += exchange(first + i, whole - i, data, i);
  if (rest != 0) write_spot({first + whole, 0, rest}, data.page(whole));
  return Status();
}

// Whole pages go, of others the part becomes zeros.
Status MemStore::clear(uint64_t offset, uint64_t length) {
  return for_each_spot(offset, length, [&](const Spot& spot) -> Status {
    std::atomic<uint8_t*>* place = slot(spot.page);
    if (place == nullptr) return Status();
    uint8_t* gone = nullptr;
    {
      SpinGuard guard(lock_of(spot.page));
      uint8_t* memory = place->load(std::memory_order_acquire);
      if (memory != nullptr && spot.length == OS_PAGE_SIZE) {
        gone = memory;
        place->store(nullptr, std::memory_order_release);
      } else if (memory != nullptr) {
        __builtin_memset(memory + spot.offset, 0, spot.length);
      }
    }
    if (gone == nullptr) return Status();
    pages_.fetch_sub(1, std::memory_order_relaxed);
    os_chunk_free(gone, OS_PAGE_SIZE);
    return Status();
  });
}

// `*alike`: so many pages from this one on are known to be the same, by one look.
bool MemStore::is_mapped(uint64_t page, uint64_t* alike) const {
  const std::atomic<uint8_t*>* place = slot(page);
  *alike = place != nullptr ? 1 : kPagesPerLeaf - page % kPagesPerLeaf;
  return place != nullptr && place->load(std::memory_order_acquire) != nullptr;
}

void MemStore::map(os_storage_request& request) const {
  const uint64_t end = request.offset + request.length;
  uint64_t page = request.offset / OS_PAGE_SIZE, alike;
  const bool mapped = is_mapped(page, &alike);
  bool next;
  do {
    page += alike;
    if (page % kPagesPerLeaf == 0) os_relax();
    next = page * OS_PAGE_SIZE < end && is_mapped(page, &alike) == mapped;
  } while (next);
  const uint64_t to = page * OS_PAGE_SIZE < end ? page * OS_PAGE_SIZE : end;
  request.mapped_size = to - request.offset;
  request.is_mapped = mapped;
}

bool MemStore::has(const os_storage_request& request) const {
  return request.offset <= facts_.size && request.length <= facts_.size - request.offset;
}

Status MemStore::run(os_storage_request& request) {
  if (!has(request)) return Error::kInvalid;
  switch (request.operation) {
    case OS_STORAGE_READ:
      return move(request, false);
    case OS_STORAGE_WRITE:
      CHISCSI_TRY(make_pages(request.offset, request.length));
      return move(request, true);
    case OS_STORAGE_DISCARD:
    case OS_STORAGE_ZERO:
      return clear(request.offset, request.length);
    case OS_STORAGE_MAP:
      map(request);
      return Status();
    default:
      return Status();  // Nothing is more stable than memory.
  }
}

void MemStore::submit(os_storage_request& request) {
  const Status status = run(request);
  request.done(&request, status.to_errno());
}

void MemStore::submit_pages(os_storage_request& request, DataBuffer& data) {
  const Status status = has(request) ? take(request, data) : Status(Error::kInvalid);
  request.done(&request, status.to_errno());
}

}  // namespace chiscsi::storage
