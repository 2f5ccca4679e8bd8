/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel trace events of chiscsi.ko, group "chiscsi" in tracefs.
 *
 * Read several times by the kernel's trace machinery, from trace.c alone, which turns the calls of
 * include/os/trace.h into these events. What each of them means: docs/tracing.md. Names and fields
 * are what administrators' scripts rely on: add, but do not rename.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM chiscsi

#if !defined(CHISCSI_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define CHISCSI_TRACE_H

#include <linux/string.h>
#include <linux/tracepoint.h>
#include <linux/types.h>

#ifndef CHISCSI_TRACE_ONCE
#define CHISCSI_TRACE_ONCE
#define CHISCSI_TRACE_NAME 224 /* An iSCSI name and its NUL. */
#define CHISCSI_TRACE_WORD 32  /* A state, a reason. */
#define CHISCSI_TRACE_PEER 64  /* An address with its port. */
#define CHISCSI_TRACE_BHS 48   /* Basic header segment of a PDU. */
/* The first listener of an event comes, its last one goes. */
int chiscsi_trace_listen(void);
void chiscsi_trace_unlisten(void);
#endif

/* An event whose coming and going listeners are counted. */
#define CHISCSI_EVENT(name, proto, args, entry, assign, print)                                  \
	TRACE_EVENT_FN(name, PARAMS(proto), PARAMS(args), PARAMS(entry), PARAMS(assign),        \
		       PARAMS(print), chiscsi_trace_listen, chiscsi_trace_unlisten)
#define CHISCSI_EVENT_OF(class, name, proto, args)                                              \
	DEFINE_EVENT_FN(class, name, PARAMS(proto), PARAMS(args), chiscsi_trace_listen,         \
			chiscsi_trace_unlisten)

/* ---- The life of a command ---- */

CHISCSI_EVENT(chiscsi_cmd_received,
	TP_PROTO(unsigned long session, u32 itt, u32 cmd_sn, u32 lun, u8 opcode, u32 length),
	TP_ARGS(session, itt, cmd_sn, lun, opcode, length),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__field(u32, itt)
		__field(u32, cmd_sn)
		__field(u32, lun)
		__field(u32, length)
		__field(u8, opcode)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->itt = itt;
		__entry->cmd_sn = cmd_sn;
		__entry->lun = lun;
		__entry->length = length;
		__entry->opcode = opcode;
	),
	TP_printk("session=%lu itt=0x%x cmd_sn=%u lun=%u opcode=0x%02x length=%u",
		  __entry->session, __entry->itt, __entry->cmd_sn, __entry->lun, __entry->opcode,
		  __entry->length)
);

DECLARE_EVENT_CLASS(chiscsi_cmd_step,
	TP_PROTO(unsigned long session, u32 itt),
	TP_ARGS(session, itt),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__field(u32, itt)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->itt = itt;
	),
	TP_printk("session=%lu itt=0x%x", __entry->session, __entry->itt)
);

CHISCSI_EVENT_OF(chiscsi_cmd_step, chiscsi_cmd_delivered,
	TP_PROTO(unsigned long session, u32 itt), TP_ARGS(session, itt));
CHISCSI_EVENT_OF(chiscsi_cmd_step, chiscsi_cmd_abort_answered,
	TP_PROTO(unsigned long session, u32 itt), TP_ARGS(session, itt));
CHISCSI_EVENT_OF(chiscsi_cmd_step, chiscsi_cmd_orphaned,
	TP_PROTO(unsigned long session, u32 itt), TP_ARGS(session, itt));
CHISCSI_EVENT_OF(chiscsi_cmd_step, chiscsi_cmd_cleanup,
	TP_PROTO(unsigned long session, u32 itt), TP_ARGS(session, itt));

