// SPDX-License-Identifier: GPL-2.0-only
//
// The 32-byte CDBs of operation code 7Fh (SBC-4 section 5): each says what a 16-byte one says, and
// what protection information is to be, which no unit here has.
//
// A class knows CDBs of up to 16 bytes, so a long one becomes its 16-byte equivalent before
// anything else looks at it; what is wrong with it is told in the places of the long one. SBC-4
// keeps them for units with type 2 protection; docs/scsi.md says why they are offered all the same.
// Context: any.
#pragma once

#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {

inline constexpr size_t kLongCdbSize = 32;

struct LongCommand {
  uint16_t service_action;
  Opcode means;     // The 16-byte command.
  uint8_t options;  // Bits of byte 10 that are evaluated; they are those of its byte 1.
};

Span<const LongCommand> long_commands();
// Whether a LUN has it: it has the 16-byte command. Null: no LUN.
bool is_offered(const LongCommand& command, const Lun* lun);
// Bits that the LUN evaluates, operation code and service action as they are (SPC-5 section
// 6.35.3). Null: any LUN.
void write_usage(const LongCommand& command, const Lun* lun, uint8_t (&usage)[kLongCdbSize]);

// Whether `cdb`, which is whole, cannot be taken for its first 16 bytes.
bool is_long(Bytes cdb);
// Writes the equivalent of a long one; otherwise says what is wrong. Precondition: is_long(cdb).
Sense shorten(Bytes cdb, const Lun& lun, uint8_t (&shorter)[kCdbSize]);
// What is wrong with the equivalent, as a field of the long one.
Sense in_long_form(const Sense& sense);

}  // namespace chiscsi::scsi
