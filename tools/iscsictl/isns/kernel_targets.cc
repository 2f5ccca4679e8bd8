// SPDX-License-Identifier: GPL-2.0-only
//
// See kernel_targets.hh.
#include "isns/kernel_targets.hh"

#include <ifaddrs.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "common/chiscsi_control.h"
#include "target/config/address.hh"
#include "target/config/key_table.hh"
#include "target/config/portal_group.hh"

namespace isns {

namespace {

using chiscsi::PortalGroupSettings;

// Of ifa_flags, netdevice(7).
constexpr unsigned kInterfaceIsUp = 0x1, kInterfaceIsLoopback = 0x8;

in6_addr mapped(const in_addr& address) {
  in6_addr result{};
  result.s6_addr[10] = result.s6_addr[11] = 0xff;
  std::memcpy(&result.s6_addr[12], &address, sizeof(address));
  return result;
}

struct Interfaces {
  Interfaces() {
    if (getifaddrs(&list) != 0) list = nullptr;
  }
  ~Interfaces() { freeifaddrs(list); }
  ifaddrs* list = nullptr;
};

std::vector<in6_addr> addresses_with(bool ipv6, bool loopback) {
  std::vector<in6_addr> found;
  const Interfaces interfaces;
  for (const ifaddrs* entry = interfaces.list; entry != nullptr; entry = entry->ifa_next) {
    const bool is_loopback = (entry->ifa_flags & kInterfaceIsLoopback) != 0;
    if (entry->ifa_addr == nullptr || (entry->ifa_flags & kInterfaceIsUp) == 0 ||
        is_loopback != loopback)
      continue;
    if (entry->ifa_addr->sa_family == AF_INET && !ipv6) {
      found.push_back(mapped(reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr));
    } else if (entry->ifa_addr->sa_family == AF_INET6 && ipv6) {
      const in6_addr& address = reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr;
      // Of no use to others without the name of an interface.
      if (!IN6_IS_ADDR_LINKLOCAL(&address)) found.push_back(address);
    }
  }
  return found;
}

std::vector<PortalGroupSettings> groups_of(const iscsictl::Record& record) {
  std::vector<PortalGroupSettings> groups;
  for (const auto& [key, value] : record.fields) {
    if (key != "PortalGroup") continue;
    PortalGroupSettings group;
    chiscsi::ConfigError error;
    if (!parse_portal_group({value.data(), value.size()}, &group, &error).is_ok()) {
      throw NetworkError("the module says PortalGroup=" + value);
    }
    groups.push_back(std::move(group));
  }
  return groups;
}

// A group that logins are sent to with ShadowMode=Yes lives on another machine.
bool is_elsewhere(const PortalGroupSettings& group, const std::vector<PortalGroupSettings>& all) {
  return std::any_of(all.begin(), all.end(), [&](const PortalGroupSettings& other) {
    return other.redirect_tags.contains(group.tag);
  });
}

}  // namespace

std::vector<in6_addr> host_addresses(bool ipv6) {
  const std::vector<in6_addr> found = addresses_with(ipv6, false);
  return found.empty() ? addresses_with(ipv6, true) : found;
}

std::vector<TargetNode> KernelTargets::targets() {
  std::vector<TargetNode> nodes;
  if (door_.state() == iscsictl::Door::State::kNotLoaded) return nodes;
  const iscsictl::Reply list = door_.ask(CHISCSI_CONTROL_TARGET_LIST);
  if (!list.is_ok()) throw NetworkError("the list of targets: " + list.why);
  for (const iscsictl::Record& record : list.records)
    add(std::string(record.get("target")), &nodes);
  return nodes;
}

// False when it has gone meanwhile, or does not want to be registered.
bool KernelTargets::add(const std::string& name, std::vector<TargetNode>* nodes) {
  const iscsictl::Reply reply = door_.ask(CHISCSI_CONTROL_TARGET_CONFIG, {"target=" + name});
  if (reply.error == ENOENT) return false;
  if (!reply.is_ok()) throw NetworkError(name + ": " + reply.why);
  if (reply.records.empty() || reply.records[0].get("RegisteriSNS") == "No") return false;
  const iscsictl::Record& keys = reply.records[0];
  const std::vector<PortalGroupSettings> groups = groups_of(keys);
  const bool shadow = keys.get("ShadowMode") == "Yes";
  TargetNode node{name, std::string(keys.get("TargetAlias")), {}};
  for (const PortalGroupSettings& group : groups) {
    if (shadow && is_elsewhere(group, groups)) continue;
    PortalGroup entry{group.tag, {}};
    for (const os_address& portal : group.portals) {
      if (!chiscsi::is_wildcard(portal)) {
        Portal fixed{{}, portal.port};
        std::memcpy(&fixed.address, portal.ip, sizeof(fixed.address));
        entry.portals.push_back(fixed);
        continue;
      }
      for (const in6_addr& address : addresses_(portal.is_ipv6 != 0))
        entry.portals.push_back({address, portal.port});
    }
    node.groups.push_back(std::move(entry));
  }
  nodes->push_back(std::move(node));
  return true;
}

// Names that are none can log in nowhere: the module refuses them at login.
void KernelTargets::allow(const std::string& target, const std::vector<std::string>& initiators) {
  iscsictl::Keys keys = {"target=" + target, "version=" + std::to_string(++version_)};
  for (const std::string& name : initiators) {
    if (chiscsi::is_iscsi_name({name.data(), name.size()})) keys.push_back("initiator=" + name);
  }
  const iscsictl::Reply reply = door_.ask(CHISCSI_CONTROL_ISNS_ALLOW, keys);
  if (reply.is_ok() || reply.error == ENOENT) {  // It may have stopped meanwhile.
    complaints_.erase(target);
    return;
  }
  take_back(target);
  complain(target, "the list of allowed initiators: " +
                       (reply.why.empty() ? std::strerror(reply.error) : reply.why));
}

void KernelTargets::forget(const std::string& target) {
  complaints_.erase(target);
  take_back(target);
}

void KernelTargets::take_back(const std::string& target) {
  door_.ask(CHISCSI_CONTROL_ISNS_FORGET, {"target=" + target});
}

void KernelTargets::complain(const std::string& target, const std::string& what) {
  if (complaints_[target] == what) return;
  complaints_[target] = what;
  std::fprintf(stderr, "chisns: %s: %s\n", target.c_str(), what.c_str());
}

}  // namespace isns
