// SPDX-License-Identifier: GPL-2.0-only
//
// See orphans.hh.
#include "target/lun/orphans.hh"

namespace chiscsi {

Orphans::~Orphans() {
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

Status Orphans::create() {
  mutex_ = os_mutex_create();
  return mutex_ != nullptr ? Status() : Status(Error::kNoMemory);
}

void Orphans::add(Orphan& orphan, const Session& session) {
  MutexGuard guard(mutex_);
  orphan.session = &session;
  list_.push_back(orphan);
}

void Orphans::remove(Orphan& orphan) {
  MutexGuard guard(mutex_);
  orphan.node.unlink();
}

}  // namespace chiscsi
