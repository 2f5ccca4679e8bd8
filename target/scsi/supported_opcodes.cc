// SPDX-License-Identifier: GPL-2.0-only
//
// REPORT SUPPORTED OPERATION CODES, which reads the table of commands (SPC-5 section 6.35).
#include "target/scsi/command_table.hh"
#include "target/scsi/long_commands.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint16_t kTimeoutsSize = 12;
constexpr uint8_t kServiceActionMask = 0x1f, kLoadEjectBit = 0x02;
constexpr uint8_t kSupported = 3, kNotSupported = 1;

void timeouts(bool wanted, Reply& reply) {
  if (wanted) reply.be16(kTimeoutsSize - 2).zeros(kTimeoutsSize - 2);  // None is stated.
}

void put_descriptor(const CommandInfo& info, bool with_timeouts, Reply& reply) {
  const bool acts = info.has_service_action();
  reply.u8(static_cast<uint8_t>(info.opcode)).u8(0).be16(acts ? info.service_action : 0).u8(0);
  reply.u8(static_cast<uint8_t>((with_timeouts ? 2 : 0) | (acts ? 1 : 0)));
  reply.be16(info.usage_size);
  timeouts(with_timeouts, reply);
}

// Without the 32-byte commands, which SBC-4 has for units with protection information alone:
// whoever knows that they are here may ask for one of them.
void list_all(const Lun* lun, bool with_timeouts, Reply& reply) {
  reply.be32(0);
  for_each_command([&](const CommandInfo& info) {
    if (is_offered(info, lun)) put_descriptor(info, with_timeouts, reply);
  });
  reply.patch32(0, static_cast<uint32_t>(reply.size() - 4));
}

void list_none(Reply& reply) { reply.u8(0).u8(kNotSupported).be16(0); }

void begin_one(uint16_t size, bool with_timeouts, Reply& reply) {
  reply.u8(0).u8(static_cast<uint8_t>((with_timeouts ? 0x80 : 0) | kSupported));
  reply.be16(size);
}

// The bits that this LUN evaluates. Like the operation code, the service action stands there as it
// is.
void put_usage(const CommandInfo& info, const Lun* lun, Reply& reply) {
  const size_t begin = reply.size();
  reply.bytes(Bytes(info.usage, info.usage_size));
  if (info.has_service_action()) {
    const uint8_t others = static_cast<uint8_t>(info.usage[1] & ~kServiceActionMask);
    reply.patch8(begin + 1, static_cast<uint8_t>(others | info.service_action));
  }
  if (lun == nullptr) return;
  const uint8_t missing = info.is_medium() ? missing_options(*lun, info.opcode) : 0;
  if (missing != 0) reply.patch8(begin + 1, static_cast<uint8_t>(info.usage[1] & ~missing));
  if (info.opcode == Opcode::kStartStopUnit && !lun->is_removable()) {
    reply.patch8(begin + 4, static_cast<uint8_t>(info.usage[4] & ~kLoadEjectBit));
  }
}

void list_one(const CommandInfo* info, const Lun* lun, bool with_timeouts, Reply& reply) {
  if (info == nullptr) return list_none(reply);
  begin_one(info->usage_size, with_timeouts, reply);
  put_usage(*info, lun, reply);
  timeouts(with_timeouts, reply);
}

void list_long(const Question& question, bool with_timeouts, Reply& reply) {
  const uint16_t wanted = question.cdb.be16(4);
  for (const LongCommand& command : long_commands()) {
    if (command.service_action != wanted || !is_offered(command, question.lun)) continue;
    uint8_t usage[kLongCdbSize];
    write_usage(command, question.lun, usage);
    begin_one(kLongCdbSize, with_timeouts, reply);
    reply.bytes(Bytes(usage));
    return timeouts(with_timeouts, reply);
  }
  list_none(reply);
}

}  // namespace

Sense report_supported_opcodes(const Question& question, Reply& reply) {
  const Cdb& cdb = question.cdb;
  const bool with_timeouts = cdb.bit(2, 7);
  const uint8_t option = cdb.u8(2) & 7;
  if (option > 3) return wrong_cdb_field(2, 2);
  if (option == 0) {
    list_all(question.lun, with_timeouts, reply);
    return kNoSense;
  }
  if (cdb.u8(3) == static_cast<uint8_t>(Opcode::kVariableLength)) {
    if (option == 1) return wrong_cdb_field(2, 2);  // It has service actions.
    list_long(question, with_timeouts, reply);
    return kNoSense;
  }
  const uint16_t wanted_action = cdb.be16(4);
  const CommandInfo* found = nullptr;
  bool wrong_form = false;
  for_each_command([&](const CommandInfo& info) {
    if (static_cast<uint8_t>(info.opcode) != cdb.u8(3) || !is_offered(info, question.lun)) return;
    // 1 wants an opcode without service actions, 2 one with them, 3 takes either.
    wrong_form |= option != 3 && info.has_service_action() != (option == 2);
    if (!info.has_service_action() || info.service_action == wanted_action) found = &info;
  });
  if (wrong_form) return wrong_cdb_field(2, 2);
  list_one(found, question.lun, with_timeouts, reply);
  return kNoSense;
}

}  // namespace chiscsi::scsi
