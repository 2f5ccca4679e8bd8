// SPDX-License-Identifier: GPL-2.0-only
//
// UnitState: its making. See unit_state.hh.
#include "target/lun/unit_state.hh"

#include "base/alloc.hh"

namespace chiscsi {

Result<Ref<UnitState>> UnitState::create() {
  Ref<UnitState> state = Ref<UnitState>::adopt(make<UnitState>(Alloc::kMaySleep));
  if (!state) return Error::kNoMemory;
  return state;
}

}  // namespace chiscsi
