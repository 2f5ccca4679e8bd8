/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A SCSI command as the target and a storage driver share it, and the calls
 * a driver makes about it.
 *
 * Rules for every call in this file:
 *
 * * It may come from any context (process, softirq, timer, hard interrupt
 *   excluded) and from inside a hook. It never sleeps and never calls a hook
 *   before it returns on the same CPU; but the target may call the next hook
 *   of the same command on another CPU before the call has returned.
 * * Zero or a positive value means taken. A negative value means refused, and
 *   then nothing has changed hands: -EINVAL for arguments or a step that do not
 *   fit the state of the command (a second final status, a phase out of order),
 *   -ESTALE for a command that has ended or never existed. A refused call is
 *   counted, logged once, and harms nothing.
 */
#ifndef CHISCSI_SCSI_COMMAND_H
#define CHISCSI_SCSI_COMMAND_H

#include "chiscsi_endpoint.h"
#include "chiscsi_sgvec.h"
#include "chiscsi_spellings.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of sense data a command carries. The kernel has the same constant. */
#ifndef SCSI_SENSE_BUFFERSIZE
#define SCSI_SENSE_BUFFERSIZE 96
#endif
#if SCSI_SENSE_BUFFERSIZE != 96
#error "SCSI_SENSE_BUFFERSIZE is part of struct chiscsi_scsi_command: 96"
#endif

/* sc_flag: direction, set by the target. */
#define SC_FLAG_READ 0x1 /* read, or no data at all (sc_xfer_len 0) */
#define SC_FLAG_WRITE 0x2
/* sc_flag: sense data is valid; set by the driver, optional (see sc_status). */
#define SC_FLAG_SENSE 0x4
/*
 * sc_flag: why the command is being aborted, set by the target right before
 * fp_scsi_cmd_abort(). A driver that looks at sc_flag or changes it in another
 * thread at that time does so atomically (READ_ONCE(), an atomic or).
 */
#define SC_FLAG_TMF_ABORT 0x8
#define SC_FLAG_SESS_ABORT 0x10
#define SC_FLAG_CMD_ABORT 0x20 /* the driver called chiscsi_scsi_cmd_abort() */
/* sc_flag: residual, set by the driver together with sc_xfer_residualcount. */
#define SC_FLAG_XFER_OVERFLOW 0x40
#define SC_FLAG_XFER_UNDERFLOW 0x80
/* sc_flag: reserved, bidirectional commands are refused by the target. */
#define SC_FLAG_XFER_BI_OVERFLOW 0x100
#define SC_FLAG_XFER_BI_UNDERFLOW 0x200
/* sc_flag: the I bit of the SCSI Command PDU was set; set by the target. */
#define SC_FLAG_IMMEDIATE_CMD 0x400
/*
 * sc_flag: an initiator has switched off the write cache of the LUN, so what this
 * command changes has to be stable before it ends with GOOD; set by the target, for
 * LUN classes without LUN_CLASS_SCSI_PASS_THRU_BIT and every command that changes the
 * medium, WRITE SAME and UNMAP included. Commands whose CDB has a FUA bit have that
 * set, too. When the cache is switched off while data of a write is awaited, the flag
 * alone is set before fp_scsi_cmd_data_xfer_status(). Ours, not the Guide's.
 */
#define SC_FLAG_WRITE_THROUGH 0x800

/* sc_attribute: task attribute (RFC 7143 11.3.1). */
#define ISCSI_TASK_ATTRIBUTES_UNTAGGED 0
#define ISCSI_TASK_ATTRIBUTES_SIMPLE 1
#define ISCSI_TASK_ATTRIBUTES_ORDERED 2
#define ISCSI_TASK_ATTRIBUTES_HEAD_OF_QUEUE 3
#define ISCSI_TASK_ATTRIBUTES_ACA 4

/* sc_response: the Response byte of a SCSI Response PDU (RFC 7143 11.4.3). */
#define CHISCSI_RESPONSE_COMPLETED 0
#define CHISCSI_RESPONSE_TARGET_FAILURE 1

/* Task management functions (RFC 7143 11.5.1). */
#define ISCSI_TMF_FUNCTION_ABORT_TASK 1
#define ISCSI_TMF_FUNCTION_ABORT_TASK_SET 2
#define ISCSI_TMF_FUNCTION_CLEAR_ACA 3
#define ISCSI_TMF_FUNCTION_CLEAR_TASK_SET 4
#define ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET 5
#define ISCSI_TMF_FUNCTION_TARGET_WARM_RESET 6
#define ISCSI_TMF_FUNCTION_TARGET_COLD_RESET 7
#define ISCSI_TMF_FUNCTION_TASK_REASSIGN 8
#define ISCSI_TMF_FUNCTION_LOGIN_UNIT_RESET \
	ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET

