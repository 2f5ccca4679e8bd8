/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How another module brings connections to the target: the transport interface.
 *
 * A transport moves iSCSI PDUs. It finds them in what arrives, makes and checks
 * digests, and sends PDUs; it knows nothing of logins, sessions or commands. The
 * target has one transport of its own, the sockets of the host; further ones
 * register here. Names follow struct iscsi_transport of the initiator side
 * where both have the same thing; docs/transport.md compares them.
 *
 * Threads. All functions of a connection, those of the transport and those
 * called "in its turn", run on the worker thread that the connection is bound
 * to, one after the other, in process context. Interrupts, timers and other
 * threads of the transport only call chiscsi_conn_schedule(),
 * chiscsi_conn_failed() and chiscsi_conn_stopped().
 *
 * Life of a connection:
 *
 *	transport				target
 *	chiscsi_conn_accepted()		->
 *					<-	start_conn()
 *	chiscsi_conn_schedule()		->	(a turn)
 *					<-	recv_pdus()
 *	chiscsi_conn_rx_header()	->
 *	chiscsi_conn_rx_data()		->
 *	chiscsi_conn_rx_done()		->
 *					<-	xmit_pdus()
 *	chiscsi_conn_next_pdu()		->
 *	chiscsi_conn_pdu_sent()		->
 *					<-	stop_conn()
 *	chiscsi_conn_stopped()		->
 *					<-	destroy_conn()
 *
 * The interface is an addition to the Guide.
 */
#ifndef CHISCSI_TRANSPORT_H
#define CHISCSI_TRANSPORT_H

#include "chiscsi_endpoint.h"
#include "chiscsi_sgvec.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The version of the interface; it changes when a structure here does. */
#define CHISCSI_TRANSPORT_VERSION 2
/* Longest name, without the final NUL. */
#define CHISCSI_TRANSPORT_NAME_MAX 31
/* Bytes of a basic header segment (RFC 7143 11.2.1). */
#define CHISCSI_BHS_SIZE 48

/* The target's end of a portal and of a connection. */
struct chiscsi_listen_port;
struct chiscsi_conn_port;

/**
 * enum chiscsi_transport_caps - What a transport is, as bits.
 * @CHISCSI_TRANSPORT_OFFLOADED: TCP runs in an adapter; chiscsi_connection_info
 *	says so
 * @CHISCSI_TRANSPORT_PLACES: it can write received data where it belongs without
 *	the CPU, and has release_task()
 */
enum chiscsi_transport_caps {
	CHISCSI_TRANSPORT_OFFLOADED = 1 << 0,
	CHISCSI_TRANSPORT_PLACES = 1 << 1,
};

/**
 * enum chiscsi_conn_param - Settings of a connection, see set_param() and get_param().
 * @CHISCSI_PARAM_HDRDGST_EN: 1: header digests in full feature phase, 0: none
 * @CHISCSI_PARAM_DATADGST_EN: the same for data digests
 * @CHISCSI_PARAM_MAX_RECV_DLENGTH: longest data segment this connection can
 *	receive, in bytes; get only
 * @CHISCSI_PARAM_MAX_XMIT_DLENGTH: longest it can send; get only
 */
enum chiscsi_conn_param {
	CHISCSI_PARAM_HDRDGST_EN,
	CHISCSI_PARAM_DATADGST_EN,
	CHISCSI_PARAM_MAX_RECV_DLENGTH,
	CHISCSI_PARAM_MAX_XMIT_DLENGTH,
};

/**
 * enum chiscsi_stop_conn - How a connection is stopped.
 * @CHISCSI_STOP_CONN_TERM: at once; what is unsent is dropped
 * @CHISCSI_STOP_CONN_FLUSH: what next_pdu() still yields is sent first. May be
 *	followed by the other one, when that takes too long
 */
enum chiscsi_stop_conn {
	CHISCSI_STOP_CONN_TERM,
	CHISCSI_STOP_CONN_FLUSH,
};

