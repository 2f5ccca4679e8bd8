// SPDX-License-Identifier: GPL-2.0-only
//
// The driver's choice, or the next in turn that a login gets on by.
#include "target/redirection.hh"

#include "os/log.h"

namespace chiscsi {

namespace {

// A hook that takes longer is named in the log: all logins wait for it.
constexpr uint64_t kSlowHookMs = 1000;

iscsi::LoginStatus refuse(const Target& target, const char* why) {
  os_log_limited(OS_LOG_ERROR, "%s: fp_select_redirection_portal %s", target.name_c_str(), why);
  return iscsi::LoginStatus::kTargetError;
}

iscsi::LoginStatus ask_driver(Target& target, const RedirectedLogin& login, os_address* portal) {
  // The hook writes to a copy: the connection's own addresses stay as they are.
  chiscsi_tcp_endpoints endpoints = login.endpoints;
  const uint64_t start = os_now_ms();
  const int rc = target.hooks().fp_select_redirection_portal(target.name_for_hook(),
                                                             login.initiator_name, &endpoints);
  const uint64_t taken = os_now_ms() - start;
  if (taken >= kSlowHookMs) {
    os_log_limited(OS_LOG_WARNING,
                   "%s: fp_select_redirection_portal took %llu ms, all logins have waited",
                   target.name_c_str(), static_cast<unsigned long long>(taken));
  }
  if (rc < 0) return refuse(target, "has failed");
  if (endpoints.taddr.port == 0 || endpoints.taddr.port > 0xffff) {
    return refuse(target, "has named no port");
  }
  *portal = address_from_bytes(endpoints.taddr.ip, static_cast<uint16_t>(endpoints.taddr.port));
  if (!is_redirection_portal(login.settings, login.arrived_at, *portal)) {
    return refuse(target, "has named no portal to go to");
  }
  return iscsi::LoginStatus::kMovedTemporarily;
}

// A wildcard of this machine is named by the address that the initiator has reached.
os_address portal_as_reached(const RedirectedLogin& login, const os_address& portal) {
  os_address reached = portal;
  const bool is_here = !login.settings.shadow_mode();
  if (is_here && is_wildcard(portal) && portal.is_ipv6 == login.arrived_at.is_ipv6) {
    __builtin_memcpy(reached.ip, login.arrived_at.ip, sizeof(reached.ip));
  }
  return reached;
}

// Whether a login at `group` gets on by going to `portal`. The address that a wildcard is named by
// may be a portal of some other group, of the one that the login is at to begin with.
bool leads_on(const RedirectedLogin& login, const PortalGroupSettings& group,
              const os_address& portal) {
  if (!is_redirection_portal(login.settings, login.arrived_at, portal)) return false;
  if (login.settings.shadow_mode()) return true;
  const PortalGroupSettings* there = login.settings.portal_group_at(portal);
  return there != nullptr && group.redirect_tags.contains(there->tag) &&
         !there->redirect_tags.contains(group.tag);
}

iscsi::LoginStatus take_next(Target& target, const RedirectedLogin& login, os_address* portal) {
  const PortalGroupSettings* group = login.settings.portal_group_at(login.arrived_at);
  if (group == nullptr) return iscsi::LoginStatus::kServiceUnavailable;
  const uint32_t turn = target.redirect_turn.fetch_add(1);
  const uint32_t portals = login.settings.count_redirect_portals(*group);
  for (uint32_t i = 0; i < portals; ++i) {
    *portal = portal_as_reached(login, *login.settings.redirect_portal(*group, turn + i));
    if (leads_on(login, *group, *portal)) return iscsi::LoginStatus::kMovedTemporarily;
  }
  return iscsi::LoginStatus::kServiceUnavailable;
}

}  // namespace

bool is_redirection_portal(const TargetSettings& settings, const os_address& arrived_at,
                           const os_address& portal) {
  if (is_wildcard(portal)) return false;
  if (same_ip(portal, arrived_at) && portal.port == arrived_at.port) return false;
  return settings.shadow_mode() || settings.portal_group_at(portal) != nullptr;
}

iscsi::LoginStatus select_redirection_portal(Target& target, const RedirectedLogin& login,
                                             os_address* portal) {
  return target.hooks().fp_select_redirection_portal != nullptr ? ask_driver(target, login, portal)
                                                                : take_next(target, login, portal);
}

}  // namespace chiscsi
