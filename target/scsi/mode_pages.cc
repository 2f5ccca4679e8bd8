// SPDX-License-Identifier: GPL-2.0-only
//
// The table of mode pages. See mode_pages.hh.
#include "target/scsi/mode_pages.hh"

#include "target/lun/provisioning.hh"

namespace chiscsi::scsi {

namespace {

constexpr uint8_t kSubpageFormat = 0x40;

// Read-write error recovery (SBC-4 section 6.5.10): whether a threshold is told.
constexpr uint8_t kLbpere = 0x80, kLbpereAt = 7;

void fill_recovery(const Lun& lun, const ModeValues& values, uint8_t* page) {
  if (lun.tells_usage() && threshold_of(lun, values).reports) page[kLbpereAt] = kLbpere;
}
void mask_recovery(const Lun& lun, uint8_t* mask) {
  if (lun.tells_usage()) mask[kLbpereAt] = kLbpere;
}
void take_recovery(const Lun& lun, const uint8_t* page, ModeValues* values) {
  if (lun.tells_usage()) choose_reporting(lun, (page[kLbpereAt] & kLbpere) != 0, values);
}

// Caching (SBC-4 section 6.5.6). WCE is kept inverted: what the class has is the default.
constexpr uint8_t kWce = 0x04;

void fill_caching(const Lun& lun, const ModeValues& values, uint8_t* page) {
  if (lun.has_write_cache() && !values.write_cache_disabled()) page[2] = kWce;
}
void mask_caching(const Lun& lun, uint8_t* mask) {
  if (lun.has_write_cache()) mask[2] = kWce;
}
void take_caching(const Lun&, const uint8_t* page, ModeValues* values) {
  values->caching = (page[2] & kWce) != 0 ? 0 : ModeValues::kWriteCacheDisabled;
}

// Control (SPC-5 section 7.5.13): a task set for each nexus (TST), SIMPLE commands in any order, as
// a class with a queue runs them (QAM), no limit to being busy.
constexpr uint8_t kSeparateTaskSets = 0x20;
constexpr uint8_t kUnrestrictedReordering = 0x10;

void fill_control(const Lun&, const ModeValues& values, uint8_t* page) {
  page[2] = kSeparateTaskSets | values.control_flags;
  page[3] = kUnrestrictedReordering;
  page[4] = values.control_access;
  page[8] = page[9] = 0xff;
}
void mask_control(const Lun&, uint8_t* mask) {
  mask[2] = ModeValues::kDescriptorSense;
  mask[4] = ModeValues::kWriteProtect;
}
void take_control(const Lun&, const uint8_t* page, ModeValues* values) {
  values->control_flags = page[2] & ModeValues::kDescriptorSense;
  values->control_access = page[4] & ModeValues::kWriteProtect;
}

// Informational exceptions control (SPC-5 section 7.5.17): none is ever reported.
constexpr uint8_t kDexcpt = 0x08;
void fill_exceptions(const Lun&, const ModeValues&, uint8_t* page) { page[2] = kDexcpt; }

// Logical block provisioning (SBC-4 section 6.5.7): one descriptor, for a soft threshold that is
// armed while less is used. Everybody is told (SITUA is zero).
constexpr uint8_t kDescriptorAt = 16, kCountAt = kDescriptorAt + 4, kEnabled = 0x80;
constexpr uint8_t kArmedIncreasing = 0x01, kUsedResource = 0x02;

void fill_threshold(const Lun& lun, const ModeValues& values, uint8_t* page) {
  const Threshold threshold = threshold_of(lun, values);
  page[kDescriptorAt] = kArmedIncreasing | (threshold.enabled ? kEnabled : 0);
  page[kDescriptorAt + 1] = kUsedResource;
  for (uint8_t i = 0; i < 4; ++i)
    page[kCountAt + i] = static_cast<uint8_t>(threshold.count >> (24 - 8 * i));
}
void mask_threshold(const Lun&, uint8_t* mask) {
  mask[kDescriptorAt] = kEnabled;
  __builtin_memset(mask + kCountAt, 0xff, 4);
}
void take_threshold(const Lun& lun, const uint8_t* page, ModeValues* values) {
  uint32_t count = 0;
  for (uint8_t i = 0; i < 4; ++i)
    count = count << 8 | page[kCountAt + i];
  choose_threshold(lun, (page[kDescriptorAt] & kEnabled) != 0, count, values);
}
bool has_threshold(const Lun& lun) { return lun.tells_usage(); }

constexpr ModePage constant(uint8_t code, uint8_t subcode, uint8_t size) {
  return {code, subcode, size, nullptr, nullptr, nullptr, nullptr};
}

constexpr ModePage kPages[] = {
    {0x01, 0x00, 12, fill_recovery, mask_recovery, take_recovery, nullptr},
    constant(0x02, 0x00, 16),  // Disconnect-reconnect: text keys say it.
    {0x08, 0x00, 20, fill_caching, mask_caching, take_caching, nullptr},
    {0x0a, 0x00, 12, fill_control, mask_control, take_control, nullptr},
    constant(0x0a, 0x01, 32),  // Control extension.
    constant(0x1a, 0x00, 40),  // Power condition: there are no timers.
    {0x1c, 0x00, 12, fill_exceptions, nullptr, nullptr, nullptr},
    {0x1c, 0x02, 24, fill_threshold, mask_threshold, take_threshold, has_threshold},
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

bool has_mode_page(const Lun& lun, const ModePage& page) {
  return page.is_there == nullptr || page.is_there(lun);
}

const ModePage* find_mode_page(const Lun& lun, uint8_t code, uint8_t subcode) {
  for (const ModePage& page : kPages) {
    if (page.code != code || page.subcode != subcode) continue;
    return has_mode_page(lun, page) ? &page : nullptr;
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