/* Task management responses (RFC 7143 11.6.1). */
#define ISCSI_RESPONSE_TMF_COMPLETE 0
#define ISCSI_RESPONSE_TMF_INVALID_TASK 1
#define ISCSI_RESPONSE_TMF_INVALID_LUN 2
#define ISCSI_RESPONSE_TMF_TASK_STILL_ALLEGANT 3
#define ISCSI_RESPONSE_TMF_NO_TASK_FAILOVER 4
#define ISCSI_RESPONSE_TMF_NOT_SUPPORTED 5
#define ISCSI_RESPONSE_TMF_AUTH_FAILED 6
#define ISCSI_RESPONSE_TMF_FUNCTION_REJECTED 0xff

/**
 * struct chiscsi_scsi_command - One SCSI command of an initiator.
 * @sc_tclass_sess_priv: what fp_session_added() returned for the session
 * @sc_ieps: addresses of the connection the command came in on
 * @sc_sess: handle of the session
 * @sc_sessl: the same handle under the Guide's spelling
 * @sc_conn: handle of the connection, hndl of struct chiscsi_connection_info
 * @sc_flag: SC_FLAG_* bits; a driver may only add SC_FLAG_SENSE and the two
 *	residual flags
 * @sc_attribute: ISCSI_TASK_ATTRIBUTES_*
 * @sc_cmdlen: bytes of @sc_cmd: 16
 * @sc_cmd: the CDB, shorter ones padded with zeros to 16 bytes
 * @sc_CmdSN: CmdSN in host order
 * @sc_Cmdsn: other spelling of @sc_CmdSN
 * @sc_cmdsn: other spelling of @sc_CmdSN
 * @sc_itt: Initiator Task Tag, its four bytes read big-endian
 * @sc_xfer_len: Expected Data Transfer Length in bytes. Writeable for one
 *	purpose: an underflow shortens it to the bytes really transferred
 * @sc_lun: number of the logical unit, decoded from the first two bytes
 *	of the LUN field (peripheral or flat addressing)
 * @sc_status: SCSI status byte. Set by the driver
 * @sc_response: CHISCSI_RESPONSE_*. Set by the driver
 * @sc_sense_key: sense key. Set by the driver
 * @sc_sense_asc: additional sense code. Set by the driver
 * @sc_sense_ascq: additional sense code qualifier. Set by the driver
 * @sc_sense_buf: complete sense data. Set by the driver, optional
 * @sc_xfer_residualcount: residual in bytes. Set by the driver
 * @sc_sdev_hdl: private to the driver, NULL at first. The target hands it back
 *	in fp_scsi_cmd_abort_status() and otherwise ignores it
 * @sc_lun_hndl: handle of the LUN, as fp_attach() got it; 0 for a target
 *	without ``TargetDevice`` lines. Ours, not the Guide's
 * @sc_lun_priv: what chiscsi_lun_set_private() stored for the LUN, else NULL.
 *	Ours, not the Guide's
 * @sc_private: space of the target; a driver neither reads nor writes it
 *
 * The structure is made by the target, one per SCSI Command PDU, and lives from
 * fp_scsi_cmd_cdb_rcved() until fp_scsi_cmd_cleanup() returns. A driver never
 * allocates or copies one. What is not marked as set by the driver is read only.
 *
 * **Status.** All members set by the driver are 0 at first, which is GOOD without
 * residual. For CHECK CONDITION a driver sets @sc_status and either key, ASC
 * and ASCQ, from which the target builds sense data in fixed format, or
 * @sc_sense_buf. A non-zero first byte of @sc_sense_buf wins and the data is sent
 * as it is, its length taken from its own header.
 *
 * **Overflow**: the device has more data for the command than the initiator
 * expects. The driver sets SC_FLAG_XFER_OVERFLOW and puts the surplus into
 * @sc_xfer_residualcount. It may hand over buffers for all of its data: the
 * target moves the first @sc_xfer_len bytes, and gives every buffer back.
 *
 * **Underflow**: fewer bytes than expected are transferred. The driver sets
 * SC_FLAG_XFER_UNDERFLOW, puts the bytes that are missing into
 * @sc_xfer_residualcount, and sets @sc_xfer_len to the end of its last buffer.
 *
 * Either flag makes the phase it comes with the last one of the command.
 *
 * Source: Guide 7.3.5.1
 */
struct chiscsi_scsi_command {
	unsigned long sc_tclass_sess_priv;

	struct chiscsi_tcp_endpoints *sc_ieps;
	union {
		void *sc_sess;
		void *sc_sessl;
	};
	void *sc_conn;

	unsigned int sc_flag;

	unsigned char sc_attribute;
	unsigned char sc_cmdlen;
	unsigned char *sc_cmd;

