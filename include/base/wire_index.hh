// SPDX-License-Identifier: GPL-2.0-only
//
// wire_index(): an array index that came from the wire, after its check.
//
// A processor that guesses the outcome of the check ahead of time could read beyond the array with
// it, and leave a trace of what is there in its caches (Spectre variant 1). The mask below is
// computed from the index itself, so that even a wrong guess reads the first element.
#pragma once

#include <cstddef>
#include <cstdint>

namespace chiscsi {

// `index` when it is below `size`, else 0. Both are at most half of the range of size_t. Context:
// any.
inline size_t wire_index(size_t index, size_t size) {
  constexpr unsigned kTopBit = sizeof(size_t) * 8 - 1;
  // Read anew: the compiler, which knows that the check has passed, would take the mask for all
  // ones.
  const volatile size_t hidden = size;
  return index & (0 - ((index - hidden) >> kTopBit));
}

}  // namespace chiscsi
