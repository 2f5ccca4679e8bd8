// SPDX-License-Identifier: GPL-2.0-only
//
// Data-In PDUs, the SCSI Response, and R2T.
//
// A good status without sense travels in the last Data-In (phase collapse); everything else gets a
// SCSI Response of its own. Sequences end at MaxBurstLength, PDUs at the last whole word within the
// initiator's MaxRecvDataSegmentLength. RFC 7143 sections 11.4, 11.7 and 11.8.
#include "target/scsi/conclusion.hh"
#include "target/session/connection.hh"
#include "target/session/session.hh"
#include "target/trace.hh"
#include "target/tx/tx.hh"
#include "target/tx/zero_copy.hh"

namespace chiscsi::tx {

namespace {

BufferPhase* unsent_phase(Command& command) {
  if (!command.is_read()) return nullptr;
  return command.phases.find(
      [](const BufferPhase& phase) { return phase.pulled < phase.wire_length; });
}

uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

bool is_last_data(Command& command, const BufferPhase& phase) {
  return phase.pulled == phase.wire_length && &phase == command.phases.back();
}

bool collapses_status(const Command& command) {
  return command.conclusion_known && command.scsi_status == kScsiGood &&
         command.response_code == 0 && command.sense_size == 0 &&
         command.status_qualifier.load(std::memory_order_relaxed) == 0;
}

// The status leaves now, so the command's place in the window is free: the very PDU says so. With
// it the command has ended, and who waited for that in its task set begins.
void leave_window(Command& command) {
  command.response_queued = true;
  trace::status(command, OS_TRACE_RESPONSE);
  command.session.task_sets.leave(command);
  if (!command.counted) return;
  command.counted = false;
  command.session.window.command_ended();
}

void put_status(Command& command, TxPdu* pdu) {
  auto& bhs = pdu->bhs.as<iscsi::DataIn>();
  bhs.flags |= iscsi::kDataInStatus | command.residual_flags;
  bhs.status = command.scsi_status;
  bhs.residual_count = command.residual_count;
  leave_window(command);
}

// What the next item takes of what is left of the list and of the sequence.
struct DataCut {
  uint32_t size;
  uint32_t segment;  // 0: one PDU.
  uint32_t pdus;
};

// All of it, or PDUs of whole words (section 11.7.7; the limit is 512 at least). Of a transport
// that can cut, it is as many as it offers to, when those are more than one.
DataCut cut_data(const Connection& connection, const Command& command, const BufferPhase& phase,
                 uint32_t offered) {
  constexpr uint32_t kWordMask = ~3u;
  const uint32_t burst_left = command.session.parameters.max_burst_length - command.burst_sent;
  const uint32_t left = smaller(phase.wire_length - phase.pulled, burst_left);
  const uint32_t limit = connection.parameters.max_send_data_segment_length;
  if (left <= limit) return {left, 0, 1};
  const uint32_t segment = limit & kWordMask;
  const uint32_t size = left <= offered ? left : offered - offered % segment;
  if (size <= segment) return {segment, 0, 1};
  return {size, segment, (size + segment - 1) / segment};
}

void fill_data_in(Connection& connection, Command& command, BufferPhase& phase, TxPdu* pdu) {
  const uint32_t max_burst = command.session.parameters.max_burst_length;
  const DataCut next = cut_data(connection, command, phase, pdu->max_burst);
  const uint32_t size = next.size;

  auto& bhs = pdu->bhs.as<iscsi::DataIn>();
  bhs.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kDataIn);
  bhs.initiator_task_tag = command.initiator_task_tag;
  bhs.target_transfer_tag = iscsi::kReservedTag;
  bhs.data_sn = command.data_sn;
  command.data_sn += next.pdus;
  bhs.buffer_offset = phase.offset + phase.pulled;
  pdu->buffers = phase.list();
  pdu->buffers_offset = phase.pulled;
  pdu->data_size = size;
  pdu->segment = next.segment;
  pdu->notice = phase.notice_held ? &phase.notice : nullptr;
  pdu->mark = kData;

