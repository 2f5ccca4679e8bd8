// SPDX-License-Identifier: GPL-2.0-only
//
// See sanitizer.hh.
#include "target/storage/sanitizer.hh"

#include "base/lock.hh"
#include "os/log.h"
#include "target/scsi/conclusion.hh"
#include "target/storage/task.hh"

namespace chiscsi::storage {

namespace {

constexpr uint64_t kEraseBytes = 64 * 1024 * 1024;  // Of one request.
constexpr uint32_t kStopStepMs = 100;
constexpr unsigned kAuseBit = 5;  // Of byte 1.
constexpr uint16_t kAllButDone = 0xffff;

}  // namespace

Sanitizer::Sanitizer(Store& store, Told told, void* owner)
    : store_(store), told_(told), owner_(owner), work_{&Sanitizer::on_work, {}}, request_{} {
  request_.done = &Sanitizer::on_io_done;
}

Sanitizer::~Sanitizer() {
  if (lock_ != nullptr) os_spinlock_destroy(lock_);
  if (ended_ != nullptr) os_event_destroy(ended_);
}

Status Sanitizer::create() {
  lock_ = os_spinlock_create();
  ended_ = os_event_create();
  return lock_ != nullptr && ended_ != nullptr ? Status() : Status(Error::kNoMemory);
}

Sense Sanitizer::refusal() const {
  switch (state()) {
    case State::kRuns:
      return sanitize_in_progress(progress());
    case State::kFailed:
      return kSanitizeFailed;
    default:
      return kNoSense;
  }
}

// ---- The beginning ----

// After a failure that only a success ends, nobody may ask for an easier way out.
Sense Sanitizer::claim(const SanitizeOrder& order) {
  {
    SpinGuard guard(lock_);
    if (state() == State::kRuns) return sanitize_in_progress(progress());
    if (state() == State::kFailed && !failure_may_exit_ && order.may_exit) {
      return wrong_cdb_field(1, kAuseBit);
    }
    before_ = state();
    progress_.store(0, std::memory_order_relaxed);
    set_state(State::kRuns);
  }
  order_ = order;
  told_(owner_);
  return kNoSense;
}

Status Sanitizer::set_pattern(const DataBuffer& list, uint32_t at, uint32_t length) {
  CHISCSI_TRY(pattern_.allocate(kPassBytes, {}));
  uint32_t index = 0;  // In the pattern.
  pattern_.for_each_piece(0, kPassBytes, [&](uint8_t* to, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; ++i, ++index)
      list.copy_out(at + index % order_.block_size % length, MutableBytes(to + i, 1));
    return true;
  });
  if (order_.inverts && order_.passes % 2 == 0) invert_pattern();
  return Status();
}

void Sanitizer::withdraw() {
  pattern_.reset();
  {
    SpinGuard guard(lock_);
    set_state(before_);
  }
  told_(owner_);
}

// The abort of a task sets its mark first and calls forget() then, so one of us sees the other.
bool Sanitizer::begin(Task* waiter) {
  pass_ = 0;
  cursor_ = piece_ = 0;
  flushes_ = false;
  error_ = 0;
  os_log(OS_LOG_INFO, "sanitize: %s of %llu blocks begins", order_.erases ? "erase" : "overwrite",
         static_cast<unsigned long long>(order_.blocks));
  const bool calls = waiter != nullptr;
  bool aborted;
  {
    SpinGuard guard(lock_);
    ++active_;
    aborted = calls && waiter->is_aborted();
    waiter_ = aborted ? nullptr : waiter;
  }
  os_work_queue(&work_);
  return !aborted;
}

// ---- Who waits ----

bool Sanitizer::forget(Task& task) {
  SpinGuard guard(lock_);
  if (waiter_ != &task) return false;
  waiter_ = nullptr;
  return true;
}

Sense Sanitizer::exit_failure_mode() {
  {
    SpinGuard guard(lock_);
    if (state() == State::kRuns) return sanitize_in_progress(progress());
    if (state() == State::kFailed && !failure_may_exit_) return wrong_cdb_field(1, 4);
    set_state(State::kIdle);
  }
  told_(owner_);
  return kNoSense;
}

