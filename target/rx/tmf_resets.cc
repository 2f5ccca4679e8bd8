// SPDX-License-Identifier: GPL-2.0-only
//
// See tmf_resets.hh.
#include "target/rx/tmf_resets.hh"

#include "target/engine.hh"
#include "target/lun/lun.hh"
#include "target/rx/tmf_commands.hh"
#include "target/scsi/reservations.hh"

namespace chiscsi::rx {

namespace {

// The number of the unit as it is now. False: the target has it no more.
bool number_now(const Tmf& tmf, uint32_t* lun) {
  *lun = tmf.lun;
  return !tmf.unit || tmf.session->luns().find_number(*tmf.unit, lun);
}

bool speaks_for_any(const LunMap& luns) {
  for (uint32_t i = 0; i < TargetClass::kMaxLunClasses; ++i) {
    const Lun* lun = luns.first_of_class(i);
    if (lun != nullptr && !lun->passes_all_commands()) return true;
  }
  return false;
}

}  // namespace

void reset_units(const Tmf& tmf) {
  Session& session = *tmf.session;
  if (tmf.function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET) {
    if (tmf.logical_unit != nullptr) tmf.logical_unit->reset_state();
  } else if (is_target_reset(tmf.function)) {
    for (const Ref<Lun>& lun : session.luns().list())
      lun->reset_state();
  }
}

void drop_locks(const Tmf& tmf) {
  if (tmf.function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET) {
    if (tmf.unit) tmf.unit->reservations().drop_lock(nullptr);
  } else if (is_target_reset(tmf.function)) {
    scsi::drop_locks_for_reset(*tmf.session);
  } else if (tmf.function == iscsi::kTmfNexusReset) {
    scsi::drop_locks_of(*tmf.session);
    tmf.session->preventions.clear();
  }
}

void lift_preventions(const Tmf& tmf) {
  if (tmf.function == kTmfPreempt) tmf.session->preventions.allow(*tmf.unit);
}

void establish_unit_attention(Tmf& part, bool has_named) {
  UnitAttentions& pending = part.session->unit_attentions;
  if (part.function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET) {
    uint32_t lun;
    if (number_now(part, &lun) && part.session->rights().may_reach(lun)) {
      pending.establish(lun, kBusDeviceReset);
    }
  } else if (part.function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET) {
    pending.establish_everywhere(kBusDeviceReset);
  } else if (part.function == ISCSI_TMF_FUNCTION_CLEAR_TASK_SET && has_named) {
    pending.establish(part.lun, kCommandsCleared);
  }
}

void tell_who_asked(const Tmf& tmf) {
  UnitAttentions& pending = tmf.session->unit_attentions;
  if (tmf.function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET) {
    uint32_t lun;
    if (tmf.unit && number_now(tmf, &lun)) pending.establish(lun, kBusDeviceReset);
  } else if (tmf.function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET) {
    if (!speaks_for_any(tmf.session->luns())) return;
    pending.establish_everywhere(kBusDeviceReset, UnitAttentions::Scope::kSpokenFor);
  }
}

}  // namespace chiscsi::rx
