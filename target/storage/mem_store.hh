// SPDX-License-Identifier: GPL-2.0-only
//
// MemStore: a disk in memory that has pages only where something was written.
//
// Everything ends before submit() returns. A page is copied under a lock, one of a few that all
// pages share, so no reader sees half of a block being written. Content lives as long as the store.
#pragma once

#include <atomic>

#include "os/thread.h"
#include "target/storage/store.hh"

namespace chiscsi::storage {

class MemStore final : public Store {
 public:
  // `size` is a multiple of OS_PAGE_SIZE. Context: process.
  static Result<OwnPtr<Store>> create(uint64_t size);
  explicit MemStore(uint64_t size);
  ~MemStore() override;

  void submit(os_storage_request& request) override;
  bool takes_pages() const override { return true; }
  void submit_pages(os_storage_request& request, DataBuffer& data) override;
  uint64_t size() const override { return facts_.size; }
  uint32_t flags() const override { return 0; }
  uint64_t used() const override { return pages_.load(std::memory_order_relaxed) * OS_PAGE_SIZE; }

 private:
  static constexpr uint32_t kPagesPerLeaf = 512;
  static constexpr uint32_t kLocks = 64;
  static constexpr uint32_t kPagesPerLock = 8;  // Next to each other; a leaf has a multiple of it.
  struct Leaf {
    std::atomic<uint8_t*> pages[kPagesPerLeaf];
  };
  // Part of a page.
  struct Spot {
    uint64_t page;
    uint32_t offset;
    uint32_t length;
  };
  template <typename Visit>
  static Status for_each_spot(uint64_t offset, uint64_t length, Visit visit);

  os_spinlock* lock_of(uint64_t page) const { return locks_[page / kPagesPerLock % kLocks]; }
  std::atomic<uint8_t*>* slot(uint64_t page) const;
  Result<std::atomic<uint8_t*>*> make_slot(uint64_t page);
  Status make_page(uint64_t page);
  bool has(const os_storage_request& request) const;
  Status run(os_storage_request& request);
  Status make_pages(uint64_t offset, uint64_t length);
  Status take(const os_storage_request& request, DataBuffer& data);
  uint32_t exchange(uint64_t page, uint32_t most, DataBuffer& data, uint32_t index);
  Status move(const os_storage_request& request, bool write);
  void read_spot(const Spot& spot, uint8_t* to) const;
  void write_spot(const Spot& spot, const uint8_t* from);
  Status clear(uint64_t offset, uint64_t length);
  void map(os_storage_request& request) const;
  bool is_mapped(uint64_t page, uint64_t* alike) const;

  std::atomic<Leaf*>* leaves_ = nullptr;
  uint64_t leaf_count_ = 0;
  std::atomic<uint64_t> pages_{0};  // That are there.
  os_spinlock* locks_[kLocks] = {};
};

}  // namespace chiscsi::storage