  phase.pulled += size;
  command.burst_sent += size;
  connection.status.traffic.read_sent(size);
  const bool last = is_last_data(command, phase);
  // Whether more data comes after the last list is the driver's secret: the sequence ends with it.
  // So it does with a list that ends inside a word.
  if (command.burst_sent == max_burst || last || size % 4 != 0) {
    bhs.flags |= iscsi::kFinalBit;
    command.burst_sent = 0;
  }
  const bool with_status = last && collapses_status(command);
  if (with_status) put_status(command, pdu);
  stamp(connection, pdu->bhs, with_status ? StatSnUse::kAdvance : StatSnUse::kNone);
}

void fill_response(Connection& connection, Command& command, TxPdu* pdu) {
  auto& bhs = pdu->bhs.as<iscsi::ScsiResponse>();
  bhs.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kScsiResponse);
  bhs.flags = iscsi::kFinalBit;
  bhs.response = command.response_code;
  bhs.status = command.scsi_status;
  bhs.initiator_task_tag = command.initiator_task_tag;
  // With a service response other than "completed" all of this is reserved
  // (sections 11.4.1, 11.4.8).
  if (command.response_code == 0) {
    bhs.flags |= command.residual_flags;
    bhs.exp_data_sn = command.data_sn;  // Of Data-In; a write has none.
    bhs.residual_count = command.residual_count;
    if (command.bidi_read_length != 0) {
      bhs.flags |= iscsi::kResponseBidiUnderflow;  // Such a command is refused: nothing was read.
      bhs.bidi_residual_count = command.bidi_read_length;
    }
    if (command.session.parameters.protocol_level >= iscsi::kLevelOfRfc7144) {
      bhs.status_qualifier = command.status_qualifier.load(std::memory_order_relaxed);
    }
  }
  pdu->memory = Bytes(command.sense, command.sense_size);
  pdu->data_size = command.sense_size;
  pdu->mark = kOther;
  leave_window(command);
  stamp(connection, pdu->bhs, StatSnUse::kAdvance);
}

}  // namespace

void fill_command(Connection& connection, Command& command, TxPdu* pdu) {
  ++command.pdus_in_flight;
  pdu->item = &command;
  if (BufferPhase* phase = unsent_phase(command)) {
    fill_data_in(connection, command, *phase, pdu);
  } else {
    fill_response(connection, command, pdu);
  }
}

void command_pdu_sent(Command& command, const TxPdu& pdu) {
  --command.pdus_in_flight;
  if (pdu.mark == kData) {
    // PDUs are sent in the order in which they were pulled, so the data is of the first phase that
    // is not done.
    BufferPhase* phase = command.phases.find(
        [](const BufferPhase& candidate) { return candidate.done < candidate.wire_length; });
    if (phase != nullptr) {
      phase->done += pdu.data_size;
      if (phase->done == phase->wire_length) zero_copy::end(*phase);
    }
  }
  command.session.add_work(command);
}

namespace {
void put_landing(Command& command, R2t& r2t, Landing* landing) {
  landing->item = &r2t;
  landing->task = &command.placed;
  landing->buffers = r2t.phase->list();
  landing->buffers_offset = r2t.phase->offset;
  landing->buffers_length = r2t.phase->wire_length;
  landing->offset = r2t.offset;
  landing->length = r2t.length;
  landing->total = command.expected_length;
}
}  // namespace

void fill_r2t(Connection& connection, R2t& r2t, TxPdu* pdu) {
  auto& bhs = pdu->bhs.as<iscsi::R2t>();
  Command& command = *r2t.command;
  bhs.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kR2t);
  bhs.flags = iscsi::kFinalBit;
  __builtin_memcpy(bhs.lun, command.lun, sizeof(bhs.lun));
  bhs.initiator_task_tag = command.initiator_task_tag;
  bhs.target_transfer_tag = r2t.target_transfer_tag;
  bhs.r2t_sn = r2t.r2t_sn;
  bhs.buffer_offset = r2t.offset;
  bhs.desired_data_transfer_length = r2t.length;
  pdu->mark = kOther;
  if (pdu->landing != nullptr) put_landing(command, r2t, pdu->landing);
  trace::data(command, OS_TRACE_R2T, r2t.offset, r2t.length);
  stamp(connection, pdu->bhs, StatSnUse::kPeek);
}

}  // namespace chiscsi::tx
