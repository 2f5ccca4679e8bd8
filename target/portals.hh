// SPDX-License-Identifier: GPL-2.0-only
//
// Portals: the addresses at which all targets listen, and the transports that listen there.
//
// Targets share a portal: it opens with the first target that names it and closes with the last.
// While a wildcard portal is open it hears for the portals of single addresses that have its port,
// whichever was there first; when it closes they listen by themselves again. At each portal the
// host's sockets listen and every registered transport that knows the address; one of them is
// enough. Context of all: process; one mutex.
#pragma once

#include "base/list.hh"
#include "base/lock.hh"
#include "target/info/roster.hh"
#include "target/target.hh"
#include "transport/listener.hh"
#include "transport/plugin.hh"

namespace chiscsi {

class Portals {
 public:
  Status create(Worker& worker, Acceptor& acceptor);
  ~Portals();

  // Opens (or shares) every local portal of `settings`; all or none. On failure `*failed` is the
  // address that could not be opened.
  Status open(const TargetSettings& settings, os_address* failed);
  void close(const TargetSettings& settings);
  // Who is connected by the portal that listens at `address`, by a wildcard that covers it if there
  // is none of its own; empty when nothing listens there. It counts from the opening of the portal,
  // and for its connections also beyond the closing.
  Ref<Roster> roster_at(const os_address& address);
  // Calls `see` with the address and the roster of every open portal, under a mutex.
  template <typename See>
  void visit(See see) {
    MutexGuard guard(list_mutex_);
    portals_.for_each([&](Portal& portal) { see(portal.address, *portal.roster); });
  }

  // The calls of include/common/chiscsi_transport.h, with their errors.
  Status add_transport(const chiscsi_transport* functions);
  Status offer_to(const chiscsi_transport* functions);
  Status remove_transport(const chiscsi_transport* functions);

 private:
  struct Portal {
    ~Portal();
    ListNode node;
    os_address address{};
    Ref<Listener> listener;  // Null when the host has no such address, or a wildcard hears for it.
    List<PluginPortal, &PluginPortal::node> plugins;
    Ref<Roster> roster;
    uint32_t users = 0;
  };
  Portal* find_locked(const os_address& address);
  Portal* find_cover_locked(const os_address& address);
  Status open_one_locked(const os_address& address);
  // The portals that a wildcard at `address` covers; none when it is no wildcard.
  void silence_covered_locked(const os_address& address);
  void wake_silent_locked();
  Status listen_locked(Portal& portal);  // On the host's sockets.
  void listen_by_locked(Portal& portal, TransportPlugin& plugin);
  TransportPlugin* transport_locked(Text name);
  TransportPlugin* transport_locked(const chiscsi_transport* functions);
  Ref<TransportPlugin> silence_transport(const chiscsi_transport* functions);
  void close_one_locked(const os_address& address);
  void link_locked(Portal& portal);
  void unlink_locked(Portal& portal);
  template <typename Visit>
  static bool for_each_address(const TargetSettings& settings, Visit visit);

  Worker* worker_ = nullptr;
  Acceptor* acceptor_ = nullptr;
  os_mutex* mutex_ = nullptr;
  // For list work only, inside mutex_: whoever must not wait for a portal that opens or closes, as
  // the login worker, takes it alone.
  os_mutex* list_mutex_ = nullptr;
  List<Portal, &Portal::node> portals_;  // Changed under both, read under either.
  List<TransportPlugin, &TransportPlugin::node> transports_;  // A reference each.
};

}  // namespace chiscsi
