// SPDX-License-Identifier: GPL-2.0-only
//
// The rows of third-party copy: EXTENDED COPY(LID1) and RECEIVE COPY RESULTS (SPC-5 sections 6.4
// and 6.23 to 6.26).
#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {

namespace copy_commands_detail {

// What is known of the copy whose list identifier the CDB has.
constexpr CommandInfo report_of_copy(uint8_t action, CommandInfo::Answer answer) {
  return {.opcode = Opcode::kThirdPartyCopyIn,
          .service_action = action,
          .answer = answer,
          .allocation = {10, 4},
          .usage_size = 16,
          .usage = {0x84, 0x1f, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}};
}

constexpr CommandInfo kCopyCommands[] = {
    {.opcode = Opcode::kThirdPartyCopyOut,
     .service_action = kExtendedCopyLid1,
     .execute = extended_copy,
     .parameters = {10, 4},
     .needs_geometry = true,
     .needs_writable = true,
     .usage_size = 16,
     .usage = {0x83, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
    report_of_copy(kCopyStatusLid1, copy_status_lid1),
    {.opcode = Opcode::kThirdPartyCopyIn,
     .service_action = kCopyOperatingParameters,
     .answer = copy_operating_parameters,
     .allocation = {10, 4},
     .needs_geometry = true,
     .usage_size = 16,
     .usage = {0x84, 0x1f, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff}},
    report_of_copy(kFailedSegmentDetails, failed_segment_details),
};

}  // namespace copy_commands_detail

Span<const CommandInfo> copy_commands() { return copy_commands_detail::kCopyCommands; }

}  // namespace chiscsi::scsi
