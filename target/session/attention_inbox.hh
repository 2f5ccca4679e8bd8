// SPDX-License-Identifier: GPL-2.0-only
//
// AttentionInbox: unit attentions that other sessions and the control plane have for a session.
//
// They are left here from any context and taken by the session's worker before each command and
// each query, so that whatever was posted before a command came is seen by that command. Nobody is
// woken: a unit attention waits for a command anyway.
#pragma once

#include <atomic>

#include "base/error.hh"
#include "os/thread.h"
#include "target/session/unit_attention.hh"

namespace chiscsi {

class Lun;
class Session;
class Target;

class AttentionInbox {
 public:
  AttentionInbox() = default;
  ~AttentionInbox();
  AttentionInbox(const AttentionInbox&) = delete;
  AttentionInbox& operator=(const AttentionInbox&) = delete;
  Status create();

  // Context: any.
  void post(uint32_t lun, SenseCode code);
  void post_everywhere(SenseCode code);
  // Context: the session's worker.
  void take_into(UnitAttentions& attentions) {
    if (has_posts_.load(std::memory_order_acquire)) take_all(attentions);
  }

 private:
  void take_all(UnitAttentions& attentions);

  os_spinlock* lock_ = nullptr;
  std::atomic<bool> has_posts_{false};
  UnitAttentions posted_;  // Guarded by lock_.
};

// A unit attention for this LUN of the target, for every nexus that may reach it, but that of
// `except`, which may be null. Context: process.
void tell_nexuses(Target& target, const Session* except, uint32_t lun, SenseCode code);
// One for all LUNs of the target, for every nexus but that of `except`. The target's mutex is held.
void tell_nexuses_everywhere_locked(Target& target, const Session* except, SenseCode code);
// One for a unit that a command of `own` had entered, by the number that it has now, for the other
// nexuses of the target.
void tell_other_nexuses(Session& own, const Lun& unit, SenseCode code);

}  // namespace chiscsi
