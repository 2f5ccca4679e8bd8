// SPDX-License-Identifier: GPL-2.0-only
//
// PortalGroup lines of the configuration: where a target listens and where it sends logins on to.
//
//   <tag>@<ip>[:<port>][,<ip>[:<port>]...][,timeout=<seconds>][,[<tag>,<tag>...]]
//
// An IPv6 address stands in brackets. Brackets that hold only digits, commas and blanks are a list
// of tags to redirect to and come last.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/text.hh"
#include "os/socket.h"
#include "target/config/growable_array.hh"
#include "target/config/message_line.hh"

namespace chiscsi {

struct PortalGroupSettings {
  uint16_t tag = 0;
  uint32_t timeout_s = 0;  // Without a sign of life for so long, a connection is lost; 0: no check.
  GrowableArray<os_address> portals;      // At least one.
  GrowableArray<uint16_t> redirect_tags;  // Not empty: logins at this group are sent on.

  bool redirects() const { return !redirect_tags.empty(); }
  // True when the group listens at `local`, the address a connection arrived on.
  bool has_portal(const os_address& local) const;
};

// Parses the value of one PortalGroup line. Errors: kInvalid with a line, kNoMemory. Context:
// process.
Status parse_portal_group(Text value, PortalGroupSettings* group, ConfigError* error);

// Checks all groups of a target together: tags and portals unique, tags to redirect to exist, and
// no redirection leads back to where it came from, whether the groups are bound here or, with
// ShadowMode=Yes, elsewhere. Errors: kInvalid with a line in `error`, kNoMemory. Context: process.
Status check_portal_groups(Span<const PortalGroupSettings> groups, ConfigError* error);

}  // namespace chiscsi
