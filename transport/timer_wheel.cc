// SPDX-License-Identifier: GPL-2.0-only
//
// The timer wheel: a slot for each tick modulo kSlots. A timer further away than one turn of the
// wheel stays in its slot until the turn in which it is due.
#include "transport/timer_wheel.hh"

namespace chiscsi {

void TimerWheel::arm(Timer& timer, uint64_t now_ms, uint64_t delay_ms) {
  timer.disarm();
  timer.deadline_ms_ = now_ms + delay_ms;
  uint64_t tick = (timer.deadline_ms_ + kTickMs - 1) / kTickMs;
  if (tick < current_tick_) tick = current_tick_;
  slots_[tick % kSlots].push_back(timer);
}

void TimerWheel::run(uint64_t now_ms) {
  const uint64_t last_tick = now_ms / kTickMs;
  // After a long sleep each slot needs to be looked at once only.
  if (last_tick - current_tick_ >= kSlots && last_tick >= current_tick_) {
    current_tick_ = last_tick - kSlots + 1;
  }
  for (; current_tick_ <= last_tick; ++current_tick_) {
    run_slot(slots_[current_tick_ % kSlots], now_ms);
  }
}

void TimerWheel::run_slot(Slot& slot, uint64_t now_ms) {
  // A timer that fires may arm or disarm any other, so the slot is emptied first.
  Slot candidates;
  candidates.splice_back(slot);
  while (Timer* timer = candidates.pop_front()) {
    if (timer->deadline_ms_ > now_ms) {
      slot.push_back(*timer);
    } else {
      timer->fire_(*timer);
    }
  }
}

uint32_t TimerWheel::next_delay_ms(uint64_t now_ms) {
  for (uint32_t i = 0; i < kSlots; ++i) {
    const uint64_t tick = current_tick_ + i;
    if (slots_[tick % kSlots].empty()) continue;
    const uint64_t due_ms = tick * kTickMs;
    return due_ms > now_ms ? static_cast<uint32_t>(due_ms - now_ms) : 0;
  }
  return kForever;
}

}  // namespace chiscsi
