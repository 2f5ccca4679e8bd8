// SPDX-License-Identifier: GPL-2.0-only
//
// From a command to its row in the command table: to an answer whose bytes become the command's
// data, to an execution that gets the command's data, or on to the class of the LUN.
#include "target/scsi/scsi_layer.hh"

#include "target/engine.hh"
#include "target/scsi/command_table.hh"
#include "target/scsi/driver_port.hh"
#include "target/scsi/long_commands.hh"
#include "target/scsi/readiness.hh"
#include "target/scsi/reservations.hh"
#include "target/scsi/third_party_copy.hh"
#include "target/session/session.hh"
#include "target/session/write_data.hh"

namespace chiscsi::scsi_layer {

namespace {

using scsi::CommandInfo;
using scsi::Ending;
using scsi::Question;

constexpr unsigned kNaca = 2;  // Bit of the CONTROL byte.

size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

Question question_of(Command& command) {
  Session& session = command.session;
  Question question{scsi::Cdb(command.cdb), command.logical_unit, session.luns(),
                    session.target()->name(), session.parameters.portal_group_tag};
  question.nexus = &session.parameters;
  question.access = &session.target()->access_states();
  question.rights = &session.rights();
  question.was_long = command.was_long;
  question.copies = &session.copies;
  question.may_write = session.rights().may_write(command.scsi.sc_lun);
  const bool passes = question.lun != nullptr && question.lun->passes_all_commands();
  session.unit_attentions.peek(command.scsi.sc_lun, &question.unit_attention, passes);
  return question;
}

// ---- Memory of ours as the command's data ----

// The list element that describes it, and the bytes behind it.
Buffer make_memory(size_t size) { return Buffer::allocate(sizeof(chiscsi_sgvec) + size); }
MutableBytes payload(const Buffer& memory) { return memory.bytes().skip(sizeof(chiscsi_sgvec)); }

// The bytes become the one phase of the command.
void lend(Command& command, Buffer memory, uint32_t size) {
  auto* element = ::new (memory.data()) chiscsi_sgvec{};
  element->sg_addr = payload(memory).data();
  element->sg_length = size;
  command.own_data = std::move(memory);
  BufferPhase& phase = command.inline_phase;
  phase.elements = element;
  phase.count = 1;
  phase.offset = 0;
  phase.length = phase.wire_length = size;
  phase.pulled = phase.done = 0;
  command.data_total = size;
  command.phases.push_back(phase);
}

// ---- Answers ----

// `size` bytes in `memory` are the answer, cut to the allocation length.
void send(Command& command, Buffer memory, size_t size) {
  const size_t room = command.is_read() ? command.expected_length : 0;
  const size_t wire = smaller(size, room);
  if (wire != 0) lend(command, std::move(memory), static_cast<uint32_t>(wire));
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

void answer(Command& command, const CommandInfo& info, const Question& question) {
  // Once to see how long it is, and whether it is one at all.
  scsi::Reply measure{MutableBytes()};
  const Sense sense = info.answer(question, measure);
  if (!sense.is_good()) return conclude_with_sense(command, sense);
  // It expects to send data, which nobody takes, and none of the answer.
  if (command.expected_length != 0 && !command.is_read()) return conclude_as_driver_said(command);
  const size_t size = smaller(info.allocation_length(question.cdb), measure.size());
  Buffer memory;
  if (size != 0) {
    if (!(memory = make_memory(size))) return conclude_with_status(command, kScsiBusy);
    scsi::Reply reply(payload(memory));
    static_cast<void>(info.answer(question, reply));
  }
  const bool reports_attention = info.opcode == scsi::Opcode::kRequestSense;
  if (reports_attention && question.lun != nullptr) take_unit_attention(command);
  send(command, std::move(memory), size);
}

// ---- Executions ----

// The class gets SYNCHRONIZE CACHE of everything in the place of the command, and its answer is the
// command's.
void flush(Command& command) {
  if (!command.logical_unit->has_write_cache()) return conclude_as_driver_said(command);
  release_data(command);
  command.scsi.sc_flag &= ~static_cast<unsigned int>(SC_FLAG_WRITE | SC_FLAG_READ);
  command.scsi.sc_flag |= SC_FLAG_READ;
  command.scsi.sc_xfer_len = 0;
  __builtin_memset(command.cdb, 0, sizeof(command.cdb));
  command.cdb[0] = static_cast<uint8_t>(scsi::Opcode::kSynchronizeCache10);
  driver_port::hand_over(command);
}

void end_with(Command& command, const Ending& ending) {
  if (ending.flushes()) return flush(command);
  if (!ending.sense().is_good()) return conclude_with_sense(command, ending.sense());
  command.scsi.sc_status = ending.status();
  conclude_as_driver_said(command);
}

// A list that the initiator does not send as a whole is cut somewhere, and a cut list means
// nothing (SPC-5 section 6.11 and its like).
Sense check_parameters(const Command& command, uint32_t length) {
  if (length == 0) return kNoSense;
  if (command.expected_length != 0 && !command.is_write()) return kInvalidFieldInCommandUnit;
  const bool cut = !command.is_write() || command.expected_length < length;
  return cut || length > scsi::kMaxParameterList ? Sense(kParameterListLengthError) : kNoSense;
}

// The command stays with the target from here on; run() does the rest, now and whenever data has
// come.
void begin(Command& command, const CommandInfo& info, const Question& question) {
  const uint32_t length = info.parameters.exists() ? info.parameters.value(question.cdb) : 0;
  const Sense sense = check_parameters(command, length);
  if (!sense.is_good()) return conclude_with_sense(command, sense);
  Buffer memory;
  if (length != 0 && !(memory = make_memory(length))) {
    return conclude_with_status(command, kScsiBusy);
  }
  command.set_state(CommandState::kAtTarget);
  if (length == 0) return;
  lend(command, std::move(memory), length);
  write_data::advance(command);
}

bool has_all_data(const Command& command) {
  const BufferPhase& phase = command.inline_phase;
  return !command.own_data || phase.done == phase.wire_length;
}

void execute(Command& command) {
  const Question question = question_of(command);
  Sense sense;
  const CommandInfo* info = scsi::find_command(question.cdb, question.lun, &sense);
  // The device may have lost an ability meanwhile.
  if (info == nullptr) return conclude_with_sense(command, sense);
  const Bytes parameters =
      command.own_data ? Bytes(payload(command.own_data)).first(command.data_total) : Bytes();
  const Ending ending = info->execute(question, parameters, command);
  if (ending.is_later()) {
    command.ends_later = true;
  } else {
    end_with(command, ending);
  }
}

// It ends without a word, as far as the target is concerned.
void end_silently(Command& command) {
  command.conclusion_known = command.response_queued = true;
  command.set_state(CommandState::kResponding);
}

// ---- Checks ----

// Untagged, SIMPLE, ORDERED and HEAD OF QUEUE. There is never an ACA, which its attribute is for
// (SAM-5 section 8).
bool has_known_attribute(const Command& command) {
  constexpr unsigned kHeadOfQueue = 3;
  return command.scsi.sc_attribute <= kHeadOfQueue;
}

// What can be said of a command by its CDB alone.
Sense check_fields(const CommandInfo& info, const Question& question) {
  const uint8_t control = static_cast<uint8_t>(info.usage_size - 1);
  if (question.cdb.bit(control, kNaca)) return wrong_cdb_field(control, kNaca);
  if (question.lun == nullptr) return info.on_absent_lun ? kNoSense : kNoSuchLun;
  return scsi::check_reserved_bits(info, question.cdb);
}

// Whether the unit can run it now.
Sense check_unit(const CommandInfo& info, const Question& question) {
  if (question.lun == nullptr) return kNoSense;
  const Sense sense = scsi::check_readiness(info, *question.lun);
  if (!sense.is_good()) return sense;
  return scsi::check_access(question.access->of(question.portal_group_tag), question.cdb);
}

// With the write cache switched off every change goes to the medium at once: the class hears it by
// a flag, and by the FUA bit where there is one, which the short form lacks.
void write_through(Command& command, const CommandInfo& info) {
  if (!info.medium->changes_medium) return;
  command.scsi.sc_flag |= SC_FLAG_WRITE_THROUGH;
  constexpr uint8_t kFua = 0x08;
  uint8_t(&cdb)[scsi::kCdbSize] = command.cdb;
  switch (static_cast<scsi::Opcode>(cdb[0])) {
    case scsi::Opcode::kWrite6: {
      const uint8_t blocks = cdb[4];
      const uint8_t longer[] = {static_cast<uint8_t>(scsi::Opcode::kWrite10),
                                kFua,
                                0,
                                static_cast<uint8_t>(cdb[1] & 0x1f),
                                cdb[2],
                                cdb[3],
                                0,
                                static_cast<uint8_t>(blocks == 0 ? 1 : 0),
                                blocks,
                                0};
      __builtin_memcpy(cdb, longer, sizeof(longer));
      return;
    }
    case scsi::Opcode::kWrite10:
    case scsi::Opcode::kWrite12:
    case scsi::Opcode::kWrite16:
    case scsi::Opcode::kCompareAndWrite:
    case scsi::Opcode::kOrWrite16:
    case scsi::Opcode::kWriteAtomic16:
      cdb[1] |= kFua;
      return;
    default:
      return;
  }
}

// A long CDB becomes the 16-byte one that says the same, for reservations and for the class, too.
// One that is refused stays as it is.
Sense shorten(Command& command) {
  const Bytes cdb = command.whole_cdb();
  if (command.logical_unit == nullptr || !scsi::is_long(cdb)) return kNoSense;
  uint8_t shorter[scsi::kCdbSize];
  const Sense sense = scsi::shorten(cdb, *command.logical_unit, shorter);
  if (!sense.is_good()) return sense;
  __builtin_memcpy(command.cdb, shorter, sizeof(shorter));
  command.long_cdb.reset();
  command.was_long = true;
  return kNoSense;
}

void refuse(Command& command, const Question& question, const Sense& sense) {
  conclude_with_sense(command, question.was_long ? scsi::in_long_form(sense) : sense);
}

// True when the class needs not to see it.
bool takes_medium(Command& command, const CommandInfo& info, const Question& question) {
  bool nothing_to_do = false;
  const scsi::DataClaim claim{command.is_read(), command.is_write(), command.expected_length};
  const Sense sense =
      scsi::check_medium(*question.lun, question.cdb, *info.medium, claim, &nothing_to_do);
  if (!sense.is_good()) {
    refuse(command, question, sense);
  } else if (nothing_to_do) {
    conclude_as_driver_said(command);
  } else if (question.lun->must_write_through()) {
    write_through(command, info);
  }
  return !sense.is_good() || nothing_to_do;
}

// What a class says of the other LUNs is not for an initiator that may not reach all of them.
bool asks_for_hidden_luns(const Command& command) {
  Session& session = command.session;
  return scsi::Cdb(command.cdb).opcode() == scsi::Opcode::kReportLuns &&
         session.luns().is_listed() && !session.rights().covers(session.luns());
}

}  // namespace

bool conflicts(Command& command) {
  const Lun* lun = command.logical_unit;
  if (lun == nullptr || lun->passes_all_commands()) return false;
  if (!lun->state().reservations().is_restricted() || !shorten(command).is_good()) return false;
  const Question question = question_of(command);
  if (!has_known_attribute(command)) return false;
  Sense sense;
  const CommandInfo* info = scsi::find_command(question.cdb, lun, &sense);
  return info != nullptr && check_fields(*info, question).is_good() &&
         scsi::conflicts_with_reservation(question);
}

bool takes(Command& command) {
  const Lun* lun = command.logical_unit;
  if (lun != nullptr && lun->passes_all_commands() && !asks_for_hidden_luns(command)) return false;
  Sense sense = shorten(command);
  if (!sense.is_good()) {
    conclude_with_sense(command, sense);
    return true;
  }
  Question question = question_of(command);
  Ref<GlobalSettings> globals;
  if (question.cdb.opcode() == scsi::Opcode::kInquiry) {
    globals = command.session.engine().globals().get();
    question.vendor = globals->vendor_id();
  }
  const CommandInfo* info = scsi::find_command(question.cdb, question.lun, &sense);
  if (info != nullptr) sense = check_fields(*info, question);
  if (sense.is_good() && !has_known_attribute(command)) sense = kInvalidMessage;
  if (sense.is_good()) sense = check_unit(*info, question);
  // The answer is written twice, of the same state.
  Ref<scsi::Reservations> reservations;
  if (question.cdb.opcode() == scsi::Opcode::kPersistentReserveIn && question.lun != nullptr) {
    reservations = question.lun->state().reservations().current();
    question.reservations = reservations.get();
  }
  Ref<TargetSettings> settings;
  if (info != nullptr && info->wants_settings) {
    settings = command.session.target()->settings();
    question.settings = settings.get();
  }
  if (!sense.is_good()) {
    refuse(command, question, sense);
  } else if (info->is_medium()) {
    return takes_medium(command, *info, question);
  } else if (info->answer != nullptr) {
    answer(command, *info, question);
  } else {
    begin(command, *info, question);
  }
  return true;
}

void run(Command& command) {
  if (command.copy != nullptr) return command.copy->advance();
  // Its memory is in use while a PDU is placed there, or while somebody has promised to end it.
  if (command.buffers_busy() || command.ends_later) return;
  if (command.silent) {
    end_silently(command);
  } else if (command.failed) {
    conclude_with_sense(command, command.failure);
  } else if (has_all_data(command)) {
    execute(command);
  }
}

void finish(Command& command, const scsi::Ending& ending) {
  command.ends_later = false;
  if (command.silent) {
    end_silently(command);
  } else if (command.failed) {  // Data came that nobody had announced.
    conclude_with_sense(command, command.failure);
  } else {
    end_with(command, ending);
  }
  command.session.add_work(command);
}

void release_data(Command& command) {
  if (!command.own_data) return;
  command.inline_phase.node.unlink();
  command.own_data.reset();
}

}  // namespace chiscsi::scsi_layer