DECLARE_EVENT_CLASS(chiscsi_cmd_data,
	TP_PROTO(unsigned long session, u32 itt, u32 offset, u32 length),
	TP_ARGS(session, itt, offset, length),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__field(u32, itt)
		__field(u32, offset)
		__field(u32, length)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->itt = itt;
		__entry->offset = offset;
		__entry->length = length;
	),
	TP_printk("session=%lu itt=0x%x offset=%u length=%u", __entry->session, __entry->itt,
		  __entry->offset, __entry->length)
);

CHISCSI_EVENT_OF(chiscsi_cmd_data, chiscsi_cmd_lent,
	TP_PROTO(unsigned long session, u32 itt, u32 offset, u32 length),
	TP_ARGS(session, itt, offset, length));
CHISCSI_EVENT_OF(chiscsi_cmd_data, chiscsi_cmd_r2t,
	TP_PROTO(unsigned long session, u32 itt, u32 offset, u32 length),
	TP_ARGS(session, itt, offset, length));
CHISCSI_EVENT_OF(chiscsi_cmd_data, chiscsi_cmd_data_complete,
	TP_PROTO(unsigned long session, u32 itt, u32 offset, u32 length),
	TP_ARGS(session, itt, offset, length));

DECLARE_EVENT_CLASS(chiscsi_cmd_status,
	TP_PROTO(unsigned long session, u32 itt, u8 status, u32 residual),
	TP_ARGS(session, itt, status, residual),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__field(u32, itt)
		__field(u32, residual)
		__field(u8, status)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->itt = itt;
		__entry->residual = residual;
		__entry->status = status;
	),
	TP_printk("session=%lu itt=0x%x status=0x%02x residual=%u", __entry->session,
		  __entry->itt, __entry->status, __entry->residual)
);

CHISCSI_EVENT_OF(chiscsi_cmd_status, chiscsi_cmd_ended,
	TP_PROTO(unsigned long session, u32 itt, u8 status, u32 residual),
	TP_ARGS(session, itt, status, residual));
CHISCSI_EVENT_OF(chiscsi_cmd_status, chiscsi_cmd_response,
	TP_PROTO(unsigned long session, u32 itt, u8 status, u32 residual),
	TP_ARGS(session, itt, status, residual));

CHISCSI_EVENT(chiscsi_cmd_abort,
	TP_PROTO(unsigned long session, u32 itt, u32 reason),
	TP_ARGS(session, itt, reason),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__field(u32, itt)
		__field(u32, reason)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->itt = itt;
		__entry->reason = reason;
	),
	TP_printk("session=%lu itt=0x%x reason=%s", __entry->session, __entry->itt,
		  __print_flags(__entry->reason, "|", { SC_FLAG_SESS_ABORT, "session" },
				{ SC_FLAG_TMF_ABORT, "tmf" }))
);

CHISCSI_EVENT(chiscsi_cmd_state,
	TP_PROTO(unsigned long session, u32 itt, const char *from, const char *to),
	TP_ARGS(session, itt, from, to),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__field(u32, itt)
		__array(char, from, CHISCSI_TRACE_WORD)
		__array(char, to, CHISCSI_TRACE_WORD)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->itt = itt;
		strscpy(__entry->from, from, CHISCSI_TRACE_WORD);
		strscpy(__entry->to, to, CHISCSI_TRACE_WORD);
	),
	TP_printk("session=%lu itt=0x%x %s -> %s", __entry->session, __entry->itt, __entry->from,
		  __entry->to)
);

/* ---- Sessions and logins ---- */

CHISCSI_EVENT(chiscsi_session_added,
	TP_PROTO(unsigned long session, u16 tsih, const char *initiator, const char *target),
	TP_ARGS(session, tsih, initiator, target),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__field(u16, tsih)
		__array(char, initiator, CHISCSI_TRACE_NAME)
		__array(char, target, CHISCSI_TRACE_NAME)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->tsih = tsih;
		strscpy(__entry->initiator, initiator, CHISCSI_TRACE_NAME);
		strscpy(__entry->target, target, CHISCSI_TRACE_NAME);
	),
	TP_printk("session=%lu tsih=%u initiator=%s target=%s", __entry->session, __entry->tsih,
		  __entry->initiator, __entry->target)
);

