// SPDX-License-Identifier: GPL-2.0-only
//
// DiscoverySessions: the discovery sessions that name no target.
//
// A named session is found in its target's list. Those without a name have none, and yet a new one
// of the same initiator port at the same network portal takes the place of the older one (RFC 7143
// section 7.4.2.1), so they have a list of their own. One object, the engine's; the login worker
// enters sessions, their workers take them out.
#pragma once

#include "base/error.hh"
#include "os/thread.h"
#include "target/target.hh"

namespace chiscsi {

class DiscoverySessions {
 public:
  DiscoverySessions() = default;
  ~DiscoverySessions() {
    if (mutex_ != nullptr) os_mutex_destroy(mutex_);
  }
  DiscoverySessions(const DiscoverySessions&) = delete;
  DiscoverySessions& operator=(const DiscoverySessions&) = delete;

  Status create() {
    mutex_ = os_mutex_create();
    return mutex_ != nullptr ? Status() : Status(Error::kNoMemory);
  }
  // Guards the list, and who waits for the end of a session in it. Sleeps.
  os_mutex* mutex() const { return mutex_; }
  // Guarded by mutex().
  SessionList& list() { return list_; }

 private:
  os_mutex* mutex_ = nullptr;
  SessionList list_;
};

}  // namespace chiscsi
