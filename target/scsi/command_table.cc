// SPDX-License-Identifier: GPL-2.0-only
//
// The table of commands, and REPORT SUPPORTED OPERATION CODES, which reads it (SPC-5 section 6.35).
#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint32_t kNoAllocationLength = 0xffffffff;

using M = MediumLayout;
constexpr M kRead{M::kIn, M::kCounts, false, 0};
constexpr M kWrite{M::kOut, M::kCounts, true, 0};
constexpr M kVerify{M::kByBytchk, M::kCounts, false, 0};
constexpr M kToEnd{M::kNone, M::kZeroIsRest, false, 0};
constexpr M kRead6Layout{M::kIn, M::kCounts, false, 6};
constexpr M kWrite6Layout{M::kOut, M::kCounts, true, 6};
constexpr M with_size(M layout, uint8_t size) {
  layout.cdb_size = size;
  return layout;
}
constexpr M kRead10Layout = with_size(kRead, 10), kWrite10Layout = with_size(kWrite, 10);
constexpr M kRead12Layout = with_size(kRead, 12), kWrite12Layout = with_size(kWrite, 12);
constexpr M kRead16Layout = with_size(kRead, 16), kWrite16Layout = with_size(kWrite, 16);
constexpr M kVerify10Layout = with_size(kVerify, 10), kVerify12Layout = with_size(kVerify, 12);
constexpr M kVerify16Layout = with_size(kVerify, 16);
constexpr M kToEnd10Layout = with_size(kToEnd, 10), kToEnd16Layout = with_size(kToEnd, 16);

// A medium command.
constexpr CommandInfo medium(Opcode opcode, const M& layout, uint8_t options) {
  CommandInfo info{opcode, kNoServiceAction, nullptr, &layout, 0, 0, true,
                   false,  layout.cdb_size,  {}};
  info.usage[0] = static_cast<uint8_t>(opcode);
  const uint8_t last = static_cast<uint8_t>(layout.cdb_size - 1);
  for (uint8_t i = 1; i < last; ++i)
    info.usage[i] = 0xff;
  info.usage[1] = options;
  // The byte before CONTROL is a group number; in 10-byte CDBs there is another one in byte 6.
  if (layout.cdb_size > 10) info.usage[last - 1] = 0;
  if (layout.cdb_size == 10) info.usage[6] = 0;
  return info;
}

constexpr uint8_t kDpoAndFua = 0x18, kDpo = 0x10, kDpoAndBytchk = 0x12, kImmed = 0x02;
constexpr uint8_t kLbaOf6 = 0x1f;

