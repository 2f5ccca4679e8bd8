// SPDX-License-Identifier: GPL-2.0-only
//
// LunCounters: the CommandCounters of one LUN, one for each worker that has run a command for it.
//
// A worker makes its own with its first command; without memory that command is not counted. They
// go with the LUN. Context: any, unless it says otherwise.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/alloc.hh"
#include "target/info/command_counters.hh"

namespace chiscsi {

class LunCounters {
 public:
  LunCounters() = default;
  ~LunCounters();
  LunCounters(const LunCounters&) = delete;
  LunCounters& operator=(const LunCounters&) = delete;

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