/**
 * enum chiscsi_rx_action - The target's answer to what was received.
 * @CHISCSI_RX_CONTINUE: go on
 * @CHISCSI_RX_PAUSE: return from recv_pdus(). When that is called again, the call
 *	that got this answer counts as answered with CHISCSI_RX_CONTINUE. It may
 *	be called only after more of what is to be sent was told to be sent:
 *	chiscsi_conn_pdu_sent() must not wait for recv_pdus()
 * @CHISCSI_RX_CLOSE: return from recv_pdus(); stop_conn() comes
 */
enum chiscsi_rx_action {
	CHISCSI_RX_CONTINUE,
	CHISCSI_RX_PAUSE,
	CHISCSI_RX_CLOSE,
};

/* Flags of chiscsi_conn_rx_header() and chiscsi_conn_rx_done(). */
#define CHISCSI_RX_AHS_TOO_LONG 0x1 /* Longer than the transport keeps; not given. */
#define CHISCSI_RX_DATA_DIGEST_ERROR 0x2
/*
 * Of rx_header: SCSI Data-Out PDUs that followed each other, as one. Their data
 * was placed; together they may be longer than MaxRecvDataSegmentLength.
 */
#define CHISCSI_RX_MERGED 0x4

/**
 * struct chiscsi_rx_landing - Where the data that an R2T asks for is to land.
 * @task: the transport's own for the command, NULL at its first R2T; kept by the
 *	target from chiscsi_conn_place() to chiscsi_conn_task_released()
 * @sgl: the storage driver's buffer list that holds the data
 * @sgcnt: elements of @sgl
 * @sgl_offset: where in the command's data @sgl begins, in bytes
 * @sgl_length: bytes of @sgl that are the command's; the list may be longer
 * @offset: Buffer Offset of the R2T
 * @length: Desired Data Transfer Length of the R2T
 * @total: all data of the command, in bytes
 */
struct chiscsi_rx_landing {
	void *task;
	const struct chiscsi_sgvec *sgl;
	unsigned int sgcnt;
	unsigned int sgl_offset;
	unsigned int sgl_length;
	unsigned int offset;
	unsigned int length;
	unsigned int total;
};

/**
 * struct chiscsi_xmit_pdu - A PDU to be sent.
 * @bhs: the basic header, complete
 * @memory: the data segment, or NULL: then it is in @sgl
 * @sgl: a storage driver's buffer list
 * @sgcnt: elements of @sgl
 * @data_size: bytes of the data segment without padding
 * @sgl_offset: where in @sgl the data segment starts, in bytes
 * @max_burst: set by the transport before chiscsi_conn_next_pdu(): so many bytes of
 *	data of a SCSI Data-In sequence it can cut into PDUs itself; 0: it cannot
 * @segment: 0: one PDU. Else several SCSI Data-In PDUs in one, with so many bytes of
 *	data each, the last with the rest. In @bhs DataSN and Buffer Offset are
 *	those of the first; the F and S bits, StatSN, status and residual count
 *	those of the last, and none of the others has them
 * @landing: of an R2T whose data may be placed; valid until the call returns that
 *	pulled the next PDU
 * @chiscsi_private: the target's
 *
 * Data stays where it is and as it is until chiscsi_conn_pdu_sent(). Padding and
 * digests are the transport's to add.
 */
struct chiscsi_xmit_pdu {
	unsigned char bhs[CHISCSI_BHS_SIZE];
	const void *memory;
	const struct chiscsi_sgvec *sgl;
	unsigned int sgcnt;
	unsigned int data_size;
	unsigned long long sgl_offset;
	unsigned int max_burst;
	unsigned int segment;
	const struct chiscsi_rx_landing *landing;
	void *chiscsi_private[4];
};

/**
 * struct chiscsi_transport - A transport and its functions. All are mandatory but
 * where something else is said.
 *
 * Allocated by the transport, usually static, and left alone from registration
 * to deregistration.
 */
struct chiscsi_transport {
	/** @name: for logs. Not NULL, not empty, unique. */
	const char *name;

