// SPDX-License-Identifier: GPL-2.0-only
//
// What the files of the POSIX port share among themselves; no test includes it.
#pragma once

#include <cstdint>

void host_enter_atomic();
void host_leave_atomic();
bool host_in_atomic();

// Reports a use of include/os against its contract, and ends the program.
[[noreturn]] void host_contract_broken(const char* format, ...)
    __attribute__((format(printf, 1, 2)));
