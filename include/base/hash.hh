// SPDX-License-Identifier: GPL-2.0-only
//
// fnv1a(): a hash of bytes for tables whose chains are bounded by something else. It is no defence
// against somebody who chooses the bytes.
#pragma once

#include <cstdint>

#include "base/span.hh"

namespace chiscsi {

inline constexpr uint64_t kFnvStart = 0xcbf29ce484222325;

// `hash`: that of the bytes before these.
inline uint64_t fnv1a(Bytes bytes, uint64_t hash = kFnvStart) {
  for (const uint8_t byte : bytes)
    hash = (hash ^ byte) * 0x100000001b3;
  return hash;
}

}  // namespace chiscsi