	/** @version: CHISCSI_TRANSPORT_VERSION. */
	unsigned int version;

	/** @caps: bits of enum chiscsi_transport_caps. */
	unsigned int caps;

	/**
	 * @max_recv_data_segment: longest data segment it can receive, in
	 * bytes, at least 512: limits what the login declares.
	 */
	unsigned int max_recv_data_segment;

	/** @max_xmit_data_segment: longest it can send, at least 512. */
	unsigned int max_xmit_data_segment;

	/**
	 * @listen: Accept connections at an address.
	 * @local: the portal; the address may be a wildcard
	 * @ipv6: whether it is an IPv6 address
	 * @port: to be given to chiscsi_conn_accepted()
	 * @portal: gets the transport's own pointer for unlisten()
	 *
	 * Called for each portal of a target when it opens, and for all that are
	 * open when the transport registers. The host's sockets listen there as
	 * well, if they can.
	 *
	 * Context: process, with a mutex of the target held: no call that adds,
	 * changes or removes a target or a transport may be made or waited for.
	 * Return: 0, -ENODEV when the address is none of the transport's (no
	 * message then), or another negative error.
	 */
	int (*listen)(const struct tcp_endpoint *local, int ipv6,
		      struct chiscsi_listen_port *port, void **portal);

	/**
	 * @unlisten: The portal closes. When it returns, no chiscsi_conn_accepted()
	 * with its port is running or follows. Connections live on.
	 *
	 * Context: as for listen().
	 */
	void (*unlisten)(void *portal);

	/** @start_conn: The target is ready; the connection has its first turn next. */
	void (*start_conn)(void *conn);

	/**
	 * @recv_pdus: Deliver what has arrived, in its turn.
	 *
	 * For each PDU chiscsi_conn_rx_header(), chiscsi_conn_rx_data() for all of
	 * a data segment in any pieces, chiscsi_conn_rx_done(). May be called
	 * when nothing has arrived. Should move about a megabyte at most.
	 *
	 * Return: 1 when there is more to deliver now, else 0.
	 */
	int (*recv_pdus)(void *conn);

	/**
	 * @xmit_pdus: Send what chiscsi_conn_next_pdu() yields, in its turn.
	 *
	 * Return: 1 when it stopped although there is more and there is room,
	 * else 0. When it stopped for want of room, the transport calls
	 * chiscsi_conn_schedule() when there is some.
	 */
	int (*xmit_pdus)(void *conn);

	/**
	 * @set_param: Change a setting, in its turn or before start_conn().
	 *
	 * Digests are told before the last Login Response is pulled: it is the last
	 * PDU without them, and the first to be received with them is what
	 * the initiator sends after it. A transport that needs time to change
	 * over pulls that response, or sends it, when it is ready.
	 *
	 * Return: 0; -ENODATA for a setting that it does not have; or another
	 * negative error. Any error ends the connection.
	 */
	int (*set_param)(void *conn, enum chiscsi_conn_param param, unsigned int value);

	/**
	 * @get_param: Read a setting, in its turn or before start_conn(). May be NULL:
	 * then @max_recv_data_segment and @max_xmit_data_segment are those of each
	 * connection.
	 *
	 * Return: 0 with *@value; or -ENODATA, and the transport's own limit counts.
	 */
	int (*get_param)(void *conn, enum chiscsi_conn_param param, unsigned int *value);

	/**
	 * @release_task: Let go of the buffers of a command. NULL without
	 * CHISCSI_TRANSPORT_PLACES.
	 * @task: what the transport has put into chiscsi_rx_landing
	 *
	 * The data has come, or the command ends without it. The transport makes sure
	 * that nothing is written there any more and then calls
	 * chiscsi_conn_task_released(), from here or in a later turn. Where only the
	 * end of the connection can make sure, it ends it. After stop_conn()
	 * chiscsi_conn_stopped() says it for all.
	 *
	 * Called in a turn, never from inside another function of the transport.
	 */
	void (*release_task)(void *conn, void *task);

