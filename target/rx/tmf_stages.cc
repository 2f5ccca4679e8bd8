// SPDX-License-Identifier: GPL-2.0-only
//
// The life of a task management function (RFC 7143 sections 4.2.3.3, 11.5 and 11.6; Guide 7.3.6).
//
//   1. The commands before it have come, by CmdSN; a reset of the target counts them as received.
//   2. The commands it names are silent: no data, no status. Those that the driver has not seen
//      end here, those that lent us buffers go back by fp_scsi_cmd_abort(). Other sessions of the
//      target do the same on their workers, and their initiators get a unit attention.
//   3. When all sessions have done so, the driver is told by fp_tmf_execute() and ends the rest. A
//      function on a task or a logical unit goes to the class of that LUN, a target reset to every
//      LUN class of the target once, one after the other.
//   4. What it leaves is aborted command by command.
//   5. All named commands have ended: the response leaves. At the limit it leaves anyway.
//
// Everything runs on the worker of the session concerned, without any lock but for the target's
// mutex while the other sessions are looked up.
#include "base/lock.hh"
#include "os/log.h"
#include "target/engine.hh"
#include "target/lun/lun.hh"
#include "target/rx/rx.hh"
#include "target/scsi/driver_port.hh"
#include "target/scsi/reservations.hh"
#include "target/scsi/scsi_layer.hh"
#include "target/session/write_data.hh"

