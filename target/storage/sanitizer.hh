// SPDX-License-Identifier: GPL-2.0-only
//
// Sanitizer: the sanitize operation of a disk (SBC-4 section 4.11), from the SANITIZE command that
// asked for it to its end.
//
// It belongs to the disk and not to the command: it goes on when the command is aborted, when its
// session ends and when the unit is reset. A failed one stays until another one succeeds or, where
// its command allowed it, until SANITIZE with EXIT FAILURE MODE. It ends without a result when the
// last LUN of its disk is taken away. The operation is a chain of requests to the store, each
// started by the work that the end of the one before has queued. Nothing of it outlives the disk.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/error.hh"
#include "os/thread.h"
#include "target/scsi/sense_code.hh"
#include "target/storage/data_buffer.hh"
#include "target/storage/store.hh"

namespace chiscsi::storage {

class Task;

// What a SANITIZE command asks for.
struct SanitizeOrder {
  bool erases = false;    // Or overwrites.
  bool may_exit = false;  // AUSE: EXIT FAILURE MODE ends a failure.
  bool inverts = false;   // The pattern of the last pass but one, and of every other one before.
  uint32_t passes = 1;    // Of an overwrite.
  uint32_t block_size = 0;
  uint64_t blocks = 0;  // At least one, when it is given to claim().
};

class Sanitizer {
 public:
  enum class State : uint8_t { kIdle, kRuns, kFailed };
  // Bytes of the pattern of an overwrite, which are written at once.
  static constexpr uint32_t kPassBytes = 256 * 1024;

  // `owner` goes to `told` after each change of the state or the progress. Context of the call:
  // process, no lock of ours held; it asks for the state by itself.
  using Told = void (*)(void* owner);
  Sanitizer(Store& store, Told told, void* owner);
  ~Sanitizer();
  Status create();

  // Context: any.
  State state() const { return state_.load(std::memory_order_acquire); }
  uint16_t progress() const { return progress_.load(std::memory_order_relaxed); }
  // What a command is told that has to wait for the end or the failure of an operation; a good one
  // while there is neither.
  Sense refusal() const;

  // ---- For the tasks of SANITIZE. Context: process. ----

  // From here on other commands are refused, and begin() or withdraw() follows; or why not.
  Sense claim(const SanitizeOrder& order);
  // Each block of an overwrite is `length` bytes of `list` from `at` on, again and again. Errors:
  // kNoMemory.
  Status set_pattern(const DataBuffer& list, uint32_t at, uint32_t length);
  void withdraw();
  // The operation goes on without its caller. With a task, that one goes on by Task::on_sanitized()
  // at the end, which may be before this returns. False: the task was aborted, and nobody will
  // call.
  bool begin(Task* waiter);
  // True: the task was to be called, and is not any more.
  bool forget(Task& task);
  // Of SANITIZE with EXIT FAILURE MODE.
  Sense exit_failure_mode();

  // Ends an operation at its next step and waits for that. Context: process, sleeps.
  void stop();

 private:
  static void on_work(os_work* work);
  static void on_io_done(os_storage_request* request, int error);
  void step();
  void next_piece();
  bool next_pass();
  void submit(os_storage_operation operation, uint8_t flags);
  void invert_pattern();
  void note_progress();
  void set_state(State state) { state_.store(state, std::memory_order_release); }
  void end();

  Store& store_;
  const Told told_;
  void* const owner_;
  os_spinlock* lock_ = nullptr;
  os_event* ended_ = nullptr;
  std::atomic<State> state_{State::kIdle};
  std::atomic<uint16_t> progress_{0};  // In 65536ths.
  std::atomic<bool> stops_{false};

  // Guarded by the lock.
  State before_ = State::kIdle;   // That of the claim.
  bool failure_may_exit_ = true;  // Of the operation that has failed.
  uint32_t active_ = 0;           // Operations that may still touch this: one, or a second one that
                                  // has begun before the first has left.
  Task* waiter_ = nullptr;

  // The operation's; one thread at a time.
  SanitizeOrder order_;
  uint32_t pass_ = 0;    // Passes that are done.
  uint64_t cursor_ = 0;  // Blocks of this pass that are done.
  uint64_t piece_ = 0;   // Blocks under way.
  bool flushes_ = false;
  int error_ = 0;
  DataBuffer pattern_;
  os_work work_;
  os_storage_request request_;
};

}  // namespace chiscsi::storage
