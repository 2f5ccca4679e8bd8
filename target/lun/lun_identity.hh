// SPDX-License-Identifier: GPL-2.0-only
//
// LunIdentity: the names of a LUN that initiators see in its vital product data.
//
// ID=, WWN= and SN= of the TargetDevice line count; what is not given is derived from the names of
// target and device, so that it is the same after a restart and differs between LUNs.
#pragma once

#include <cstdint>

#include "target/config/target_device.hh"

namespace chiscsi {

struct LunIdentity {
  uint8_t naa[8] = {};        // The designator of type NAA.
  FixedText<16> serial;       // Unit serial number.
  FixedText<24> vendor_text;  // Vendor specific part of the designator with the T10 vendor ID.
  bool serial_is_given = false;
};

LunIdentity identify_lun(Text target_name, const TargetDeviceSettings& device);

}  // namespace chiscsi
