// SPDX-License-Identifier: GPL-2.0-only
//
// PERSISTENT RESERVE IN and OUT, RESERVE and RELEASE as commands (SPC-5 sections 6.15 and 6.16).
//
// A change that the unit makes at once ends its command at once. Otherwise the execution waits for
// the keeper's thread, which sends it back to the session's worker; after PREEMPT AND ABORT it
// waits once more, for the commands of those who were preempted (tmf_stages.cc).
#include "target/rx/rx.hh"
#include "target/scsi/reservation_reports.hh"
#include "target/scsi/reservations.hh"
#include "target/scsi/scsi_layer.hh"
#include "target/session/session.hh"

namespace chiscsi::scsi {

namespace reserve_commands_detail {

// A change and the command that made it. It belongs to whoever it is with: the worker, the unit,
// the message back.
struct Execution : ReservationChange {
  explicit Execution(Command& owner)
      : command(owner), session(Ref<Session>::share(&owner.session)), back(&Execution::on_back) {
    back.execution = this;
  }
  static void on_done(ReservationChange& change);
  static void on_back(WorkerMessage& message);

  struct Message : WorkerMessage {
    explicit Message(Handle handler) : WorkerMessage(handler) {}
    Execution* execution = nullptr;
  };
  Command& command;  // Stays until scsi_layer::finish().
  Ref<Session> session;
  Message back;
  OwnPtr<Tmf> function;  // Of PREEMPT AND ABORT, so that no memory is missing when it has happened.
};

Ending ending_of(const Execution& execution) {
  if (execution.no_memory) return Ending::with_status(kScsiBusy);
  if (execution.outcome.conflict) return Ending::with_status(kScsiReservationConflict);
  return execution.outcome.sense;
}

// What follows from a change that is made. The end of the command, or that it comes later.
Ending conclude(Execution& execution) {
  Command& command = execution.command;
  if (!execution.no_memory && execution.outcome.changed) {
    tell_of_change(command.session, *command.logical_unit, execution);
    if (execution.outcome.aborts) {
      rx::abort_preempted(std::move(execution.function), command, execution);
      return Ending::later();
    }
  }
  return ending_of(execution);
}

void Execution::on_done(ReservationChange& change) {
  auto& execution = static_cast<Execution&>(change);
  execution.session->worker().post(execution.back);
}

void Execution::on_back(WorkerMessage& message) {
  OwnPtr<Execution> execution(static_cast<Message&>(message).execution);
  Ref<Session> session = execution->session;
  const Ending ending = conclude(*execution);
  if (!ending.is_later()) scsi_layer::finish(execution->command, ending);
  session->run_work();
}

Ending run(OwnPtr<Execution> execution, const Question& question) {
  execution->issuer = nexus_of(*question.nexus);
  execution->done = &Execution::on_done;
  UnitReservations& unit = question.lun->state().reservations();
  if (unit.submit(*execution)) return conclude(*execution);
  static_cast<void>(execution.release());  // on_back() takes it.
  return Ending::later();
}

Status list_target_ports(Target& target, GrowableArray<uint16_t>* ports) {
  const Ref<TargetSettings> settings = target.settings();
  for (const PortalGroupSettings& group : settings->portal_groups())
    CHISCSI_TRY(ports->append(group.tag));
  return Status();
}

Ending lock_or_unlock(const Question& question, Command& command, ReservationChange::Kind kind) {
  OwnPtr<Execution> execution = make<Execution>(Alloc::kMaySleep, command);
  if (!execution) return Ending::with_status(kScsiBusy);
  execution->kind = kind;
  return run(std::move(execution), question);
}

// APTPL where nothing can be kept.
Sense check_persistence(const ReserveOutRequest& request, const UnitReservations& unit) {
  if (!request.persists || unit.can_persist()) return kNoSense;
  return wrong_parameter(request.action == ReserveOut::kRegisterAndMove ? 17 : 20, 0);
}

// Who may only read registers itself and nobody else, and leaves the registrations of others as
// they are: whether they persist, too.
Sense limit_reader(ReserveOutRequest& request) {
  if (request.specifies_ports) return kAccessDenied;
  request.keeps_persistence = true;
  return kNoSense;
}

}  // namespace reserve_commands_detail

Sense persistent_reserve_in(const Question& question, Reply& reply) {
  const UnitReservations& unit = question.lun->state().reservations();
  report_reservations(*question.reservations, question.cdb.service_action(), unit.can_persist(),
                      reply);
  return kNoSense;
}

Ending persistent_reserve_out(const Question& question, Bytes parameters, Command& command) {
  using namespace reserve_commands_detail;
  OwnPtr<Execution> execution = make<Execution>(Alloc::kMaySleep, command);
  if (!execution) return Ending::with_status(kScsiBusy);
  Result<ReserveOutcome> parsed = parse_reserve_out(question.cdb, parameters, &execution->parsed);
  if (!parsed.is_ok()) return Ending::with_status(kScsiBusy);
  if (!parsed.value().is_good()) return parsed.value().sense;
  ReserveOutRequest& request = execution->parsed.request;
  Sense sense = question.may_write ? kNoSense : limit_reader(request);
  if (sense.is_good()) sense = check_persistence(request, question.lun->state().reservations());
  if (!sense.is_good()) return sense;
  if (!list_target_ports(*command.session.target(), &execution->target_ports).is_ok()) {
    return Ending::with_status(kScsiBusy);
  }
  if (request.action == ReserveOut::kPreemptAndAbort) {
    execution->function = make<Tmf>(Alloc::kMaySleep, Ref<Session>::share(&command.session));
    if (!execution->function) return Ending::with_status(kScsiBusy);
  }
  return run(std::move(execution), question);
}

Ending reserve_unit(const Question& question, Bytes, Command& command) {
  using namespace reserve_commands_detail;
  return lock_or_unlock(question, command, ReservationChange::Kind::kLock);
}

Ending release_unit(const Question& question, Bytes, Command& command) {
  using namespace reserve_commands_detail;
  return lock_or_unlock(question, command, ReservationChange::Kind::kUnlock);
}

}  // namespace chiscsi::scsi
