// SPDX-License-Identifier: GPL-2.0-only
//
// SCSI Data-Out PDUs (RFC 7143 section 11.7): "may this data land here?"
//
// Solicited data is looked up by its Target Transfer Tag and must continue its R2T exactly;
// unsolicited data must have been announced, and continue what the command brought. What has no
// home is discarded without a word: its command may have been aborted a moment ago. What is wrong
// for a living command fails it.
#include "target/rx/rx.hh"
#include "target/scsi/conclusion.hh"
#include "target/session/write_data.hh"

namespace chiscsi::rx {

namespace {

using iscsi::DataOut;

RxAction without_home(Connection& connection, Placement* placement) {
  connection.rx.discard = true;
  placement->may_be_placed = true;
  return RxAction::kContinue;
}

// Until the PDU is whole the command stays, whatever happens to it.
void receive_for(Connection& connection, Command& command) {
  command.receiving = true;
  connection.rx.command = &command;
  connection.rx.placed = connection.rx.in_list = false;
}

// A PDU without data is legal before the last one (RFC 7143 section 11.7.7). One that brings the
// last byte without the F bit is taken; a PDU that says F alone after it finds no R2T any more.
bool continues_r2t(const R2t& r2t, const DataOut& bhs, uint32_t size, bool final) {
  const uint32_t left = r2t.length - r2t.received;
  if (bhs.buffer_offset.get() != r2t.offset + r2t.received) return false;
  return size <= left && (!final || size == left);
}

// A DataSN out of order says that a PDU before it was lost to a digest error, and ends as that does
// (section 7.9), whatever is wrong besides.
SenseCode solicited_fault(const R2t& r2t, const DataOut& bhs, uint32_t size, bool final) {
  if (bhs.data_sn.get() != r2t.next_data_sn) return kProtocolServiceCrcError;
  return continues_r2t(r2t, bhs, size, final) ? kNoSense : kIncorrectAmountOfData;
}

RxAction reject_foreign(Connection& connection, const RxPdu& pdu, Placement* placement) {
  connection.reject(pdu.bhs, iscsi::RejectReason::kInvalidPduField, "Data-Out of another task");
  return without_home(connection, placement);
}

RxAction begin_solicited(Connection& connection, RxPdu& pdu, Placement* placement) {
  const auto& bhs = pdu.bhs.as<DataOut>();
  R2t* r2t = connection.session()->r2ts.find(bhs.target_transfer_tag.get());
  if (r2t == nullptr) return without_home(connection, placement);
  Command& command = *r2t->command;
  const bool same_task = command.initiator_task_tag == bhs.initiator_task_tag.get() &&
                         equal_bytes(Bytes(command.lun, 8), Bytes(bhs.lun, 8)) &&
                         command.connection == &connection;
  if (!same_task) return reject_foreign(connection, pdu, placement);
  // Of a command that has failed, or was aborted, the rest is awaited and nothing is placed.
  if (r2t->phase != nullptr) {
    const SenseCode fault = solicited_fault(*r2t, bhs, pdu.data_size(), pdu.bhs.final());
    if (fault.key != 0) write_data::fail(command, fault);
  }
  receive_for(connection, command);
  connection.rx.r2t = r2t;
  placement->may_be_placed = r2t->placed;
  if (r2t->phase == nullptr) return RxAction::kContinue;
  ++r2t->next_data_sn;
  const uint32_t offset = bhs.buffer_offset.get();
  placement->buffers = SgCursor(r2t->phase->list(), offset - r2t->phase->offset, pdu.data_size());
  return RxAction::kContinue;
}

uint32_t unsolicited_room(const Command& command) {
  const uint32_t first_burst = command.session.parameters.first_burst_length;
  const uint32_t limit =
      command.expected_length < first_burst ? command.expected_length : first_burst;
  return limit - command.unsolicited_received;
}

SenseCode unsolicited_fault(const Command& command, const DataOut& bhs, uint32_t size) {
  if (bhs.data_sn.get() != command.unsolicited_data_sn) return kProtocolServiceCrcError;
  if (size > unsolicited_room(command)) return kUnexpectedUnsolicitedData;
  const bool continues = bhs.buffer_offset.get() == command.unsolicited_received;
  return continues ? kNoSense : kIncorrectAmountOfData;
}

// Its end is decided: what still comes for it is awaited at most.
bool is_past_data(const Command& command) {
  return command.failed || command.conclusion_known || command.silent;
}

// A write whose unsolicited data is over, or that may have none, gets some nevertheless (RFC 7143
// section 13.11). A PDU that says F alone, after the last byte, brings nothing.
bool is_unexpected_data(const Command& command, const RxPdu& pdu) {
  return !command.unsolicited_open && command.is_write() && !is_past_data(command) &&
         pdu.data_size() != 0;
}

// The command fails. Its response waits for the end of the burst all the same (section 11.17.1).
RxAction refuse_unsolicited(Command& command) {
  command.unsolicited_open = true;
  write_data::wait_for_rest(command);
  write_data::fail(command, kUnexpectedUnsolicitedData);
  return RxAction::kContinue;
}

RxAction begin_unsolicited(Connection& connection, RxPdu& pdu, Placement* placement) {
  const auto& bhs = pdu.bhs.as<DataOut>();
  Command* command = connection.session()->tasks.find(bhs.initiator_task_tag.get());
  if (command == nullptr) return without_home(connection, placement);
  const bool unexpected = is_unexpected_data(*command, pdu);
  if (!unexpected && !command->unsolicited_open) return without_home(connection, placement);
  if (command->connection != &connection) return reject_foreign(connection, pdu, placement);
  receive_for(connection, *command);
  if (unexpected) return refuse_unsolicited(*command);
  if (is_past_data(*command)) return RxAction::kContinue;
  const SenseCode fault = unsolicited_fault(*command, bhs, pdu.data_size());
  if (fault.key != 0) {
    write_data::fail(*command, fault);
    return RxAction::kContinue;
  }
  ++command->unsolicited_data_sn;
  connection.rx.placed = true;
  connection.rx.in_list =
      write_data::find_unsolicited_place(*command, pdu.data_size(), &placement->buffers);
  if (!connection.rx.in_list) {
    placement->memory =
        command->unsolicited.bytes().slice(command->unsolicited_received, pdu.data_size());
  }
  return RxAction::kContinue;
}

// The PDU is whole, its R2T may have been cancelled while it arrived.
void complete_solicited(Connection& connection, RxPdu& pdu, R2t& r2t, Command& command) {
  if (r2t.command != &command) return;
  if (pdu.data_digest_error) {
    connection.reject(pdu.bhs, iscsi::RejectReason::kDataDigestError, "data digest error");
    write_data::fail(command, kProtocolServiceCrcError);
    if (r2t.command != &command) return;
  }
  if (r2t.phase == nullptr) {
    write_data::drained(r2t, pdu.data_size(), pdu.bhs.final());
  } else if (pdu.data_size() != 0) {
    write_data::received(r2t, pdu.data_size());
  }
}

void complete_unsolicited(Connection& connection, RxPdu& pdu, Command& command) {
  if (pdu.data_digest_error) {
    connection.reject(pdu.bhs, iscsi::RejectReason::kDataDigestError, "data digest error");
    write_data::fail(command, kProtocolServiceCrcError);
  } else if (connection.rx.placed) {
    write_data::unsolicited_received(command, pdu.data_size(), connection.rx.in_list);
  }
  const bool full = !command.failed && unsolicited_room(command) == 0;
  if (pdu.bhs.final() || full) write_data::unsolicited_complete(command);
}

}  // namespace

RxAction begin_data_out(Connection& connection, RxPdu& pdu, Placement* placement) {
  const bool solicited = pdu.bhs.as<DataOut>().target_transfer_tag.get() != iscsi::kReservedTag;
  return solicited ? begin_solicited(connection, pdu, placement)
                   : begin_unsolicited(connection, pdu, placement);
}

RxAction complete_data_out(Connection& connection, RxPdu& pdu) {
  Command& command = *std::exchange(connection.rx.command, nullptr);
  R2t* r2t = std::exchange(connection.rx.r2t, nullptr);
  command.receiving = false;
  if (r2t != nullptr) {
    complete_solicited(connection, pdu, *r2t, command);
  } else {
    complete_unsolicited(connection, pdu, command);
  }
  command.session.add_work(command);
  return RxAction::kContinue;
}

}  // namespace chiscsi::rx
