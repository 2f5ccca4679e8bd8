// SPDX-License-Identifier: GPL-2.0-only
//
// Preventions: one record for each unit. See preventions.hh.
#include "target/session/preventions.hh"

namespace chiscsi {

Status Preventions::prevent(UnitState& unit) {
  Prevention* found =
      list_.find([&](const Prevention& prevention) { return prevention.unit.get() == &unit; });
  // One that a reset has ended begins anew.
  if (found != nullptr && found->epoch == unit.removal_epoch()) return Status();
  if (found == nullptr) {
    found = make<Prevention>(Alloc::kMaySleep).release();
    if (found == nullptr) return Error::kNoMemory;
    found->unit = Ref<UnitState>::share(&unit);
    list_.push_back(*found);
  }
  found->epoch = unit.prevent_removal();
  return Status();
}

void Preventions::allow(const UnitState& unit) {
  Prevention* found =
      list_.find([&](const Prevention& prevention) { return prevention.unit.get() == &unit; });
  if (found != nullptr) remove(*found);
}

void Preventions::clear() {
  while (Prevention* first = list_.front())
    remove(*first);
}

void Preventions::remove(Prevention& prevention) {
  prevention.node.unlink();
  prevention.unit->allow_removal(prevention.epoch);
  destroy(&prevention);
}

}  // namespace chiscsi
