// SPDX-License-Identifier: GPL-2.0-only
//
// READ CAPACITY: how large a device is (SBC-4 sections 5.20 and 5.21).
#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint32_t kTooLarge = 0xffffffff;
// LBPME, LBPRZ and the lowest aligned block.
constexpr uint32_t kManaged = 0x8000, kReadsAsZero = 0x4000, kLowestAlignedMask = 0x3fff;

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
  const Lun& lun = *question.lun;
  const chiscsi_lun_geometry& constants = lun.constants();
  const uint32_t provisioning = (lun.is_thin() ? kManaged : 0) |
                                (lun.reads_unmapped_as_zero() ? kReadsAsZero : 0) |
                                (constants.lowest_aligned_block & kLowestAlignedMask);
  reply.u8(0).u8(constants.physical_exponent).be16(static_cast<uint16_t>(provisioning)).zeros(16);
  return kNoSense;
}

}  // namespace chiscsi::scsi
