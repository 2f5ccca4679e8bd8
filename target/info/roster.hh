// SPDX-License-Identifier: GPL-2.0-only
//
// Roster: the connections of a session, or of a portal, as the information calls see them.
//
// A connection enters the roster of its session and that of its portal when it reaches full feature
// phase, and leaves both before it is destroyed; its traffic stays in their sums. Readers look at a
// connection under the roster's mutex only, so they never meet one that is gone. They read what is
// constant meanwhile and what is Published; the data path never takes the mutex.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/list.hh"
#include "base/lock.hh"
#include "base/ref.hh"
#include "os/thread.h"
#include "target/info/traffic.hh"
#include "target/info/worker_counters.hh"

namespace chiscsi {

struct ConnectionStatus;

// The place of a connection in a roster.
struct RosterEntry {
  explicit RosterEntry(const ConnectionStatus& owner) : status(owner) {}
  const ConnectionStatus& status;
  ListNode node;
};

// What may be known of a connection. A member of Connection.
struct ConnectionStatus {
  // Constant while the connection is in a roster; the members below take precedence.
  chiscsi_connection_info facts{};

  // Written by the connection's worker.
  Published<uint32_t> stat_sn;
  Published<uint32_t> exp_stat_sn;
  Published<uint32_t> max_xmit_data_segment;
  Published<uint32_t> is_leaving;  // Not 0: nothing is received any more.
  Traffic traffic;

  RosterEntry in_session{*this};
  RosterEntry in_portal{*this};
};

class Roster : public RefCounted<Roster> {
 public:
  // Errors: kNoMemory.
  static Result<Ref<Roster>> create();
  ~Roster();

  // Context of all: process.
  void enter(RosterEntry& entry);
  // Does nothing when the entry is not in the roster.
  void leave(RosterEntry& entry);

  struct Summary {
    uint32_t connections = 0;
    chiscsi_perf_info traffic{};  // Of those that are here and of those that have left.
  };
  Summary summary();
  // Calls `see` for each connection, under the roster's mutex.
  template <typename See>
  void visit(See see) {
    MutexGuard guard(mutex_);
    entries_.for_each([&](RosterEntry& entry) { see(entry.status); });
  }
  // The connection with this index, in the order of arrival. False when there is none.
  bool read_connection(uint32_t index, chiscsi_connection_info* info);

  WorkerCounters commands;  // Of a portal: those that have come by it and are over.

 private:
  os_mutex* mutex_ = nullptr;
  List<RosterEntry, &RosterEntry::node> entries_;
  chiscsi_perf_info gone_{};  // Traffic of connections that have left.
};

}  // namespace chiscsi
