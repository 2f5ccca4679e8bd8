// SPDX-License-Identifier: GPL-2.0-only
//
// The POSIX port of include/os/module.h: counts, since a program is never unloaded. For the
// simulated host as well.
#include "os/module.h"

#include <atomic>

#include "host.hh"

namespace {
std::atomic<int> holds{0};
}

int os_module_hold() {
  holds.fetch_add(1);
  return 1;
}

void os_module_release() { holds.fetch_sub(1); }

int host_module_holds() { return holds.load(); }
