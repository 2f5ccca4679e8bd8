// SPDX-License-Identifier: GPL-2.0-only
//
// Between reservations and sessions. See reservations.hh.
#include "target/scsi/reservations.hh"

#include "base/lock.hh"
#include "target/session/session.hh"

namespace chiscsi::scsi {

Nexus nexus_of(const SessionParameters& parameters) {
  Nexus nexus;
  nexus.initiator.name.assign(parameters.initiator_name.text());
  copy_bytes(nexus.initiator.isid, parameters.isid);
  nexus.target_port = parameters.portal_group_tag;
  return nexus;
}

bool conflicts_with_reservation(const Question& question) {
  const UnitReservations& unit = question.lun->state().reservations();
  return unit.is_restricted() && unit.conflicts(nexus_of(*question.nexus), question.cdb);
}

void tell_of_change(Session& own, const Lun& unit, const ReservationChange& change) {
  const SenseCode removed = change.outcome.to_removed, remaining = change.outcome.to_remaining;
  uint32_t lun;
  if (removed.key == 0 && remaining.key == 0) return;
  if (!own.luns().find_number(unit, &lun)) return;
  Target& target = *own.target();
  MutexGuard guard(target.mutex());
  target.sessions().for_each([&](SessionEntry& entry) {
    Session& session = *entry.session;
    const Nexus nexus = nexus_of(session.parameters);
    if (&session == &own || change.before->find(nexus) == nullptr) return;
    const SenseCode code = change.after->find(nexus) == nullptr ? removed : remaining;
    if (code.key != 0 && session.rights().may_reach(lun)) session.attention_inbox.post(lun, code);
  });
}

void drop_locks_for_reset(Session& session) {
  for (const Ref<Lun>& lun : session.luns().list()) {
    if (!lun->passes_all_commands()) lun->state().reservations().drop_lock(nullptr);
  }
}

void drop_locks_of(Session& session) {
  if (session.is_discovery()) return;
  const Nexus nexus = nexus_of(session.parameters);
  for (const Ref<Lun>& lun : session.luns().list()) {
    if (!lun->passes_all_commands()) lun->state().reservations().drop_lock(&nexus);
  }
}

}  // namespace chiscsi::scsi
