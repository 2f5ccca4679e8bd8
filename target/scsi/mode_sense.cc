// SPDX-License-Identifier: GPL-2.0-only
//
// MODE SENSE(6) and (10) (SPC-5 sections 6.13 and 6.14).
#include "target/scsi/answers.hh"
#include "target/scsi/mode_pages.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint8_t kWriteProtectBit = 0x80, kDpoFua = 0x10;
constexpr uint32_t kMostBlocks = 0xffffffff;

enum PageControl { kCurrent, kChangeable, kDefault, kSaved };

// What the two forms have in common.
struct ModeQuestion {
  const Lun& lun;
  bool may_write;
  PageControl control;
  uint8_t page;
  uint8_t subpage;
  bool with_blocks;
  bool long_blocks;

  bool wants(const ModePage& which) const {
    const bool code = page == which.code || page == kAllModePages;
    return code && (subpage == which.subcode || subpage == kAllModeSubpages) &&
           has_mode_page(lun, which);
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

Sense check(const ModeQuestion& question) {
  if (question.control == kSaved) return kSavingNotSupported;
  bool known_code = question.page == kAllModePages;
  for (const ModePage& page : mode_pages()) {
    if (question.wants(page)) return kNoSense;
    known_code |= page.code == question.page;
  }
  return known_code ? wrong_cdb_field(3, 7) : wrong_cdb_field(2, 5);
}

uint8_t device_specific(const ModeQuestion& question) {
  const bool is_protected = question.lun.is_write_protected() || !question.may_write;
  return static_cast<uint8_t>((is_protected ? kWriteProtectBit : 0) | kDpoFua);
}

size_t block_descriptor_size(const ModeQuestion& question) {
  if (!question.with_blocks) return 0;
  return question.long_blocks ? 16 : 8;
}

void block_descriptor(const ModeQuestion& question, Reply& reply) {
  if (!question.with_blocks) return;
  const uint64_t blocks = question.lun.blocks();
  if (question.long_blocks) {
    reply.be64(blocks).be32(0).be32(question.lun.block_size());
  } else {
    reply.be32(static_cast<uint32_t>(blocks < kMostBlocks ? blocks : kMostBlocks));
    reply.u8(0).be24(question.lun.block_size());
  }
}

void pages(const ModeQuestion& question, Reply& reply) {
  const Lun& lun = question.lun;
  const ModeValues values = question.control == kDefault ? ModeValues() : lun.state().mode();
  for (const ModePage& page : mode_pages()) {
    if (!question.wants(page)) continue;
    uint8_t bytes[kMaxModePage];
    if (question.control == kChangeable) {
      write_mode_mask(page, lun, bytes);
    } else {
      write_mode_page(page, lun, values, bytes);
    }
    reply.bytes(Bytes(bytes, page.size));
  }
}

}  // namespace

Sense mode_sense_6(const Question& question, Reply& reply) {
  const ModeQuestion mode = mode_question(question, false);
  const Sense sense = check(mode);
  if (!sense.is_good()) return sense;
  reply.u8(0).u8(0).u8(device_specific(mode));
  reply.u8(static_cast<uint8_t>(block_descriptor_size(mode)));
  block_descriptor(mode, reply);
  pages(mode, reply);
  reply.patch8(0, static_cast<uint8_t>(reply.size() - 1));
  return kNoSense;
}

Sense mode_sense_10(const Question& question, Reply& reply) {
  const ModeQuestion mode = mode_question(question, true);
  const Sense sense = check(mode);
  if (!sense.is_good()) return sense;
  reply.be16(0).u8(0).u8(device_specific(mode));
  reply.u8(mode.long_blocks && mode.with_blocks ? 1 : 0).u8(0);
  reply.be16(static_cast<uint16_t>(block_descriptor_size(mode)));
  block_descriptor(mode, reply);
  pages(mode, reply);
  reply.patch16(0, static_cast<uint16_t>(reply.size() - 2));
  return kNoSense;
}

}  // namespace chiscsi::scsi
