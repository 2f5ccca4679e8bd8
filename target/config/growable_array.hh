// SPDX-License-Identifier: GPL-2.0-only
//
// GrowableArray<T>: a heap array that grows by appending and frees all its elements with itself.
//
// Built once while a configuration is parsed, read afterwards. Elements are moved when the array
// grows, so nobody keeps a pointer to an element while the array is still being filled. Memory
// comes from os_alloc() in a context that may sleep; running out of it is reported, never hidden.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "base/alloc.hh"
#include "base/error.hh"
#include "base/span.hh"
#include "os/memory.h"

namespace chiscsi {

template <typename T>
class GrowableArray {
 public:
  GrowableArray() = default;
  GrowableArray(GrowableArray&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  GrowableArray& operator=(GrowableArray&& other) noexcept {
    if (this != &other) {
      clear();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  GrowableArray(const GrowableArray&) = delete;
  GrowableArray& operator=(const GrowableArray&) = delete;
  ~GrowableArray() { clear(); }

  // Adds an element at the end. Errors: kNoMemory, the array is unchanged. Context: process.
  Status append(T element) {
    if (size_ == capacity_ && !grow()) return Error::kNoMemory;
    ::new (static_cast<void*>(data_ + size_)) T(std::move(element));
    ++size_;
    return {};
  }

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t index) { return span()[index]; }
  const T& operator[](size_t index) const { return span()[index]; }
  // Precondition: not empty.
  T& back() { return data_[size_ - 1]; }
  Span<T> span() { return {data_, size_}; }
  Span<const T> span() const { return {data_, size_}; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

  template <typename U>
  bool contains(const U& wanted) const {
    for (const T& element : *this) {
      if (element == wanted) return true;
    }
    return false;
  }

 private:
  bool grow() {
    const size_t capacity = capacity_ == 0 ? 4 : capacity_ * 2;
    T* data = static_cast<T*>(allocate(capacity * sizeof(T), Alloc::kMaySleep));
    if (data == nullptr) return false;
    for (size_t i = 0; i < size_; ++i) {
      ::new (static_cast<void*>(data + i)) T(std::move(data_[i]));
      data_[i].~T();
    }
    os_free(data_);
    data_ = data;
    capacity_ = capacity;
    return true;
  }
  void clear() {
    for (size_t i = 0; i < size_; ++i)
      data_[i].~T();
    os_free(data_);
    data_ = nullptr;
    size_ = capacity_ = 0;
  }

  T* data_ = nullptr;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace chiscsi
