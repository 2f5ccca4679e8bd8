// SPDX-License-Identifier: GPL-2.0-only
//
// Task management (RFC 7143 sections 4.2.3.3 and 11.5; Guide 7.3.6).
//
// The commands that a function names are aborted first: those the driver has not seen end here,
// from those that lent us buffers the driver takes them back by fp_scsi_cmd_abort(). Then the
// driver is told by fp_tmf_execute() and ends the rest. The response leaves when all of them have
// ended and the driver has answered, or when the limit has passed.
//
// A function on a task or a logical unit goes to the class of that LUN, a target reset to every LUN
// class of the target once, one after the other.
#include "base/lock.hh"
#include "os/log.h"
#include "target/engine.hh"
#include "target/lun/lun.hh"
#include "target/rx/rx.hh"
#include "target/scsi/driver_port.hh"
#include "target/session/write_data.hh"

namespace chiscsi {

namespace {
void on_tmf_answered(WorkerMessage& message);
}  // namespace

Tmf::Tmf(Ref<Session> owner) : session(std::move(owner)), answered(&on_tmf_answered) {}
Tmf::~Tmf() = default;

namespace rx {

namespace {

constexpr uint8_t kFunctionMask = 0x7f;

void respond(Connection& connection, uint32_t initiator_task_tag, uint8_t response) {
  OwnPtr<ControlPdu> answer =
      connection.make_control(iscsi::Opcode::kTaskManagementResponse, initiator_task_tag);
  if (!answer) return;
  answer->bhs.as<iscsi::TaskManagementResponse>().response = response;
  connection.queue_control(std::move(answer));
}

bool names_lun(uint8_t function) {
  return function == ISCSI_TMF_FUNCTION_ABORT_TASK_SET ||
         function == ISCSI_TMF_FUNCTION_CLEAR_TASK_SET ||
         function == ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET;
}

bool is_target_reset(uint8_t function) {
  return function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET ||
         function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET;
}

// A command whose execution has not ended and that no other function has named before.
bool can_be_named(const Command& command) {
  return !command.silent && command.tmf == nullptr && command.state != CommandState::kResponding;
}

void name(Tmf& tmf, Command& command) {
  ++tmf.commands_left;
  command.tmf = &tmf;
  command.silent = true;
  write_data::cancel(command);
  command.tx_node.unlink();
  // One that lent us buffers, or that the driver never saw, is ended by us; the driver ends the
  // others when it is told of the function.
  const bool lent = !command.phases.empty();
  if (lent) {
    driver_port::abort(command, SC_FLAG_TMF_ABORT);
  } else {
    command.session.add_work(command);
  }
}

void name_commands(Tmf& tmf, const iscsi::TaskManagementRequest& request) {
  const Bytes lun(request.lun, sizeof(request.lun));
  const Serial cmd_sn(request.cmd_sn.get());
  tmf.session->commands.for_each([&](Command& command) {
    const bool on_lun = is_target_reset(tmf.function) || equal_bytes(lun, Bytes(command.lun, 8));
    const bool earlier = command.immediate || command.sequenced.cmd_sn < cmd_sn;
    if (on_lun && earlier && can_be_named(command)) name(tmf, command);
  });
}

void leave_lun(Tmf& tmf) {
  if (Lun* lun = std::exchange(tmf.logical_unit, nullptr)) tmf.session->leave_lun(*lun);
}

void finish(Tmf& tmf) {
  Session& session = *tmf.session;
  const uint8_t response = tmf.outcome != 0 ? tmf.outcome : tmf.response.load();
  leave_lun(tmf);
  tmf.session_node.unlink();
  session.engine().tmf_handles().remove(tmf);
  session.commands.for_each([&](Command& command) {
    if (command.tmf == &tmf) command.tmf = nullptr;
  });
  if (tmf.connection != nullptr) respond(*tmf.connection, tmf.initiator_task_tag, response);
  // All connections of the session end (section 11.5.1).
  if (tmf.function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET && response == 0) {
    session.end(EndReason::kTargetReset);
  }
  tmf.unref();
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

// The driver has answered. True when another class is to be asked, under a handle of its own.
bool goes_on_with_next_class(Tmf& tmf) {
  if (tmf.outcome == 0) tmf.outcome = tmf.response.load();
  leave_lun(tmf);
  if (!is_target_reset(tmf.function)) return false;
  tmf.logical_unit = enter_next_class(tmf);
  if (tmf.logical_unit == nullptr) return false;
  HandleTable<Tmf>& handles = tmf.session->engine().tmf_handles();
  handles.remove(tmf);
  tmf.done = false;
  tmf.response = ISCSI_RESPONSE_TMF_COMPLETE;
  handles.add(tmf);
  tmf.call.wanted = true;
  return true;
}

// Responses of tasks on other connections come before that of a function that may have ended
// more of them (RFC 7143 section 4.2.3.3, step d).
bool is_fence_clear(Tmf& tmf) {
  if (tmf.function == ISCSI_TMF_FUNCTION_ABORT_TASK) return true;
  if (!std::exchange(tmf.fence_raised, true)) tmf.session->raise_fence(tmf.connection);
  return tmf.session->is_fence_clear(tmf.connection);
}

void finish_if_over(Tmf& tmf) {
  if (tmf.waits_for_driver && tmf.done.load()) {
    tmf.waits_for_driver = goes_on_with_next_class(tmf);
  }
  if (!tmf.waits_for_driver && tmf.commands_left == 0 && is_fence_clear(tmf)) finish(tmf);
}

Tmf* start(Connection& connection, const iscsi::TaskManagementRequest& request, uint8_t function) {
  Session& session = *connection.session();
  Tmf* tmf = make<Tmf>(Alloc::kMaySleep, Ref<Session>::share(&session)).release();
  if (tmf == nullptr) return nullptr;
  tmf->connection = &connection;
  tmf->initiator_task_tag = request.initiator_task_tag.get();
  tmf->function = function;
  tmf->response = ISCSI_RESPONSE_TMF_COMPLETE;
  tmf->deadline_ms = os_now_ms() + session.engine().abort_timeout_ms();
  session.engine().tmf_handles().add(*tmf);
  session.tmfs.push_back(*tmf);
  session.watch_soon();
  return tmf;
}

// Leaves the hook call to the work list's end of pass: no hook is called under the transport's
// lock.
void tell_driver_later(Tmf& tmf, Lun& unit, bool immediate, uint32_t lun, Command* command) {
  tmf.logical_unit = &unit;
  tmf.waits_for_driver = true;
  tmf.call.wanted = true;
  tmf.call.immediate = immediate;
  tmf.call.lun = lun;
  tmf.call.command = command;
}

// The command with this CmdSN has not come and shall not be executed when it does: its place counts
// as taken.
void skip_in_order(Session& session, Serial cmd_sn) {
  OwnPtr<HeldPdu> skipped = make<HeldPdu>(Alloc::kMaySleep);
  if (!skipped) return;
  skipped->cmd_sn = cmd_sn;
  switch (session.window.accept(cmd_sn)) {
    case CommandWindow::Verdict::kExecute:
      return run_held(session);
    case CommandWindow::Verdict::kHold:
      return session.window.hold(*skipped.release());
    case CommandWindow::Verdict::kIgnore:
      return;
  }
}

// ABORT TASK of a command that is not there (RFC 7143 section 11.6.1).
uint8_t absent_task_response(Session& session, const iscsi::TaskManagementRequest& request) {
  const Serial referenced(request.ref_cmd_sn.get());
  const bool in_window = !session.window.is_past(referenced) &&
                         referenced <= session.window.max_cmd_sn() &&
                         referenced < Serial(request.cmd_sn.get());
  if (!in_window) return ISCSI_RESPONSE_TMF_INVALID_TASK;
  skip_in_order(session, referenced);
  return ISCSI_RESPONSE_TMF_COMPLETE;
}

void abort_task(Connection& connection, const iscsi::TaskManagementRequest& request,
                bool immediate) {
  Session& session = *connection.session();
  Command* command = session.tasks.find(request.referenced_task_tag.get());
  if (command == nullptr || !equal_bytes(Bytes(command->lun, 8), Bytes(request.lun, 8))) {
    return respond(connection, request.initiator_task_tag.get(),
                   absent_task_response(session, request));
  }
  if (!can_be_named(*command)) {
    return respond(connection, request.initiator_task_tag.get(), ISCSI_RESPONSE_TMF_COMPLETE);
  }
  Tmf* tmf = start(connection, request, ISCSI_TMF_FUNCTION_ABORT_TASK);
  if (tmf == nullptr) return connection.drop("out of memory for a task management function");
  if (command->driver_saw) {
    Lun& lun = *command->logical_unit;
    lun.enter_again();
    tell_driver_later(*tmf, lun, immediate, command->scsi.sc_lun, command);
  }
  name(*tmf, *command);
}

void abort_set(Connection& connection, const iscsi::TaskManagementRequest& request,
               uint8_t function, bool immediate) {
  Session& session = *connection.session();
  const uint32_t number = driver_port::decode_lun(request.lun);
  Lun* lun = names_lun(function) ? session.enter_lun(number) : nullptr;
  if (names_lun(function) && lun == nullptr) {
    return respond(connection, request.initiator_task_tag.get(), ISCSI_RESPONSE_TMF_INVALID_LUN);
  }
  Tmf* tmf = start(connection, request, function);
  if (tmf == nullptr) {
    if (lun != nullptr) session.leave_lun(*lun);
    return connection.drop("out of memory for a task management function");
  }
  if (is_target_reset(function)) lun = enter_next_class(*tmf);
  if (lun != nullptr) tell_driver_later(*tmf, *lun, immediate, number, nullptr);
  name_commands(*tmf, request);
}

void call_driver(Tmf& tmf) {
  Session& session = *tmf.session;
  Lun& lun = *tmf.logical_unit;
  chiscsi_target_lun_class& hooks = lun.hooks();
  tmf.call.wanted = false;
  chiscsi_scsi_command* scmd = nullptr;
  if (tmf.function == ISCSI_TMF_FUNCTION_ABORT_TASK) {
    // It may have ended since: then the driver has nothing to abort.
    const bool alive = tmf.call.command != nullptr && tmf.call.command->tmf == &tmf;
    if (!alive) {
      tmf.done = true;
      return;
    }
    scmd = &tmf.call.command->scsi;
  }
  int rc = -static_cast<int>(Error::kNotSupported);
  if (hooks.fp_tmf_execute != nullptr) {
    tmf.awaited = tmf.handle.value;
    rc = hooks.fp_tmf_execute(session.driver_session, tmf.handle.value, tmf.call.immediate,
                              tmf.function, tmf.call.lun, scmd);
  }
  if (rc >= 0) return;
  // The driver does not take part: its commands are aborted one by one.
  tmf.awaited = 0;
  if (rc != -static_cast<int>(Error::kNotSupported)) {
    tmf.response = ISCSI_RESPONSE_TMF_FUNCTION_REJECTED;
  }
  tmf.done = true;
  session.commands.for_each([&](Command& command) {
    const Lun* its_lun = command.logical_unit;
    const bool of_class = its_lun != nullptr && its_lun->class_index() == lun.class_index();
    if (command.tmf == &tmf && of_class) driver_port::abort(command, SC_FLAG_TMF_ABORT);
  });
}

}  // namespace

void execute_task_management(Connection& connection, const iscsi::TaskManagementRequest& request,
                             bool immediate) {
  const uint8_t function = request.function & kFunctionMask;
  const uint32_t tag = request.initiator_task_tag.get();
  if (connection.session()->is_discovery()) {
    return connection.reject(reinterpret_cast<const iscsi::Bhs&>(request),
                             iscsi::RejectReason::kProtocolError, "TMF in a discovery session");
  }
  if (function == ISCSI_TMF_FUNCTION_ABORT_TASK) {
    abort_task(connection, request, immediate);
  } else if (names_lun(function) || is_target_reset(function)) {
    abort_set(connection, request, function, immediate);
  } else if (function == ISCSI_TMF_FUNCTION_TASK_REASSIGN) {
    respond(connection, tag, ISCSI_RESPONSE_TMF_NO_TASK_FAILOVER);
  } else {
    respond(connection, tag, ISCSI_RESPONSE_TMF_NOT_SUPPORTED);
  }
}

bool run_tmfs(Session& session) {
  bool called = false;
  session.tmfs.for_each([&](Tmf& tmf) {
    called |= tmf.call.wanted;
    if (tmf.call.wanted) call_driver(tmf);
    finish_if_over(tmf);
  });
  return called;
}

void tmf_command_ended(Tmf& tmf) {
  if (tmf.commands_left != 0) --tmf.commands_left;
}

void tmf_give_up(Tmf& tmf) {
  os_log_limited(OS_LOG_WARNING,
                 "task management function %u, itt 0x%x: %u commands held by storage driver",
                 tmf.function, tmf.initiator_task_tag, tmf.commands_left);
  if (!tmf.done.load()) tmf.response = ISCSI_RESPONSE_TMF_FUNCTION_REJECTED;
  tmf.done = true;
  tmf.classes_told = ~0u;
  tmf.commands_left = 0;
  // From here on they are aborted one by one, and orphaned when that is not answered either.
  tmf.session->commands.for_each([&](Command& command) {
    if (command.tmf == &tmf) driver_port::abort(command, SC_FLAG_TMF_ABORT);
  });
  finish(tmf);
}

void drop_tmfs(Session& session) {
  while (Tmf* tmf = session.tmfs.pop_front()) {
    leave_lun(*tmf);
    session.engine().tmf_handles().remove(*tmf);
    session.commands.for_each([&](Command& command) {
      if (command.tmf == tmf) command.tmf = nullptr;
    });
    tmf->unref();
  }
}

void drop_tmf_responses(Session& session, const Connection& connection) {
  session.tmfs.for_each([&](Tmf& tmf) {
    if (tmf.connection == &connection) tmf.connection = nullptr;
  });
}

}  // namespace rx

namespace {
void on_tmf_answered(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  Tmf& tmf = container_of(posted, &Tmf::answered);
  // The reference that the driver's call took for this message.
  Ref<Tmf> held = Ref<Tmf>::adopt(&tmf);
  if (tmf.session_node.is_linked()) rx::finish_if_over(tmf);
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
  if (tmf->answered.request(tmf->session->worker())) static_cast<void>(tmf.release());
  return 0;
}
