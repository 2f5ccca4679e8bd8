// SPDX-License-Identifier: GPL-2.0-only
//
// Naming commands, waiting for them, and letting go of them. See tmf_commands.hh.
#include "target/rx/tmf_commands.hh"

#include "target/lun/lun.hh"
#include "target/rx/rx.hh"
#include "target/scsi/driver_port.hh"
#include "target/scsi/reservations.hh"
#include "target/session/write_data.hh"

namespace chiscsi::rx {

namespace {

// An initiator that keeps to RFC 7143 section 4.2.3.3 answers the R2Ts of the commands that its
// function ends; one that does so by FastAbort, agreed or not, does not. Its silence tells them
// apart.
constexpr uint64_t kDataSilenceMs = 2000;

// Of the commands of other sessions nothing more is awaited, nor of a single one.
bool awaits_data(const Tmf& tmf) {
  return !tmf.is_part() && tmf.function != ISCSI_TMF_FUNCTION_ABORT_TASK;
}

// A reload may give a device another number than it had when the function or the command came.
bool is_of_unit(const Tmf& tmf, const Command& command) {
  if (concerns_all_units(tmf.function)) return true;
  const uint32_t number = driver_port::decode_lun(command.lun);
  if (!tmf.unit) return number == tmf.lun;
  const Lun* lun = command.logical_unit;
  if (lun == nullptr) lun = tmf.session->luns().find(number);
  return lun != nullptr && !lun->passes_all_commands() && &lun->state() == tmf.unit.get();
}

bool concerns(const Tmf& tmf, const Command& command) {
  // Two that preempt each other shall not wait for each other, nor one for itself.
  const bool preempts = command.ends_later && command.copy == nullptr;
  if (tmf.function == kTmfPreempt && (preempts || &command == tmf.preempting)) return false;
  return is_of_unit(tmf, command) &&
         (tmf.is_part() || command.immediate || command.sequenced.cmd_sn < tmf.cmd_sn);
}

// A younger function relies on an older one to wait for this command, which it covers as well. One
// that has still to look for its commands finds it then.
bool relies_on_wait_for(const Tmf& tmf, const Command& command) {
  if (!tmf.is_part() && tmf.stage == TmfStage::kGathering) return false;
  if (tmf.function == ISCSI_TMF_FUNCTION_ABORT_TASK) {
    return tmf.command == nullptr && tmf.referenced_task_tag == command.initiator_task_tag;
  }
  if (!concerns(tmf, command)) return false;
  return tmf.function != kTmfPreempt ||
         is_preempted(tmf.is_part() ? *tmf.whole : tmf, *tmf.session);
}

// Whether the commands of a session, which may have ended, are the function's business. Of a whole.
bool reaches_session(const Tmf& tmf, const Session& session) {
  switch (tmf.function) {
    case kTmfPreempt:
      return is_preempted(tmf, session);
    case ISCSI_TMF_FUNCTION_ABORT_TASK_SET:
    case iscsi::kTmfNexusReset:
      return same_port(tmf.session->parameters, session.parameters);
    default:
      return true;
  }
}

// Goes a function before its commands do, the next one that has relied on it waits for them.
Tmf* heir_of(const Tmf& goes, const Command& command) {
  if (command.state == CommandState::kOrphaned) return nullptr;  // The unit knows of it.
  bool is_younger = false;
  return goes.session->tmfs.find([&](const Tmf& tmf) {
    if (is_younger) return relies_on_wait_for(tmf, command);
    is_younger = &tmf == &goes;
    return false;
  });
}

}  // namespace

// One whose execution has not ended and that no other function has named. Of those whose execution
// has ended the response is in the send queue, unless it waits for data.
bool can_be_named(const Command& command) {
  if (command.silent || command.tmf != nullptr) return false;
  return command.state != CommandState::kResponding || write_data::delays_response(command);
}

void name(Tmf& tmf, Command& command) {
  ++tmf.commands_left;
  command.tmf = &tmf;
  command.silent = true;
  if (awaits_data(tmf)) {
    write_data::drain(command);
    if (command.r2ts_outstanding != 0 || command.receiving) tmf_data_came(tmf);
  } else {
    write_data::cancel(command);
  }
  command.tx_node.unlink();
  // One that lent us buffers, or that the driver never saw, is ended by us; the driver ends the
  // others when it is told of the function.
  if (!command.phases.empty()) {
    driver_port::abort(command, SC_FLAG_TMF_ABORT);
  } else {
    command.session.add_work(command);
  }
}

void tmf_data_came(Tmf& tmf) { tmf.data_deadline_ms = os_now_ms() + kDataSilenceMs; }

void tmf_watch_data(Tmf& tmf, uint64_t now) {
  if (tmf.data_deadline_ms == 0 || now < tmf.data_deadline_ms) return;
  tmf.data_deadline_ms = 0;
  stop_waiting_for_data(tmf);
}

void wait_for(Tmf& tmf, Command& command) {
  const bool ends_already = command.silent && command.state != CommandState::kOrphaned;
  if (!ends_already || command.tmf != nullptr) return;
  ++tmf.commands_left;
  command.tmf = &tmf;
}

// What another initiator has not sent to its end is in no task set yet, and finds the unit as it is
// then; it may never come.
bool has_not_come(const Tmf& tmf, const Command& command) {
  const bool of_another = tmf.is_part() || tmf.function == kTmfPreempt;
  return of_another &&
         (command.state == CommandState::kReceiving || command.state == CommandState::kHeld);
}

bool name_commands(Tmf& tmf) {
  bool has_named = false;
  tmf.session->commands.for_each([&](Command& command) {
    if (!concerns(tmf, command) || has_not_come(tmf, command)) return;
    if (!can_be_named(command)) return wait_for(tmf, command);
    name(tmf, command);
    has_named = true;
  });
  return has_named;
}

void abort_named(Tmf& tmf) {
  tmf.session->commands.for_each([&](Command& command) {
    if (command.tmf == &tmf) driver_port::abort(command, SC_FLAG_TMF_ABORT);
  });
}

void stop_waiting_for_data(Tmf& tmf) {
  tmf.session->commands.for_each([&](Command& command) {
    if (command.tmf != &tmf) return;
    write_data::cancel(command);
    command.session.add_work(command);
  });
}

// A function that has not named a single command of its own also covers those that an older one
// has named before it.
bool older_is_busy(const Tmf& tmf) {
  if (tmf.command != nullptr || !tmf.session_node.is_linked()) return false;
  bool reached = false;
  const auto is_busy = [&](const Tmf& other) {
    reached |= &other == &tmf;
    // The command that ends with this function ends after it.
    const bool has_own = tmf.preempting != nullptr && tmf.preempting->tmf == &other;
    return !reached && other.commands_left > (has_own ? 1u : 0u);
  };
  return tmf.session->tmfs.find(is_busy) != nullptr;
}

bool is_preempted(const Tmf& tmf, const Session& session) {
  const scsi::Nexus nexus = scsi::nexus_of(session.parameters);
  return tmf.before->find(nexus) != nullptr && tmf.after->find(nexus) == nullptr;
}

bool has_orphans(const Tmf& tmf) {
  const auto reached = [&](const Session& session) { return reaches_session(tmf, session); };
  if (tmf.unit) return tmf.unit->orphans().any_of(reached);
  if (!concerns_all_units(tmf.function)) return false;
  for (const Ref<Lun>& lun : tmf.session->luns().list()) {
    if (!lun->passes_all_commands() && lun->state().orphans().any_of(reached)) return true;
  }
  return false;
}

void forget_commands(Tmf& tmf) {
  tmf.session->commands.for_each([&](Command& command) {
    if (command.tmf != &tmf) return;
    command.tmf = heir_of(tmf, command);
    if (command.tmf != nullptr) ++command.tmf->commands_left;
  });
}

void tmf_command_ended(Tmf& tmf) {
  if (tmf.commands_left != 0) --tmf.commands_left;
}

}  // namespace chiscsi::rx