	/**
	 * @stop_conn: End the connection.
	 * @flag: enum chiscsi_stop_conn
	 *
	 * Nothing is delivered any more, recv_pdus() is not called again. The
	 * transport gives back each PDU it has pulled, with
	 * chiscsi_conn_pdu_sent() or chiscsi_conn_pdu_dropped(), and then calls
	 * chiscsi_conn_stopped(), from here or later. Called at most once with
	 * each flag.
	 */
	void (*stop_conn)(void *conn, int flag);

	/** @destroy_conn: Free it. After chiscsi_conn_stopped(); the last call. */
	void (*destroy_conn)(void *conn);

	/** @chiscsi_private: Space of the target, zero at registration. */
	void *chiscsi_private;
};

/**
 * chiscsi_transport_register() - Make a transport known.
 * @transport: must outlive its registration
 *
 * Context: Process context. May sleep.
 * Return: 0, -EINVAL for a missing name or function, another version, or a limit
 *	below 512, -EEXIST if the name is taken, -ENOMEM.
 */
int chiscsi_transport_register(struct chiscsi_transport *transport);

/**
 * chiscsi_transport_offer() - Ask for the portals again.
 * @transport: what was registered, and has got addresses that it had not
 *
 * listen() is called for each open portal at which the transport does not listen.
 *
 * Context: Process context. May sleep. Not from listen() or unlisten().
 * Return: 0, or -ENOENT if it is not registered.
 */
int chiscsi_transport_offer(struct chiscsi_transport *transport);

/**
 * chiscsi_transport_unregister() - Withdraw a transport.
 * @transport: what was registered
 *
 * Its portals close and its connections end; sessions that have no other
 * connection end with them. Waits until the last one was destroyed.
 *
 * Context: Process context. Sleeps. Not from a function of the transport.
 * Return: 0; -ENOENT if it is not registered; -EBUSY when connections are left
 *	after 30 seconds. It is registered still then, without portals: call
 *	again.
 */
int chiscsi_transport_unregister(struct chiscsi_transport *transport);

/**
 * chiscsi_conn_accepted() - A connection was established.
 * @port: what listen() was given
 * @conn: the transport's pointer for its functions
 * @endpoints: both addresses
 * @conn_port: gets the target's pointer for the functions below; it is valid until
 *	chiscsi_conn_stopped() was called. Written before start_conn() is called
 *
 * Context: Process context. May sleep.
 * Return: 0; -ENOMEM or -ESHUTDOWN: @conn stays with the transport.
 */
int chiscsi_conn_accepted(struct chiscsi_listen_port *port, void *conn,
			  const struct chiscsi_tcp_endpoints *endpoints,
			  struct chiscsi_conn_port **conn_port);

/**
 * chiscsi_conn_schedule() - Ask for a turn: something has arrived, or there is room.
 *
 * Context: Any context. Does not sleep.
 */
void chiscsi_conn_schedule(struct chiscsi_conn_port *conn_port);

/**
 * chiscsi_conn_failed() - The connection broke or the peer closed it.
 * @error: 0: closed in order; else a negative errno
 *
 * stop_conn() follows.
 *
 * Context: Any context. Does not sleep.
 */
void chiscsi_conn_failed(struct chiscsi_conn_port *conn_port, int error);

/**
 * chiscsi_conn_stopped() - The end that stop_conn() asked for.
 *
 * The transport calls nothing for this connection from here on, and holds no
 * memory of a PDU. Said in a turn, nothing but destroy_conn() is called any more;
 * said elsewhere, a turn that has begun still ends.
 *
 * Context: Any context. Does not sleep.
 */
void chiscsi_conn_stopped(struct chiscsi_conn_port *conn_port);

/**
 * chiscsi_conn_rx_header() - A header has arrived and its digest is right.
 * @bhs: CHISCSI_BHS_SIZE bytes
 * @ahs: additional header segments, or NULL
 * @ahs_size: their bytes, up to 272
 * @flags: CHISCSI_RX_AHS_TOO_LONG, CHISCSI_RX_MERGED
 *
 * Context: in recv_pdus(). Return: enum chiscsi_rx_action.
 */
