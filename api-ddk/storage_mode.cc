// SPDX-License-Identifier: GPL-2.0-only
#include "storage_mode.hh"

namespace iface {
namespace {

// ---- The pages ----

struct ModePage {
  u8 code;
  u8 length;    // after the two bytes of header
  u8 body[18];  // default values
};
constexpr u8 kControlPage = 0x0a;
constexpr ModePage kModePages[] = {
    // Caching: WCE 0, data is on its medium when the status is sent; DRA 1, no read-ahead.
    {0x08, 0x12, {0x00, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x20}},
    // Control: one task set, unrestricted reordering, no limit for the busy condition.
    {kControlPage, 0x0a, {0x00, 0x10, 0, 0, 0, 0, 0xff, 0xff}},
};
constexpr u32 kPageHeader = 2;
constexpr u32 kPageMax = kPageHeader + sizeof(ModePage::body);
constexpr u8 kAllPages = 0x3f, kAllSubpages = 0xff;  // also: the bits of a page code
constexpr u8 kSubpageFormat = 0x40;
constexpr u32 kSwpAt = 4;  // Control page
constexpr u8 kSwp = 0x08;

u32 size_of(const ModePage& page) { return kPageHeader + page.length; }

void put_page_header(const ModePage& page, u8* at) {
  at[0] = page.code;
  at[1] = page.length;
}

void put_values(const ModePage& page, const Modes& modes, u8* at) {
  put_page_header(page, at);
  __builtin_memcpy(at + kPageHeader, page.body, page.length);
  if (page.code == kControlPage && modes.write_protected) at[kSwpAt] |= kSwp;
}

// A one for each bit that can be changed, in a page of zeros.
void put_mask(const ModePage& page, u8* at) {
  put_page_header(page, at);
  if (page.code == kControlPage) at[kSwpAt] = kSwp;
}

void take_values(const ModePage& page, const u8* at, Modes* modes) {
  if (page.code == kControlPage) modes->write_protected = (at[kSwpAt] & kSwp) != 0;
}

// MODE SELECT(10) and MODE SENSE(10) have longer headers, and may have longer block descriptors.
bool is_ten(const u8* cdb) { return cdb[0] >= 0x40; }
u32 header_of(const u8* cdb) { return is_ten(cdb) ? 8 : 4; }

constexpr u32 kShortDescriptor = 8, kLongDescriptor = 16;
constexpr u32 kMaxShortCount = 0xffffffff;

// ---- MODE SENSE ----

enum class PageControl : u8 { kCurrent, kChangeable, kDefault, kSaved };

u32 put_pages(u8 code, PageControl control, const Modes* modes, u8* at) {
  const bool current = control == PageControl::kCurrent && modes != nullptr;
  u32 length = 0;
  for (const ModePage& page : kModePages) {
    if (code != kAllPages && code != page.code) continue;
    if (control != PageControl::kChangeable) {
      put_values(page, current ? *modes : Modes{}, at + length);
    } else if (modes != nullptr) {
      put_mask(page, at + length);
    } else {
      put_page_header(page, at + length);
    }
    length += size_of(page);
  }
  return length;
}

u32 put_block_descriptor(const Device& device, bool long_lba, u8* at) {
  const u32 block_length = 1U << device.block_shift;
  if (long_lba) {
    put_be64(at, device.blocks);
    put_be32(at + 12, block_length);
    return kLongDescriptor;
  }
  put_be32(at, static_cast<u32>(min(device.blocks, static_cast<u64>(kMaxShortCount))));
  put_be32(at + 4, block_length);
  return kShortDescriptor;
}

void put_mode_header(bool ten, const Modes* modes, u32 length, u32 descriptor, u8* r) {
  constexpr u8 kWriteProtected = 0x80, kDpoFuaSupported = 0x10;
  const bool protect = modes != nullptr && modes->write_protected;
  const u8 device_specific = kDpoFuaSupported | (protect ? kWriteProtected : 0);
  if (ten) {
    put_be16(r, length - 2);
    r[3] = device_specific;
    r[4] = descriptor == kLongDescriptor ? 1 : 0;
    put_be16(r + 6, descriptor);
  } else {
    r[0] = static_cast<u8>(length - 1);
    r[2] = device_specific;
    r[3] = static_cast<u8>(descriptor);
  }
}

// ---- MODE SELECT ----

// What is left of a parameter list that is read from front to back.
struct ModeList {
  const u8* at;
  u32 left;

