// SPDX-License-Identifier: GPL-2.0-only
//
// See discovery.hh.
#include "target/login/discovery.hh"

#include "target/config/address.hh"
#include "target/config/number.hh"

namespace chiscsi {

bool TargetVisitor::visit(const TargetSettings& settings) {
  if (!only_.empty() && settings.name() != only_) return true;
  answer_.pair("TargetName", settings.name());
  for (const PortalGroupSettings& group : settings.portal_groups()) {
    if (settings.is_local(group)) write_addresses(group);
  }
  return answer_.is_complete() && only_.empty();
}

void TargetVisitor::write_addresses(const PortalGroupSettings& group) {
  for (const os_address& portal : group.portals) {
    os_address address = portal;
    if (is_wildcard(portal)) {
      // The one address of this family that is known to reach us, if there is one.
      if (arrived_at_.is_ipv6 != portal.is_ipv6) continue;
      __builtin_memcpy(address.ip, arrived_at_.ip, sizeof(address.ip));
    }
    answer_.begin("TargetAddress");
    answer_.add(format_ip_and_port(address).text());
    answer_.add(",");
    answer_.add(DecimalText(group.tag).text());
    answer_.end();
  }
}

SendTargetsResult answer_send_targets(Text value, const DiscoveryContext& context,
                                      TargetDirectory& directory, TextWriter& answer) {
  const bool all = value == Text("All");
  const bool own = value.empty();
  if (!all && !own && !is_iscsi_name(value)) return SendTargetsResult::kBadValue;
  Text only;
  if (own || (all && !context.discovery_session)) {
    only = context.session_target;
    if (only.empty()) return SendTargetsResult::kAnswered;  // Logged in to no target.
  } else if (!all) {
    only = value;
    const bool foreign = !context.discovery_session && value != context.session_target;
    if (foreign) return SendTargetsResult::kAnswered;
  }
  TargetVisitor visitor(only, context.arrived_at, answer);
  directory.enumerate(visitor);
  return answer.is_complete() ? SendTargetsResult::kAnswered : SendTargetsResult::kTooLong;
}

}  // namespace chiscsi
