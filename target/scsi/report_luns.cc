// SPDX-License-Identifier: GPL-2.0-only
//
// REPORT LUNS and REQUEST SENSE: the two answers that do not need a device (SPC-5 sections 6.33 and
// 6.39), and TEST UNIT READY.
#include "target/scsi/readiness.hh"

namespace chiscsi::scsi {

namespace {

constexpr size_t kLunSize = 8;
constexpr uint32_t kPeripheralNumbers = 256;
constexpr uint16_t kFlatAddressing = 0x4000;

}  // namespace

Sense report_luns(const Question& question, Reply& reply) {
  const uint8_t select = question.cdb.u8(2);
  if (select > 2) return wrong_cdb_field(2);
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

// What it would report if it were not a command of its own: a unit attention, or why the unit is
// not ready.
Sense request_sense(const Question& question, Reply& reply) {
  Sense sense = question.lun != nullptr ? question.unit_attention : kNoSuchLun;
  if (sense.is_good() && question.lun != nullptr) sense = pollable_sense(*question.lun);
  uint8_t bytes[kMaxSenseSize];
  const bool descriptor_format = question.cdb.bit(1, 0);
  reply.bytes(Bytes(bytes, put_sense(bytes, sense, descriptor_format)));
  return kNoSense;
}

Sense test_unit_ready(const Question&, Reply&) { return kNoSense; }

}  // namespace chiscsi::scsi
