// SPDX-License-Identifier: GPL-2.0-only
//
// Portals: the listening sockets of all targets.
//
// Targets share a portal: it opens with the first target that names it and closes with the last.
// A target that names an address which an open wildcard portal covers uses that one.
// Context of all: process; one mutex.
#pragma once

#include "base/list.hh"
#include "target/target.hh"
#include "transport/listener.hh"

namespace chiscsi {

class Portals {
 public:
  Status create(Worker& worker, Acceptor& acceptor);
  ~Portals();

  // Opens (or shares) every local portal of `settings`; all or none. On failure `*failed` is the
  // address that could not be opened.
  Status open(const TargetSettings& settings, os_address* failed);
  void close(const TargetSettings& settings);

 private:
  struct Portal {
    ListNode node;
    Ref<Listener> listener;
    uint32_t users = 0;
  };
  Portal* find_locked(const os_address& address);
  Status open_one_locked(const os_address& address);
  void close_one_locked(const os_address& address);
  template <typename Visit>
  static bool for_each_address(const TargetSettings& settings, Visit visit);

  Worker* worker_ = nullptr;
  Acceptor* acceptor_ = nullptr;
  os_mutex* mutex_ = nullptr;
  List<Portal, &Portal::node> portals_;
};

}  // namespace chiscsi
