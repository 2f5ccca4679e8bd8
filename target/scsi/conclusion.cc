// SPDX-License-Identifier: GPL-2.0-only
//
// Status, sense and residual of a command (RFC 7143 section 11.4; Guide, "Buffer Overflow and
// Underflow"; SPC-5 section 4.4 for sense data).
#include "target/scsi/conclusion.hh"

#include "target/lun/lun.hh"
#include "target/session/connection.hh"
#include "target/session/session.hh"
#include "target/session/write_data.hh"
#include "target/trace.hh"

namespace chiscsi {

namespace {

// Fixed format 0x70/0x71, descriptor format 0x72/0x73.
bool holds_sense(const uint8_t* sense) {
  const uint8_t code = sense[0] & 0x7f;
  return code >= 0x70 && code <= 0x73;
}

void put_sense_size(Command& command, uint32_t size) {
  command.sense[0] = static_cast<uint8_t>(size >> 8);
  command.sense[1] = static_cast<uint8_t>(size);
  command.sense_size = static_cast<uint16_t>(size + 2);
}

// A LUN that leaves SCSI to the target has a control mode page, which says the format.
bool wants_descriptors(const Command& command) {
  const Lun* lun = command.logical_unit;
  return lun != nullptr && !lun->passes_all_commands() && lun->state().mode().descriptor_sense();
}

void build_sense(Command& command, const Sense& sense) {
  put_sense_size(command, put_sense(command.sense + 2, sense, wants_descriptors(command)));
}

// Sense that the driver wrote is sent as it is; its length is in its own header. But where the
// target keeps the mode pages, it also keeps the format they promise.
void copy_driver_sense(Command& command) {
  constexpr uint8_t kCurrentFixed = 0x70, kCodeMask = 0x7f;
  const uint8_t* sense = command.scsi.sc_sense_buf;
  if ((sense[0] & kCodeMask) == kCurrentFixed && wants_descriptors(command)) {
    return build_sense(command, read_fixed_sense(sense));
  }
  uint32_t size = 8u + sense[7];
  if (size > SCSI_SENSE_BUFFERSIZE) size = SCSI_SENSE_BUFFERSIZE;
  __builtin_memcpy(command.sense + 2, sense, size);
  put_sense_size(command, size);
}

void take_driver_sense(Command& command) {
  const chiscsi_scsi_command& scsi = command.scsi;
  if (holds_sense(scsi.sc_sense_buf)) {
    copy_driver_sense(command);
  } else {
    SenseCode code{scsi.sc_sense_key, scsi.sc_sense_asc, scsi.sc_sense_ascq};
    if (code.key == 0) code = kAbortedCommand;
    build_sense(command, code);
  }
}

void set_residual(Command& command, uint8_t flag, uint32_t count) {
  if (count == 0) return;
  command.residual_flags = flag;
  command.residual_count = count;
}

// What the driver says about the residual counts; without a word, what was not moved is missing.
void compute_residual(Command& command) {
  const chiscsi_scsi_command& scsi = command.scsi;
  if (!command.own_failure && (scsi.sc_flag & SC_FLAG_XFER_OVERFLOW) != 0) {
    set_residual(command, iscsi::kResponseOverflow, scsi.sc_xfer_residualcount);
  } else if (!command.own_failure && (scsi.sc_flag & SC_FLAG_XFER_UNDERFLOW) != 0) {
    set_residual(command, iscsi::kResponseUnderflow, scsi.sc_xfer_residualcount);
  } else if (command.data_total < command.expected_length) {
    set_residual(command, iscsi::kResponseUnderflow, command.expected_length - command.data_total);
  }
}

// A status that fails the command before all its data was promised.
void queue_response(Command& command) {
  command.conclusion_known = true;
  command.concluded_us = os_now_us();
  compute_residual(command);
  trace::status(command, OS_TRACE_ENDED);
  if (command.state != CommandState::kResponding) command.set_state(CommandState::kResponding);
  if (command.connection == nullptr || command.silent) {
    command.response_queued = true;
  } else if (!write_data::delays_response(command)) {
    command.connection->queue(command);
  }
}

}  // namespace

void conclude_as_driver_said(Command& command) {
  command.response_code = command.scsi.sc_response;
  command.scsi_status = command.scsi.sc_status;
  if (command.scsi_status == kScsiCheckCondition) take_driver_sense(command);
  queue_response(command);
}

void conclude_with_sense(Command& command, const Sense& sense) {
  command.own_failure = true;
  command.response_code = 0;
  command.scsi_status = kScsiCheckCondition;
  build_sense(command, sense);
  queue_response(command);
}

void conclude_with_status(Command& command, uint8_t status) {
  command.own_failure = true;
  command.response_code = 0;
  command.scsi_status = status;
  command.sense_size = 0;
  queue_response(command);
}

}  // namespace chiscsi
