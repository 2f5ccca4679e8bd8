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
//   5. All named commands have ended, and those that were ending already: the response leaves. At
//      the limit it leaves anyway.
//
// Everything runs on the worker of the session concerned, without any lock but for the target's
// mutex while the other sessions are looked up.
#include "base/lock.hh"
#include "os/log.h"
#include "target/engine.hh"
#include "target/lun/lun.hh"
#include "target/rx/rx.hh"
#include "target/rx/tmf_commands.hh"
#include "target/rx/tmf_parts.hh"
#include "target/rx/tmf_resets.hh"
#include "target/scsi/driver_port.hh"
#include "target/scsi/reservations.hh"
#include "target/scsi/scsi_layer.hh"

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

bool reaches_other_sessions(uint8_t function) {
  return function == ISCSI_TMF_FUNCTION_CLEAR_TASK_SET ||
         function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET || is_target_reset(function);
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

// ---- The driver, and the end ----

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

// Takes the function out of everything. Its reference is the caller's then.
void forget(Tmf& tmf) {
  tmf.dropped.store(true);
  leave_lun(tmf);
  forget_commands(tmf);
  if (std::exchange(tmf.counted, false)) tmf.session->window.command_ended();
  tmf.session_node.unlink();
  tmf.session->engine().tmf_handles().remove(tmf);
  while (Tmf* part = tmf.parts.pop_front())
    part->unref();
}

uint8_t answer_of_driver(const Tmf& tmf) {
  return tmf.outcome != 0 ? tmf.outcome : tmf.response.load();
}

// That all went well is not for the driver alone to say: no command may touch the medium any more.
uint8_t response_of(const Tmf& tmf) {
  const uint8_t answered = answer_of_driver(tmf);
  if (answered != ISCSI_RESPONSE_TMF_COMPLETE) return answered;
  const bool leaves_some = tmf.incomplete.load() || has_orphans(tmf);
  return leaves_some ? ISCSI_RESPONSE_TMF_FUNCTION_REJECTED : answered;
}

void finish(Tmf& tmf) {
  Ref<Session> session = tmf.session;
  const uint8_t response = response_of(tmf);
  // Also when a command is left that no reset gets back.
  const bool ends_sessions = tmf.function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET &&
                             answer_of_driver(tmf) == ISCSI_RESPONSE_TMF_COMPLETE;
  if (ends_sessions) {
    tmf.parts.for_each([](Tmf& part) { part.session->request_end(EndReason::kTargetReset); });
  }
  forget(tmf);
  if (tmf.connection != nullptr) {
    send_tmf_response(*tmf.connection, tmf.initiator_task_tag, response, nullptr);
  }
  if (Command* command = tmf.preempting) {
    const bool good = response == ISCSI_RESPONSE_TMF_COMPLETE;
    scsi_layer::finish(*command, good ? scsi::Ending() : scsi::Ending(kCommandsAreLeft));
  }
  tmf.unref();
  if (ends_sessions) session->end(EndReason::kTargetReset);
}

// ---- Stages ----

// Each returns whether the next stage may begin.

bool gather(Tmf& tmf) {
  if (concerns_all_units(tmf.function)) plug_gaps(tmf);
  if (!has_gathered(tmf)) return false;
  // What came and named while this one waited is older than it in what counts.
  tmf.session_node.unlink();
  tmf.session->tmfs.push_back(tmf);
  name_commands(tmf);
  if (tmf.function == iscsi::kTmfNexusReset) {
    tmf.session->unit_attentions.establish_everywhere(kNexusLoss);
  }
  drop_locks(tmf);
  if (reaches_other_sessions(tmf.function)) {
    tell_other_sessions(tmf, [](const Session&) { return true; });
  }
  reset_units(tmf);
  tell_who_asked(tmf);
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

// Whether something of what the function was to end has not ended.
bool has_commands_left(const Tmf& tmf) {
  return tmf.commands_left != 0 || tmf.parts_left.load() != 0 || older_is_busy(tmf);
}

bool advance(Tmf& tmf) { return tmf.is_part() ? advance_part(tmf) : advance_whole(tmf); }

}  // namespace

void abort_preempted(OwnPtr<Tmf> function, Command& command,
                     const scsi::ReservationChange& change) {
  Tmf& tmf = *function.release();
  Session& session = *tmf.session;
  tmf.preempting = &command;
  tmf.before = change.before;
  tmf.after = change.after;
  tmf.initiator_task_tag = iscsi::kReservedTag;
  tmf.function = kTmfPreempt;
  tmf.lun = command.scsi.sc_lun;
  tmf.unit = Ref<UnitState>::share(&command.logical_unit->state());
  tmf.cmd_sn = command.sequenced.cmd_sn;
  tmf.response = ISCSI_RESPONSE_TMF_COMPLETE;
  tmf.deadline_ms = os_now_ms() + session.engine().abort_timeout_ms();
  tmf.stage = TmfStage::kNaming;
  session.engine().tmf_handles().add(tmf);
  session.tmfs.push_back(tmf);
  session.watch_soon();
  if (is_preempted(tmf, session)) {
    name_commands(tmf);
    lift_preventions(tmf);
  }
  tell_other_sessions(tmf, [&](const Session& other) { return is_preempted(tmf, other); });
}

bool run_tmfs(Session& session) {
  bool progress = false;
  session.tmfs.for_each([&](Tmf& tmf) { progress |= advance(tmf); });
  return progress;
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
  // Our limit may pass before that of the whole, on another worker: it shall not take this for the
  // end of the commands.
  if (has_commands_left(tmf)) (tmf.is_part() ? *tmf.whole : tmf).incomplete = true;
  tmf.commands_left = 0;
  if (tmf.is_part()) return finish_part(tmf);
  if (!tmf.done.load()) answer(tmf, ISCSI_RESPONSE_TMF_FUNCTION_REJECTED);
  tell_parts_to_abort(tmf);
  finish(tmf);
}

void drop_tmfs(Session& session) {
  session.tmfs.for_each([](Tmf& tmf) {
    // One that a command waits for ends with that, at its limit at the latest.
    if (tmf.is_part() || tmf.preempting != nullptr) return;
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
