// SPDX-License-Identifier: GPL-2.0-only
//
// UnitState: its making, its reset, and who counts for the removal of the medium. See
// unit_state.hh.
#include "target/lun/unit_state.hh"

#include "base/alloc.hh"

namespace chiscsi {

namespace {

constexpr unsigned kEpochShift = 32;

uint32_t epoch_of(uint64_t removal) { return static_cast<uint32_t>(removal >> kEpochShift); }
uint32_t count_of(uint64_t removal) { return static_cast<uint32_t>(removal); }

}  // namespace

Result<Ref<UnitState>> UnitState::create() {
  Ref<UnitState> state = Ref<UnitState>::adopt(make<UnitState>(Alloc::kMaySleep));
  if (!state) return Error::kNoMemory;
  CHISCSI_TRY(state->orphans_.create());
  state->reservations_ = CHISCSI_TRY(scsi::UnitReservations::create());
  return state;
}

void UnitState::reset() {
  mode_.store(ModeValues{}, std::memory_order_release);
  arm_threshold();
  uint64_t now = removal_.load(std::memory_order_acquire);
  uint64_t next;
  do {
    next = static_cast<uint64_t>(epoch_of(now) + 1) << kEpochShift;
  } while (!removal_.compare_exchange_weak(now, next, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
}

bool UnitState::is_removal_prevented() const {
  return count_of(removal_.load(std::memory_order_acquire)) != 0;
}

uint32_t UnitState::removal_epoch() const {
  return epoch_of(removal_.load(std::memory_order_acquire));
}

uint32_t UnitState::prevent_removal() {
  return epoch_of(removal_.fetch_add(1, std::memory_order_acq_rel));
}

void UnitState::allow_removal(uint32_t epoch) {
  uint64_t now = removal_.load(std::memory_order_acquire);
  do {
    if (epoch_of(now) != epoch || count_of(now) == 0) return;
  } while (!removal_.compare_exchange_weak(now, now - 1, std::memory_order_acq_rel,
                                           std::memory_order_acquire));
}

}  // namespace chiscsi
