// SPDX-License-Identifier: GPL-2.0-only
//
// The rows of commands that the target runs by itself (SPC-5 section 6, SBC-4 section 5).
#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {

namespace {

constexpr CommandInfo kTargetCommands[] = {
    {.opcode = Opcode::kTestUnitReady,
     .answer = test_unit_ready,
     .needs_geometry = true,
     .usage_size = 6,
     .usage = {0x00}},
    {.opcode = Opcode::kRequestSense,
     .answer = request_sense,
     .allocation = {4, 1},
     .on_absent_lun = true,
     .usage_size = 6,
     .usage = {0x03, 0x01, 0, 0, 0xff}},
    {.opcode = Opcode::kInquiry,
     .answer = inquiry,
     .allocation = {3, 2},
     .on_absent_lun = true,
     .usage_size = 6,
     .usage = {0x12, 0x01, 0xff, 0xff, 0xff}},
    {.opcode = Opcode::kModeSelect6,
     .execute = mode_select_6,
     .parameters = {4, 1},
     .needs_geometry = true,
     .usage_size = 6,
     .usage = {0x15, 0x10, 0, 0, 0xff}},
    {.opcode = Opcode::kModeSelect10,
     .execute = mode_select_10,
     .parameters = {7, 2},
     .needs_geometry = true,
     .usage_size = 10,
     .usage = {0x55, 0x10, 0, 0, 0, 0, 0, 0xff, 0xff}},
    {.opcode = Opcode::kModeSense6,
     .answer = mode_sense_6,
     .allocation = {4, 1},
     .needs_geometry = true,
     .usage_size = 6,
     .usage = {0x1a, 0x08, 0xff, 0xff, 0xff}},
    {.opcode = Opcode::kModeSense10,
     .answer = mode_sense_10,
     .allocation = {7, 2},
     .needs_geometry = true,
     .usage_size = 10,
     .usage = {0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff}},
    {.opcode = Opcode::kReadCapacity10,
     .answer = read_capacity_10,
     .needs_geometry = true,
     .usage_size = 10,
     .usage = {0x25}},
    {.opcode = Opcode::kServiceActionIn16,
     .service_action = kReadCapacity16,
     .answer = read_capacity_16,
     .allocation = {10, 4},
     .needs_geometry = true,
     .usage_size = 16,
     .usage = {0x9e, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
    {.opcode = Opcode::kReportLuns,
     .answer = report_luns,
     .allocation = {6, 4},
     .on_absent_lun = true,
     .usage_size = 12,
     .usage = {0xa0, 0, 0xff, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
    {.opcode = Opcode::kMaintenanceIn,
     .service_action = kReportSupportedOpcodes,
     .answer = report_supported_opcodes,
     .allocation = {6, 4},
     .usage_size = 12,
     .usage = {0xa3, 0x1f, 0x87, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
};

}  // namespace

Span<const CommandInfo> target_commands() { return kTargetCommands; }

}  // namespace chiscsi::scsi
