// SPDX-License-Identifier: GPL-2.0-only
//
// SCSI Command PDUs (RFC 7143 section 11.3): from the header to the session's work list.
//
// A command is refused by a Reject only where it cannot become a task; where the task exists but
// its data is wrong, it becomes a command that ends with CHECK CONDITION. AHS that contradict
// themselves end the session.
#include "os/thread.h"
#include "target/rx/ahs.hh"
#include "target/rx/rx.hh"
#include "target/scsi/conclusion.hh"
#include "target/session/write_data.hh"
#include "target/trace.hh"

namespace chiscsi::rx {

namespace {

using iscsi::RejectReason;
using Verdict = CommandWindow::Verdict;

constexpr uint32_t kMaxImmediateCommands = 32;
constexpr uint64_t kUnsolicitedWaitMs = 60'000;

// What a command needs before it can be made.
struct Supplies {
  AhsContent ahs;
  Buffer memory;  // For unsolicited data.
  Buffer cdb;     // For a CDB that does not fit into the header.
};

RxAction skip(Connection& connection) {
  connection.rx.discard = true;
  return RxAction::kContinue;
}

RxAction reject_command(Connection& connection, const RxPdu& pdu, RejectReason reason,
                        const char* why) {
  connection.reject(pdu.bhs, reason, why);
  return skip(connection);
}

void read_cdb(Command& command, const iscsi::ScsiCommand& bhs, Supplies& supplies) {
  __builtin_memcpy(command.cdb, bhs.cdb, sizeof(command.cdb));
  if (!supplies.cdb) return;
  command.long_cdb = std::move(supplies.cdb);
  copy_bytes(command.long_cdb.bytes(), Bytes(bhs.cdb));
  copy_bytes(command.long_cdb.bytes().skip(sizeof(bhs.cdb)), supplies.ahs.cdb_rest);
}

void read_header(Command& command, Connection& connection, const RxPdu& pdu, Supplies& supplies) {
  const auto& bhs = pdu.bhs.as<iscsi::ScsiCommand>();
  command.connection = &connection;
  connection.member().adopt(command);
  command.initiator_task_tag = bhs.initiator_task_tag.get();
  command.flags = bhs.flags;
  // A length without a direction means nothing (RFC 7143 section 11.3.4).
  const bool moves_data = command.is_read() || command.is_write();
  command.expected_length = moves_data ? bhs.expected_data_transfer_length.get() : 0;
  command.immediate = pdu.bhs.immediate();
  command.sequenced.cmd_sn = Serial(bhs.cmd_sn.get());
  command.sequenced.is_command = true;
  command.bidi_read_length = supplies.ahs.read_length;
  if (connection.session()->parameters.protocol_level >= iscsi::kLevelOfRfc7144) {
    command.priority = bhs.priority & iscsi::kCommandPriorityMask;
  }
  __builtin_memcpy(command.lun, bhs.lun, sizeof(command.lun));
  read_cdb(command, bhs, supplies);
}

// How much data may come without an R2T, immediate data included.
uint32_t unsolicited_limit(const Session& session, uint32_t expected_length) {
  const uint32_t first_burst = session.parameters.first_burst_length;
  return expected_length < first_burst ? expected_length : first_burst;
}

// Bytes to keep ready for unsolicited data of this command; 0 for none.
uint32_t unsolicited_room_wanted(const Session& session, const RxPdu& pdu) {
  const auto& bhs = pdu.bhs.as<iscsi::ScsiCommand>();
  const bool open = !pdu.bhs.final() && !session.parameters.initial_r2t;
  if ((bhs.flags & iscsi::kCommandWrite) == 0 || (!open && pdu.data_size() == 0)) return 0;
  return unsolicited_limit(session, bhs.expected_data_transfer_length.get());
}

// Whether immediate data and the F bit agree with what was negotiated.
bool unsolicited_data_allowed(const Session& session, const Command& command, const RxPdu& pdu) {
  if (pdu.data_size() == 0) return true;
  return command.is_write() && session.parameters.immediate_data &&
         pdu.data_size() <= unsolicited_limit(session, command.expected_length);
}

RxAction prepare_unsolicited(Connection& connection, Command& command, const RxPdu& pdu,
                             Buffer memory, Placement* placement) {
  Session& session = *connection.session();
  if (!unsolicited_data_allowed(session, command, pdu)) {
    write_data::fail(command, kUnexpectedUnsolicitedData);
  }
  if (command.failed || !memory) return RxAction::kContinue;
  command.unsolicited = std::move(memory);
  command.unsolicited_open = !pdu.bhs.final() && !session.parameters.initial_r2t &&
                             pdu.data_size() < unsolicited_limit(session, command.expected_length);
  placement->memory = command.unsolicited.bytes().first(pdu.data_size());
  return RxAction::kContinue;
}

bool is_bidirectional(uint8_t flags) {
  constexpr uint8_t kBoth = iscsi::kCommandRead | iscsi::kCommandWrite;
  return (flags & kBoth) == kBoth;
}

// Whether the additional header segments are well-formed and such as this command may have.
bool read_ahs(const RxPdu& pdu, AhsContent* ahs) {
  if (!parse_ahs(Bytes(pdu.ahs, pdu.ahs_size), ahs)) return false;
  return !ahs->has_read_length || is_bidirectional(pdu.bhs.flags);
}

// Memory that the command will need. False: receiving has to pause for it.
bool supply(Connection& connection, const RxPdu& pdu, Supplies& supplies) {
  const uint32_t room = unsolicited_room_wanted(*connection.session(), pdu);
  if (room != 0 && !(supplies.memory = take_rx_memory(connection, room))) return false;
  if (supplies.ahs.cdb_rest.empty()) return true;
  supplies.cdb = Buffer::allocate_atomic(iscsi::kBhsCdbSize + supplies.ahs.cdb_rest.size());
  if (supplies.cdb) return true;
  connection.rx.spare = std::move(supplies.memory);
  connection.rx.want_command = true;
  return false;
}

// One per connection is always taken, whatever the others of the session have outstanding (RFC 7143
// section 4.2.2.1). It is over for the initiator when its response has left.
bool may_have_immediate_command(Connection& connection) {
  Session& session = *connection.session();
  if (session.immediate_commands < kMaxImmediateCommands) return true;
  return session.commands.find([&](const Command& command) {
    const bool is_over = command.response_queued && !command.silent;
    return command.immediate && command.connection == &connection && !is_over;
  }) == nullptr;
}

// Takes a command from the pool. Null: the PDU was answered, or is to be ignored.
Command* admit(Connection& connection, RxPdu& pdu, Supplies& supplies, RxAction* action) {
  Session& session = *connection.session();
  const auto& bhs = pdu.bhs.as<iscsi::ScsiCommand>();
  *action = RxAction::kContinue;
  if (!pdu.bhs.immediate() && session.window.peek(Serial(bhs.cmd_sn.get())) == Verdict::kIgnore) {
    *action = skip(connection);
    return nullptr;
  }
  if (pdu.bhs.immediate() && !may_have_immediate_command(connection)) {
    *action = reject_command(connection, pdu, RejectReason::kImmediateCommandReject,
                             "too many immediate commands");
    return nullptr;
  }
  if (pdu.ahs_too_long) {
    *action = reject_command(connection, pdu, RejectReason::kInvalidPduField,
                             "more additional header segments than we take");
    return nullptr;
  }
  if (!read_ahs(pdu, &supplies.ahs)) {
    connection.format_error(pdu.bhs, "malformed additional header segment");
    *action = RxAction::kClose;
    return nullptr;
  }
  if (session.tasks.find(bhs.initiator_task_tag.get()) != nullptr) {
    *action = reject_command(connection, pdu, RejectReason::kTaskInProgress, "task in progress");
    return nullptr;
  }
  if (!supply(connection, pdu, supplies)) {
    *action = RxAction::kPause;
    return nullptr;
  }
  Command* command = session.new_command();
  if (command == nullptr) {
    connection.rx.spare = std::move(supplies.memory);
    connection.rx.want_command = true;
    *action = RxAction::kPause;
  }
  return command;
}

// By the direction the command has; one without data is neither.
void count_command(const Command& command, Traffic& traffic) {
  if (command.is_read()) traffic.read_executed();
  if (command.is_write()) traffic.write_executed();
}

}  // namespace

RxAction begin_scsi_command(Connection& connection, RxPdu& pdu, Placement* placement) {
  RxAction action;
  Supplies supplies;
  Command* command = admit(connection, pdu, supplies, &action);
  if (command == nullptr) return action;
  Session& session = *connection.session();
  read_header(*command, connection, pdu, supplies);
  trace::received(*command);
  command->set_state(CommandState::kReceiving);
  session.commands.push_back(*command);
  session.tasks.add(*command);
  if (command->immediate) {
    ++session.immediate_commands;
  } else {
    command->counted = true;
    session.window.command_started();
  }
  connection.rx.command = command;
  // A bidirectional command cannot be passed on; it becomes a task all the same, so that the order
  // of commands has no hole.
  if (is_bidirectional(command->flags)) write_data::fail(*command, kInvalidFieldInCdb);
  return prepare_unsolicited(connection, *command, pdu, std::move(supplies.memory), placement);
}

RxAction complete_scsi_command(Connection& connection, RxPdu& pdu) {
  Command& command = *std::exchange(connection.rx.command, nullptr);
  Session& session = *connection.session();
  if (pdu.data_digest_error) {
    connection.reject(pdu.bhs, RejectReason::kDataDigestError, "data digest error");
    connection.drop("data digest error in a SCSI command", true);
    return RxAction::kContinue;
  }
  if (!command.failed && command.unsolicited) {
    command.unsolicited_received = pdu.data_size();
    if (command.unsolicited_open) session.watch(command, kUnsolicitedWaitMs);
  }
  if (command.immediate) {
    execute_scsi_command(command);
    return RxAction::kContinue;
  }
  switch (session.window.accept(command.sequenced.cmd_sn)) {
    case Verdict::kExecute:
      execute_scsi_command(command);
      run_held(session);
      break;
    case Verdict::kHold:
      command.set_state(CommandState::kHeld);
      session.window.hold(command.sequenced);
      break;
    case Verdict::kIgnore:
      session.free_command(command);
      break;
  }
  return RxAction::kContinue;
}

void execute_scsi_command(Command& command) {
  command.set_state(CommandState::kReady);
  command.started_us = os_now_us();
  if (command.connection != nullptr) count_command(command, command.connection->status.traffic);
  command.session.add_work(command);
}

}  // namespace chiscsi::rx
