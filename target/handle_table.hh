// SPDX-License-Identifier: GPL-2.0-only
//
// HandleTable<T>: numbers that stand for objects towards storage drivers.
//
// A handle is never reused, so a late or invented one finds nothing. A lookup returns a reference
// of its own. Context: any, but for create() and the destructor.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/list.hh"
#include "base/ref.hh"
#include "os/thread.h"

namespace chiscsi {

// What an object needs to be in a table: T has a member of this type named `handle`.
struct Handle {
  unsigned long value = 0;  // 0: not in a table.
  ListNode node;
};

template <typename T>
class HandleTable {
 public:
  ~HandleTable() {
    if (lock_ != nullptr) os_spinlock_destroy(lock_);
  }
  Status create() {
    lock_ = os_spinlock_create();
    return lock_ != nullptr ? Status() : Status(Error::kNoMemory);
  }

  // Gives `object` a handle. The table holds no reference: remove() comes before the last one goes.
  void add(T& object) {
    const unsigned long flags = os_spinlock_lock(lock_);
    object.handle.value = ++last_;
    bucket(last_).push_back(object.handle);
    os_spinlock_unlock(lock_, flags);
  }
  void remove(T& object) {
    const unsigned long flags = os_spinlock_lock(lock_);
    object.handle.node.unlink();
    os_spinlock_unlock(lock_, flags);
  }
  // Empty when there is no such handle.
  Ref<T> find(unsigned long value) {
    const unsigned long flags = os_spinlock_lock(lock_);
    Handle* found = bucket(value).find([&](const Handle& handle) { return handle.value == value; });
    Ref<T> object = found != nullptr ? Ref<T>::share(&owner(*found)) : Ref<T>();
    os_spinlock_unlock(lock_, flags);
    return object;
  }
  // Calls `visit` with the object, under the table's lock: it must not sleep, may post, and takes
  // no reference that it would have to drop where the object must not be destroyed. False when
  // there is no such handle.
  template <typename Visit>
  bool visit(unsigned long value, Visit visit) {
    const unsigned long flags = os_spinlock_lock(lock_);
    Handle* found = bucket(value).find([&](const Handle& handle) { return handle.value == value; });
    if (found != nullptr) visit(owner(*found));
    os_spinlock_unlock(lock_, flags);
    return found != nullptr;
  }
  // Any object that is in the table; empty when there is none.
  Ref<T> any() {
    const unsigned long flags = os_spinlock_lock(lock_);
    Ref<T> object;
    for (size_t i = 0; i < kBuckets && !object; ++i) {
      if (Handle* handle = buckets_[i].front()) object = Ref<T>::share(&owner(*handle));
    }
    os_spinlock_unlock(lock_, flags);
    return object;
  }

 private:
  static constexpr size_t kBuckets = 256;
  List<Handle, &Handle::node>& bucket(unsigned long value) { return buckets_[value % kBuckets]; }
  static T& owner(Handle& handle) {
    // SAFETY: every handle in the table is the member `handle` of a T.
    constexpr size_t kProbe = 4096;
    const auto offset = reinterpret_cast<size_t>(&(reinterpret_cast<T*>(kProbe)->handle)) - kProbe;
    return *reinterpret_cast<T*>(reinterpret_cast<char*>(&handle) - offset);
  }

  os_spinlock* lock_ = nullptr;
  unsigned long last_ = 0;
  List<Handle, &Handle::node> buckets_[kBuckets];
};

}  // namespace chiscsi
