// SPDX-License-Identifier: GPL-2.0-only
//
// Opening and closing portals by use count, on all transports.
#include "target/portals.hh"

#include "base/lock.hh"
#include "os/log.h"
#include "target/config/address.hh"

namespace chiscsi {

namespace {
// How long an unregistering transport waits for its connections to end.
constexpr uint32_t kTransportWaitMs = 30'000;

bool covers(const os_address& wildcard, const os_address& address) {
  return is_wildcard(wildcard) && !is_wildcard(address) && wildcard.is_ipv6 == address.is_ipv6 &&
         wildcard.port == address.port;
}
}  // namespace

Status Portals::create(Worker& worker, Acceptor& acceptor) {
  worker_ = &worker;
  acceptor_ = &acceptor;
  mutex_ = os_mutex_create();
  list_mutex_ = os_mutex_create();
  return mutex_ != nullptr && list_mutex_ != nullptr ? Status() : Status(Error::kNoMemory);
}

Portals::~Portals() {
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
  if (list_mutex_ != nullptr) os_mutex_destroy(list_mutex_);
}

Portals::Portal::~Portal() {
  if (listener) listener->close();
  while (PluginPortal* plugin = plugins.pop_front())
    destroy(plugin);
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
  return portals_.find(
      [&](const Portal& portal) { return same_endpoint(portal.address, address); });
}

// The wildcard portal over this address; null for a wildcard itself.
Portals::Portal* Portals::find_cover_locked(const os_address& address) {
  return portals_.find([&](const Portal& portal) { return covers(portal.address, address); });
}

// The host gives a port to a wildcard or to single addresses, so what a wildcard covers has no
// socket of its own. Transports are asked for each of them.
Status Portals::open_one_locked(const os_address& address) {
  if (Portal* portal = find_locked(address)) {
    const Status status = portal->listener ? Status() : listen_locked(*portal);
    if (!status.is_ok() && portal->plugins.empty()) return status;
    ++portal->users;
    return Status();
  }
  OwnPtr<Portal> portal = make<Portal>(Alloc::kMaySleep);
  if (!portal) return Error::kNoMemory;
  portal->address = address;
  portal->roster = CHISCSI_TRY(Roster::create());
  link_locked(*portal);  // The first login may be quicker than the last transport.
  silence_covered_locked(address);
  // First, for one that needs the address for itself. The host's sockets do not.
  transports_.for_each([&](TransportPlugin& plugin) { listen_by_locked(*portal, plugin); });
  const Status status = listen_locked(*portal);
  if (!status.is_ok()) wake_silent_locked();
  if (!status.is_ok() && portal->plugins.empty()) {
    unlink_locked(*portal);
    return status;
  }
  portal.release()->users = 1;
  return Status();
}

void Portals::silence_covered_locked(const os_address& address) {
  portals_.for_each([&](Portal& portal) {
    if (!covers(address, portal.address)) return;
    if (Ref<Listener> closed = std::move(portal.listener)) closed->close();
  });
}

// Also those that could not listen when it was their turn: their address may have come back.
void Portals::wake_silent_locked() {
  portals_.for_each([&](Portal& portal) {
    if (portal.listener) return;
    const Status status = listen_locked(portal);
    if (status.is_ok() || !portal.plugins.empty()) return;
    os_log(OS_LOG_WARNING, "portal %s: cannot listen, error %d",
           format_ip_and_port(portal.address).c_str(), static_cast<int>(status.error()));
  });
}

// Good as well when a wildcard hears for it; an address that is not here is an error even then.
Status Portals::listen_locked(Portal& portal) {
  Result<Ref<Listener>> listener = Listener::create(portal.address, *worker_, *acceptor_);
  if (listener.is_ok()) {
    portal.listener = listener.take();
    return Status();
  }
  const Portal* cover = find_cover_locked(portal.address);
  const bool is_heard = cover != nullptr && cover->listener;
  return is_heard && listener.error() == Error::kAddressInUse ? Status() : Status(listener.error());
}

void Portals::link_locked(Portal& portal) {
  MutexGuard guard(list_mutex_);
  portals_.push_back(portal);
}

void Portals::unlink_locked(Portal& portal) {
  MutexGuard guard(list_mutex_);
  portals_.remove(portal);
}

void Portals::close_one_locked(const os_address& address) {
  Portal* portal = find_locked(address);
  if (portal == nullptr || --portal->users != 0) return;
  unlink_locked(*portal);
  destroy(portal);
}

// A transport that cannot listen leaves the portal to the others.
void Portals::listen_by_locked(Portal& portal, TransportPlugin& plugin) {
  if (plugin.withdrawn) return;
  Result<OwnPtr<PluginPortal>> open = PluginPortal::open(Ref<TransportPlugin>::share(&plugin),
                                                         portal.address, *worker_, *acceptor_);
  if (open.is_ok()) return portal.plugins.push_back(*open.take().release());
  if (open.error() == Error::kNoDevice) return;
  os_log(OS_LOG_WARNING, "portal %s: transport %s cannot listen, error %d",
         format_ip_and_port(portal.address).c_str(), plugin.name(), static_cast<int>(open.error()));
}

// The scope of a link-local address is the connection's, not the portal's.
Ref<Roster> Portals::roster_at(const os_address& address) {
  os_address unscoped = address;
  unscoped.scope = 0;
  MutexGuard guard(list_mutex_);
  Portal* portal = find_locked(unscoped);
  if (portal == nullptr) portal = find_cover_locked(unscoped);
  return portal != nullptr ? portal->roster : Ref<Roster>();
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
  wake_silent_locked();
  return status;
}

void Portals::close(const TargetSettings& settings) {
  MutexGuard guard(mutex_);
  for_each_address(settings, [&](const os_address& address) {
    close_one_locked(address);
    return true;
  });
  wake_silent_locked();
}

TransportPlugin* Portals::transport_locked(Text name) {
  return transports_.find(
      [&](const TransportPlugin& plugin) { return Text(plugin.name()) == name; });
}

TransportPlugin* Portals::transport_locked(const chiscsi_transport* functions) {
  return transports_.find(
      [&](const TransportPlugin& plugin) { return &plugin.functions() == functions; });
}

Status Portals::add_transport(const chiscsi_transport* functions) {
  Ref<TransportPlugin> plugin = CHISCSI_TRY(TransportPlugin::create(functions));
  MutexGuard guard(mutex_);
  if (transport_locked(plugin->name()) != nullptr) return Error::kExists;
  portals_.for_each([&](Portal& portal) { listen_by_locked(portal, *plugin); });
  os_log(OS_LOG_INFO, "transport %s: registered", plugin->name());
  transports_.push_back(*plugin.release());
  return Status();
}

// The portals where it does not listen yet.
Status Portals::offer_to(const chiscsi_transport* functions) {
  MutexGuard guard(mutex_);
  TransportPlugin* plugin = transport_locked(functions);
  if (plugin == nullptr) return Error::kNoEntry;
  portals_.for_each([&](Portal& portal) {
    const auto is_its_own = [&](PluginPortal& open) { return &open.plugin() == plugin; };
    if (portal.plugins.find(is_its_own) == nullptr) listen_by_locked(portal, *plugin);
  });
  return Status();
}

// Closes the transport's portals; it stays in the list.
Ref<TransportPlugin> Portals::silence_transport(const chiscsi_transport* functions) {
  MutexGuard guard(mutex_);
  Ref<TransportPlugin> plugin = Ref<TransportPlugin>::share(transport_locked(functions));
  if (!plugin) return plugin;
  plugin->withdrawn = true;
  portals_.for_each([&](Portal& portal) {
    portal.plugins.for_each([&](PluginPortal& open) {
      if (&open.plugin() != plugin.get()) return;
      portal.plugins.remove(open);
      destroy(&open);
    });
  });
  wake_silent_locked();  // It may have had the address for itself.
  return plugin;
}

Status Portals::remove_transport(const chiscsi_transport* functions) {
  Ref<TransportPlugin> plugin = silence_transport(functions);
  if (!plugin) return Error::kNoEntry;
  plugin->end_connections();
  if (!plugin->wait_until_unused(kTransportWaitMs)) {
    os_log(OS_LOG_WARNING, "transport %s: connections are left", plugin->name());
    return Error::kBusy;
  }
  MutexGuard guard(mutex_);
  if (!plugin->node.is_linked()) return Error::kNoEntry;
  transports_.remove(*plugin);
  os_log(OS_LOG_INFO, "transport %s: unregistered", plugin->name());
  plugin->unref();  // The list's reference.
  return Status();
}

}  // namespace chiscsi
