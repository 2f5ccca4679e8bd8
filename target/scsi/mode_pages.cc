// SPDX-License-Identifier: GPL-2.0-only
//
// The table of mode pages. See mode_pages.hh.
#include "target/scsi/mode_pages.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint8_t kSubpageFormat = 0x40;

// Caching (SBC-4 section 6.5.6). WCE is kept inverted: what the class has is the default.
constexpr uint8_t kWce = 0x04;

void fill_caching(const Lun& lun, const ModeValues& values, uint8_t* page) {
  if (lun.has_write_cache() && !values.write_cache_disabled()) page[2] = kWce;
}
void mask_caching(const Lun& lun, uint8_t* mask) {
  if (lun.has_write_cache()) mask[2] = kWce;
}
void take_caching(const uint8_t* page, ModeValues* values) {
  values->caching = (page[2] & kWce) != 0 ? 0 : ModeValues::kWriteCacheDisabled;
}

// Control (SPC-5 section 7.5.13): one task set for all nexuses, commands in any order, no limit to
// being busy.
constexpr uint8_t kUnrestrictedReordering = 0x10;

void fill_control(const Lun&, const ModeValues& values, uint8_t* page) {
  page[2] = values.control_flags;
  page[3] = kUnrestrictedReordering;
  page[4] = values.control_access;
  page[8] = page[9] = 0xff;
}
void mask_control(const Lun&, uint8_t* mask) {
  mask[2] = ModeValues::kDescriptorSense;
  mask[4] = ModeValues::kWriteProtect;
}
void take_control(const uint8_t* page, ModeValues* values) {
  values->control_flags = page[2] & ModeValues::kDescriptorSense;
  values->control_access = page[4] & ModeValues::kWriteProtect;
}

// Informational exceptions control (SPC-5 section 7.5.17): none is ever reported.
constexpr uint8_t kDexcpt = 0x08;
void fill_exceptions(const Lun&, const ModeValues&, uint8_t* page) { page[2] = kDexcpt; }

constexpr ModePage kPages[] = {
    {0x01, 0x00, 12, nullptr, nullptr, nullptr},  // Read-write error recovery.
    {0x02, 0x00, 16, nullptr, nullptr, nullptr},  // Disconnect-reconnect: text keys say it.
    {0x08, 0x00, 20, fill_caching, mask_caching, take_caching},
    {0x0a, 0x00, 12, fill_control, mask_control, take_control},
    {0x0a, 0x01, 32, nullptr, nullptr, nullptr},  // Control extension.
    {0x1a, 0x00, 40, nullptr, nullptr, nullptr},  // Power condition: there are no timers.
    {0x1c, 0x00, 12, fill_exceptions, nullptr, nullptr},
};

void put_header(const ModePage& which, uint8_t* page) {
  __builtin_memset(page, 0, kMaxModePage);
  page[0] = which.code;
  if (which.has_subcode()) {
    page[0] |= kSubpageFormat;
    page[1] = which.subcode;
    page[3] = static_cast<uint8_t>(which.size - 4);
  } else {
    page[1] = static_cast<uint8_t>(which.size - 2);
  }
}

}  // namespace

Span<const ModePage> mode_pages() { return kPages; }

const ModePage* find_mode_page(uint8_t code, uint8_t subcode) {
  for (const ModePage& page : kPages) {
    if (page.code == code && page.subcode == subcode) return &page;
  }
  return nullptr;
}

void write_mode_page(const ModePage& which, const Lun& lun, const ModeValues& values,
                     uint8_t* page) {
  put_header(which, page);
  if (which.fill != nullptr) which.fill(lun, values, page);
}

void write_mode_mask(const ModePage& which, const Lun& lun, uint8_t* page) {
  put_header(which, page);
  if (which.fill_mask != nullptr) which.fill_mask(lun, page);
}

}  // namespace chiscsi::scsi
