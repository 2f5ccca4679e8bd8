// SPDX-License-Identifier: GPL-2.0-only
//
// Memory of the POSIX port: os_alloc() on the C library's heap, so that the address sanitizer sees
// every access. Counts what is alive and fails the allocation that a test asked for. A "host page"
// is the address of page-aligned memory; mapping it checks the contract's nesting and nothing more.
#include "os/memory.h"

#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>

#include "host.hh"
#include "internal.hh"
#include "os/thread.h"

namespace {

std::atomic<uint64_t> allocation_count{0};
std::atomic<uint64_t> live_allocations{0};
std::atomic<uint64_t> live_bytes{0};
std::atomic<uint64_t> failing_allocation{0};  // In terms of allocation_count; 0: none.

constexpr size_t kPage = 4096;
constexpr size_t kMostAtomicBytes = 8 * kPage;
constexpr size_t kMostBytes = INT32_MAX;  // As kvmalloc() has it.

thread_local int atomic_depth = 0;
thread_local int mapped_depth = 0;
thread_local void* mapped[8] = {};

}  // namespace

void host_fail_allocation_at(uint64_t n) { failing_allocation = n == 0 ? 0 : allocation_count + n; }
uint64_t host_allocation_count() { return allocation_count; }
uint64_t host_live_allocations() { return live_allocations; }
uint64_t host_live_bytes() { return live_bytes; }

HostAtomicSection::HostAtomicSection() { host_enter_atomic(); }
HostAtomicSection::~HostAtomicSection() { host_leave_atomic(); }
void host_enter_atomic() { ++atomic_depth; }
void host_leave_atomic() { --atomic_depth; }
bool host_in_atomic() { return atomic_depth != 0; }

void host_might_sleep(const char* what) {
  if (atomic_depth != 0)
    host_contract_broken("%s may sleep and was called in atomic context", what);
}

void* os_alloc(size_t size, int mode) {
  if (mode == OS_ALLOC_SLEEP) host_might_sleep("os_alloc(OS_ALLOC_SLEEP)");
  if (mode == OS_ALLOC_ATOMIC && size > kMostAtomicBytes) {
    host_contract_broken("os_alloc() of %zu bytes in atomic mode", size);
  }
  const uint64_t number = ++allocation_count;
  if (number == failing_allocation || size > kMostBytes) return nullptr;
  void* memory = calloc(1, size == 0 ? 1 : size);
  if (memory == nullptr) return nullptr;
  ++live_allocations;
  live_bytes += malloc_usable_size(memory);
  return memory;
}

void os_free(void* memory) {
  if (memory == nullptr) return;
  --live_allocations;
  live_bytes -= malloc_usable_size(memory);
  free(memory);
}

void os_wipe(void* memory, size_t size) { explicit_bzero(memory, size); }

int os_equal_secret(const void* a, const void* b, size_t size) {
  const auto* left = static_cast<const volatile unsigned char*>(a);
  const auto* right = static_cast<const volatile unsigned char*>(b);
  unsigned difference = 0;
  for (size_t i = 0; i < size; ++i)
    difference |= left[i] ^ right[i];
  return difference == 0;
}

void* os_page_nth(void* page, uint32_t n) { return static_cast<char*>(page) + n * size_t{kPage}; }

void* os_page_map(void* page) {
  if (reinterpret_cast<uintptr_t>(page) % kPage != 0) host_contract_broken("not a page: %p", page);
  if (mapped_depth == 8) host_contract_broken("more than 8 pages mapped at a time");
  mapped[mapped_depth++] = page;
  return page;
}

void os_page_unmap(void* address) {
  const auto page = reinterpret_cast<uintptr_t>(address) & ~(kPage - 1);
  if (mapped_depth == 0 || reinterpret_cast<uintptr_t>(mapped[mapped_depth - 1]) != page) {
    host_contract_broken("os_page_unmap(%p) does not match the last os_page_map()", address);
  }
  --mapped_depth;
}

// The count of references stands in the page in front.
void* os_page_alloc(int mode) {
  if (mode == OS_ALLOC_SLEEP) host_might_sleep("os_page_alloc(OS_ALLOC_SLEEP)");
  if (++allocation_count == failing_allocation) return nullptr;
  void* block = aligned_alloc(kPage, 2 * kPage);
  if (block == nullptr) return nullptr;
  new (block) std::atomic<uint32_t>(1);
  ++live_allocations;
  live_bytes += kPage;
  return static_cast<char*>(block) + kPage;
}

static std::atomic<uint32_t>& references_of(void* page) {
  if (reinterpret_cast<uintptr_t>(page) % kPage != 0) host_contract_broken("not a page: %p", page);
  return *reinterpret_cast<std::atomic<uint32_t>*>(static_cast<char*>(page) - kPage);
}

void os_page_get(void* page) {
  if (references_of(page).fetch_add(1) == 0) host_contract_broken("a page came back to life");
}

void os_page_put(void* page) {
  const uint32_t before = references_of(page).fetch_sub(1);
  if (before == 0) host_contract_broken("a page was put once too often");
  if (before != 1) return;
  --live_allocations;
  live_bytes -= kPage;
  free(static_cast<char*>(page) - kPage);
}

void os_softirq_begin() { host_enter_atomic(); }
void os_softirq_end() { host_leave_atomic(); }