  void skip(u32 count) {
    at += count;
    left -= count;
  }
};

// Neither the number of blocks nor their size can be changed: as they are, or "no change".
bool keeps_blocks(const Device& device, bool long_lba, const u8* at) {
  const u64 count = long_lba ? get_be64(at) : get_be32(at);
  const u64 all = long_lba ? ~0ULL : kMaxShortCount;
  const u32 length = long_lba ? get_be32(at + 12) : get_be32(at + 4) & 0xffffff;
  return (count == 0 || count == all || count == device.blocks) &&
         (length == 0 || length == 1U << device.block_shift);
}

// Mode data length and device-specific parameter are reserved here, or ignored.
Sense read_mode_header(const Device& device, const u8* cdb, ModeList* list) {
  const bool ten = is_ten(cdb);
  if (list->left < header_of(cdb)) return kParameterListLength;
  const u8* header = list->at;
  const u8 medium_type = header[ten ? 2 : 1];
  const bool long_lba = ten && (header[4] & 1) != 0;
  const u32 descriptor = ten ? get_be16(header + 6) : header[3];
  const u32 one = long_lba ? kLongDescriptor : kShortDescriptor;
  if (medium_type != 0 || (descriptor != 0 && descriptor != one)) return kInvalidParameter;

  list->skip(header_of(cdb));
  if (descriptor == 0) return kNoSense;
  if (list->left < descriptor) return kParameterListLength;
  if (!keeps_blocks(device, long_lba, list->at)) return kInvalidParameter;
  list->skip(descriptor);
  return kNoSense;
}

const ModePage* find_page(u8 code) {
  for (const ModePage& page : kModePages) {
    if (page.code == code) return &page;
  }
  return nullptr;
}

// Every bit that cannot be changed is as MODE SENSE shows it.
bool keeps_the_rest(const ModePage& page, const u8* at) {
  u8 fixed[kPageMax] = {}, mask[kPageMax] = {};
  put_values(page, Modes{}, fixed);
  put_mask(page, mask);
  for (u32 i = kPageHeader; i < size_of(page); ++i) {
    if (((at[i] ^ fixed[i]) & ~mask[i]) != 0) return false;
  }
  return true;
}

Sense read_page(ModeList* list, Modes* modes) {
  if (list->left < kPageHeader) return kParameterListLength;
  const u8* at = list->at;
  // Bit 7, PS of MODE SENSE, is reserved here: some initiators send back what they were shown.
  const ModePage* page = find_page(at[0] & kAllPages);
  if (page == nullptr || (at[0] & kSubpageFormat) != 0) return kInvalidParameter;
  if (at[1] != page->length) return kInvalidParameter;
  if (list->left < size_of(*page)) return kParameterListLength;
  if (!keeps_the_rest(*page, at)) return kInvalidParameter;
  take_values(*page, at, modes);
  list->skip(size_of(*page));
  return kNoSense;
}

}  // namespace

Sense sense_modes(const Device& device, const Modes* modes, const u8* cdb, u8* response,
                  u32* length) {
  const auto control = static_cast<PageControl>(cdb[2] >> 6);
  const u8 subpage = cdb[3];
  if (subpage != 0x00 && subpage != kAllSubpages) return kInvalidField;
  if (control == PageControl::kSaved) return kSavingNotSupported;

  const bool no_descriptor = (cdb[1] & 0x08) != 0;
  const bool long_lba = is_ten(cdb) && (cdb[1] & 0x10) != 0;
  u8* at = response + header_of(cdb);
  const u32 descriptor = no_descriptor ? 0 : put_block_descriptor(device, long_lba, at);
  const u32 pages = put_pages(cdb[2] & kAllPages, control, modes, at + descriptor);
  if (pages == 0) return kInvalidField;
  *length = header_of(cdb) + descriptor + pages;
  put_mode_header(is_ten(cdb), modes, *length, descriptor, response);
  return kNoSense;
}

Sense select_modes(const Device& device, const u8* cdb, const u8* list, u32 length, Modes* modes) {
  ModeList rest{list, length};
  Modes chosen = *modes;
  Sense sense = read_mode_header(device, cdb, &rest);
  while (sense.key == 0 && rest.left != 0)
    sense = read_page(&rest, &chosen);
  if (sense.key == 0) *modes = chosen;
  return sense;
}

}  // namespace iface
