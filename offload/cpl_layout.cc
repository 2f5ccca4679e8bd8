// SPDX-License-Identifier: GPL-2.0-only
//
// Compares offload/cpl.hh with the numbers of offload/cpl_layout.h, when it is compiled. There is
// no code in here and nobody calls it; offload/linux/check_layout.c is its other half.
#include "offload/cpl_layout.h"

#include <cstddef>

#include "offload/cpl.hh"

namespace chiscsi::cpl {

#define CPL_LAYOUT_CHECK_SIZE(ours, kernels, bytes) \
  static_assert(sizeof(ours) == (bytes), "size of " #ours);
#define CPL_LAYOUT_CHECK_OFFSET(ours, member, kernels, other, bytes) \
  static_assert(offsetof(ours, member) == (bytes), "offset of " #member " in " #ours);
#define CPL_LAYOUT_CHECK_CONSTANT(ours, kernels, value) \
  static_assert(static_cast<uint64_t>(ours) == (value), "value of " #ours);

CPL_LAYOUT_SIZES(CPL_LAYOUT_CHECK_SIZE)
CPL_LAYOUT_OFFSETS(CPL_LAYOUT_CHECK_OFFSET)
CPL_LAYOUT_CONSTANTS(CPL_LAYOUT_CHECK_CONSTANT)

#undef CPL_LAYOUT_CHECK_SIZE
#undef CPL_LAYOUT_CHECK_OFFSET
#undef CPL_LAYOUT_CHECK_CONSTANT

}  // namespace chiscsi::cpl
