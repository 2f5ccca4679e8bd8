// SPDX-License-Identifier: GPL-2.0-only
//
// See size_watch.hh.
#include "target/storage/size_watch.hh"

namespace chiscsi::storage {

SizeWatch::~SizeWatch() {
  if (thread_ != nullptr) {
    stopping_.store(true);
    os_event_signal(wakeup_);
    os_thread_join(thread_);
  }
  if (wakeup_ != nullptr) os_event_destroy(wakeup_);
}

Status SizeWatch::start() {
  if (thread_ != nullptr) return Status();
  if (wakeup_ == nullptr) wakeup_ = os_event_create();
  if (wakeup_ == nullptr) return Error::kNoMemory;
  thread_ = os_thread_start(&SizeWatch::run, this, "chiscsi_sizes", OS_ANY_CPU);
  return thread_ != nullptr ? Status() : Status(Error::kNoMemory);
}

void SizeWatch::run(void* self) {
  auto& watch = *static_cast<SizeWatch*>(self);
  while (!watch.stopping_.load()) {
    os_event_wait(watch.wakeup_, kIntervalMs);
    if (!watch.stopping_.load()) watch.look_();
  }
}

}  // namespace chiscsi::storage
