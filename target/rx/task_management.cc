// SPDX-License-Identifier: GPL-2.0-only
//
// Task Management Function Requests (RFC 7143 section 11.5, RFC 7144; Guide 7.3.6): which function
// it is, whether it may be executed, and what can be answered at once.
//
// A function that ends commands becomes a Tmf and goes its way in tmf_stages.cc. The target answers
// by itself: functions it does not have, queries, and ABORT TASK of a command that is not there or
// that has ended.
#include "target/engine.hh"
#include "target/lun/lun.hh"
#include "target/rx/rx.hh"
#include "target/scsi/driver_port.hh"

namespace chiscsi::rx {

namespace {

constexpr uint8_t kFunctionMask = 0x7f;
constexpr uint32_t kNoLun = 0xffffffff;

using Request = iscsi::TaskManagementRequest;

void respond(Connection& connection, const Request& request, uint8_t response) {
  send_tmf_response(connection, request.initiator_task_tag.get(), response, nullptr);
}

constexpr uint8_t kTmfAuthorizationFailed = 6;

// Who may only read changes nothing for others (docs/control.md, "LUN masks"): neither their
// commands nor what they have set. A task set that the target keeps is the initiator's own.
bool is_authorized(Session& session, uint8_t function, uint32_t number) {
  const LunRights& rights = session.rights();
  switch (function) {
    case ISCSI_TMF_FUNCTION_TARGET_WARM_RESET:
    case ISCSI_TMF_FUNCTION_TARGET_COLD_RESET:
      return rights.covers_for_writing(session.luns());
    case ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET:
      return rights.may_write(number);
    case ISCSI_TMF_FUNCTION_CLEAR_TASK_SET: {
      const Lun* lun = session.luns().find(number);
      return lun == nullptr || !lun->passes_all_commands() || rights.may_write(number);
    }
    default:
      return true;
  }
}

bool addresses_lun(uint8_t function) {
  switch (function) {
    case ISCSI_TMF_FUNCTION_ABORT_TASK_SET:
    case ISCSI_TMF_FUNCTION_CLEAR_TASK_SET:
    case ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET:
    case iscsi::kTmfQueryTaskSet:
    case iscsi::kTmfQueryAsyncEvent:
      return true;
    default:
      return false;
  }
}

bool is_of_rfc7144(uint8_t function) {
  return function >= iscsi::kTmfQueryTask && function <= iscsi::kTmfQueryAsyncEvent;
}

bool is_tmf_tag(Session& session, uint32_t tag) {
  return session.tmfs.find([&](const Tmf& tmf) {
    return !tmf.is_part() && tmf.initiator_task_tag == tag;
  }) != nullptr;
}

// Functions ahead of the order of commands have no place in the window, which bounds the others.
constexpr uint32_t kMaxImmediateFunctions = 32;

// One per connection is always taken (RFC 7143 section 4.2.2.1).
bool has_too_many_immediate(Connection& connection) {
  uint32_t count = 0, own = 0;
  connection.session()->tmfs.for_each([&](const Tmf& tmf) {
    if (tmf.is_part() || !tmf.immediate) return;
    ++count;
    if (tmf.connection == &connection) ++own;
  });
  return count >= kMaxImmediateFunctions && own != 0;
}

bool same_lun(const Command& command, const Request& request) {
  return equal_bytes(Bytes(command.lun, sizeof(command.lun)),
                     Bytes(request.lun, sizeof(request.lun)));
}

Tmf* start(Connection& connection, const Request& request, uint8_t function, bool immediate) {
  Session& session = *connection.session();
  Tmf* tmf = make<Tmf>(Alloc::kMaySleep, Ref<Session>::share(&session)).release();
  if (tmf == nullptr) {
    connection.drop("out of memory for a task management function");
    return nullptr;
  }
  tmf->connection = &connection;
  tmf->initiator_task_tag = request.initiator_task_tag.get();
  tmf->function = function;
  tmf->immediate = immediate;
  tmf->lun = driver_port::decode_lun(request.lun);
  tmf->cmd_sn = Serial(request.cmd_sn.get());
  tmf->response = ISCSI_RESPONSE_TMF_COMPLETE;
  tmf->deadline_ms = os_now_ms() + session.engine().abort_timeout_ms();
  session.engine().tmf_handles().add(*tmf);
  session.tmfs.push_back(*tmf);
  tmf->counted = !immediate;
  if (tmf->counted) session.window.command_started();
  session.watch_soon();
  return tmf;
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

bool could_still_come(Session& session, const Request& request) {
  const Serial referenced(request.ref_cmd_sn.get());
  return !session.window.is_past(referenced) && referenced <= session.window.max_cmd_sn() &&
         referenced < Serial(request.cmd_sn.get());
}

// ABORT TASK of a command that is not there (RFC 7143 section 11.6.1).
uint8_t abort_absent_task(Session& session, const Request& request) {
  if (!could_still_come(session, request)) return ISCSI_RESPONSE_TMF_INVALID_TASK;
  skip_in_order(session, Serial(request.ref_cmd_sn.get()));
  return ISCSI_RESPONSE_TMF_COMPLETE;
}

void abort_task(Connection& connection, const Request& request, bool immediate) {
  Session& session = *connection.session();
  const uint32_t referenced = request.referenced_task_tag.get();
  if (referenced == request.initiator_task_tag.get() || is_tmf_tag(session, referenced)) {
    return respond(connection, request, ISCSI_RESPONSE_TMF_FUNCTION_REJECTED);
  }
  Command* command = session.tasks.find(referenced);
  if (command == nullptr || !same_lun(*command, request)) {
    return respond(connection, request, abort_absent_task(session, request));
  }
  const bool nameable = can_be_named(*command);
  // Its response is before ours in the send queue: for the initiator it has ended, whatever we
  // still keep of it.
  if (!nameable && !command->silent) {
    return respond(connection, request, ISCSI_RESPONSE_TMF_INVALID_TASK);
  }
  Tmf* tmf = start(connection, request, ISCSI_TMF_FUNCTION_ABORT_TASK, immediate);
  if (tmf == nullptr) return;
  tmf->stage = TmfStage::kNaming;
  tmf->referenced_task_tag = referenced;
  if (!nameable) return wait_for(*tmf, *command);
  tmf->command = command;
  if (command->driver_saw) {
    tmf->tells_driver = true;
    tmf->logical_unit = command->logical_unit;
    tmf->logical_unit->enter_again();
  }
  name(*tmf, *command);
}

void start_multi_task(Connection& connection, const Request& request, uint8_t function,
                      bool immediate) {
  Session& session = *connection.session();
  const uint32_t number = driver_port::decode_lun(request.lun);
  Lun* lun = addresses_lun(function) ? session.enter_lun(number) : nullptr;
  if (addresses_lun(function) && lun == nullptr) {
    return respond(connection, request, ISCSI_RESPONSE_TMF_INVALID_LUN);
  }
  Tmf* tmf = start(connection, request, function, immediate);
  if (tmf == nullptr) {
    if (lun != nullptr) session.leave_lun(*lun);
    return;
  }
  tmf->logical_unit = lun;
  // A task set is that of one nexus: clearing it ends what ABORT TASK SET ends (SAM-5 section 7.5).
  // Only of a class that takes all commands it is not known.
  const bool speaks_for_it = lun != nullptr && !lun->passes_all_commands();
  if (speaks_for_it) tmf->unit = Ref<UnitState>::share(&lun->state());
  if (function == ISCSI_TMF_FUNCTION_CLEAR_TASK_SET && speaks_for_it) {
    tmf->function = ISCSI_TMF_FUNCTION_ABORT_TASK_SET;
  }
  // The storage driver API knows nothing of RFC 7144: there the commands are aborted one by one.
  tmf->tells_driver = !is_of_rfc7144(function);
}

// ---- Queries (RFC 7144; SAM-5 section 7) ----

bool is_in_task_set(const Command& command) {
  return !command.silent && !command.response_queued && command.inside == nullptr;
}

uint8_t query_task(Session& session, const Request& request) {
  const Command* command = session.tasks.find(request.referenced_task_tag.get());
  const bool present =
      command != nullptr && same_lun(*command, request) && is_in_task_set(*command);
  return present ? iscsi::kTmfFunctionSucceeded : ISCSI_RESPONSE_TMF_COMPLETE;
}

uint8_t query_task_set(Session& session, const Request& request) {
  const uint32_t lun = driver_port::decode_lun(request.lun);
  const bool present = session.commands.find([&](const Command& command) {
    return driver_port::decode_lun(command.lun) == lun && is_in_task_set(command);
  }) != nullptr;
  return present ? iscsi::kTmfFunctionSucceeded : ISCSI_RESPONSE_TMF_COMPLETE;
}

void query_async_event(Connection& connection, const Request& request) {
  SenseCode code{};
  const uint32_t lun = driver_port::decode_lun(request.lun);
  Session& session = *connection.session();
  const Lun* unit = session.luns().find(lun);
  const bool passes = unit != nullptr && unit->passes_all_commands();
  session.attention_inbox.take_into(session.unit_attentions);
  if (!session.unit_attentions.peek(lun, &code, passes)) {
    return respond(connection, request, ISCSI_RESPONSE_TMF_COMPLETE);
  }
  send_tmf_response(connection, request.initiator_task_tag.get(), iscsi::kTmfFunctionSucceeded,
                    &code);
}

void execute_function(Connection& connection, const Request& request, uint8_t function,
                      bool immediate) {
  Session& session = *connection.session();
  switch (function) {
    case ISCSI_TMF_FUNCTION_ABORT_TASK:
      return abort_task(connection, request, immediate);
    case ISCSI_TMF_FUNCTION_ABORT_TASK_SET:
    case ISCSI_TMF_FUNCTION_CLEAR_TASK_SET:
    case ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET:
    case ISCSI_TMF_FUNCTION_TARGET_WARM_RESET:
    case ISCSI_TMF_FUNCTION_TARGET_COLD_RESET:
    case iscsi::kTmfNexusReset:
      return start_multi_task(connection, request, function, immediate);
    case ISCSI_TMF_FUNCTION_TASK_REASSIGN:
      return respond(connection, request,
                     is_tmf_tag(session, request.referenced_task_tag.get())
                         ? ISCSI_RESPONSE_TMF_FUNCTION_REJECTED
                         : ISCSI_RESPONSE_TMF_NO_TASK_FAILOVER);
    case iscsi::kTmfQueryTask:
      return respond(connection, request, query_task(session, request));
    case iscsi::kTmfQueryTaskSet:
      return respond(connection, request, query_task_set(session, request));
    case iscsi::kTmfQueryAsyncEvent:
      return query_async_event(connection, request);
    default:
      return respond(connection, request, ISCSI_RESPONSE_TMF_NOT_SUPPORTED);
  }
}

}  // namespace

void send_tmf_response(Connection& connection, uint32_t initiator_task_tag, uint8_t response,
                       const SenseCode* information) {
  OwnPtr<ControlPdu> answer =
      connection.make_control(iscsi::Opcode::kTaskManagementResponse, initiator_task_tag);
  if (!answer) return;
  auto& bhs = answer->bhs.as<iscsi::TaskManagementResponse>();
  bhs.response = response;
  if (information != nullptr) {
    bhs.additional_response_information[0] = information->key;
    bhs.additional_response_information[1] = information->asc;
    bhs.additional_response_information[2] = information->ascq;
  }
  connection.queue_control(std::move(answer));
}

void execute_task_management(Connection& connection, const Request& request, bool immediate) {
  Session& session = *connection.session();
  const auto& bhs = reinterpret_cast<const iscsi::Bhs&>(request);
  const uint8_t function = request.function & kFunctionMask;
  const uint32_t tag = request.initiator_task_tag.get();
  if (session.is_discovery()) {
    return connection.reject(bhs, iscsi::RejectReason::kProtocolError,
                             "TMF in a discovery session");
  }
  if (is_tmf_tag(session, tag) || session.tasks.find(tag) != nullptr) {
    return connection.reject(bhs, iscsi::RejectReason::kTaskInProgress, "task in progress");
  }
  if (immediate && has_too_many_immediate(connection)) {
    return connection.reject(bhs, iscsi::RejectReason::kImmediateCommandReject,
                             "too many immediate functions");
  }
  if (is_of_rfc7144(function) && session.parameters.protocol_level < iscsi::kLevelOfRfc7144) {
    return respond(connection, request, ISCSI_RESPONSE_TMF_NOT_SUPPORTED);
  }
  const uint32_t lun = driver_port::decode_lun(request.lun);
  if (addresses_lun(function) && (lun == kNoLun || !session.has_lun(lun))) {
    return respond(connection, request, ISCSI_RESPONSE_TMF_INVALID_LUN);
  }
  if (!is_authorized(session, function, lun)) {
    return respond(connection, request, kTmfAuthorizationFailed);
  }
  execute_function(connection, request, function, immediate);
}

}  // namespace chiscsi::rx
