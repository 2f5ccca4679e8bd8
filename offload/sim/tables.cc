// SPDX-License-Identifier: GPL-2.0-only
//
// Taking and returning of indices.
#include "offload/sim/tables.hh"

#include "base/error.hh"
#include "base/lock.hh"

namespace chiscsi::sim {

bool is_wildcard(const os_address& address) {
  uint32_t bits = 0;
  for (uint32_t i = address.is_ipv6 != 0 ? 0 : 12; i < 16; ++i)
    bits |= address.ip[i];
  return bits == 0;
}

Tables::~Tables() {
  if (lock_ != nullptr) os_spinlock_destroy(lock_);
}

bool Tables::init(uint32_t tid_base, uint32_t tid_count) {
  tid_base_ = tid_base;
  tid_count_ = tid_count;
  lock_ = os_spinlock_create();
  memory_ = Buffer::allocate(size_t{tid_count} * sizeof(Tid));
  // SAFETY: a Tid of zeros is a free one.
  tids_ = reinterpret_cast<Tid*>(memory_.data());
  return lock_ != nullptr && tids_ != nullptr;
}

uint32_t Tables::tid_take() {
  SpinGuard guard(lock_);
  for (uint32_t i = 0; i < tid_count_; ++i) {
    if (tids_[i].state != TidState::kFree) continue;
    tids_[i] = {TidState::kOffered, false};
    return tid_base_ + i;
  }
  return kNoTid;
}

void Tables::tid_set(uint32_t tid, TidState state) {
  SpinGuard guard(lock_);
  if (Tid* entry = find_tid(tid); entry != nullptr) entry->state = state;
}

TidState Tables::tid_state(uint32_t tid) {
  SpinGuard guard(lock_);
  Tid* entry = find_tid(tid);
  return entry == nullptr ? TidState::kFree : entry->state;
}

bool Tables::tid_is_inserted(uint32_t tid) {
  SpinGuard guard(lock_);
  Tid* entry = find_tid(tid);
  return entry != nullptr && entry->inserted;
}

bool Tables::tid_insert(uint32_t tid) {
  SpinGuard guard(lock_);
  Tid* entry = find_tid(tid);
  if (entry == nullptr || entry->state == TidState::kFree || entry->inserted) return false;
  entry->inserted = true;
  return true;
}

bool Tables::tid_remove(uint32_t tid) {
  SpinGuard guard(lock_);
  Tid* entry = find_tid(tid);
  if (entry == nullptr || !entry->inserted) return false;
  entry->inserted = false;
  return true;
}

// Of connections that were lost with the adapter's state; what the client has inserted stays its.
void Tables::tid_free_all() {
  SpinGuard guard(lock_);
  for (uint32_t i = 0; i < tid_count_; ++i) {
    if (tids_[i].state == TidState::kFree) continue;
    tids_[i].state = tids_[i].inserted ? TidState::kDead : TidState::kFree;
  }
}

uint32_t Tables::tids() {
  SpinGuard guard(lock_);
  uint32_t count = 0;
  for (uint32_t i = 0; i < tid_count_; ++i)
    count += tids_[i].state != TidState::kFree ? 1 : 0;
  return count;
}

int Tables::stid_take(bool is_ipv6) {
  SpinGuard guard(lock_);
  const uint32_t step = is_ipv6 ? 2 : 1;
  for (uint32_t i = 0; i + step <= kStids; i += step) {
    if (stids_[i].used || (is_ipv6 && stids_[i + 1].used)) continue;
    for (uint32_t k = i; k < i + step; ++k)
      stids_[k] = {true, is_ipv6, false};
    return static_cast<int>(kFirstStid + i);
  }
  return -static_cast<int>(Error::kNoSpace);
}

bool Tables::stid_free(uint32_t stid, bool is_ipv6) {
  SpinGuard guard(lock_);
  Stid* entry = find_stid(stid);
  if (entry == nullptr || entry->is_ipv6 != is_ipv6) return false;
  if (is_ipv6 && (stid - kFirstStid) % 2 != 0) return false;
  const bool was_idle = !entry->has_server;
  for (uint32_t k = 0; k < (is_ipv6 ? 2u : 1u); ++k)
    entry[k] = {};
  return was_idle;
}

bool Tables::stid_set_server(uint32_t stid, bool has_server) {
  SpinGuard guard(lock_);
  Stid* entry = find_stid(stid);
  if (entry == nullptr || entry->has_server == has_server) return false;
  entry->has_server = has_server;
  return true;
}

uint32_t Tables::stids() {
  SpinGuard guard(lock_);
  uint32_t count = 0;
  for (const Stid& entry : stids_)
    count += entry.used ? 1 : 0;
  return count;
}

int Tables::clip_get(const os_address& address) {
  SpinGuard guard(lock_);
  Clip* room = nullptr;
  for (Clip& clip : clips_) {
    if (clip.users == 0) {
      room = &clip;
    } else if (same_ip(clip.address, address)) {
      ++clip.users;
      return 0;
    }
  }
  if (room == nullptr) return -static_cast<int>(Error::kNoSpace);
  *room = {address, 1};
  return 0;
}

bool Tables::clip_release(const os_address& address) {
  SpinGuard guard(lock_);
  for (Clip& clip : clips_) {
    if (clip.users == 0 || !same_ip(clip.address, address)) continue;
    --clip.users;
    return true;
  }
  return false;
}

uint32_t Tables::clips() {
  SpinGuard guard(lock_);
  uint32_t sum = 0;
  for (const Clip& clip : clips_)
    sum += clip.users;
  return sum;
}

}  // namespace chiscsi::sim
