/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace points: the life of commands, sessions and logins, for whoever watches. See os/memory.h for
 * what this contract is, and docs/tracing.md for what each event means.
 *
 * The engine calls a function of this file only after os_trace_wanted() has said that somebody
 * listens: until then a point is one load of a word that hardly ever changes and one branch. All of
 * them may be called in any context, under an os_spinlock as well; none sleeps, allocates or fails.
 * Strings are copied, nothing that is passed is kept.
 */
#ifndef CHISCSI_OS_TRACE_H
#define CHISCSI_OS_TRACE_H

#include "os/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/** How many listen; written by the host alone. */
extern unsigned int os_trace_listeners;

/** os_trace_wanted() - 1 while anybody listens to any event; a hint. Context: any. */
static inline int os_trace_wanted(void)
{
	return __builtin_expect(__atomic_load_n(&os_trace_listeners, __ATOMIC_RELAXED) != 0, 0);
}

/* Bits of os_trace_log(): the steps of commands, by theme. */
#define OS_TRACE_LOG_COMMANDS 0x002000u /* They arrive, end, and are answered. */
#define OS_TRACE_LOG_DATA 0x080000u     /* Their data moves. */
#define OS_TRACE_LOG_DRIVER 0x400000u   /* What passes between target and storage driver. */
#define OS_TRACE_LOG_STATES 0x800000u   /* Every change of state. */
/**
 * os_trace_log() - puts these steps into the host's log from now on, besides what listeners see.
 * @mask: OS_TRACE_LOG_*; other bits mean nothing. Context: process.
 */
void os_trace_log(uint32_t mask);

/**
 * os_trace_command_received() - a command PDU's header was accepted.
 * @session: the handle of its session, as in every function below
 * @itt: Initiator Task Tag, as in every function below
 */
void os_trace_command_received(unsigned long session, uint32_t itt, uint32_t cmd_sn, uint32_t lun,
			       uint8_t opcode, uint32_t expected_length);

/* Steps that need no more than the command's name. */
#define OS_TRACE_DELIVERED 0      /* About to be handed to the storage driver. */
#define OS_TRACE_ABORT_ANSWERED 1 /* The storage driver has answered an abort. */
#define OS_TRACE_ORPHANED 2       /* It has not, and its time is up. */
#define OS_TRACE_CLEANED_UP 3     /* About to be taken back for good. */
void os_trace_command_step(int step, unsigned long session, uint32_t itt);

/* Steps that concern a part of the command's data. */
#define OS_TRACE_LENT 0          /* The storage driver has lent memory for it. */
#define OS_TRACE_R2T 1           /* An R2T for it leaves. */
#define OS_TRACE_DATA_COMPLETE 2 /* It was moved; its memory is about to go back. */
void os_trace_command_data(int step, unsigned long session, uint32_t itt, uint32_t offset,
			   uint32_t length);

/* Steps that carry a SCSI status. */
#define OS_TRACE_ENDED 0    /* Execution has ended: the status is known. */
#define OS_TRACE_RESPONSE 1 /* The PDU with the status leaves. */
void os_trace_command_status(int step, unsigned long session, uint32_t itt, uint8_t status,
			     uint32_t residual);

/** os_trace_command_abort() - the driver is about to be asked; @reason is SC_FLAG_*_ABORT. */
void os_trace_command_abort(unsigned long session, uint32_t itt, uint32_t reason);

/** os_trace_command_state() - every change of a command's state, by name. */
void os_trace_command_state(unsigned long session, uint32_t itt, const char *from, const char *to);

/** os_trace_session_added() - full feature phase begins; @target is empty for discovery. */
void os_trace_session_added(unsigned long session, uint16_t tsih, const char *initiator,
			    const char *target);
/** os_trace_session_removed() - the session is over. */
void os_trace_session_removed(unsigned long session, const char *initiator, const char *why);

/** os_trace_login() - a login was answered; @status is class and detail, 0 when accepted. */
void os_trace_login(uint16_t status, const char *peer, const char *initiator, const char *target);

/**
 * os_trace_pdu() - a PDU of full feature phase; called in builds with CHISCSI_TRACING only.
 * @sent: 1 when it leaves, 0 when its header has come
 * @bhs: the 48 bytes of its basic header segment
 */
void os_trace_pdu(int sent, unsigned long session, const uint8_t *bhs, uint32_t data_size);

#ifdef __cplusplus
}
#endif
#endif
