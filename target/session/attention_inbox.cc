// SPDX-License-Identifier: GPL-2.0-only
//
// AttentionInbox: posting and taking. See attention_inbox.hh.
#include "target/session/attention_inbox.hh"

#include "base/lock.hh"
#include "target/session/session.hh"

namespace chiscsi {

AttentionInbox::~AttentionInbox() {
  if (lock_ != nullptr) os_spinlock_destroy(lock_);
}

Status AttentionInbox::create() {
  lock_ = os_spinlock_create();
  return lock_ != nullptr ? Status() : Status(Error::kNoMemory);
}

void AttentionInbox::post(uint32_t lun, SenseCode code) {
  SpinGuard guard(lock_);
  posted_.establish(lun, code);
  has_posts_.store(true, std::memory_order_release);
}

void AttentionInbox::post_everywhere(SenseCode code) {
  SpinGuard guard(lock_);
  posted_.establish_everywhere(code);
  has_posts_.store(true, std::memory_order_release);
}

void AttentionInbox::take_all(UnitAttentions& attentions) {
  SpinGuard guard(lock_);
  attentions.establish_all(posted_);
  posted_ = UnitAttentions();
  has_posts_.store(false, std::memory_order_relaxed);
}

void tell_nexuses(Target& target, const Session* except, uint32_t lun, SenseCode code) {
  MutexGuard guard(target.mutex());
  target.sessions().for_each([&](SessionEntry& entry) {
    Session& session = *entry.session;
    if (&session != except && session.rights().may_reach(lun)) {
      session.attention_inbox.post(lun, code);
    }
  });
}

void tell_nexuses_everywhere_locked(Target& target, const Session* except, SenseCode code) {
  target.sessions().for_each([&](SessionEntry& entry) {
    if (entry.session != except) entry.session->attention_inbox.post_everywhere(code);
  });
}

void tell_other_nexuses(Session& own, const Lun& unit, SenseCode code) {
  uint32_t number;
  if (own.luns().find_number(unit, &number)) tell_nexuses(*own.target(), &own, number, code);
}

}  // namespace chiscsi
