// SPDX-License-Identifier: GPL-2.0-only
//
// RefCounted<T> and Ref<T>: shared ownership with one release function.
//
// A T derives from RefCounted<T>. The last unref() is the last touch of the object: it destroys and
// frees. Context: any, unless T's destructor says otherwise.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/assert.hh"
#include "base/own_ptr.hh"

namespace chiscsi {

template <typename T>
class RefCounted {
 public:
  void ref() { count_.fetch_add(1, std::memory_order_relaxed); }
  void unref() {
    const uint32_t before = count_.fetch_sub(1, std::memory_order_acq_rel);
    CHISCSI_CHECK(before != 0);
    if (before == 1) destroy(static_cast<T*>(this));
  }

 protected:
  RefCounted() = default;
  ~RefCounted() = default;

 private:
  std::atomic<uint32_t> count_{1};
};

template <typename T>
class Ref {
 public:
  Ref() = default;
  // Takes over the reference the caller holds (for instance the first one, from make<T>()).
  static Ref adopt(T* object) { return Ref(object); }
  static Ref adopt(OwnPtr<T> object) { return Ref(object.release()); }
  // Adds a reference of its own.
  static Ref share(T* object) {
    if (object != nullptr) object->ref();
    return Ref(object);
  }
  Ref(const Ref& other) : Ref(share(other.object_)) {}
  Ref(Ref&& other) noexcept : object_(other.release()) {}
  Ref& operator=(Ref other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~Ref() {
    if (object_ != nullptr) object_->unref();
  }

  T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }
  [[nodiscard]] T* release() { return std::exchange(object_, nullptr); }
  void reset() { *this = Ref(); }

 private:
  explicit Ref(T* object) : object_(object) {}
  T* object_ = nullptr;
};

}  // namespace chiscsi
