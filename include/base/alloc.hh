// SPDX-License-Identifier: GPL-2.0-only
//
// Allocation that says its context and can fail.
//
// There is no plain operator new in the engine. make<T>(Alloc, args...) allocates zeroed memory,
// constructs a T whose constructor cannot fail, and returns an OwnPtr that is empty when memory is
// short. Everything is allocated without I/O recursion: a target may share its host with the
// initiator that waits for it.
#pragma once

#include <cstddef>
#include <new>
#include <utility>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "os/memory.h"

namespace chiscsi {

enum class Alloc {
  kMaySleep,  // Process context without spinlocks.
  kAtomic,    // Any context.
};

inline void* allocate(size_t size, Alloc mode) {
  return os_alloc(size, mode == Alloc::kMaySleep ? OS_ALLOC_SLEEP : OS_ALLOC_ATOMIC);
}

// Constructs a T, or returns an empty pointer when there is no memory.
template <typename T, typename... Args>
OwnPtr<T> make(Alloc mode, Args&&... args) {
  static_assert(alignof(T) <= 16, "os_alloc() guarantees 16 bytes of alignment");
  void* memory = allocate(sizeof(T), mode);
  return OwnPtr<T>(memory == nullptr ? nullptr : ::new (memory) T(std::forward<Args>(args)...));
}

}  // namespace chiscsi
