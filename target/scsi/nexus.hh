// SPDX-License-Identifier: GPL-2.0-only
//
// Nexus: who speaks to a logical unit, as reservations know it (SPC-5 sections 5.14 and 7.6.4.6).
//
// An initiator port is an iSCSI name and an ISID, a target port is a portal group of the target,
// known by its tag, which is its relative target port identifier as well (inquiry.cc). A nexus is
// a value: it outlives the session that came by it. Context: any.
#pragma once

#include <cstdint>

#include "base/span.hh"
#include "base/text.hh"
#include "iscsi/opcodes.hh"

namespace chiscsi::scsi {

inline constexpr size_t kIsidSize = 6;

struct InitiatorPort {
  FixedText<iscsi::kMaxNameLength> name;
  uint8_t isid[kIsidSize] = {};

  bool operator==(const InitiatorPort& other) const {
    return equal_bytes(isid, other.isid) && name.text() == other.name.text();
  }
};

struct Nexus {
  InitiatorPort initiator;
  uint16_t target_port = 0;

  bool operator==(const Nexus& other) const {
    return target_port == other.target_port && initiator == other.initiator;
  }
};

}  // namespace chiscsi::scsi
