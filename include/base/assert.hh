// SPDX-License-Identifier: GPL-2.0-only
//
// CHISCSI_CHECK(condition): a statement of fact about our own code.
//
// It is never reachable from the wire or from a storage driver's arguments: those are refused with
// an answer. In builds with CHISCSI_EXTRACHECKS a false condition logs file and line and traps;
// otherwise the condition is not evaluated.
#pragma once

extern "C" void os_check_failed(const char* condition, const char* file, int line);

#if defined(CHISCSI_EXTRACHECKS)
#define CHISCSI_CHECK(condition)                       \
  do {                                                 \
    if (__builtin_expect(!(condition), 0)) {           \
      os_check_failed(#condition, __FILE__, __LINE__); \
      __builtin_trap();                                \
    }                                                  \
  } while (0)
#else
#define CHISCSI_CHECK(condition) static_cast<void>(sizeof(!(condition)))
#endif
