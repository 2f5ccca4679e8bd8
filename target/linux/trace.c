// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trace points of the kernel for the engine: implements include/os/trace.h.
 *
 * Called by the engine in any context, after it has seen that somebody listens: the engine is one
 * C++ object without kernel headers and cannot have the kernel's static keys, so the word it looks
 * at is kept here, by what the kernel calls when an event gets its first listener and loses its
 * last. The log listens, too, when the administrator wants steps there (os_trace_log()), and always in
 * builds with CHISCSI_DEBUG.
 */
#define pr_fmt(fmt) "chiscsi: " fmt

#include <linux/compiler.h>
#include <linux/printk.h>
#include <linux/spinlock.h>

#include "common/chiscsi_scsi_command.h"
#include "os/trace.h"

#define CREATE_TRACE_POINTS
#include "chiscsi_trace.h"

#ifdef CHISCSI_DEBUG
#define LOGGED_AT_FIRST (~0u)
#else
#define LOGGED_AT_FIRST 0u
#endif
static u32 logged = LOGGED_AT_FIRST;
unsigned int os_trace_listeners = LOGGED_AT_FIRST ? 1 : 0;

#define log_step(theme, session, itt, fmt, ...)                                           \
	do {                                                                              \
		if (READ_ONCE(logged) & (theme))                                          \
			printk(KERN_DEBUG pr_fmt("session %lu, itt 0x%x: " fmt "\n"),     \
			       session, itt, ##__VA_ARGS__);                              \
	} while (0)

/* Between the kernel, which calls under its mutex for trace points, and os_trace_log(). */
static DEFINE_SPINLOCK(listeners_lock);

static void count_listeners(int change)
{
	spin_lock(&listeners_lock);
	WRITE_ONCE(os_trace_listeners, os_trace_listeners + change);
	spin_unlock(&listeners_lock);
}

int chiscsi_trace_listen(void)
{
	count_listeners(1);
	return 0;
}

void chiscsi_trace_unlisten(void)
{
	count_listeners(-1);
}

/* The log listens while it has a theme; calls come one after the other. */
void os_trace_log(u32 mask)
{
	const u32 before = logged;

	mask |= LOGGED_AT_FIRST;
	WRITE_ONCE(logged, mask);
	count_listeners((mask ? 1 : 0) - (before ? 1 : 0));
}

void os_trace_command_received(unsigned long session, u32 itt, u32 cmd_sn, u32 lun, u8 opcode,
			       u32 expected_length)
{
	trace_chiscsi_cmd_received(session, itt, cmd_sn, lun, opcode, expected_length);
	log_step(OS_TRACE_LOG_COMMANDS, session, itt, "opcode 0x%02x, lun %u, CmdSN %u, %u bytes expected",
		 opcode, lun, cmd_sn, expected_length);
}

void os_trace_command_step(int step, unsigned long session, u32 itt)
{
	switch (step) {
	case OS_TRACE_DELIVERED:
		trace_chiscsi_cmd_delivered(session, itt);
		log_step(OS_TRACE_LOG_DRIVER, session, itt, "delivered");
		break;
	case OS_TRACE_ABORT_ANSWERED:
		trace_chiscsi_cmd_abort_answered(session, itt);
		log_step(OS_TRACE_LOG_DRIVER, session, itt, "abort answered");
		break;
	case OS_TRACE_ORPHANED:
		trace_chiscsi_cmd_orphaned(session, itt);
		log_step(OS_TRACE_LOG_DRIVER, session, itt, "orphaned");
		break;
	case OS_TRACE_CLEANED_UP:
		trace_chiscsi_cmd_cleanup(session, itt);
		log_step(OS_TRACE_LOG_DRIVER, session, itt, "cleanup");
		break;
	}
}

void os_trace_command_data(int step, unsigned long session, u32 itt, u32 offset, u32 length)
{
	switch (step) {
	case OS_TRACE_LENT:
		/* Said under a lock with interrupts off: too early for the log. */
		trace_chiscsi_cmd_lent(session, itt, offset, length);
		break;
	case OS_TRACE_R2T:
		trace_chiscsi_cmd_r2t(session, itt, offset, length);
		log_step(OS_TRACE_LOG_DATA, session, itt, "R2T, %u+%u", offset, length);
		break;
	case OS_TRACE_DATA_COMPLETE:
		trace_chiscsi_cmd_data_complete(session, itt, offset, length);
		log_step(OS_TRACE_LOG_DATA, session, itt, "data complete, %u+%u", offset, length);
		break;
	}
}

void os_trace_command_status(int step, unsigned long session, u32 itt, u8 status, u32 residual)
{
	if (step == OS_TRACE_ENDED)
		trace_chiscsi_cmd_ended(session, itt, status, residual);
	else
		trace_chiscsi_cmd_response(session, itt, status, residual);
	log_step(OS_TRACE_LOG_COMMANDS, session, itt, "%s, status 0x%02x, residual %u",
		 step == OS_TRACE_ENDED ? "ended" : "response", status, residual);
}

void os_trace_command_abort(unsigned long session, u32 itt, u32 reason)
{
	trace_chiscsi_cmd_abort(session, itt, reason);
	log_step(OS_TRACE_LOG_DRIVER, session, itt, "abort, reason 0x%x", reason);
}

void os_trace_command_state(unsigned long session, u32 itt, const char *from, const char *to)
{
	trace_chiscsi_cmd_state(session, itt, from, to);
	log_step(OS_TRACE_LOG_STATES, session, itt, "%s -> %s", from, to);
}

/* The engine logs sessions and refused logins in any build. */
void os_trace_session_added(unsigned long session, u16 tsih, const char *initiator,
			    const char *target)
{
	trace_chiscsi_session_added(session, tsih, initiator, target);
}

void os_trace_session_removed(unsigned long session, const char *initiator, const char *why)
{
	trace_chiscsi_session_removed(session, initiator, why);
}

void os_trace_login(u16 status, const char *peer, const char *initiator, const char *target)
{
	if (status)
		trace_chiscsi_login_refused(status, peer, initiator, target);
	else
		trace_chiscsi_login_accepted(status, peer, initiator, target);
}

#ifdef CHISCSI_TRACING
void os_trace_pdu(int sent, unsigned long session, const u8 *bhs, u32 data_size)
{
	if (sent)
		trace_chiscsi_pdu_sent(session, bhs, data_size);
	else
		trace_chiscsi_pdu_received(session, bhs, data_size);
}
#endif
