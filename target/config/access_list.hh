// SPDX-License-Identifier: GPL-2.0-only
//
// ACL lines of the configuration: which initiators may log in and which LUNs they may use.
//
//   [iname=<n1>[,<n2>...]][;sip=<ip>[,...]][;dip=<ip>[,...]][;lun=<list>:<permission>]
//
// A rule applies when every field it has matches. Without lun= it grants ALL:RW. A LUN gets the
// best permission of all rules that apply.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/text.hh"
#include "os/socket.h"
#include "target/config/growable_array.hh"
#include "target/config/message_line.hh"

namespace chiscsi {

enum class LunAccess : uint8_t { kNone = 0, kReadOnly = 1, kReadWrite = 2 };

inline constexpr uint32_t kMaxConfiguredLun = 16383;

// Who asks: what an ACL rule is matched against.
struct AccessSubject {
  Text initiator_name;
  os_address initiator = {};
  os_address target = {};
};

struct LunRange {
  uint32_t first;
  uint32_t last;
};

struct AccessRule {
  GrowableArray<Text> initiator_names;
  GrowableArray<os_address> initiator_addresses;
  GrowableArray<os_address> target_addresses;
  GrowableArray<LunRange> luns;  // Empty: all LUNs.
  LunAccess access = LunAccess::kReadWrite;

  bool applies_to(const AccessSubject& subject) const;
  bool covers(uint32_t lun) const;
};

// Parses the value of one ACL line; `rule` refers to the memory of `value`. Errors: kInvalid with a
// line, kNoMemory. Context: process.
Status parse_access_rule(Text value, AccessRule* rule, ConfigError* error);

}  // namespace chiscsi
