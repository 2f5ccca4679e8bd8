/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs a piece of a test in a context that is not process context.
 *
 * The contract of include/os says for each function where it may be called. Tests of "any context"
 * functions run them here; the debug kernel reports a sleep in such a place. Used by the test files
 * of this folder only.
 */
#ifndef CHISCSI_KUNIT_CONTEXT_H
#define CHISCSI_KUNIT_CONTEXT_H

/** run_in_softirq() - calls @body(@argument) from a timer's softirq and waits until it is done. */
void run_in_softirq(void (*body)(void *argument), void *argument);

/** run_in_hardirq() - the same from an interrupt handler, with interrupts off. */
void run_in_hardirq(void (*body)(void *argument), void *argument);

#endif
