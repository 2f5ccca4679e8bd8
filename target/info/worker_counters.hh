// SPDX-License-Identifier: GPL-2.0-only
//
// WorkerCounters: the CommandCounters of one LUN or of one portal, one for each worker that has run
// a command of it.
//
// A worker makes its own with its first command; without memory that command is not counted. They
// go with their owner. Context: any, unless it says otherwise.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/alloc.hh"
#include "target/info/command_counters.hh"

namespace chiscsi {

class WorkerCounters {
 public:
  WorkerCounters() = default;
  ~WorkerCounters();
  WorkerCounters(const WorkerCounters&) = delete;
  WorkerCounters& operator=(const WorkerCounters&) = delete;

  // Those of worker number `worker` out of `workers`, which is the same in each call. Null without
  // memory. Context: that worker.
  CommandCounters* of_worker(uint32_t worker, uint32_t workers);
  void add_to(CommandCounters::Sum* sum) const;

 private:
  struct Slots {
    uint32_t count;
    std::atomic<CommandCounters*> places[];
  };
  Slots* slots(uint32_t workers);

  std::atomic<Slots*> slots_{nullptr};
};

}  // namespace chiscsi