namespace chiscsi {

namespace {
void on_tmf_message(WorkerMessage& message);
}  // namespace

Tmf::Tmf(Ref<Session> owner) : session(std::move(owner)), message(&on_tmf_message) {}
Tmf::~Tmf() = default;

void Tmf::wake() {
  ref();  // The message's.
  if (!message.request(session->worker())) unref();
}

namespace rx {

namespace {

constexpr SenseCode kCommandsAreLeft{0x04, 0x44, 0x00};  // INTERNAL TARGET FAILURE.

bool is_target_reset(uint8_t function) {
  return function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET ||
         function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET;
}

bool reaches_other_sessions(uint8_t function) {
  return function == ISCSI_TMF_FUNCTION_CLEAR_TASK_SET ||
         function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET || is_target_reset(function);
}

bool concerns_all_units(uint8_t function) {
  return is_target_reset(function) || function == iscsi::kTmfNexusReset;
}

// ---- Naming ----

// An initiator that keeps to RFC 7143 section 4.2.3.3 answers the R2Ts of the commands that its
// function ends; one that does so by FastAbort, agreed or not, does not. Its silence tells them
// apart.
constexpr uint64_t kDataSilenceMs = 2000;

// Of the commands of other sessions nothing more is awaited, nor of a single one.
bool awaits_data(const Tmf& tmf) {
  return !tmf.is_part() && tmf.function != ISCSI_TMF_FUNCTION_ABORT_TASK;
}

bool concerns(const Tmf& tmf, const Command& command) {
  // Two that preempt each other shall not wait for each other.
  if (tmf.function == kTmfPreempt && command.ends_later) return false;
  const bool of_unit =
      concerns_all_units(tmf.function) || driver_port::decode_lun(command.lun) == tmf.lun;
  return of_unit && (tmf.is_part() || command.immediate || command.sequenced.cmd_sn < tmf.cmd_sn);
}

void name_commands(Tmf& tmf) {
  tmf.session->commands.for_each([&](Command& command) {
    if (concerns(tmf, command) && can_be_named(command)) name(tmf, command);
  });
}

// Whether all numbered requests before the function have been received. One whose own number
// makes no sense waits for nothing.
bool has_gathered(Tmf& tmf) {
  CommandWindow& window = tmf.session->window;
  return window.is_past(tmf.cmd_sn - 1) || tmf.cmd_sn > window.max_cmd_sn() + 1;
}

// What has not come before a reset counts as received (RFC 7143 section 4.2.3.3, step b).
void plug_gaps(Tmf& tmf) {
  Session& session = *tmf.session;
  while (!has_gathered(tmf)) {
    const Serial missing = session.window.exp_cmd_sn();
    if (session.window.accept(missing) != CommandWindow::Verdict::kExecute) return;
    run_held(session);
  }
}

// ---- Parts: the function in other sessions ----

bool add_part(Tmf& tmf, Session& other) {
  Tmf* part = make<Tmf>(Alloc::kMaySleep, Ref<Session>::share(&other)).release();
  if (part == nullptr) return false;
  part->whole = Ref<Tmf>::share(&tmf);
  part->initiator_task_tag = tmf.initiator_task_tag;
  part->function = tmf.function;
  part->lun = tmf.lun;
  part->deadline_ms = tmf.deadline_ms;
  tmf.parts.push_back(*part);
  tmf.parts_naming.fetch_add(1);
  tmf.parts_left.fetch_add(1);
  return true;
}

template <typename Reaches>
void tell_other_sessions(Tmf& tmf, Reaches reaches) {
  Target& target = *tmf.session->target();
  {
    MutexGuard guard(target.mutex());
    target.sessions().for_each([&](SessionEntry& entry) {
      if (entry.session == tmf.session.get() || !reaches(*entry.session)) return;
      if (!add_part(tmf, *entry.session)) tmf.incomplete = true;
    });
  }
  tmf.parts.for_each([](Tmf& part) { part.wake(); });
}

void tell_parts_to_abort(Tmf& tmf) {
  tmf.parts.for_each([](Tmf& part) {
    part.abort_rest.store(true);
    part.wake();
  });
}

void count_down(Tmf& whole, std::atomic<uint32_t>& counter) {
  if (counter.fetch_sub(1) == 1 && !whole.dropped.load()) whole.wake();
}

// A reset gives units back what initiators have changed of them (SAM-5 section 6.3).
void reset_units(const Tmf& tmf) {
  Session& session = *tmf.session;
  if (tmf.function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET) {
    if (tmf.logical_unit != nullptr) tmf.logical_unit->reset_state();
  } else if (is_target_reset(tmf.function)) {
    for (const Ref<Lun>& lun : session.luns().list())
      lun->reset_state();
  }
}

// What the initiator of another session is to be told (SAM-5 sections 5.14 and 6.2). Of a cleared
// task set it hears when it had a command there; a cold reset ends its session.
void establish_unit_attention(Tmf& part) {
  UnitAttentions& pending = part.session->unit_attentions;
  if (part.function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET) {
    pending.establish(part.lun, kBusDeviceReset);
  } else if (part.function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET) {
    pending.establish_everywhere(kBusDeviceReset);
  } else if (part.function == ISCSI_TMF_FUNCTION_CLEAR_TASK_SET && part.commands_left != 0) {
    pending.establish(part.lun, kCommandsCleared);
  }
}

void enter_part(Tmf& part) {
  Session& session = *part.session;
  part.stage = TmfStage::kNaming;
  if (!session.has_ended()) {
    name_commands(part);
    establish_unit_attention(part);
    part.ref();  // The list's.
    session.tmfs.push_back(part);
  }
  count_down(*part.whole, part.whole->parts_naming);
}

void stop_waiting_for_data(Tmf& tmf) {
  tmf.session->commands.for_each([&](Command& command) {
    if (command.tmf != &tmf) return;
    write_data::cancel(command);
    command.session.add_work(command);
  });
}

void forget_commands(Tmf& tmf) {
  tmf.session->commands.for_each([&](Command& command) {
    if (command.tmf == &tmf) command.tmf = nullptr;
  });
}

// The part is over as far as the whole is concerned. May destroy it, when the caller has no
// reference.
void finish_part(Tmf& part) {
  forget_commands(part);
  if (!std::exchange(part.over, true)) count_down(*part.whole, part.whole->parts_left);
  if (!part.session_node.is_linked()) return;
  part.session_node.unlink();
  part.unref();
}

// ---- The driver, and the end ----

void abort_named(Tmf& tmf) {
  tmf.session->commands.for_each([&](Command& command) {
    if (command.tmf == &tmf) driver_port::abort(command, SC_FLAG_TMF_ABORT);
  });
}

// The target's own answer, unless the driver has given one.
void answer(Tmf& tmf, uint8_t response) {
  if (tmf.asked && tmf.awaited.exchange(0) == 0) return;
  tmf.response = response;
  tmf.done = true;
}

// Whether the driver has still to end the command of an ABORT TASK (Guide 7.3.6).
bool driver_has(Tmf& tmf) {
  Command* command = tmf.command;
  if (command == nullptr || command->tmf != &tmf) return false;
  SpinGuard guard(tmf.session->driver_lock);
  return command->driver.access == DriverAccess::kOpen ||
         command->driver.access == DriverAccess::kAborting;
}

// Enters a LUN of a class that was not told of a target reset yet; null when all were.
Lun* enter_next_class(Tmf& tmf) {
  for (uint32_t i = 0; i < TargetClass::kMaxLunClasses; ++i) {
    if ((tmf.classes_told & (1u << i)) != 0) continue;
    Lun* lun = tmf.session->enter_lun_of_class(i);
    if (lun == nullptr) continue;
    tmf.classes_told |= 1u << i;
    return lun;
  }
  return nullptr;
}

void leave_lun(Tmf& tmf) {
  if (Lun* lun = std::exchange(tmf.logical_unit, nullptr)) tmf.session->leave_lun(*lun);
}

bool is_reset(uint8_t function) {
  return function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET || is_target_reset(function);
}

// The driver has refused the call, so nothing more will come from it. The commands end all the
// same, by fp_scsi_cmd_abort(), which is all that a function on tasks asks for; whether a unit was
// reset only the driver knows.
uint8_t answer_without_driver(const Tmf& tmf, int error) {
  const bool takes_no_part = error == -static_cast<int>(Error::kNotSupported);
  return takes_no_part || !is_reset(tmf.function) ? ISCSI_RESPONSE_TMF_COMPLETE
                                                  : ISCSI_RESPONSE_TMF_FUNCTION_REJECTED;
}

void call_driver(Tmf& tmf) {
  const bool of_one = tmf.function == ISCSI_TMF_FUNCTION_ABORT_TASK;
  if (!tmf.tells_driver || tmf.logical_unit == nullptr || (of_one && !driver_has(tmf))) {
    return answer(tmf, ISCSI_RESPONSE_TMF_COMPLETE);
  }
  chiscsi_target_lun_class& hooks = tmf.logical_unit->hooks();
  tmf.asked = true;
  tmf.awaited = tmf.handle.value;
  const int rc = hooks.fp_tmf_execute(tmf.session->driver_session, tmf.handle.value, tmf.immediate,
                                      tmf.function, tmf.lun, of_one ? &tmf.command->scsi : nullptr);
  if (rc < 0) answer(tmf, answer_without_driver(tmf, rc));
}

void begin_driver_stage(Tmf& tmf) {
  tmf.stage = TmfStage::kDriver;
  if (is_target_reset(tmf.function)) tmf.logical_unit = enter_next_class(tmf);
  call_driver(tmf);
}

// The driver has answered. True when another class is to be asked, under a handle of its own.
bool goes_on_with_next_class(Tmf& tmf) {
  if (tmf.outcome == 0) tmf.outcome = tmf.response.load();
  leave_lun(tmf);
  if (!is_target_reset(tmf.function)) return false;
  tmf.logical_unit = enter_next_class(tmf);
  if (tmf.logical_unit == nullptr) return false;
  HandleTable<Tmf>& handles = tmf.session->engine().tmf_handles();
  handles.remove(tmf);
  tmf.asked = false;
  tmf.done = false;
  tmf.response = ISCSI_RESPONSE_TMF_COMPLETE;
  handles.add(tmf);
  return true;
}

// Responses of tasks on other connections come before that of a function that may have ended
// more of them (RFC 7143 section 4.2.3.3, step d).
bool is_fence_clear(Tmf& tmf) {
  if (tmf.function == ISCSI_TMF_FUNCTION_ABORT_TASK || tmf.preempting != nullptr) return true;
  if (!std::exchange(tmf.fence_raised, true)) tmf.session->raise_fence(tmf.connection);
  return tmf.session->is_fence_clear(tmf.connection);
}

// A function that has not named a single command of its own also covers those that an older one
// has named before it.
bool older_is_busy(const Tmf& tmf) {
  if (tmf.command != nullptr || !tmf.session_node.is_linked()) return false;
  bool reached = false;
  const auto is_busy = [&](const Tmf& other) {
    reached |= &other == &tmf;
    return !reached && other.commands_left != 0;
  };
  return tmf.session->tmfs.find(is_busy) != nullptr;
}

// Takes the function out of everything. Its reference is the caller's then.
void forget(Tmf& tmf) {
  tmf.dropped.store(true);
  leave_lun(tmf);
  tmf.session_node.unlink();
  tmf.session->engine().tmf_handles().remove(tmf);
  forget_commands(tmf);
  while (Tmf* part = tmf.parts.pop_front())
    part->unref();
}

// Good only when no command of those who were preempted can touch the medium any more.
void end_preempting(Command& command, bool good) {
  scsi_layer::finish(command, good ? scsi::Ending() : scsi::Ending(kCommandsAreLeft));
}

void finish(Tmf& tmf) {
  Ref<Session> session = tmf.session;
  const uint8_t answered = tmf.outcome != 0 ? tmf.outcome : tmf.response.load();
  const uint8_t response = tmf.incomplete ? ISCSI_RESPONSE_TMF_FUNCTION_REJECTED : answered;
  const bool ends_sessions = tmf.function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET && response == 0;
  if (ends_sessions) {
    tmf.parts.for_each([](Tmf& part) { part.session->request_end(EndReason::kTargetReset); });
  }
  forget(tmf);
  if (tmf.connection != nullptr) {
    send_tmf_response(*tmf.connection, tmf.initiator_task_tag, response, nullptr);
  }
  if (tmf.preempting != nullptr) end_preempting(*tmf.preempting, response == 0);
  tmf.unref();
  if (ends_sessions) session->end(EndReason::kTargetReset);
}

// ---- Stages ----

// What RESERVE has locked, a reset opens, and so does the loss of the nexus.
void drop_locks(Tmf& tmf) {
  if (tmf.function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET) {
    scsi::drop_locks_for_reset(*tmf.session, tmf.lun);
  } else if (is_target_reset(tmf.function)) {
    scsi::drop_locks_for_reset(*tmf.session, scsi::kAllUnits);
  } else if (tmf.function == iscsi::kTmfNexusReset) {
    scsi::drop_locks_of(*tmf.session);
  }
}

// Each returns whether the next stage may begin.

bool gather(Tmf& tmf) {
  if (concerns_all_units(tmf.function)) plug_gaps(tmf);
  if (!has_gathered(tmf)) return false;
  name_commands(tmf);
  if (tmf.function == iscsi::kTmfNexusReset) {
    tmf.session->unit_attentions.establish_everywhere(kNexusLoss);
  }
  drop_locks(tmf);
  if (reaches_other_sessions(tmf.function)) {
    tell_other_sessions(tmf, [](const Session&) { return true; });
  }
  reset_units(tmf);
  return true;
}

bool step(Tmf& tmf) {
  switch (tmf.stage) {
    case TmfStage::kGathering:
      if (!gather(tmf)) return false;
      tmf.stage = TmfStage::kNaming;
      return true;
    case TmfStage::kNaming:
      if (tmf.parts_naming.load() != 0) return false;
      begin_driver_stage(tmf);
      return true;
    case TmfStage::kDriver:
      if (!tmf.done.load()) return false;
      if (goes_on_with_next_class(tmf)) {
        call_driver(tmf);
        return true;
      }
      tmf.stage = TmfStage::kEnding;
      abort_named(tmf);
      tell_parts_to_abort(tmf);
      return true;
    case TmfStage::kEnding:
      return false;
  }
  return false;
}

bool advance_whole(Tmf& tmf) {
  bool progress = false;
  while (step(tmf))
    progress = true;
  const bool over = tmf.stage == TmfStage::kEnding && tmf.commands_left == 0 &&
                    tmf.parts_left.load() == 0 && !older_is_busy(tmf) && is_fence_clear(tmf);
  if (over) finish(tmf);
  return progress;
}

bool advance_part(Tmf& part) {
  bool progress = false;
  if (part.stage == TmfStage::kGathering) {
    enter_part(part);
    progress = true;
  }
  if (part.abort_rest.exchange(false)) {
    abort_named(part);
    progress = true;
  }
  if (part.commands_left == 0 && !older_is_busy(part)) {
    finish_part(part);
  } else {
    part.session->watch_soon();
  }
  return progress;
}

bool advance(Tmf& tmf) { return tmf.is_part() ? advance_part(tmf) : advance_whole(tmf); }

}  // namespace

// One whose execution has not ended and that no other function has named. Of those whose execution
// has ended the response is in the send queue, unless it waits for data.
bool can_be_named(const Command& command) {
  if (command.silent || command.tmf != nullptr) return false;
  return command.state != CommandState::kResponding || write_data::is_expected(command);
}

void name(Tmf& tmf, Command& command) {
  ++tmf.commands_left;
  command.tmf = &tmf;
  command.silent = true;
  if (awaits_data(tmf)) {
    write_data::drain(command);
    if (command.r2ts_outstanding != 0) tmf_data_came(tmf);
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

void run_tmf_part(Tmf& part) { advance_part(part); }

void abort_preempted(OwnPtr<Tmf> function, Command& command,
                     const scsi::ReservationChange& change) {
  const auto is_preempted = [&](const Session& session) {
    const scsi::Nexus nexus = scsi::nexus_of(session.parameters);
    return change.before->find(nexus) != nullptr && change.after->find(nexus) == nullptr;
  };
  Tmf& tmf = *function.release();
  Session& session = *tmf.session;
  tmf.preempting = &command;
  tmf.initiator_task_tag = iscsi::kReservedTag;
  tmf.function = kTmfPreempt;
  tmf.lun = command.scsi.sc_lun;
  tmf.cmd_sn = command.sequenced.cmd_sn;
  tmf.response = ISCSI_RESPONSE_TMF_COMPLETE;
  tmf.deadline_ms = os_now_ms() + session.engine().abort_timeout_ms();
  tmf.stage = TmfStage::kNaming;
  session.engine().tmf_handles().add(tmf);
  session.tmfs.push_back(tmf);
  session.watch_soon();
  if (is_preempted(session)) {
    session.commands.for_each([&](Command& other) {
      if (&other != &command && concerns(tmf, other) && can_be_named(other)) name(tmf, other);
    });
  }
  tell_other_sessions(tmf, is_preempted);
}

bool run_tmfs(Session& session) {
  bool progress = false;
  session.tmfs.for_each([&](Tmf& tmf) { progress |= advance(tmf); });
  return progress;
}

void tmf_command_ended(Tmf& tmf) {
  if (tmf.commands_left != 0) --tmf.commands_left;
}

void tmf_give_up(Tmf& tmf) {
  // The driver is about to answer on another CPU: the next look will find it.
  if (tmf.asked && tmf.awaited.load() == 0 && !tmf.done.load()) return;
  os_log_limited(OS_LOG_WARNING,
                 "task management function %u, itt 0x%x: %u commands held by storage driver",
                 tmf.function, tmf.initiator_task_tag, tmf.commands_left);
  // From here on they are aborted one by one, and orphaned when that is not answered either.
  abort_named(tmf);
  stop_waiting_for_data(tmf);
  tmf.commands_left = 0;
  if (tmf.is_part()) return finish_part(tmf);
  if (tmf.preempting != nullptr) tmf.incomplete = true;
  if (!tmf.done.load()) answer(tmf, ISCSI_RESPONSE_TMF_FUNCTION_REJECTED);
  tell_parts_to_abort(tmf);
  finish(tmf);
}

void drop_tmfs(Session& session) {
  session.tmfs.for_each([](Tmf& tmf) {
    if (tmf.is_part()) return;
    tell_parts_to_abort(tmf);
    forget(tmf);
    tmf.unref();
  });
}

void drop_tmf_responses(Session& session, const Connection& connection) {
  session.tmfs.for_each([&](Tmf& tmf) {
    if (tmf.connection == &connection) tmf.connection = nullptr;
  });
}

void drop_tmf_parts(Session& session) {
  session.tmfs.for_each([](Tmf& tmf) { finish_part(tmf); });
}

}  // namespace rx

namespace {
void on_tmf_message(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  // The reference that whoever posted it took for the message.
  Ref<Tmf> tmf = Ref<Tmf>::adopt(&container_of(posted, &Tmf::message));
  Ref<Session> session = tmf->session;
  if (tmf->is_part() && !tmf->over) rx::run_tmf_part(*tmf);
  if (!session->has_ended()) session->run_work();
}
}  // namespace

}  // namespace chiscsi

using namespace chiscsi;  // NOLINT: this part of the file is the C interface.

extern "C" int engine_tmf_execution_done(unsigned long hndl, unsigned char tmf_response,
                                         chiscsi_scsi_command*) {
  // The command may be gone by now and is not looked at.
  Ref<Tmf> tmf = Engine::instance().tmf_handles().find(hndl);
  if (!tmf) return -static_cast<int>(Error::kStale);
  if (!tmf->awaited.compare_exchange_strong(hndl, 0)) return -static_cast<int>(Error::kInvalid);
  tmf->response = tmf_response;
  tmf->done = true;
  tmf->wake();
  return 0;
}
