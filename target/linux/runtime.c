// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the C++ compiler expects from its run-time library and the kernel does not have.
 *
 * Called by compiled C++ code only. Everything else the language could ask for (exceptions, static
 * constructors, guards) is not used, and the build refuses a module that does.
 */
#include <linux/compiler.h>
#include <linux/printk.h>

void __cxa_pure_virtual(void);

/* A virtual call on an object that is being made or torn down: there is nothing to return to. */
void __cxa_pure_virtual(void)
{
	pr_crit(KBUILD_MODNAME ": pure virtual function called from %pS\n",
		__builtin_return_address(0));
	__builtin_trap();
}
