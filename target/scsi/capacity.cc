// SPDX-License-Identifier: GPL-2.0-only
//
// READ CAPACITY: how large a device is (SBC-4 sections 5.20 and 5.21).
#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint32_t kTooLarge = 0xffffffff;

uint32_t clamped(uint64_t value) {
  return value < kTooLarge ? static_cast<uint32_t>(value) : kTooLarge;
}

}  // namespace

Sense read_capacity_10(const Question& question, Reply& reply) {
  reply.be32(clamped(question.lun->blocks() - 1)).be32(question.lun->block_size());
  return kNoSense;
}

Sense read_capacity_16(const Question& question, Reply& reply) {
  reply.be64(question.lun->blocks() - 1).be32(question.lun->block_size());
  reply.u8(0).u8(question.lun->constants().physical_exponent).zeros(18);
  return kNoSense;
}

}  // namespace chiscsi::scsi
