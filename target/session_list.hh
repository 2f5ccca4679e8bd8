// SPDX-License-Identifier: GPL-2.0-only
//
// SessionList: the sessions of one target, in the order in which they came, and by what identifies
// the initiator port, so that a login finds its session, or the one whose place it takes (RFC 7143
// 6.3.5), at the same cost with one session and with many thousands.
//
// There is no lock inside: the owner of the list says who may touch it.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/list.hh"

namespace chiscsi {

// One place in the list; a member of Session.
struct SessionEntry {
  ListNode node;
  ListNode chain_node;
  uint64_t port_hash = 0;
  class Session* session = nullptr;
};

class SessionList {
 public:
  bool empty() const { return count_ == 0; }
  uint32_t size() const { return count_; }

  // `port_hash`: of the initiator port; equal for equal ones. Context: process (may sleep).
  void add(SessionEntry& entry, uint64_t port_hash) {
    entry.port_hash = port_hash;
    all_.push_back(entry);
    chain(port_hash).push_back(entry);
    if (++count_ > kFew && !many_) spread();
  }
  // Harmless for an entry that is in no list.
  void remove(SessionEntry& entry) {
    if (!entry.node.is_linked()) return;
    entry.node.unlink();
    entry.chain_node.unlink();
    --count_;
  }

  // In the order in which they came.
  template <typename Visit>
  void for_each(Visit visit) {
    all_.for_each(visit);
  }
  // The one of this hash for which `matches` holds, or nullptr.
  template <typename Matches>
  SessionEntry* find(uint64_t port_hash, Matches matches) {
    return chain(port_hash).find(
        [&](const SessionEntry& entry) { return entry.port_hash == port_hash && matches(entry); });
  }

 private:
  static constexpr uint32_t kFew = 64;
  static constexpr uint32_t kManyChains = 1024;
  using Chain = List<SessionEntry, &SessionEntry::chain_node>;
  struct Chains {
    Chain chains[kManyChains];
  };

  Chain& chain(uint64_t port_hash) {
    return many_ ? many_->chains[(port_hash ^ (port_hash >> 32)) % kManyChains] : few_;
  }
  // Without memory for it they stay where they are, and the next one tries again.
  void spread() {
    many_ = make<Chains>(Alloc::kMaySleep);
    if (!many_) return;
    while (SessionEntry* entry = few_.pop_front())
      chain(entry->port_hash).push_back(*entry);
  }

  List<SessionEntry, &SessionEntry::node> all_;
  Chain few_;
  OwnPtr<Chains> many_;
  uint32_t count_ = 0;
};

}  // namespace chiscsi
