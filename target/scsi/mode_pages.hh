// SPDX-License-Identifier: GPL-2.0-only
//
// Mode pages: the settings of a logical unit as initiators read and change them (SPC-5 section 7.5,
// SBC-4 section 6.5).
//
// A page is written as bytes from the values that can be changed; everything else in it is
// constant. Context: any.
#pragma once

#include "target/lun/lun.hh"
#include "target/scsi/cdb.hh"
#include "target/scsi/sense_code.hh"

namespace chiscsi::scsi {

struct ModePage {
  uint8_t code;
  uint8_t subcode;  // 0: a page of the short form.
  uint8_t size;     // Of the whole page.
  // The fields behind the header that are not zero.
  void (*fill)(const Lun& lun, const ModeValues& values, uint8_t* page);
  // What initiators may change: bits in `mask`, which has the size of the page, and their way back.
  void (*fill_mask)(const Lun& lun, uint8_t* mask);  // Null: nothing.
  void (*take)(const Lun& lun, const uint8_t* page, ModeValues* values);
  bool (*is_there)(const Lun& lun);  // Null: every LUN has it.

  bool has_subcode() const { return subcode != 0; }
  uint8_t header_size() const { return has_subcode() ? 4 : 2; }
};

inline constexpr uint8_t kAllModePages = 0x3f;
inline constexpr uint8_t kAllModeSubpages = 0xff;
inline constexpr uint8_t kMaxModePage = 40;

// In the order in which MODE SENSE returns them, whether a LUN has them or not.
Span<const ModePage> mode_pages();
bool has_mode_page(const Lun& lun, const ModePage& page);
// One that the LUN has.
const ModePage* find_mode_page(const Lun& lun, uint8_t code, uint8_t subcode);

// Page bytes, header and all; `page` has room for kMaxModePage.
void write_mode_page(const ModePage& which, const Lun& lun, const ModeValues& values,
                     uint8_t* page);
// The bits that can be changed, in a page of that form.
void write_mode_mask(const ModePage& which, const Lun& lun, uint8_t* page);

// Reads the list of a MODE SELECT into `*values`, which hold what is current before. On error they
// mean nothing. `long_form`: the list of MODE SELECT(10).
Sense select_modes(const Lun& lun, Bytes parameters, bool long_form, ModeValues* values);

}  // namespace chiscsi::scsi
