// SPDX-License-Identifier: GPL-2.0-only
//
// The driver's choice, or the next in turn.
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

iscsi::LoginStatus take_next(Target& target, const RedirectedLogin& login, os_address* portal) {
  const PortalGroupSettings* group = login.settings.portal_group_at(login.arrived_at);
  if (group == nullptr) return iscsi::LoginStatus::kServiceUnavailable;
  const os_address* next =
      login.settings.redirect_portal(*group, target.redirect_turn.fetch_add(1));
  if (next == nullptr) return iscsi::LoginStatus::kServiceUnavailable;
  *portal = *next;
  // A wildcard of this machine is named by the address that the initiator has reached.
  if (is_wildcard(*portal) && portal->is_ipv6 == login.arrived_at.is_ipv6) {
    __builtin_memcpy(portal->ip, login.arrived_at.ip, sizeof(portal->ip));
  }
  return is_wildcard(*portal) ? iscsi::LoginStatus::kServiceUnavailable
                              : iscsi::LoginStatus::kMovedTemporarily;
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
