/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Probe CHISCSI_HAVE_CLASS_CREATE_ONE_ARG: class_create(name) without the module (6.4+).
 *
 * Only the front end sees this file (include/build/probe.mk); it is never linked or
 * run. It must stay small: configure compiles every probe for every kernel tree.
 */
#include <linux/device.h>

struct class *probe(void);
struct class *probe(void)
{
	return class_create("probe");
}
