// SPDX-License-Identifier: GPL-2.0-only
//
// Storage of the POSIX port: files of the host, opened for use as files or as if they were block
// devices. What waits runs elsewhere, see storage_jobs.hh. A chunk is filled with rubbish, so that
// what is sent without having been written shows.
#include "os/storage.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <new>
#include <thread>

#include "host.hh"
#include "internal.hh"
#include "os/memory.h"
#include "storage_jobs.hh"

struct os_storage {
  int fd = -1;
  bool block = false;
  bool direct = false;
  std::atomic<int> busy{0};
};

namespace {

constexpr size_t kPage = OS_PAGE_SIZE;

std::atomic<int> storage_error{0};  // What requests fail with.
std::atomic<int> failing_operation{-1};
std::atomic<unsigned> delay_ms{0};
std::atomic<uint32_t> flags_gone{0}, flags_come{0};
std::atomic<uint64_t> prefetched{0};

// ---- A write that hangs ----

class Hang {
 public:
  void catch_next() { is_set_ = true; }
  void end() {
    std::unique_lock guard(lock_);
    is_set_ = false;
    caught_ = false;
    changed_.notify_all();
  }
  // Of a write that has begun.
  void pass() {
    if (!is_set_.exchange(false)) return;
    std::unique_lock guard(lock_);
    caught_ = true;
    changed_.notify_all();
    changed_.wait(guard, [this] { return !caught_; });
  }
  void await() {
    std::unique_lock guard(lock_);
    changed_.wait(guard, [this] { return caught_; });
  }

