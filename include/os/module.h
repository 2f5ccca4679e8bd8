/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The code of the engine as something that its host can unload. See os/memory.h for what this
 * contract is.
 *
 * A storage driver that uses exported symbols keeps the module loaded by that; targets that the
 * administrator started have nobody who would, so they hold it by this.
 */
#ifndef CHISCSI_OS_MODULE_H
#define CHISCSI_OS_MODULE_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * os_module_hold() - keeps the code from being unloaded until os_module_release().
 * Return: 1, or 0 when it is being unloaded already. Context: process.
 */
int os_module_hold(void);
/** os_module_release() - gives one hold back. Context: process, in code that is held otherwise. */
void os_module_release(void);

#ifdef __cplusplus
}
#endif
#endif
