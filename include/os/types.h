/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * size_t and the fixed-width integers for the headers of the host contract, wherever they are
 * compiled: glue in the kernel, the engine, the POSIX port.
 */
#ifndef CHISCSI_OS_TYPES_H
#define CHISCSI_OS_TYPES_H

#ifdef __KERNEL__
#include "os/linux/types.h"
#else
#include <stddef.h>
#include <stdint.h>
#endif

#endif