 private:
  std::mutex lock_;
  std::condition_variable changed_;
  std::atomic<bool> is_set_{false};
  bool caught_ = false;
};
Hang hang;

// ---- Operations ----

// All of a range by calls that may do less.
template <typename Call>
int whole(uint64_t offset, uint64_t length, Call call) {
  while (length != 0) {
    const ssize_t done = call(offset, length);
    if (done < 0) return -errno;
    if (done == 0) return 1;
    offset += static_cast<uint64_t>(done);
    length -= static_cast<uint64_t>(done);
  }
  return 0;
}

// Visits the pieces of memory that a request means.
template <typename Visit>
int for_each_piece(const os_storage_request& request, Visit visit) {
  uint64_t skip = request.data_skip, left = request.length, offset = request.offset;
  for (uint32_t i = 0; i < request.data_count && left != 0; ++i) {
    const chiscsi_sgvec& element = request.data[i];
    if (skip >= element.sg_length) {
      skip -= element.sg_length;
      continue;
    }
    const uint64_t here = std::min<uint64_t>(element.sg_length - skip, left);
    const int rc = visit(element.sg_addr + skip, here, offset);
    if (rc < 0) return rc;
    offset += here;
    left -= here;
    skip = 0;
  }
  return left == 0 ? 0 : -EINVAL;
}

int read_all(os_storage& storage, const os_storage_request& request) {
  return for_each_piece(request, [&](uint8_t* memory, uint64_t length, uint64_t at) {
    uint8_t* to = memory;
    const int rc = whole(at, length, [&](uint64_t offset, uint64_t bytes) {
      const ssize_t done = pread(storage.fd, to, bytes, static_cast<off_t>(offset));
      if (done > 0) to += done;
      return done;
    });
    if (rc == 1 && storage.block) return -EIO;
    if (rc == 1) memset(to, 0, static_cast<size_t>(memory + length - to));
    return rc == 1 ? 0 : rc;
  });
}

int write_all(os_storage& storage, const os_storage_request& request) {
  const int rc = for_each_piece(request, [&](uint8_t* memory, uint64_t length, uint64_t at) {
    return whole(at, length, [&](uint64_t offset, uint64_t bytes) {
      const ssize_t done = pwrite(storage.fd, memory, bytes, static_cast<off_t>(offset));
      if (done > 0) memory += done;
      return done;
    });
  });
  if (rc != 0) return rc;
  return (request.flags & OS_STORAGE_FUA) != 0 && fdatasync(storage.fd) != 0 ? -errno : 0;
}

int punch(os_storage& storage, const os_storage_request& request) {
  const int rc = fallocate(storage.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           static_cast<off_t>(request.offset), static_cast<off_t>(request.length));
  return rc != 0 ? -errno : 0;
}

int write_zeros(os_storage& storage, const os_storage_request& request) {
  static const uint8_t zeros[65536] = {};
  return whole(request.offset, request.length, [&](uint64_t offset, uint64_t bytes) {
    return pwrite(storage.fd, zeros, std::min<uint64_t>(bytes, sizeof(zeros)),
                  static_cast<off_t>(offset));
  });
}

int map(os_storage& storage, os_storage_request& request) {
  const auto at = static_cast<off_t>(request.offset);
  const off_t data = lseek(storage.fd, at, SEEK_DATA);
  if (data < 0 && errno != ENXIO) return -errno;
  request.is_mapped = data == at;
  const off_t to = request.is_mapped ? lseek(storage.fd, at, SEEK_HOLE) : data;
  request.mapped_size =
      to < 0 ? request.length : std::min<uint64_t>(request.length, static_cast<uint64_t>(to - at));
  return 0;
}

// Past the page cache memory and lengths are whole sectors.
bool is_odd(const os_storage_request& request) {
  constexpr uint64_t kSector = 512;
  const bool even = request.offset % kSector == 0 && request.length % kSector == 0;
  return !even || for_each_piece(request, [](const uint8_t* memory, uint64_t length, uint64_t) {
                    const bool fits =
                        reinterpret_cast<uintptr_t>(memory) % kSector == 0 && length % kSector == 0;
                    return fits ? 0 : -EINVAL;
                  }) != 0;
}

bool is_beyond_end(os_storage& storage, const os_storage_request& request) {
  struct stat status;
  const uint64_t size = fstat(storage.fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
  return request.offset > size || request.length > size - request.offset;
}

int perform(os_storage& storage, os_storage_request& request) {
  std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
  if (__atomic_load_n(&request.is_cancelled, __ATOMIC_RELAXED) != 0) return -ECANCELED;
  const bool flushes =
      request.operation == OS_STORAGE_FLUSH ||
      (request.operation == OS_STORAGE_WRITE && (request.flags & OS_STORAGE_FUA) != 0);
  if (failing_operation == OS_STORAGE_FLUSH && flushes) {
    request.write_back_failed = !storage.block;
    return storage_error;
  }
  if (failing_operation == request.operation) return storage_error;
  const bool writes = request.operation == OS_STORAGE_WRITE || request.operation == OS_STORAGE_ZERO;
  if (writes && is_beyond_end(storage, request)) return -EIO;
  const bool has_data =
      request.operation == OS_STORAGE_READ || request.operation == OS_STORAGE_WRITE;
  if (storage.direct && has_data && is_odd(request)) return -EINVAL;
  if (writes) hang.pass();
  switch (request.operation) {
    case OS_STORAGE_READ:
      return read_all(storage, request);
    case OS_STORAGE_WRITE:
      return write_all(storage, request);
    case OS_STORAGE_FLUSH:
      return fdatasync(storage.fd) != 0 ? -errno : 0;
    case OS_STORAGE_DISCARD:
      return punch(storage, request);
    case OS_STORAGE_ZERO:
      return (request.flags & OS_STORAGE_UNMAP) != 0 ? punch(storage, request)
                                                     : write_zeros(storage, request);
    case OS_STORAGE_PREFETCH:
      prefetched += request.length;
      return -posix_fadvise(storage.fd, static_cast<off_t>(request.offset),
                            static_cast<off_t>(request.length), POSIX_FADV_WILLNEED);
    default:
      return map(storage, request);
  }
}

void describe(const struct stat& status, os_storage_facts* facts) {
  *facts = {};
  facts->size = static_cast<uint64_t>(status.st_size);
  facts->identity[0] = status.st_dev;
  facts->identity[1] = status.st_ino;
  facts->block_size = 512;
  facts->physical_size = kPage;
  facts->discard_granularity = kPage;
  facts->flags = OS_STORAGE_VOLATILE_CACHE | OS_STORAGE_CAN_DISCARD | OS_STORAGE_DISCARD_ZEROS |
                 OS_STORAGE_CAN_MAP | OS_STORAGE_CAN_PREFETCH;
}

}  // namespace

void host_fail_storage(int operation, int error) {
  storage_error = error;
  failing_operation = operation;
}

void host_set_storage_delay(unsigned ms) { delay_ms = ms; }

uint64_t host_prefetched() { return prefetched; }

void host_hang_next_write() { hang.catch_next(); }

void host_end_hang() { hang.end(); }

void host_await_hang() { hang.await(); }

void host_change_storage(uint32_t gone, uint32_t come) {
  flags_gone = gone;
  flags_come = come;
}

// ---- Chunks ----

// Memory of os_alloc(), so that what leaks or fails there does so here; the block's own address
// stands in front of the page.
int os_chunk_alloc(uint32_t wanted, os_chunk* chunk) {
  host_might_sleep("os_chunk_alloc()");
  const uint32_t bytes = std::min<uint32_t>(wanted, OS_CHUNK_MAX);
  const uint32_t size = static_cast<uint32_t>((bytes + kPage - 1) / kPage * kPage);
  void* block = os_alloc(size + 2 * kPage, OS_ALLOC_SLEEP);
  if (block == nullptr) return -ENOMEM;
  const uintptr_t page = (reinterpret_cast<uintptr_t>(block) + kPage) / kPage * kPage;
  auto* address = reinterpret_cast<uint8_t*>(page);
  memcpy(address - sizeof(block), &block, sizeof(block));
  memset(address, 0xa5, size);
  *chunk = {address, address, size};
  return 0;
}

uint32_t os_pages_alloc_kept(uint32_t count, os_chunk* pages) {
  uint32_t done = 0;
  while (done < count && os_chunk_alloc(OS_PAGE_SIZE, &pages[done]) == 0)
    ++done;
  return done;
}

void os_chunk_free(void* address, uint32_t) {
  void* block;
  memcpy(&block, static_cast<uint8_t*>(address) - sizeof(block), sizeof(block));
  os_free(block);
}

void os_pages_free(void* const* addresses, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i)
    os_chunk_free(addresses[i], OS_PAGE_SIZE);
}

