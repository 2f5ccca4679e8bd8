/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_NO_LLSEEK: no_llseek() for file_operations (until 6.11).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/fs.h>

const struct file_operations probe = {
	.llseek = no_llseek,
};
