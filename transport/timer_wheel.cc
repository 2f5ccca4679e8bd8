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
  // The turn in which it is due does not matter: run() looks at its slot in each.
  const uint64_t looked_at = current_tick_ + (tick - current_tick_) % kSlots;
  if (looked_at < empty_until_) empty_until_ = looked_at;
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
  if (empty_until_ < current_tick_) empty_until_ = current_tick_;
  while (empty_until_ < current_tick_ + kSlots && slots_[empty_until_ % kSlots].empty())
    ++empty_until_;
  if (empty_until_ == current_tick_ + kSlots) return kForever;
  const uint64_t due_ms = empty_until_ * kTickMs;
  return due_ms > now_ms ? static_cast<uint32_t>(due_ms - now_ms) : 0;
}

}  // namespace chiscsi
