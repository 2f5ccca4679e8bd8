// SPDX-License-Identifier: GPL-2.0-only
//
// OwnPtr<T>: the one owner of an object made by make<T>(). The owner's death destroys the object.
// Buffer: the one owner of a run of bytes. Neither can be copied; both can be moved.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "base/span.hh"
#include "os/memory.h"

namespace chiscsi {

// Destroys and frees an object made by make<T>(); null is fine.
template <typename T>
void destroy(T* object) {
  if (object == nullptr) return;
  object->~T();
  os_free(object);
}

template <typename T>
class OwnPtr {
 public:
  OwnPtr() = default;
  explicit OwnPtr(T* object) : object_(object) {}
  OwnPtr(OwnPtr&& other) noexcept : object_(other.release()) {}
  template <typename U>
  OwnPtr(OwnPtr<U>&& other) noexcept : object_(other.release()) {}
  OwnPtr& operator=(OwnPtr&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  OwnPtr(const OwnPtr&) = delete;
  OwnPtr& operator=(const OwnPtr&) = delete;
  ~OwnPtr() { destroy(object_); }

  T* get() const { return object_; }
  T& operator*() const { return *object_; }
  T* operator->() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

  // Gives the object away; the caller owns it from here on.
  [[nodiscard]] T* release() { return std::exchange(object_, nullptr); }
  void reset(T* object = nullptr) { destroy(std::exchange(object_, object)); }

 private:
  T* object_ = nullptr;
};

// A heap buffer of bytes, zeroed when made.
class Buffer {
 public:
  Buffer() = default;
  // Empty on failure. Context: process (may sleep).
  static Buffer allocate(size_t size) {
    return Buffer(static_cast<uint8_t*>(os_alloc(size, OS_ALLOC_SLEEP)), size);
  }
  // The same for a small buffer in any context.
  static Buffer allocate_atomic(size_t size) {
    return Buffer(static_cast<uint8_t*>(os_alloc(size, OS_ALLOC_ATOMIC)), size);
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    if (this != &other) {
      os_free(data_);
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { os_free(data_); }

  explicit operator bool() const { return data_ != nullptr; }
  uint8_t* data() const { return data_; }
  size_t size() const { return size_; }
  MutableBytes bytes() const { return {data_, size_}; }
  void reset() { *this = Buffer(); }

 private:
  Buffer(uint8_t* data, size_t size) : data_(data), size_(data == nullptr ? 0 : size) {}
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace chiscsi
