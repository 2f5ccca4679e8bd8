// SPDX-License-Identifier: GPL-2.0-only
//
// REPORT LUNS and REQUEST SENSE: the two answers that do not need a device (SPC-5 sections 6.33 and
// 6.39), and TEST UNIT READY.
#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

namespace {

constexpr size_t kLunSize = 8;
constexpr uint32_t kPeripheralNumbers = 256;
constexpr uint16_t kFlatAddressing = 0x4000;

constexpr uint8_t kFixedSense = 0x70;
constexpr uint8_t kDescriptorSense = 0x72;
constexpr size_t kFixedSenseSize = 18;

}  // namespace

size_t report_luns_size(const LunMap& luns) { return kLunSize + luns.list().size() * kLunSize; }

SenseCode report_luns(const Question& question, Reply& reply) {
  const uint8_t select = question.cdb.u8(2);
  if (select > 2) return kInvalidFieldInCdb;
  // 1 asks for well known logical units, of which there is none.
  const auto count = static_cast<uint32_t>(select == 1 ? 0 : question.luns.list().size());
  reply.be32(0).be32(0);
  for (uint32_t number = 0; number < count; ++number) {
    if (!question.may_reach(number)) continue;
    const bool flat = number >= kPeripheralNumbers;
    reply.be16(static_cast<uint16_t>(flat ? kFlatAddressing | number : number)).zeros(6);
  }
  reply.patch32(0, static_cast<uint32_t>(reply.size() - kLunSize));
  return kNoSense;
}

SenseCode request_sense(const Question& question, Reply& reply) {
  const SenseCode sense = question.lun != nullptr ? question.unit_attention : kNoSuchLun;
  if (question.cdb.bit(1, 0)) {
    reply.u8(kDescriptorSense).u8(sense.key).u8(sense.asc).u8(sense.ascq).zeros(4);
  } else {
    reply.u8(kFixedSense).u8(0).u8(sense.key).zeros(4).u8(kFixedSenseSize - 8).zeros(4);
    reply.u8(sense.asc).u8(sense.ascq).zeros(4);
  }
  return kNoSense;
}

SenseCode test_unit_ready(const Question&, Reply&) { return kNoSense; }

}  // namespace chiscsi::scsi
