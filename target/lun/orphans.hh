// SPDX-License-Identifier: GPL-2.0-only
//
// Orphans: the commands of a logical unit that its storage driver was asked to give back and has
// not.
//
// To their initiator they are over and their session may have ended, but they can still touch the
// medium. PREEMPT AND ABORT says by GOOD that those of a preempted nexus cannot, a task management
// function by "function complete" that those before it cannot, so they ask here.
#pragma once

#include <utility>

#include "base/error.hh"
#include "base/list.hh"
#include "base/lock.hh"
#include "os/thread.h"

namespace chiscsi {

class Session;

// Part of a command. Whether it is linked only the worker of its session looks at.
struct Orphan {
  ListNode node;
  const Session* session = nullptr;  // The command keeps its memory.
};

class Orphans {
 public:
  Orphans() = default;
  ~Orphans();
  Orphans(const Orphans&) = delete;
  Orphans& operator=(const Orphans&) = delete;
  Status create();

  // Context of all: process.
  void add(Orphan& orphan, const Session& session);
  void remove(Orphan& orphan);
  // Whether there is one whose session satisfies `belongs`. Those of one session come together:
  // they all go when its driver is slow.
  template <typename Belongs>
  bool any_of(Belongs belongs) {
    const Session* last = nullptr;
    MutexGuard guard(mutex_);
    return list_.find([&](const Orphan& orphan) {
      return std::exchange(last, orphan.session) != orphan.session && belongs(*orphan.session);
    }) != nullptr;
  }

 private:
  os_mutex* mutex_ = nullptr;
  List<Orphan, &Orphan::node> list_;  // Guarded by mutex_.
};

}  // namespace chiscsi