	union {
		unsigned int sc_CmdSN;
		unsigned int sc_Cmdsn;
		unsigned int sc_cmdsn;
	};
	unsigned int sc_itt;
	unsigned int sc_xfer_len;

	unsigned int sc_lun;

	unsigned char sc_status;
	unsigned char sc_response;
	unsigned char sc_sense_key;
	unsigned char sc_sense_asc;
	unsigned char sc_sense_ascq;

	unsigned char sc_sense_buf[SCSI_SENSE_BUFFERSIZE];
	unsigned int sc_xfer_residualcount;

	void *sc_sdev_hdl;

	unsigned long sc_lun_hndl;
	void *sc_lun_priv;

	unsigned long sc_private[4];
};
typedef struct chiscsi_scsi_command chiscsi_scsi_command;

/**
 * chiscsi_scsi_cmd_buffer_ready() - Give the target memory for write data.
 * @scmd: a write command
 * @sc_xfer_sreq_buf: array of struct chiscsi_sgvec
 * @sc_xfer_sgcnt: elements of the array, at least 1
 * @sc_xfer_offset: offset of the first byte within the data of the command
 * @sc_xfer_buflen: bytes of the whole list, at least 1
 *
 * The target collects the data from the initiator (unsolicited data first,
 * then by R2T) and answers with fp_scsi_cmd_data_xfer_status().
 *
 * Without LUN_CLASS_MULTI_PHASE_DATA_BIT the list covers the whole command in
 * one call. With it the lists, called phases, come one after the other:
 * @sc_xfer_offset continues where the phase before ended. A driver
 * need not wait for a phase to come back before it gives the next.
 *
 * Array and memory belong to the target until it gives them back with
 * fp_scsi_cmd_data_xfer_status() or calls fp_scsi_cmd_abort().
 *
 * Context: Any context. Does not sleep.
 * Return: 0 or a negative error, see the head of this file. Lists that are
 *	empty, have no address, or whose offset and length do not fit the command
 *	are -EINVAL.
 *
 * Source: Guide 5.2.4, 7.3.5.1, 7.3.5.3
 */
int chiscsi_scsi_cmd_buffer_ready(chiscsi_scsi_command *scmd,
				  unsigned char *sc_xfer_sreq_buf,
				  unsigned int sc_xfer_sgcnt,
				  unsigned int sc_xfer_offset,
				  unsigned int sc_xfer_buflen);

/**
 * chiscsi_scsi_cmd_execution_status() - Report the outcome of a command.
 * @scmd: the command, its status and sense members set
 * @sc_xfer_sreq_buf: array of struct chiscsi_sgvec with read data, or NULL
 * @sc_xfer_sgcnt: elements of the array, 0 with NULL
 * @sc_xfer_offset: offset of the first byte within the data of the command
 * @sc_xfer_buflen: bytes of the whole list, 0 with NULL
 *
 * Read: hands over the data. The target sends it, gives the list back with
 * fp_scsi_cmd_data_xfer_status(), and sends the status after the last byte.
 * With LUN_CLASS_MULTI_PHASE_DATA_BIT the data may come in several calls, in
 * order; the one that reaches sc_xfer_len or carries a residual flag is
 * final, and its status members count.
 *
 * Write and commands without data: (scmd, NULL, 0, 0, 0) is the final status.
 * A write may also repeat its last list, or pass NULL with @sc_xfer_offset
 * equal to the transfer length.
 *
 * Error: (scmd, NULL, 0, 0, 0) with a status other than GOOD ends any command,
 * whatever was transferred so far.
 *
 * This is also the answer to fp_scsi_cmd_abort() with SC_FLAG_TMF_ABORT.
 *
 * A command takes one final status. No task management function touches the
 * command afterwards; a lost session may still abort it while a list of
 * it is with the target.
 *
 * Context: Any context. Does not sleep.
 * Return: 0 or a negative error, see the head of this file. Handing over more or
 *	less data than sc_xfer_len without the residual flag for it is -EINVAL.
 *
 * Source: Guide 5.2.4, 7.3.5.1, 7.3.5.2, 7.3.5.3, 7.3.6
 */
int chiscsi_scsi_cmd_execution_status(chiscsi_scsi_command *scmd,
				      unsigned char *sc_xfer_sreq_buf,
				      unsigned int sc_xfer_sgcnt,
				      unsigned int sc_xfer_offset,
				      unsigned int sc_xfer_buflen);

