// SPDX-License-Identifier: GPL-2.0-only
//
// READ CAPACITY and MODE SENSE: what a device looks like (SBC-4 sections 5.20, 5.21 and 6.5, SPC-5
// sections 6.13, 6.14 and 7.5).
#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint32_t kTooLarge = 0xffffffff;

enum class ModePage : uint8_t { kCaching = 0x08, kControl = 0x0a, kAll = 0x3f };
constexpr uint8_t kAllSubpages = 0xff;
constexpr uint8_t kWriteProtect = 0x80, kDpoFua = 0x10;
constexpr uint8_t kWriteCacheEnable = 0x04;
constexpr uint8_t kUnrestrictedReordering = 0x10;

enum PageControl { kCurrent, kChangeable, kDefault, kSaved };

uint32_t clamped(uint64_t value) {
  return value < kTooLarge ? static_cast<uint32_t>(value) : kTooLarge;
}

// What the two forms of MODE SENSE have in common.
struct ModeQuestion {
  const Lun& lun;
  bool may_write;
  PageControl control;
  uint8_t page;
  uint8_t subpage;
  bool with_blocks;
  bool long_blocks;
  bool wants(ModePage which) const {
    return page == static_cast<uint8_t>(which) || page == static_cast<uint8_t>(ModePage::kAll);
  }
};

ModeQuestion mode_question(const Question& question, bool long_form) {
  const Cdb& cdb = question.cdb;
  return {*question.lun,
          question.may_write,
          static_cast<PageControl>(cdb.u8(2) >> 6),
          static_cast<uint8_t>(cdb.u8(2) & 0x3f),
          cdb.u8(3),
          !cdb.bit(1, 3),
          long_form && cdb.bit(1, 4)};
}

SenseCode check(const ModeQuestion& question) {
  if (question.control == kSaved) return kSavingNotSupported;
  const bool known = question.wants(ModePage::kCaching) || question.wants(ModePage::kControl);
  const bool good_subpage = question.subpage == 0 || question.subpage == kAllSubpages;
  return known && good_subpage ? kNoSense : kInvalidFieldInCdb;
}

uint8_t device_specific(const ModeQuestion& question) {
  const bool is_protected = question.lun.is_read_only() || !question.may_write;
  return static_cast<uint8_t>((is_protected ? kWriteProtect : 0) | kDpoFua);
}

size_t block_descriptor_size(const ModeQuestion& question) {
  if (!question.with_blocks) return 0;
  return question.long_blocks ? 16 : 8;
}

void block_descriptor(const ModeQuestion& question, Reply& reply) {
  if (!question.with_blocks) return;
  if (question.long_blocks) {
    reply.be64(question.lun.blocks()).be32(0).be32(question.lun.block_size());
  } else {
    reply.be32(clamped(question.lun.blocks())).u8(0).be24(question.lun.block_size());
  }
}

// Nothing can be changed, so the mask of what can is zero.
uint8_t value(const ModeQuestion& question, uint8_t current) {
  return question.control == kChangeable ? 0 : current;
}

void pages(const ModeQuestion& question, Reply& reply) {
  if (question.wants(ModePage::kCaching)) {
    const uint8_t cache = question.lun.has_write_cache() ? kWriteCacheEnable : 0;
    reply.u8(static_cast<uint8_t>(ModePage::kCaching)).u8(0x12);
    reply.u8(value(question, cache)).zeros(17);
  }
  if (question.wants(ModePage::kControl)) {
    reply.u8(static_cast<uint8_t>(ModePage::kControl)).u8(0x0a);
    reply.u8(0).u8(value(question, kUnrestrictedReordering)).zeros(8);
  }
}

}  // namespace

SenseCode read_capacity_10(const Question& question, Reply& reply) {
  reply.be32(clamped(question.lun->blocks() - 1)).be32(question.lun->block_size());
  return kNoSense;
}

SenseCode read_capacity_16(const Question& question, Reply& reply) {
  reply.be64(question.lun->blocks() - 1).be32(question.lun->block_size());
  reply.u8(0).u8(question.lun->constants().physical_exponent).zeros(18);
  return kNoSense;
}

SenseCode mode_sense_6(const Question& question, Reply& reply) {
  const ModeQuestion mode = mode_question(question, false);
  const SenseCode sense = check(mode);
  if (sense.key != 0) return sense;
  reply.u8(0).u8(0).u8(device_specific(mode));
  reply.u8(static_cast<uint8_t>(block_descriptor_size(mode)));
  block_descriptor(mode, reply);
  pages(mode, reply);
  reply.patch8(0, static_cast<uint8_t>(reply.size() - 1));
  return kNoSense;
}

SenseCode mode_sense_10(const Question& question, Reply& reply) {
  const ModeQuestion mode = mode_question(question, true);
  const SenseCode sense = check(mode);
  if (sense.key != 0) return sense;
  reply.be16(0).u8(0).u8(device_specific(mode));
  reply.u8(mode.long_blocks && mode.with_blocks ? 1 : 0).u8(0);
  reply.be16(static_cast<uint16_t>(block_descriptor_size(mode)));
  block_descriptor(mode, reply);
  pages(mode, reply);
  reply.patch16(0, static_cast<uint16_t>(reply.size() - 2));
  return kNoSense;
}

}  // namespace chiscsi::scsi
