/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Settings and counters of targets, sessions and connections.
 *
 * All calls of this header copy a snapshot into memory of the caller. They may
 * sleep, so they belong into process context; hooks may call them, and delay
 * their thread by that. They never wait for a thread of the target: also a
 * session whose driver does not return from a hook can be looked at.
 *
 * Numbers that change all the time (counters, sequence numbers) are those of
 * the moment they are read at. They never contradict each other, but only
 * while nothing moves are they of one moment.
 */
#ifndef ISCSI_INFO_H
#define ISCSI_INFO_H

#include "chiscsi_endpoint.h"
#include "chiscsi_spellings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a name or alias, the closing NUL included. */
#define CHISCSI_INFO_NAME_LEN 256

/* Values of header_digest[] and data_digest[]. */
#define CHISCSI_DIGEST_UNSET 0 /* ends the list */
#define CHISCSI_DIGEST_NONE 1
#define CHISCSI_DIGEST_CRC32C 2

/* Values of chiscsi_target_info.auth_order. */
#define CHISCSI_AUTH_ORDER_CHAP 0
#define CHISCSI_AUTH_ORDER_ACL 1

/* Values of chiscsi_session_info.type. */
#define CHISCSI_SESSION_TYPE_NORMAL 0
#define CHISCSI_SESSION_TYPE_DISCOVERY 1

/**
 * struct chiscsi_perf_info - Traffic counters.
 * @read_bytes: bytes sent as read data
 * @write_bytes: bytes received as write data
 * @read_cmd_cnt: commands executed that read data
 * @write_cmd_cnt: commands executed that write data
 *
 * A command counts by the direction bit of its PDU, whatever becomes of it; one
 * without data counts as neither. Bytes count when they are handed to the
 * network, or have reached the driver's memory. The counters start at 0 with
 * the object they belong to and wrap.
 *
 * Source: Guide 8, 8.4
 */
struct chiscsi_perf_info {
	unsigned long read_bytes;
	unsigned long write_bytes;
	unsigned long read_cmd_cnt;
	unsigned long write_cmd_cnt;
};
typedef struct chiscsi_perf_info chiscsi_perf_info;

/*
 * The alias of a misspelt bit needs a second view of the byte. Unnamed
 * structures are standard in C11 and an extension in C++.
 */
#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#endif

/**
 * struct iscsi_session_settings - Session-wide iSCSI keys.
 * @initial_r2t: 1 for InitialR2T=Yes
 * @initiatial_r2t: the same bit under the Guide's spelling
 * @immediate_data: 1 for ImmediateData=Yes
 * @erl: ErrorRecoveryLevel
 * @data_pdu_in_order: 1 for DataPDUInOrder=Yes
 * @data_sequence_in_order: 1 for DataSequenceInOrder=Yes
 * @filler: 0
 * @max_conns: MaxConnections
 * @max_r2t: MaxOutstandingR2T
 * @first_burst: FirstBurstLength in bytes
 * @max_burst: MaxBurstLength in bytes
 * @time2wait: DefaultTime2Wait in seconds
 * @time2retain: DefaultTime2Retain in seconds
 *
 * In a target these are the offered values, in a session the agreed ones.
 *
 * Source: Guide 8
 */
struct iscsi_session_settings {
	union {
		struct {
			unsigned char initial_r2t : 1;
			unsigned char immediate_data : 1;
			unsigned char erl : 2;
			unsigned char data_pdu_in_order : 1;
			unsigned char data_sequence_in_order : 1;
			unsigned char filler : 2;
		};
		struct {
			unsigned char initiatial_r2t : 1;
		};
	};

	unsigned int max_conns;
	unsigned int max_r2t;
	unsigned int first_burst;
	unsigned int max_burst;
	unsigned int time2wait;
	unsigned int time2retain;
};

#if defined(__cplusplus) && defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

