// SPDX-License-Identifier: GPL-2.0-only
//
// Store: where the bytes of a disk are. One of memory (MemStore), one of the host's block layer or
// file system (HostStore).
//
// A request is the host's: submitted in process context, done in any. No store knows of blocks of
// an initiator or of SCSI.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "os/storage.h"
#include "target/storage/lost_writes.hh"

namespace chiscsi::storage {

class DataBuffer;

class Store {
 public:
  virtual ~Store() = default;
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // May end the request before it returns. Context: process, never waits for a device.
  virtual void submit(os_storage_request& request) = 0;
  // A write that begins at a multiple of OS_PAGE_SIZE and has its data in `data` from the first
  // byte on. A store that takes pages may keep those and leave others in their place; the content
  // of `data` is undefined afterwards. Precondition: data.has_only_pages().
  virtual bool takes_pages() const { return false; }
  virtual void submit_pages(os_storage_request& request, DataBuffer&) { submit(request); }
  // Bytes it has now. Context: any.
  virtual uint64_t size() const = 0;
  // Bytes that have memory of their own, or OS_STORAGE_NOT_KNOWN. Context: process.
  virtual uint64_t used() const = 0;
  // Those of OS_STORAGE_READ_ONLY and OS_STORAGE_VOLATILE_CACHE that are so now. Context: any.
  virtual uint32_t flags() const = 0;
  bool has_write_cache() const { return (flags() & OS_STORAGE_VOLATILE_CACHE) != 0; }
  // What it was like when it was opened.
  const os_storage_facts& facts() const { return facts_; }
  LostWrites& lost_writes() { return lost_writes_; }

 protected:
  Store() = default;
  os_storage_facts facts_ = {};

 private:
  LostWrites lost_writes_;
};

// A device or file of the host. `flags` are those of os_storage_open(). Context: process, sleeps.
Result<OwnPtr<Store>> open_host_store(const char* path, unsigned int flags);

}  // namespace chiscsi::storage
