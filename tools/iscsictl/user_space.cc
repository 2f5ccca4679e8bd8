// SPDX-License-Identifier: GPL-2.0-only
//
// The part of include/os that the configuration parser needs, for an ordinary process.
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "os/log.h"
#include "os/memory.h"

extern "C" {

// malloc() aligns to 16 bytes wherever this runs, and calloc() as well.
void* os_alloc(size_t size, int) { return calloc(1, size == 0 ? 1 : size); }

void os_free(void* memory) { free(memory); }

void os_wipe(void* memory, size_t size) { explicit_bzero(memory, size); }

void os_check_failed(const char* condition, const char* file, int line) {
  fprintf(stderr, "iscsictl: %s:%d: %s does not hold\n", file, line, condition);
}

}  // extern "C"