/**
 * chiscsi_scsi_cmd_abort() - Ask the target to abort a command.
 * @scmd: the command, its status and sense members set
 *
 * For a command the driver has run or given buffers for and now wants to end.
 * The initiator gets the status of @scmd; CHECK CONDITION, ABORTED COMMAND
 * if the driver left it at GOOD. The target answers with exactly one
 * fp_scsi_cmd_abort_status(), before or after fp_scsi_cmd_cleanup().
 *
 * Context: Any context. Does not sleep.
 * Return: 0 or a negative error, see the head of this file. When refused
 *	there will be no fp_scsi_cmd_abort_status().
 *
 * Source: Guide 5.2.4, 7.3.5.4
 */
int chiscsi_scsi_cmd_abort(chiscsi_scsi_command *scmd);

/**
 * chiscsi_scsi_cmd_abort_status() - Answer an abort the target asked for.
 * @scmd: the command fp_scsi_cmd_abort() was called for, its status and sense
 *	members set as for an error
 *
 * The driver has let go of the command and of its buffers. This is the answer
 * to SC_FLAG_SESS_ABORT; chiscsi_scsi_cmd_execution_status() answers
 * SC_FLAG_TMF_ABORT. Each is accepted in place of the other, once per abort.
 *
 * A driver that does not answer within the limit of the target (30 seconds for
 * a session) loses the command: session and task management function end
 * without it, its memory is kept until the driver answers after all.
 *
 * Context: Any context. Does not sleep.
 * Return: 0 or a negative error, see the head of this file.
 *
 * Source: Guide 5.2.4, 7.3.5.4
 */
int chiscsi_scsi_cmd_abort_status(chiscsi_scsi_command *scmd);

/**
 * chiscsi_tmf_execution_done() - Answer fp_tmf_execute().
 * @hndl: the handle fp_tmf_execute() was given
 * @tmf_response: ISCSI_RESPONSE_TMF_*
 * @scmd: the command fp_tmf_execute() was given, or NULL. Only compared, never
 *	followed: the command may have ended by now
 *
 * To be called after the driver has ended all commands the function concerns.
 *
 * Context: Any context. Does not sleep.
 * Return: 0, -ESTALE if no function with this handle is waiting.
 *
 * Source: Guide 5.2.4, 7.3.6
 */
int chiscsi_tmf_execution_done(unsigned long hndl, unsigned char tmf_response,
			       chiscsi_scsi_command *scmd);

/**
 * chiscsi_scsi_cmd_cdb() - The whole CDB of a command.
 * @scmd: a command that fp_scsi_cmd_cdb_rcved() was called for
 * @cdb_len: receives the length in bytes: 16, or 17 to 260 for a CDB that an
 *	initiator sent with an Extended CDB header segment (RFC 7143 11.2.2.3)
 *
 * Our addition to the Guide, whose sc_cmd and sc_cmdlen stay what they are: the
 * first 16 bytes. A driver that does not call this function takes a longer CDB
 * for its first 16 bytes, so it should refuse operation code 7Fh.
 *
 * Context: Any context. Does not sleep.
 * Return: the CDB, which belongs to the target and is valid until
 *	fp_scsi_cmd_cleanup() returns; NULL, with a length of 0, for what is not
 *	a command of the driver.
 */
const unsigned char *chiscsi_scsi_cmd_cdb(chiscsi_scsi_command *scmd,
					  unsigned int *cdb_len);

/**
 * chiscsi_scsi_cmd_priority() - The priority an initiator gave a command.
 * @scmd: a command that fp_scsi_cmd_cdb_rcved() was called for
 *
 * Our addition to the Guide. An initiator can give one when iSCSIProtocolLevel 2
 * is agreed (RFC 7144).
 *
 * Context: Any context. Does not sleep.
 * Return: 1 (highest) to 15, 0 for none; negative for what is not a command of
 *	the driver.
 */
int chiscsi_scsi_cmd_priority(chiscsi_scsi_command *scmd);

/**
 * chiscsi_scsi_cmd_set_status_qualifier() - Qualify the status of a command.
 * @scmd: a command that has not got its final status
 * @qualifier: SAM-5 status qualifier, for instance a time to wait with BUSY
 *
 * Our addition to the Guide. To be called before the call that ends the
 * command. The initiator gets it when iSCSIProtocolLevel 2 is agreed (RFC 7144),
 * else it is dropped.
 *
 * Context: Any context. Does not sleep.
 * Return: 0 or a negative error, see the head of this file.
 */
int chiscsi_scsi_cmd_set_status_qualifier(chiscsi_scsi_command *scmd,
					  unsigned short qualifier);

/**
 * chiscsi_iscsi_command_dump() - Print a command to the kernel log.
 * @scmd: the command
 *
 * Context: Any context. Does not sleep. For debugging, not for the I/O path.
 *
 * Source: Guide 7.3.5.5
 */
void chiscsi_iscsi_command_dump(chiscsi_scsi_command *scmd);

#ifdef __cplusplus
}
#endif

#endif /* CHISCSI_SCSI_COMMAND_H */
