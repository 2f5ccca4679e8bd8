// SPDX-License-Identifier: GPL-2.0-only
//
// MODE SELECT(6) and (10) (SPC-5 sections 6.11 and 6.12): a list of pages, of which all count or
// none.
#include "target/engine.hh"
#include "target/scsi/command_table.hh"
#include "target/scsi/mode_pages.hh"
#include "target/session/session.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint8_t kShortHeader = 4, kLongHeader = 8;
constexpr uint8_t kShortBlocks = 8, kLongBlocks = 16;
constexpr uint8_t kCodeMask = 0x3f, kSubpageBit = 0x40;
constexpr uint32_t kAnyNumber = 0xffffffff;

// A parameter list while it is read from front to back.
struct ModeList {
  Bytes bytes;
  size_t at = 0;

  bool has(size_t count) const { return count <= bytes.size() - at; }
  size_t left() const { return bytes.size() - at; }
  uint8_t u8(size_t offset) const { return bytes[at + offset]; }
  uint64_t number(size_t offset, size_t count) const {
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i)
      value = value << 8 | u8(offset + i);
    return value;
  }
  Sense wrong(size_t offset, uint8_t bit = FieldPointer::kWholeByte) const {
    return wrong_parameter(static_cast<uint16_t>(at + offset), bit);
  }
};

// Number and size of blocks cannot be changed: as they are, or "no change".
Sense check_blocks(const Lun& lun, const ModeList& list, bool long_blocks) {
  const uint64_t blocks = list.number(0, long_blocks ? 8 : 4);
  const uint64_t size = long_blocks ? list.number(12, 4) : list.number(5, 3);
  const uint64_t any = long_blocks ? ~uint64_t{0} : kAnyNumber;
  if (blocks != 0 && blocks != any && blocks != lun.blocks()) return list.wrong(0);
  if (size != lun.block_size() && size != 0) return list.wrong(long_blocks ? 12 : 5);
  return kNoSense;
}

Sense read_header(const Lun& lun, ModeList& list, bool long_form) {
  const uint8_t header = long_form ? kLongHeader : kShortHeader;
  if (!list.has(header)) return kParameterListLengthError;
  const bool long_blocks = long_form && (list.u8(4) & 1) != 0;
  const uint64_t size = long_form ? list.number(6, 2) : list.u8(3);
  const uint8_t medium_type_at = long_form ? 2 : 1;
  if (list.u8(medium_type_at) != 0) return list.wrong(medium_type_at);
  if (size != 0 && size != (long_blocks ? kLongBlocks : kShortBlocks)) {
    return list.wrong(long_form ? 6 : 3);
  }
  list.at += header;
  if (size == 0) return kNoSense;
  if (!list.has(size)) return kParameterListLengthError;
  const Sense sense = check_blocks(lun, list, long_blocks);
  list.at += size;
  return sense;
}

// The place of the length in the header of a page.
uint8_t length_at(const ModePage& page) { return page.has_subcode() ? 2 : 1; }

Sense check_page_header(const ModeList& list, const Lun& lun, const ModePage** found) {
  const bool long_header = (list.u8(0) & kSubpageBit) != 0;
  if (!list.has(long_header ? 4 : 2)) return kParameterListLengthError;
  const ModePage* page =
      find_mode_page(lun, list.u8(0) & kCodeMask, long_header ? list.u8(1) : uint8_t{0});
  if (page == nullptr) return list.wrong(0, 5);
  if (page->has_subcode() != long_header) return list.wrong(0, 6);
  const uint64_t size = list.number(length_at(*page), long_header ? 2 : 1);
  if (size + page->header_size() != page->size) return list.wrong(length_at(*page));
  if (!list.has(page->size)) return kParameterListLengthError;
  *found = page;
  return kNoSense;
}

// Every bit that cannot be changed is as it is now.
Sense check_page_content(const ModeList& list, const ModePage& page, const Lun& lun,
                         const ModeValues& values) {
  uint8_t current[kMaxModePage], mask[kMaxModePage];
  write_mode_page(page, lun, values, current);
  write_mode_mask(page, lun, mask);
  for (uint8_t i = page.header_size(); i < page.size; ++i) {
    uint8_t wrong = static_cast<uint8_t>((list.u8(i) ^ current[i]) & ~mask[i]);
    if (wrong == 0) continue;
    uint8_t bit = 0;
    while ((wrong >>= 1) != 0)
      ++bit;
    return list.wrong(i, bit);
  }
  return kNoSense;
}

Sense read_page(const Lun& lun, ModeList& list, ModeValues* values) {
  const ModePage* page = nullptr;
  Sense sense = check_page_header(list, lun, &page);
  if (!sense.is_good()) return sense;
  sense = check_page_content(list, *page, lun, *values);
  if (!sense.is_good()) return sense;
  if (page->take != nullptr) page->take(lun, list.bytes.data() + list.at, values);
  list.at += page->size;
  return kNoSense;
}

bool same_values(const ModeValues& a, const ModeValues& b) {
  return a.control_flags == b.control_flags && a.control_access == b.control_access &&
         a.caching == b.caching && a.provisioning == b.provisioning &&
         a.threshold_count == b.threshold_count;
}

Ending mode_select(const Question& question, Bytes parameters, Command& command, bool long_form) {
  constexpr unsigned kPageFormat = 4;
  // Pages have the form of the standard; none is kept when the power is gone (SP is reserved).
  if (!question.cdb.bit(1, kPageFormat)) return wrong_cdb_field(1, kPageFormat);
  if (parameters.empty()) return Ending();
  UnitState& state = question.lun->state();
  ModeValues before = state.mode();
  ModeValues values;
  do {
    values = before;
    const Sense sense = select_modes(*question.lun, parameters, long_form, &values);
    if (!sense.is_good()) return sense;
  } while (!state.change_mode(&before, values));
  if (same_values(before, values)) return Ending();
  tell_other_nexuses(command.session, *question.lun, kModeParametersChanged);
  // Its threshold may be below what is used now.
  command.logical_unit->look_at_threshold();
  command.logical_unit->announce_news(command.session.engine().login_worker());
  const bool switched_off = values.write_cache_disabled() && !before.write_cache_disabled();
  return switched_off ? Ending::after_flush() : Ending();
}

}  // namespace

Sense select_modes(const Lun& lun, Bytes parameters, bool long_form, ModeValues* values) {
  ModeList list{parameters};
  Sense sense = read_header(lun, list, long_form);
  while (sense.is_good() && list.left() != 0)
    sense = read_page(lun, list, values);
  return sense;
}

Ending mode_select_6(const Question& question, Bytes parameters, Command& command) {
  return mode_select(question, parameters, command, false);
}

Ending mode_select_10(const Question& question, Bytes parameters, Command& command) {
  return mode_select(question, parameters, command, true);
}

}  // namespace chiscsi::scsi
