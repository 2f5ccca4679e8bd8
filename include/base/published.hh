// SPDX-License-Identifier: GPL-2.0-only
//
// Published<T>: a number that one thread writes and anybody may read.
//
// For what status readers want to know of an object that belongs to a worker: the worker pays a
// plain store, no locked instruction, and the line stays with it. Values that one thread writes one
// after the other are seen in that order by a reader who reads them in the opposite order.
#pragma once

#include <atomic>

namespace chiscsi {

template <typename T>
class Published {
  static_assert(sizeof(T) <= sizeof(long), "has to be read in one piece");

 public:
  constexpr Published() = default;
  explicit constexpr Published(T value) : value_(value) {}

  // Context: any.
  T get() const { return value_.load(std::memory_order_acquire); }
  // Context of the rest: the one writer.
  void set(T value) { value_.store(value, std::memory_order_release); }
  void add(T count) { set(static_cast<T>(value_.load(std::memory_order_relaxed) + count)); }

 private:
  std::atomic<T> value_{};
};

}  // namespace chiscsi
