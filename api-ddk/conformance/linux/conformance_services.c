// SPDX-License-Identifier: GPL-2.0-only
/*
 * The services of ifacedriver once more, as a part of the conformance driver: an object
 * of its own, so that its log lines carry the name of this module.
 */
#include "linux/iface_services.c"