CHISCSI_EVENT(chiscsi_session_removed,
	TP_PROTO(unsigned long session, const char *initiator, const char *why),
	TP_ARGS(session, initiator, why),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__array(char, initiator, CHISCSI_TRACE_NAME)
		__array(char, why, CHISCSI_TRACE_WORD)
	),
	TP_fast_assign(
		__entry->session = session;
		strscpy(__entry->initiator, initiator, CHISCSI_TRACE_NAME);
		strscpy(__entry->why, why, CHISCSI_TRACE_WORD);
	),
	TP_printk("session=%lu initiator=%s why=%s", __entry->session, __entry->initiator,
		  __entry->why)
);

DECLARE_EVENT_CLASS(chiscsi_login,
	TP_PROTO(u16 status, const char *peer, const char *initiator, const char *target),
	TP_ARGS(status, peer, initiator, target),
	TP_STRUCT__entry(
		__field(u16, status)
		__array(char, peer, CHISCSI_TRACE_PEER)
		__array(char, initiator, CHISCSI_TRACE_NAME)
		__array(char, target, CHISCSI_TRACE_NAME)
	),
	TP_fast_assign(
		__entry->status = status;
		strscpy(__entry->peer, peer, CHISCSI_TRACE_PEER);
		strscpy(__entry->initiator, initiator, CHISCSI_TRACE_NAME);
		strscpy(__entry->target, target, CHISCSI_TRACE_NAME);
	),
	TP_printk("peer=%s initiator=%s target=%s status=0x%04x", __entry->peer,
		  __entry->initiator, __entry->target, __entry->status)
);

CHISCSI_EVENT_OF(chiscsi_login, chiscsi_login_accepted,
	TP_PROTO(u16 status, const char *peer, const char *initiator, const char *target),
	TP_ARGS(status, peer, initiator, target));
CHISCSI_EVENT_OF(chiscsi_login, chiscsi_login_refused,
	TP_PROTO(u16 status, const char *peer, const char *initiator, const char *target),
	TP_ARGS(status, peer, initiator, target));

/* ---- Single PDUs: with --enable-tracing ---- */

#ifdef CHISCSI_TRACING
DECLARE_EVENT_CLASS(chiscsi_pdu,
	TP_PROTO(unsigned long session, const u8 *bhs, u32 data_size),
	TP_ARGS(session, bhs, data_size),
	TP_STRUCT__entry(
		__field(unsigned long, session)
		__field(u32, itt)
		__field(u32, data_size)
		__field(u8, opcode)
		__array(u8, bhs, CHISCSI_TRACE_BHS)
	),
	TP_fast_assign(
		__entry->session = session;
		__entry->itt = (u32)bhs[16] << 24 | bhs[17] << 16 | bhs[18] << 8 | bhs[19];
		__entry->data_size = data_size;
		__entry->opcode = bhs[0] & 0x3f;
		memcpy(__entry->bhs, bhs, CHISCSI_TRACE_BHS);
	),
	TP_printk("session=%lu itt=0x%x opcode=0x%02x data=%u bhs=%s", __entry->session,
		  __entry->itt, __entry->opcode, __entry->data_size,
		  __print_hex_str(__entry->bhs, CHISCSI_TRACE_BHS))
);

CHISCSI_EVENT_OF(chiscsi_pdu, chiscsi_pdu_received,
	TP_PROTO(unsigned long session, const u8 *bhs, u32 data_size),
	TP_ARGS(session, bhs, data_size));
CHISCSI_EVENT_OF(chiscsi_pdu, chiscsi_pdu_sent,
	TP_PROTO(unsigned long session, const u8 *bhs, u32 data_size),
	TP_ARGS(session, bhs, data_size));
#endif

#endif /* CHISCSI_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE chiscsi_trace
#include <trace/define_trace.h>