/**
 * struct iscsi_conn_settings - Connection-wide iSCSI keys.
 * @header_digest: CHISCSI_DIGEST_* values; in a target the offers in order of
 *	preference, in a connection the agreed one followed by
 *	CHISCSI_DIGEST_UNSET
 * @data_digest: likewise for DataDigest
 * @portal_group_tag: tag of the portal group, 0 in a target (it may have many)
 * @max_recv_data_segment: longest data segment the target takes, in bytes; in a
 *	target as configured, a connection may have agreed on less
 * @max_xmit_data_segment: longest data segment the initiator takes, in bytes;
 *	0 in a target
 *
 * Source: Guide 8
 */
struct iscsi_conn_settings {
	unsigned char header_digest[2];
	unsigned char data_digest[2];

	unsigned int portal_group_tag;
	unsigned int max_recv_data_segment;
	unsigned int max_xmit_data_segment;
};

/**
 * struct iscsi_chap_settings - CHAP policy of a target.
 * @chap_en: 1 if AuthMethod offers CHAP
 * @chap_required: 1 if AuthMethod offers nothing else
 * @mutual_chap_forced: 1 for Auth_CHAP_Policy=Mutual
 * @filler: 0
 * @challenge_length: Auth_CHAP_ChallengeLength in bytes
 *
 * Source: Guide 8
 */
struct iscsi_chap_settings {
	unsigned char chap_en : 1;
	unsigned char chap_required : 1;
	unsigned char mutual_chap_forced : 1;
	unsigned char filler : 5;

	unsigned int challenge_length;
};

/**
 * struct iscsi_target_config_settings - Chelsio keys of a target.
 * @acl_en: 1 for ACL_Enable=Yes
 * @isns_register: 1 for RegisteriSNS=Yes
 * @shadow_mode: 1 for ShadowMode=Yes
 * @filler: 0
 * @sess_max_cmds: command window of a session in commands
 *	(TargetSessionMaxCmd)
 *
 * Source: Guide 8
 */
struct iscsi_target_config_settings {
	unsigned char acl_en : 1;
	unsigned char isns_register : 1;
	unsigned char shadow_mode : 1;
	unsigned char filler : 5;

	unsigned int sess_max_cmds;
};

/**
 * struct chiscsi_target_info - Settings of one target node.
 * @name: iSCSI name, NUL-terminated
 * @alias: TargetAlias, NUL-terminated, empty if there is none
 * @sess_keys: session keys the target offers
 * @conn_keys: connection keys the target offers
 * @chap: CHAP policy
 * @config_keys: Chelsio keys
 * @auth_order: CHISCSI_AUTH_ORDER_*
 * @hndl: handle of the target; opaque
 *
 * Source: Guide 8, 8.1
 */
struct chiscsi_target_info {
	char name[CHISCSI_INFO_NAME_LEN];
	char alias[CHISCSI_INFO_NAME_LEN];

	struct iscsi_session_settings sess_keys;
	struct iscsi_conn_settings conn_keys;
	struct iscsi_chap_settings chap;
	struct iscsi_target_config_settings config_keys;

	unsigned char auth_order;

	unsigned long hndl;
};
typedef struct chiscsi_target_info chiscsi_target_info;

/**
 * struct chiscsi_session_info - State of one session.
 * @peer_name: initiator name, NUL-terminated
 * @peer_alias: InitiatorAlias, NUL-terminated, empty if it sent none
 * @sess_keys: the agreed session keys
 * @type: CHISCSI_SESSION_TYPE_*
 * @isid: initiator session identifier as it stood in the Login Request
 * @conn_cnt: connections of the session; their indexes are 0 to @conn_cnt - 1
 * @tsih: target session identifying handle
 * @cmdsn: CmdSN of the newest command received
 * @maxcmdsn: MaxCmdSN, the end of the command window
 * @expcmdsn: ExpCmdSN, the CmdSN expected next
 * @perf: traffic of the session, of connections that have left it too
 * @hndl: session handle, the one fp_session_added() was given
 *
 * Source: Guide 8, 8.2
 */
struct chiscsi_session_info {
	char peer_name[CHISCSI_INFO_NAME_LEN];
	char peer_alias[CHISCSI_INFO_NAME_LEN];

	struct iscsi_session_settings sess_keys;

	unsigned char type;
	unsigned char isid[6];
	unsigned char conn_cnt;
	unsigned short tsih;

	unsigned int cmdsn;
	unsigned int maxcmdsn;
	unsigned int expcmdsn;

