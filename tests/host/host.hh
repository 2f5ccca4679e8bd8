// SPDX-License-Identifier: GPL-2.0-only
//
// The POSIX port of include/os: what a test may ask of its host beyond the contract.
//
// The port enforces the contract's rules about contexts: a call that may sleep, made under a
// spinlock, in a notify callback or inside a HostAtomicSection, ends the program with a message.
// Hooks that make the host unpleasant (failing allocations, short sends, one-byte reads, late
// notices, a clock that jumps) are process-wide and off at the start. All may be called at any time
// from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

// ---- Memory ----

// The n-th allocation from now on fails, once; 1 is the next one, 0 switches the hook off.
void host_fail_allocation_at(uint64_t n);
// Attempts to allocate since the program started.
uint64_t host_allocation_count();
// Blocks of os_alloc() that were not freed yet, and their bytes.
uint64_t host_live_allocations();
uint64_t host_live_bytes();

// ---- Module ----

// Holds of os_module_hold() that were not given back.
int host_module_holds();

// ---- Context ----

// While one lives, this thread counts as softirq context: what may sleep is refused.
class HostAtomicSection {
 public:
  HostAtomicSection();
  ~HostAtomicSection();
  HostAtomicSection(const HostAtomicSection&) = delete;
  HostAtomicSection& operator=(const HostAtomicSection&) = delete;
};

// Ends the program when the caller is in atomic context. For code that stands in for the kernel.
void host_might_sleep(const char* what);

// ---- Races ----

// The n-th os_spinlock_lock() from now on, of those outside of atomic context, runs `intruder`
// first, once: what another CPU might do at that moment. It may not take a lock that the caller
// holds, and it may not sleep. 0 switches it off, and waits for one that is running.
void host_at_spinlock(uint64_t n, std::function<void()> intruder);

// ---- Time ----

// Moves os_now_ms() ahead; waits whose limit has passed by that end at once.
void host_advance_clock(uint64_t milliseconds);

// ---- Log ----

// Lines up to this level go to stderr. At the start: CHISCSI_LOG from the environment, or 4.
void host_set_log_level(int level);

// Collects all lines of any level while it lives, instead of printing them.
class HostLogCapture {
 public:
  HostLogCapture();
  ~HostLogCapture();
  HostLogCapture(const HostLogCapture&) = delete;
  HostLogCapture& operator=(const HostLogCapture&) = delete;
  std::vector<std::string> lines() const;
  bool contains(const std::string& part) const;
};

// ---- Trace points ----

// Listens to all events while it lives; what a ring of the last 4096 holds can be read.
class HostTrace {
 public:
  struct Event {
    std::string name;  // As in the kernel, without "chiscsi_".
    unsigned long session;
    uint32_t itt;
    std::string text;
  };
  HostTrace();
  ~HostTrace();
  HostTrace(const HostTrace&) = delete;
  HostTrace& operator=(const HostTrace&) = delete;
  std::vector<Event> events() const;
  // The names of a command's events in order.
  std::vector<std::string> names_for(uint32_t itt) const;
};

// ---- Digests ----

// The algorithm counts as missing (as MD5 does on a FIPS host) until `missing` is false again.
void host_set_hash_missing(int algorithm, bool missing);
// Computes CRC32C without the CPU's instruction for it.
uint32_t host_crc32c_by_table(uint32_t crc, const void* data, size_t size);

// ---- Storage ----

// Requests with this operation (enum os_storage_operation) fail with this negative errno; with a
// flush, so do writes that are stable when they end. -1: none does.
void host_fail_storage(int operation, int error);
// Requests that have not begun wait until it is called with false.
void host_hold_storage(bool held);
// Every request to a file or device takes so long; nothing that ends at once does.
void host_set_storage_delay(unsigned ms);
// Bytes of OS_STORAGE_PREFETCH so far.
uint64_t host_prefetched();
// The next write to a file or device begins, and ends when the other one is called. One at a time.
void host_hang_next_write();
void host_end_hang();
// Returns when that write has begun.
void host_await_hang();
// What open files and devices say of themselves from now on: OS_STORAGE_* that are gone, and others
// that have come. Zeros: as they were opened.
void host_change_storage(uint32_t gone, uint32_t come);

// ---- Sockets ----

// os_socket_read() hands over at most this many bytes in one piece; 0: no limit.
void host_set_read_piece(size_t bytes);
// os_socket_send() accepts at most this many bytes; writable is reported a moment later. 0: no
// limit.
void host_set_send_limit(size_t bytes);
// Sends with a notice keep their reference for so long, and the port then ends the program when the
// memory has changed meanwhile: what a zero-copy send would have put on the wire. 0: copy at once.
void host_set_notice_delay(uint32_t milliseconds);
// Returns when the network refers to no memory any more, as the kernel's module does at its end.
void host_drain_sockets();
// Sockets that exist.
size_t host_open_sockets();

// ---- Files ----

// The n-th step of os/file.h from now on happens half or not at all, and no step after it: the host
// has lost power. 0: it has not.
void host_cut_power_at(uint64_t step);
// Power is back. `lose_names`: names that were not made safe by os_folder_sync() are what they were
// before; otherwise they have made it.
void host_restore_power(bool lose_names);
// Steps that have not begun wait until it is called with false.
void host_hold_files(bool hold);
// Steps taken since the program started.
uint64_t host_file_steps();
