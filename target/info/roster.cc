// SPDX-License-Identifier: GPL-2.0-only
//
// Connections come and go, and are looked at, under one mutex.
#include "target/info/roster.hh"

#include "base/lock.hh"

namespace chiscsi {

namespace {

void read_status(const ConnectionStatus& status, chiscsi_connection_info* info) {
  *info = status.facts;
  // In this order: what the initiator has acknowledged never exceeds what was sent.
  info->expstatsn = status.exp_stat_sn.get();
  info->statsn = status.stat_sn.get();
  info->conn_keys.max_xmit_data_segment = status.max_xmit_data_segment.get();
}

}  // namespace

Result<Ref<Roster>> Roster::create() {
  auto roster = Ref<Roster>::adopt(make<Roster>(Alloc::kMaySleep));
  if (!roster) return Error::kNoMemory;
  roster->mutex_ = os_mutex_create();
  if (roster->mutex_ == nullptr) return Error::kNoMemory;
  return roster;
}

Roster::~Roster() {
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

void Roster::enter(RosterEntry& entry) {
  MutexGuard guard(mutex_);
  entries_.push_back(entry);
}

void Roster::leave(RosterEntry& entry) {
  MutexGuard guard(mutex_);
  if (!entry.node.is_linked()) return;
  entries_.remove(entry);
  entry.status.traffic.add_to(&gone_);
}

Roster::Summary Roster::summary() {
  MutexGuard guard(mutex_);
  Summary summary;
  summary.traffic = gone_;
  entries_.for_each([&](RosterEntry& entry) {
    ++summary.connections;
    entry.status.traffic.add_to(&summary.traffic);
  });
  return summary;
}

bool Roster::read_connection(uint32_t index, chiscsi_connection_info* info) {
  MutexGuard guard(mutex_);
  RosterEntry* entry = entries_.front();
  while (entry != nullptr && index-- != 0)
    entry = entries_.next(*entry);
  if (entry == nullptr) return false;
  read_status(entry->status, info);
  return true;
}

}  // namespace chiscsi