	struct chiscsi_perf_info perf;
	unsigned long hndl;
};
typedef struct chiscsi_session_info chiscsi_session_info;

/**
 * struct chiscsi_connection_info - State of one connection.
 * @tcp_endpoints: addresses of both ends
 * @conn_keys: the agreed connection keys
 * @offloaded: 1 if an adapter runs the connection, 0 for host TCP
 * @filler: 0
 * @cid: connection identifier chosen by the initiator
 * @statsn: StatSN of the next response
 * @expstatsn: ExpStatSN the initiator acknowledged last
 * @hndl: handle of the connection; opaque, the sc_conn of its commands
 *
 * Source: Guide 8, 8.3
 */
struct chiscsi_connection_info {
	struct chiscsi_tcp_endpoints tcp_endpoints;

	struct iscsi_conn_settings conn_keys;

	unsigned char offloaded : 1;
	unsigned char filler : 7;

	unsigned int cid;
	unsigned int statsn;
	unsigned int expstatsn;

	unsigned long hndl;
};
typedef struct chiscsi_connection_info chiscsi_connection_info;

/**
 * chiscsi_get_target_info() - Read the settings of a target.
 * @tname: name of the target
 * @target_info: where the settings go
 *
 * Context: Process context. May sleep.
 * Return: 0, -ENOENT if there is no such target, -EINVAL for a NULL argument.
 *
 * Source: Guide 8.1
 */
int chiscsi_get_target_info(char *tname,
			    struct chiscsi_target_info *target_info);

/**
 * chiscsi_get_session_info() - Read the sessions between two nodes.
 * @tname: name of the target
 * @iname: name of the initiator
 * @sess_info_max: elements of @sess_info
 * @sess_info: array of the caller; may be NULL when @sess_info_max is 0
 *
 * Fills in the first @sess_info_max sessions. The value returned is the number
 * of sessions that exist, so a value above @sess_info_max tells the caller
 * how long an array a second call needs.
 *
 * A session is active from right before fp_session_added() until its last
 * connection has closed. Discovery sessions that name the target are among
 * them; those that name none belong to no target and are never listed.
 *
 * Context: Process context. May sleep.
 * Return: number of active sessions between the two, -ENOENT if there is
 *	no such target, -EINVAL for a bad argument.
 *
 * Source: Guide 8.2
 */
int chiscsi_get_session_info(char *tname, char *iname, int sess_info_max,
			     struct chiscsi_session_info *sess_info);

/**
 * chiscsi_get_connection_info() - Read one connection of a session.
 * @sess_hdl: hndl of a struct chiscsi_session_info, or the handle
 *	fp_session_added() was given
 * @conn_idx: 0 to conn_cnt - 1
 * @conninfo: where the state goes
 *
 * Indexes follow the order in which the connections joined; when one leaves,
 * those behind it move up.
 *
 * Context: Process context. May sleep.
 * Return: 0, -ESTALE if the session is gone, -ENOENT if it has no such
 *	connection (any more), -EINVAL for a bad argument.
 *
 * Source: Guide 8.3
 */
int chiscsi_get_connection_info(unsigned long sess_hdl, int conn_idx,
				struct chiscsi_connection_info *conninfo);

/**
 * chiscsi_get_perf_info() - Read the traffic of a portal.
 * @ipv6: non-zero if @ip_addr is an IPv6 address
 * @ip_addr: one word (IPv4) or four words (IPv6) in network order
 * @port: port number in host order, 0 for 3260
 * @pdata: where the counters go
 *
 * The counters are those of the portal since it was opened, of all targets that
 * share it, and of sessions that have ended, too. An address without a
 * portal of its own that a wildcard portal covers is answered with the
 * counters of that portal as a whole.
 *
 * Context: Process context. May sleep.
 * Return: 0, -ENOENT if the target listens on no such portal, -EINVAL for a
 *	bad argument.
 *
 * Source: Guide 8.4
 */
int chiscsi_get_perf_info(int ipv6, unsigned int *ip_addr, unsigned int port,
			  struct chiscsi_perf_info *pdata);

#ifdef __cplusplus
}
#endif

#endif /* ISCSI_INFO_H */
