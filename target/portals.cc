// SPDX-License-Identifier: GPL-2.0-only
//
// Opening and closing portals by use count.
#include "target/portals.hh"

#include "base/lock.hh"
#include "target/config/address.hh"

namespace chiscsi {

Status Portals::create(Worker& worker, Acceptor& acceptor) {
  worker_ = &worker;
  acceptor_ = &acceptor;
  mutex_ = os_mutex_create();
  return mutex_ != nullptr ? Status() : Status(Error::kNoMemory);
}

Portals::~Portals() {
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

// Visits the addresses in order until `visit` says false; true when it never did.
template <typename Visit>
bool Portals::for_each_address(const TargetSettings& settings, Visit visit) {
  for (const PortalGroupSettings& group : settings.portal_groups()) {
    if (!settings.is_local(group)) continue;
    for (const os_address& address : group.portals.span()) {
      if (!visit(address)) return false;
    }
  }
  return true;
}

Portals::Portal* Portals::find_locked(const os_address& address) {
  Portal* exact = portals_.find(
      [&](const Portal& portal) { return same_endpoint(portal.listener->address(), address); });
  if (exact != nullptr) return exact;
  return portals_.find([&](const Portal& portal) {
    const os_address& open = portal.listener->address();
    return is_wildcard(open) && open.is_ipv6 == address.is_ipv6 && open.port == address.port;
  });
}

Status Portals::open_one_locked(const os_address& address) {
  if (Portal* portal = find_locked(address)) {
    ++portal->users;
    return Status();
  }
  OwnPtr<Portal> portal = make<Portal>(Alloc::kMaySleep);
  if (!portal) return Error::kNoMemory;
  portal->listener = CHISCSI_TRY(Listener::create(address, *worker_, *acceptor_));
  portal->users = 1;
  portals_.push_back(*portal.release());
  return Status();
}

void Portals::close_one_locked(const os_address& address) {
  Portal* portal = find_locked(address);
  if (portal == nullptr || --portal->users != 0) return;
  portals_.remove(*portal);
  portal->listener->close();
  destroy(portal);
}

Status Portals::open(const TargetSettings& settings, os_address* failed) {
  MutexGuard guard(mutex_);
  Status status;
  uint32_t opened = 0;
  for_each_address(settings, [&](const os_address& address) {
    status = open_one_locked(address);
    if (!status.is_ok()) *failed = address;
    opened += status.is_ok() ? 1 : 0;
    return status.is_ok();
  });
  if (status.is_ok()) return status;
  for_each_address(settings, [&](const os_address& address) {
    if (opened == 0) return false;
    --opened;
    close_one_locked(address);
    return true;
  });
  return status;
}

void Portals::close(const TargetSettings& settings) {
  MutexGuard guard(mutex_);
  for_each_address(settings, [&](const os_address& address) {
    close_one_locked(address);
    return true;
  });
}

}  // namespace chiscsi
