/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the C files of the offload module share.
 */
#ifndef CHISCSI_OFFLOAD_LINUX_GLUE_H
#define CHISCSI_OFFLOAD_LINUX_GLUE_H

#include "offload/lld.h"

/** The backend over the kernel's cxgb4 and libcxgb; there only with CHISCSI_CXGB4. */
extern const struct lld_ops lld_cxgb4_ops;

/** counters_view_start() - makes the file in debugfs, as far as there is one. Context: process. */
void counters_view_start(void);
/** counters_view_stop() - takes it away; nobody has it open, for that holds the module. */
void counters_view_stop(void);

#endif