constexpr CommandInfo kCommands[] = {
    {Opcode::kTestUnitReady,
     kNoServiceAction,
     test_unit_ready,
     nullptr,
     0,
     0,
     true,
     false,
     6,
     {0x00}},
    {Opcode::kRequestSense,
     kNoServiceAction,
     request_sense,
     nullptr,
     4,
     1,
     false,
     true,
     6,
     {0x03, 0x01, 0, 0, 0xff}},
    medium(Opcode::kRead6, kRead6Layout, kLbaOf6),
    medium(Opcode::kWrite6, kWrite6Layout, kLbaOf6),
    {Opcode::kInquiry,
     kNoServiceAction,
     inquiry,
     nullptr,
     3,
     2,
     false,
     true,
     6,
     {0x12, 0x01, 0xff, 0xff, 0xff}},
    {Opcode::kModeSense6,
     kNoServiceAction,
     mode_sense_6,
     nullptr,
     4,
     1,
     true,
     false,
     6,
     {0x1a, 0x08, 0xff, 0xff, 0xff}},
    {Opcode::kReadCapacity10,
     kNoServiceAction,
     read_capacity_10,
     nullptr,
     0,
     0,
     true,
     false,
     10,
     {0x25}},
    medium(Opcode::kRead10, kRead10Layout, kDpoAndFua),
    medium(Opcode::kWrite10, kWrite10Layout, kDpoAndFua),
    medium(Opcode::kWriteAndVerify10, kWrite10Layout, kDpo),
    medium(Opcode::kVerify10, kVerify10Layout, kDpoAndBytchk),
    medium(Opcode::kPreFetch10, kToEnd10Layout, kImmed),
    medium(Opcode::kSynchronizeCache10, kToEnd10Layout, kImmed),
    {Opcode::kModeSense10,
     kNoServiceAction,
     mode_sense_10,
     nullptr,
     7,
     2,
     true,
     false,
     10,
     {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff}},
    medium(Opcode::kRead16, kRead16Layout, kDpoAndFua),
    medium(Opcode::kWrite16, kWrite16Layout, kDpoAndFua),
    medium(Opcode::kWriteAndVerify16, kWrite16Layout, kDpo),
    medium(Opcode::kVerify16, kVerify16Layout, kDpoAndBytchk),
    medium(Opcode::kPreFetch16, kToEnd16Layout, kImmed),
    medium(Opcode::kSynchronizeCache16, kToEnd16Layout, kImmed),
    {Opcode::kServiceActionIn16,
     kReadCapacity16,
     read_capacity_16,
     nullptr,
     10,
     4,
     true,
     false,
     16,
     {0x9e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
    {Opcode::kReportLuns,
     kNoServiceAction,
     report_luns,
     nullptr,
     6,
     4,
     false,
     true,
     12,
     {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
    {Opcode::kMaintenanceIn,
     kReportSupportedOpcodes,
     report_supported_opcodes,
     nullptr,
     6,
     4,
     false,
     false,
     12,
     {0xa3, 0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
    medium(Opcode::kRead12, kRead12Layout, kDpoAndFua),
    medium(Opcode::kWrite12, kWrite12Layout, kDpoAndFua),
    medium(Opcode::kWriteAndVerify12, kWrite12Layout, kDpo),
    medium(Opcode::kVerify12, kVerify12Layout, kDpoAndBytchk),
};

bool has_service_action(const CommandInfo& info) { return info.service_action != kNoServiceAction; }

// REPORT SUPPORTED OPERATION CODES.
constexpr uint16_t kTimeoutsSize = 12;
constexpr uint8_t kSupported = 3, kNotSupported = 1;

void timeouts(bool wanted, Reply& reply) {
  if (wanted) reply.be16(kTimeoutsSize - 2).zeros(kTimeoutsSize - 2);  // None is stated.
}

void list_all(bool with_timeouts, Reply& reply) {
  reply.be32(0);
  for (const CommandInfo& info : kCommands) {
    const bool acts = has_service_action(info);
    reply.u8(static_cast<uint8_t>(info.opcode)).u8(0).be16(acts ? info.service_action : 0).u8(0);
    reply.u8(static_cast<uint8_t>((with_timeouts ? 2 : 0) | (acts ? 1 : 0)));
    reply.be16(info.usage_size);
    timeouts(with_timeouts, reply);
  }
  reply.patch32(0, static_cast<uint32_t>(reply.size() - 4));
}

void list_one(const CommandInfo* info, bool with_timeouts, Reply& reply) {
  if (info == nullptr) {
    reply.u8(0).u8(kNotSupported).be16(0);
    return;
  }
  reply.u8(0).u8(static_cast<uint8_t>((with_timeouts ? 0x80 : 0) | kSupported));
  reply.be16(info->usage_size).bytes(Bytes(info->usage, info->usage_size));
  timeouts(with_timeouts, reply);
}

}  // namespace

uint32_t CommandInfo::allocation_length(const Cdb& cdb) const {
  switch (allocation_size) {
    case 1:
      return cdb.u8(allocation_at);
    case 2:
      return cdb.be16(allocation_at);
    case 4:
      return cdb.be32(allocation_at);
    default:
      return kNoAllocationLength;
  }
}

Span<const CommandInfo> all_commands() { return kCommands; }

const CommandInfo* find_command(const Cdb& cdb, SenseCode* sense) {
  *sense = kInvalidOpcode;
  for (const CommandInfo& info : kCommands) {
    if (info.opcode != cdb.opcode()) continue;
    if (!has_service_action(info) || info.service_action == cdb.service_action()) return &info;
    *sense = kInvalidFieldInCdb;
  }
  return nullptr;
}

SenseCode report_supported_opcodes(const Question& question, Reply& reply) {
  const Cdb& cdb = question.cdb;
  const bool with_timeouts = cdb.bit(2, 7);
  const uint8_t option = cdb.u8(2) & 7;
  if (option > 3) return kInvalidFieldInCdb;
  if (option == 0) {
    list_all(with_timeouts, reply);
    return kNoSense;
  }
  const uint16_t wanted_action = cdb.be16(4);
  const CommandInfo* found = nullptr;
  for (const CommandInfo& info : kCommands) {
    if (static_cast<uint8_t>(info.opcode) != cdb.u8(3)) continue;
    // 1 wants an opcode without service actions, 2 one with them, 3 takes either.
    if (option != 3 && has_service_action(info) != (option == 2)) return kInvalidFieldInCdb;
    if (!has_service_action(info) || info.service_action == wanted_action) found = &info;
  }
  list_one(found, with_timeouts, reply);
  return kNoSense;
}

}  // namespace chiscsi::scsi
