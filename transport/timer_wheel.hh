// SPDX-License-Identifier: GPL-2.0-only
//
// TimerWheel: the coarse timers of one worker.
//
// Arming and disarming take constant time for any number of timers, so 10,000 idle connections
// cost nothing but their own Timer. The resolution is kTickMs; a timer never fires early. Only the
// owning worker touches a wheel and its timers, so a disarmed timer can be destroyed at once.
#pragma once

#include <cstdint>

#include "base/list.hh"

namespace chiscsi {

// A timer is a member of the object it serves; `fire` runs on the worker, with the timer disarmed.
class Timer {
 public:
  using Fire = void (*)(Timer& timer);
  explicit Timer(Fire fire) : fire_(fire) {}
  ~Timer() { disarm(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  bool is_armed() const { return node_.is_linked(); }
  void disarm() { node_.unlink(); }

 private:
  friend class TimerWheel;
  ListNode node_;
  uint64_t deadline_ms_ = 0;
  Fire fire_;
};

class TimerWheel {
 public:
  static constexpr uint32_t kTickMs = 64;
  static constexpr uint32_t kSlots = 256;
  static constexpr uint32_t kForever = 0xffffffff;

  explicit TimerWheel(uint64_t now_ms) : current_tick_(now_ms / kTickMs) {}

  // (Re)arms `timer` to fire once, `delay_ms` from now or up to one tick later.
  void arm(Timer& timer, uint64_t now_ms, uint64_t delay_ms);
  // Fires what is due.
  void run(uint64_t now_ms);
  // Milliseconds until run() should be called again; kForever when no timer is armed.
  uint32_t next_delay_ms(uint64_t now_ms);

 private:
  using Slot = List<Timer, &Timer::node_>;
  void run_slot(Slot& slot, uint64_t now_ms);

  Slot slots_[kSlots];
  uint64_t current_tick_;     // Every tick before it was run.
  uint64_t empty_until_ = 0;  // No slot from current_tick_ up to this one holds a timer.
};

}  // namespace chiscsi
