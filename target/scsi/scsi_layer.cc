// SPDX-License-Identifier: GPL-2.0-only
//
// From a command to an answer of the command table, and from its bytes to the command's data.
#include "target/scsi/scsi_layer.hh"

#include "target/engine.hh"
#include "target/scsi/command_table.hh"
#include "target/session/session.hh"

namespace chiscsi::scsi_layer {

namespace {

using scsi::CommandInfo;
using scsi::Question;

// No answer but REPORT LUNS is longer: two names of 223 characters and the table of commands.
constexpr size_t kMaxAnswer = 2048;
constexpr unsigned kNaca = 2;  // Bit of the CONTROL byte.

size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

void end_with(Command& command, SenseCode sense) {
  command.scsi.sc_status = kScsiCheckCondition;
  command.scsi.sc_sense_key = sense.key;
  command.scsi.sc_sense_asc = sense.asc;
  command.scsi.sc_sense_ascq = sense.ascq;
  conclude_as_driver_said(command);
}

// Memory for an answer: the list element that describes it, and the bytes behind it.
Buffer make_memory(size_t size) { return Buffer::allocate(sizeof(chiscsi_sgvec) + size); }
MutableBytes payload(const Buffer& memory) { return memory.bytes().skip(sizeof(chiscsi_sgvec)); }

// The bytes become the one phase of the command.
void lend_reply(Command& command, Buffer memory, uint32_t size) {
  auto* element = ::new (memory.data()) chiscsi_sgvec{};
  element->sg_addr = payload(memory).data();
  element->sg_length = size;
  command.reply = std::move(memory);
  BufferPhase& phase = command.inline_phase;
  phase.elements = element;
  phase.count = 1;
  phase.offset = 0;
  phase.length = phase.wire_length = size;
  phase.pulled = phase.done = 0;
  command.data_total = size;
  command.phases.push_back(phase);
}

// `size` bytes in `memory` are the answer, cut to the allocation length.
void send(Command& command, Buffer memory, size_t size) {
  const size_t room = command.is_read() ? command.expected_length : 0;
  const size_t wire = smaller(size, room);
  if (wire != 0) lend_reply(command, std::move(memory), static_cast<uint32_t>(wire));
  if (size > room) {
    command.scsi.sc_flag |= SC_FLAG_XFER_OVERFLOW;
    command.scsi.sc_xfer_residualcount = static_cast<unsigned int>(size - room);
  }
  conclude_as_driver_said(command);
}

// The one that REQUEST SENSE has reported is over.
void take_unit_attention(Command& command) {
  SenseCode reported;
  command.session.unit_attentions.take(command.scsi.sc_lun, &reported);
}

void answer(Command& command, const CommandInfo& info, Question question) {
  Ref<GlobalSettings> globals;
  if (info.opcode == scsi::Opcode::kInquiry) {
    globals = command.session.engine().globals().get();
    question.vendor = globals->vendor_id();
  }
  const size_t longest =
      info.opcode == scsi::Opcode::kReportLuns ? scsi::report_luns_size(question.luns) : kMaxAnswer;
  const size_t wanted = info.allocation_length(question.cdb);
  Buffer memory = make_memory(smaller(wanted, longest));
  if (!memory) return conclude_with_status(command, kScsiBusy);
  scsi::Reply reply(payload(memory));
  const SenseCode sense = info.answer(question, reply);
  if (sense.key != 0) return end_with(command, sense);
  if (info.opcode == scsi::Opcode::kRequestSense) take_unit_attention(command);
  if (command.expected_length != 0 && reply.size() != 0 && !command.is_read()) {
    return end_with(command, kInvalidFieldInCommandUnit);
  }
  const size_t kept = smaller(reply.size(), payload(memory).size());
  send(command, std::move(memory), kept);
}

bool asks_for_aca(const scsi::Cdb& cdb, const CommandInfo& info) {
  return cdb.bit(info.usage_size - 1u, kNaca);
}

// What can be said of a command before anybody runs it.
SenseCode check(const CommandInfo& info, const Question& question) {
  if (asks_for_aca(question.cdb, info)) return kInvalidFieldInCdb;
  if (question.lun == nullptr) return info.on_absent_lun ? kNoSense : kNoSuchLun;
  if (info.needs_geometry && !question.lun->has_geometry()) return kBecomingReady;
  return kNoSense;
}

// True when the class needs not to see it.
bool takes_medium(Command& command, const CommandInfo& info, const Question& question) {
  bool nothing_to_do = false;
  const scsi::DataClaim claim{command.is_read(), command.is_write(), command.expected_length};
  const SenseCode sense =
      scsi::check_medium(*question.lun, question.cdb, *info.medium, claim, &nothing_to_do);
  if (sense.key != 0) {
    end_with(command, sense);
  } else if (nothing_to_do) {
    conclude_as_driver_said(command);
  }
  return sense.key != 0 || nothing_to_do;
}

// What a class says of the other LUNs is not for an initiator that may not reach all of them.
bool asks_for_hidden_luns(const Command& command) {
  Session& session = command.session;
  return scsi::Cdb(command.cdb).opcode() == scsi::Opcode::kReportLuns &&
         session.luns().is_listed() && !session.rights().covers(session.luns());
}

}  // namespace

bool takes(Command& command) {
  const Lun* lun = command.logical_unit;
  Session& session = command.session;
  if (lun != nullptr && lun->passes_all_commands() && !asks_for_hidden_luns(command)) return false;
  Question question{scsi::Cdb(command.cdb), lun, session.luns(), session.target()->name(),
                    session.parameters.portal_group_tag};
  question.rights = &session.rights();
  question.may_write = session.rights().may_write(command.scsi.sc_lun);
  session.unit_attentions.peek(command.scsi.sc_lun, &question.unit_attention);
  SenseCode sense;
  const CommandInfo* info = scsi::find_command(question.cdb, &sense);
  if (info == nullptr) {
    end_with(command, lun != nullptr ? sense : kNoSuchLun);
    return true;
  }
  sense = check(*info, question);
  if (sense.key != 0) {
    end_with(command, sense);
    return true;
  }
  if (info->is_medium()) return takes_medium(command, *info, question);
  answer(command, *info, question);
  return true;
}

void release_reply(Command& command) {
  if (!command.reply) return;
  command.inline_phase.node.unlink();
  command.reply.reset();
}

}  // namespace chiscsi::scsi_layer
