/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fixed-width types for the C side of the contract when it is compiled in the kernel. Included by
 * os/types.h alone; the C++ side takes the same types from <stdint.h>.
 */
#ifndef CHISCSI_OS_LINUX_TYPES_H
#define CHISCSI_OS_LINUX_TYPES_H

#include <linux/types.h>

#endif