uint64_t os_chunk_limit() { return uint64_t{256} << 20; }

// ---- Work ----

void os_work_queue(os_work* work) {
  host_storage_step([work] { work->run(work); });
}

// ---- Devices and files ----

int os_storage_facts_of(const char* path, os_storage_facts* facts) {
  host_might_sleep("os_storage_facts_of()");
  struct stat status;
  if (stat(path, &status) != 0) return -errno;
  describe(status, facts);
  return 0;
}

int os_storage_open(const char* path, unsigned int flags, os_storage** storage,
                    os_storage_facts* facts) {
  host_might_sleep("os_storage_open()");
  const bool read_only = (flags & OS_STORAGE_OPEN_READ_ONLY) != 0;
  const int fd = open(path, (read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
  if (fd < 0) return -errno;
  struct stat status;
  void* memory = os_alloc(sizeof(os_storage), OS_ALLOC_SLEEP);
  if (memory == nullptr || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    os_free(memory);
    close(fd);
    return memory == nullptr ? -ENOMEM : -EINVAL;
  }
  describe(status, facts);
  if (read_only) facts->flags |= OS_STORAGE_READ_ONLY;
  // The block layer does not say what is read where something was discarded.
  // Nor what it has mapped; and it has no cache in memory.
  constexpr uint32_t kNotOfBlocks =
      OS_STORAGE_DISCARD_ZEROS | OS_STORAGE_CAN_MAP | OS_STORAGE_CAN_PREFETCH;
  if ((flags & OS_STORAGE_OPEN_BLOCK) != 0) facts->flags &= ~kNotOfBlocks;
  if ((flags & OS_STORAGE_OPEN_DIRECT) != 0) facts->flags &= ~uint32_t{OS_STORAGE_CAN_PREFETCH};
  *storage = new (memory) os_storage;
  (*storage)->fd = fd;
  (*storage)->block = (flags & OS_STORAGE_OPEN_BLOCK) != 0;
  (*storage)->direct = (flags & OS_STORAGE_OPEN_DIRECT) != 0;
  return 0;
}

void os_storage_close(os_storage* storage) {
  host_might_sleep("os_storage_close()");
  while (storage->busy != 0)
    host_storage_pause();
  close(storage->fd);
  storage->~os_storage();
  os_free(storage);
}

uint64_t os_storage_size(os_storage* storage) {
  struct stat status;
  return fstat(storage->fd, &status) == 0 ? static_cast<uint64_t>(status.st_size) : 0;
}

uint32_t os_storage_flags(os_storage*) {
  return (OS_STORAGE_VOLATILE_CACHE & ~flags_gone) | flags_come;
}

uint64_t os_storage_used(os_storage* storage) {
  host_might_sleep("os_storage_used()");
  struct stat status;
  if (storage->block || fstat(storage->fd, &status) != 0) return OS_STORAGE_NOT_KNOWN;
  return static_cast<uint64_t>(status.st_blocks) * 512;
}

void os_storage_submit(os_storage* storage, os_storage_request* request) {
  host_might_sleep("os_storage_submit()");
  request->write_back_failed = 0;
  ++storage->busy;
  host_storage_request([storage, request] {
    const int error = perform(*storage, *request);
    {
      // A device tells of its end in an interrupt.
      HostAtomicSection interrupt;
      request->done(request, error);
    }
    --storage->busy;
  });
}
