// SPDX-License-Identifier: GPL-2.0-only
#include "base/wire_index.hh"

#include <gtest/gtest.h>

namespace chiscsi {
namespace {

TEST(WireIndex, IsTheIndexBelowTheSizeAndElseTheFirst) {
  for (const size_t size : {size_t{1}, size_t{2}, size_t{256}, size_t{16384}, size_t{1} << 40}) {
    for (const size_t index : {size_t{0}, size - 1, size / 2})
      EXPECT_EQ(wire_index(index, size), index);
    for (const size_t index : {size, size + 1, size_t{0xffffffff} + size, size_t{1} << 62})
      EXPECT_EQ(wire_index(index, size), 0u) << index << " of " << size;
  }
  EXPECT_EQ(wire_index(0, 0), 0u);
}

}  // namespace
}  // namespace chiscsi
