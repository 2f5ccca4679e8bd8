// SPDX-License-Identifier: GPL-2.0-only
//
// operator delete for the kernel build: the deleting destructors of classes with virtual functions
// refer to it. The engine itself destroys objects by destroy() and never deletes.
#include <cstddef>

#include "os/memory.h"

#if defined(CHISCSI_KERNEL)
void operator delete(void* memory, size_t) noexcept { os_free(memory); }
void operator delete(void* memory) noexcept { os_free(memory); }
#endif
