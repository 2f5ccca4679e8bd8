// SPDX-License-Identifier: GPL-2.0-only
//
// What standard INQUIRY data and vital product data have in common: the names of a device.
#pragma once

#include "target/scsi/answers.hh"

namespace chiscsi::scsi {

inline constexpr size_t kVendorWidth = 8;
inline constexpr size_t kProductWidth = 16;
inline constexpr size_t kRevisionWidth = 4;

struct DeviceNames {
  Text vendor;
  Text product = "CHISCSI Target";
  Text revision = "0001";
};
// As the class has said, or those of the target, whose vendor is `vendor`. `lun` may be null.
DeviceNames names_of(const Lun* lun, Text vendor);

// Whether the LUN takes EXTENDED COPY; one that is read-only for ever is a source for others.
inline bool takes_copies(const Lun& lun) { return !lun.is_read_only(); }

// Peripheral qualifier and device type: a disk, or nothing that could be there.
inline uint8_t peripheral_of(const Question& question) {
  return question.lun != nullptr ? 0 : 0x7f;
}

}  // namespace chiscsi::scsi
