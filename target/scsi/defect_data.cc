// SPDX-License-Identifier: GPL-2.0-only
//
// READ DEFECT DATA (SBC-4 sections 5.19 and 5.20): a LUN whose SCSI is left to the target has no
// physical sectors that could be defective, so both lists are there and empty, in every format.
#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

namespace {

// REQ_PLIST and REQ_GLIST; the format of the lists.
constexpr uint8_t kDefectListsMask = 0x18, kDefectFormatMask = 0x07;
constexpr uint8_t kReservedDefectFormat = 0x07;

// The lists that were asked for are valid, at the places of the bits that ask for them.
Sense empty_list(const Question& question, uint16_t asked_at, Reply& reply) {
  const uint8_t asked = question.cdb.u8(asked_at);
  if ((asked & kDefectFormatMask) == kReservedDefectFormat) return wrong_cdb_field(asked_at, 2);
  reply.u8(0).u8(static_cast<uint8_t>(asked & (kDefectListsMask | kDefectFormatMask)));
  return kNoSense;
}

}  // namespace

Sense read_defect_data_10(const Question& question, Reply& reply) {
  const Sense sense = empty_list(question, 2, reply);
  if (sense.is_good()) reply.be16(0);
  return sense;
}

Sense read_defect_data_12(const Question& question, Reply& reply) {
  const Sense sense = empty_list(question, 1, reply);
  if (sense.is_good()) reply.be16(0).be32(0);
  return sense;
}

}  // namespace chiscsi::scsi
