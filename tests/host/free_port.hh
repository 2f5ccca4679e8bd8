// SPDX-License-Identifier: GPL-2.0-only
//
// Ports for tests that run side by side.
#pragma once

#include <cstdint>

namespace chiscsi::test {

// A TCP port of the loop-back address that is free, and that no other test gets while this process
// lives. 0 if there is none.
uint16_t free_port();

}  // namespace chiscsi::test
