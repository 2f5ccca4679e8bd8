/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the C files of the software adapter's module share.
 */
#ifndef CHISCSI_OFFLOAD_SIM_LINUX_GLUE_H
#define CHISCSI_OFFLOAD_SIM_LINUX_GLUE_H

struct lld_device;

/** sim_views_start() - makes the files in debugfs, as far as there is one. Context: process. */
void sim_views_start(struct lld_device *adapter);
/** sim_views_stop() - takes them away; nobody has one open, for that holds the module. */
void sim_views_stop(void);

#endif