void Sanitizer::stop() {
  stops_.store(true, std::memory_order_relaxed);
  for (;;) {
    {
      SpinGuard guard(lock_);
      if (active_ == 0) return;
    }
    os_event_wait(ended_, kStopStepMs);
  }
}

// ---- The operation ----

void Sanitizer::on_work(os_work* work) {
  // SAFETY: only the work of sanitizers has this function.
  reinterpret_cast<Sanitizer*>(reinterpret_cast<char*>(work) - offsetof(Sanitizer, work_))->step();
}

void Sanitizer::on_io_done(os_storage_request* request, int error) {
  auto* self = reinterpret_cast<Sanitizer*>(reinterpret_cast<char*>(request) -
                                            offsetof(Sanitizer, request_));
  self->error_ = error;
  self->store_.lost_writes().note(*request);
  os_work_queue(&self->work_);
}

// Ends with a request under way, after which nothing of ours is touched, or with all of it.
void Sanitizer::step() {
  if (error_ != 0 || flushes_ || stops_.load(std::memory_order_relaxed)) return end();
  cursor_ += piece_;
  note_progress();
  if (cursor_ == order_.blocks && !next_pass()) {
    flushes_ = true;
    piece_ = 0;
    return submit(OS_STORAGE_FLUSH, 0);
  }
  next_piece();
}

bool Sanitizer::next_pass() {
  ++pass_;
  cursor_ = 0;
  if (pass_ == order_.passes) return false;
  if (order_.inverts) invert_pattern();
  return true;
}

void Sanitizer::next_piece() {
  const uint64_t most = (order_.erases ? kEraseBytes : kPassBytes) / order_.block_size;
  const uint64_t left = order_.blocks - cursor_;
  piece_ = left < most ? left : most;
  if (order_.erases) {
    submit(OS_STORAGE_ZERO, OS_STORAGE_UNMAP);
  } else {
    submit(OS_STORAGE_WRITE, 0);
  }
}

void Sanitizer::submit(os_storage_operation operation, uint8_t flags) {
  const bool writes = operation == OS_STORAGE_WRITE;
  request_.operation = static_cast<uint8_t>(operation);
  request_.flags = flags;
  request_.offset = cursor_ * order_.block_size;
  request_.length = piece_ * order_.block_size;
  request_.data = writes ? pattern_.elements() : nullptr;
  request_.data_count = writes ? pattern_.count() : 0;
  request_.data_skip = 0;
  store_.submit(request_);
}

void Sanitizer::invert_pattern() {
  pattern_.for_each_piece(0, kPassBytes, [](uint8_t* bytes, uint32_t count) {
    for (uint32_t i = 0; i < count; ++i)
      bytes[i] = static_cast<uint8_t>(~bytes[i]);
    return true;
  });
}

// Neither product overflows 64 bits: there are at most 31 passes. `all` is not zero:
// Task::sanitize() has seen to it.
void Sanitizer::note_progress() {
  const uint64_t all = order_.passes * order_.blocks;
  const uint64_t done = pass_ * order_.blocks + cursor_;
  const uint64_t now = all >> 16 != 0 ? done / (all >> 16) : done * 65536 / all;
  const auto next = static_cast<uint16_t>(now < kAllButDone ? now : kAllButDone);
  if (progress_.exchange(next, std::memory_order_relaxed) != next) told_(owner_);
}

// The target hears of it before the initiator does. Once nothing is active, the disk may go.
void Sanitizer::end() {
  const int error =
      stops_.load(std::memory_order_relaxed) ? -static_cast<int>(Error::kCancelled) : error_;
  pattern_.reset();
  Task* waiter;
  {
    SpinGuard guard(lock_);
    set_state(error != 0 ? State::kFailed : State::kIdle);
    if (error != 0) failure_may_exit_ = order_.may_exit;
    waiter = waiter_;
    waiter_ = nullptr;
  }
  told_(owner_);
  os_log(error != 0 ? OS_LOG_ERROR : OS_LOG_INFO, "sanitize: ended, error %d", -error);
  if (waiter != nullptr) waiter->on_sanitized(error != 0);
  SpinGuard guard(lock_);
  --active_;
  os_event_signal(ended_);
}

}  // namespace chiscsi::storage
