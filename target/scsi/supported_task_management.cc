// SPDX-License-Identifier: GPL-2.0-only
//
// REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS (SPC-5 section 6.36): what rx/task_management.cc
// executes. The functions of RFC 7144 are there in sessions that have agreed on them.
#include "iscsi/opcodes.hh"
#include "target/login/parameters.hh"
#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint8_t kAbortTask = 0x80, kAbortTaskSet = 0x40, kClearTaskSet = 0x10;
constexpr uint8_t kUnitReset = 0x08, kTargetReset = 0x02, kQueryTask = 0x04;
constexpr uint8_t kQueryAsyncEvent = 0x04, kQueryTaskSet = 0x02, kNexusReset = 0x01;
constexpr uint8_t kLongSize = 16, kShortSize = 4;

}  // namespace

Sense report_supported_task_management(const Question& question, Reply& reply) {
  constexpr unsigned kExtended = 7;  // Bit REPD of byte 2.
  if (question.cdb.be32(6) < kShortSize) return wrong_cdb_field(6);
  const bool extended = question.cdb.bit(2, kExtended);
  const bool queries =
      question.nexus != nullptr && question.nexus->protocol_level >= iscsi::kLevelOfRfc7144;
  reply.u8(static_cast<uint8_t>(kAbortTask | kAbortTaskSet | kClearTaskSet | kUnitReset |
                                kTargetReset | (queries ? kQueryTask : 0)));
  reply.u8(queries ? kQueryAsyncEvent | kQueryTaskSet | kNexusReset : 0);
  reply.u8(0).u8(extended ? kLongSize - kShortSize : 0);
  if (extended) reply.zeros(kLongSize - kShortSize);  // No time is stated.
  return kNoSense;
}

}  // namespace chiscsi::scsi