int chiscsi_conn_rx_header(struct chiscsi_conn_port *conn_port, const void *bhs,
			   const void *ahs, unsigned int ahs_size, unsigned int flags);

/**
 * chiscsi_conn_rx_data() - The next bytes of the data segment; they are copied.
 *
 * What is more than the header announced is dropped.
 *
 * Context: in recv_pdus().
 */
void chiscsi_conn_rx_data(struct chiscsi_conn_port *conn_port, const void *data,
			  unsigned int size);

/**
 * chiscsi_conn_rx_placed() - The next bytes of the data segment are in their place.
 *
 * For SCSI Data-Out PDUs that answer an R2T of which chiscsi_conn_place() was said, instead of
 * chiscsi_conn_rx_data(). Of another PDU it ends the connection.
 *
 * Context: in recv_pdus().
 */
void chiscsi_conn_rx_placed(struct chiscsi_conn_port *conn_port, unsigned int size);

/**
 * chiscsi_conn_rx_done() - The PDU is complete.
 * @flags: 0 or CHISCSI_RX_DATA_DIGEST_ERROR
 *
 * Context: in recv_pdus(). Return: enum chiscsi_rx_action.
 */
int chiscsi_conn_rx_done(struct chiscsi_conn_port *conn_port, unsigned int flags);

/**
 * chiscsi_conn_rx_header_digest_error() - A header's digest was wrong.
 *
 * The connection ends: return from recv_pdus().
 *
 * Context: in recv_pdus().
 */
void chiscsi_conn_rx_header_digest_error(struct chiscsi_conn_port *conn_port);

/**
 * chiscsi_conn_next_pdu() - Pull the next PDU to send.
 *
 * Its sequence numbers are those of now: PDUs must leave in the order in which they
 * were pulled, and be pulled only when there is room.
 *
 * Context: in xmit_pdus(). Return: 1, or 0 when there is none.
 */
int chiscsi_conn_next_pdu(struct chiscsi_conn_port *conn_port, struct chiscsi_xmit_pdu *pdu);

/**
 * chiscsi_conn_place() - The data of an R2T will be placed.
 * @pdu: the R2T, just pulled, with a landing
 * @task: the transport's own for the command; the same for all of its R2Ts
 *
 * From here on until chiscsi_conn_task_released() the storage driver does not get
 * its buffers back. The transport may change the Target Transfer Tag of the R2T;
 * it then puts the target's into the Data-Out PDUs that it delivers, also into
 * those that come after the release.
 *
 * Context: in xmit_pdus(), right after the R2T was pulled, before any other call.
 */
void chiscsi_conn_place(struct chiscsi_conn_port *conn_port, const struct chiscsi_xmit_pdu *pdu,
			void *task);

/**
 * chiscsi_conn_task_released() - What release_task() asked for.
 *
 * The transport may free @task.
 *
 * Context: in a turn, or in release_task().
 */
void chiscsi_conn_task_released(struct chiscsi_conn_port *conn_port, void *task);

/**
 * chiscsi_conn_pdu_sent() - The network has taken a PDU; its data is free.
 *
 * In the order of chiscsi_conn_next_pdu().
 *
 * Context: in xmit_pdus(), recv_pdus() or stop_conn().
 */
void chiscsi_conn_pdu_sent(struct chiscsi_conn_port *conn_port,
			   const struct chiscsi_xmit_pdu *pdu);

/**
 * chiscsi_conn_pdu_dropped() - A PDU will not be sent; its data is free.
 *
 * Context: in stop_conn(), or in xmit_pdus() after it.
 */
void chiscsi_conn_pdu_dropped(struct chiscsi_conn_port *conn_port,
			      const struct chiscsi_xmit_pdu *pdu);

#ifdef __cplusplus
}
#endif

#endif /* CHISCSI_TRANSPORT_H */
