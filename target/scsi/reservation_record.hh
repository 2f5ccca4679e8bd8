// SPDX-License-Identifier: GPL-2.0-only
//
// A record of registrations, as it is stored: versioned, with the name of its unit and a checksum.
//
//   8 "CHISCSPR", 4 version, 4 size of the whole, 8 NAA, 1 size of the serial number and it,
//   1 size of the target's name and it, 1 type, 3 zero, 4 number of registrants, then for each
//   8 key, 6 ISID, 2 target port, 1 whether it holds, 1 size of the name and it; 4 CRC32C of all
//   before. Numbers are big-endian.
//
// Generation and locks are not part of it: both end with power (SPC-5 sections 5.14 and 6.15.2).
// A record comes from a disk and is not trusted. Context: process.
#pragma once

#include "base/own_ptr.hh"
#include "target/lun/lun_identity.hh"
#include "target/scsi/reservation_state.hh"

namespace chiscsi::scsi {

// Which unit a record is of: that it is found again after a restart.
struct UnitName {
  FixedText<iscsi::kMaxNameLength> target;
  FixedText<16> serial;
  uint8_t naa[8] = {};

  bool operator==(const UnitName& other) const {
    return equal_bytes(naa, other.naa) && serial.text() == other.serial.text() &&
           target.text() == other.target.text();
  }
};
UnitName unit_name(Text target_name, const LunIdentity& identity);

inline constexpr uint32_t kRecordVersion = 1;
inline constexpr size_t kMaxRecordSize =
    320 + Reservations::kMaxRegistrants * (18 + iscsi::kMaxNameLength);

// Empty without memory.
Buffer encode_record(const Reservations& reservations, const UnitName& unit);
// Errors: kInvalid for what is no record, or damaged, or of a version we do not know; kStale for
// the record of another unit; kNoMemory.
Result<OwnPtr<Reservations>> decode_record(Bytes record, const UnitName& unit);

}  // namespace chiscsi::scsi
