/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Target classes, LUN classes and target nodes: how a storage driver makes
 * itself known to the target, and the hooks it is called through.
 *
 * Rules for every hook in this file:
 *
 * * The target calls it in one of its kernel threads: process context,
 *   preemptible, no lock held. It may sleep briefly, but the connections of that
 *   thread wait meanwhile.
 * * A *blocking* hook has done its work when it returns. A *non-blocking* one
 *   starts the work, returns at once, and answers through the call named in
 *   its description, from any context, even before it has returned.
 * * Strings and endpoints passed in belong to the target and are valid until
 *   the hook returns; non-blocking hooks copy what they need later. A hook
 *   must not change them, endpoint->taddr of fp_select_redirection_portal()
 *   excepted.
 * * The hooks of one command never run at the same time as each other. Hooks of
 *   different commands do, on several CPUs.
 * * Except where marked mandatory, a hook may be NULL.
 */
#ifndef ISCSI_TARGET_CLASS_H
#define ISCSI_TARGET_CLASS_H

#include "chiscsi_endpoint.h"
#include "chiscsi_lun.h"
#include "chiscsi_scsi_command.h"
#include "chiscsi_spellings.h"
#include "iscsi_chap.h"

#ifdef __cplusplus
extern "C" {
#endif

/* login_status_class (RFC 7143 11.13.5). */
#define ISCSI_LOGIN_STATUS_CLASS_SUCCESS 0
#define ISCSI_LOGIN_STATUS_CLASS_REDIRECTION 1 /* treated as success */
#define ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR 2
#define ISCSI_LOGIN_STATUS_CLASS_TARGET_ERROR 3

/* login_status_detail for ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR. */
#define ISCSI_LOGIN_STATUS_DETAIL_INIT_ERROR 0
#define ISCSI_LOGIN_STATUS_DETAIL_NO_PERMS 2
#define ISCSI_LOGIN_STATUS_DETAIL_TARGET_NOT_FOUND 3
#define ISCSI_LOGIN_STATUS_DETAIL_TARGET_REMOVED 4
#define ISCSI_LOGIN_STATUS_DETAIL_INVALID_REQUEST 11

/* login_status_detail for ISCSI_LOGIN_STATUS_CLASS_TARGET_ERROR. */
#define ISCSI_LOGIN_STATUS_DETAIL_TARG_ERROR 0
#define ISCSI_LOGIN_STATUS_DETAIL_SERVICE_UNAVAIL 1
#define ISCSI_LOGIN_STATUS_DETAIL_NO_RESOURCES 2

/* login_stage. */
#define ISCSI_LOGIN_STAGE_SECURITY 0
#define ISCSI_LOGIN_STAGE_OPERATIONAL 1

/* Command window of a session when nobody asked for another one. */
#define CHISCSI_SESSION_MAX_CMD_DEFAULT 128

/* Bytes of the error text buffer of fp_config_parse_options(), NUL included. */
#define CHISCSI_CONFIG_EBUF_LEN 256

/* Longest class_name in bytes, NUL excluded. */
#define CHISCSI_CLASS_NAME_MAX 63

/**
 * struct chiscsi_target_class - A kind of target and the hooks it is run by.
 *
 * Allocated by the driver, usually static, zeroed, and left alone from
 * registration to deregistration.
 *
 * Source: Guide 5.1
 */
struct chiscsi_target_class {
	/**
	 * @class_name: Name of the class, the key of all lookups. Not NULL,
	 * not empty, unique. Source: Guide 5.1.1
	 */
	char *class_name;

	/**
	 * @fp_first_login_check: An initiator asks for a normal session.
	 *
	 * Called for the first complete Login Request of a new connection,
	 * before anything is negotiated. The place for access control and for
	 * making ready what a session needs. The login waits until
	 * chiscsi_target_first_login_check_done() is called with @hndl.
	 * If the connection dies first, that call finds a stale handle and is
	 * ignored.
	 *
	 * Context: process, non-blocking. Source: Guide 5.1.2, 7.3.1.1
	 */
	void (*fp_first_login_check)(unsigned long hndl, char *initiator_name,
				     char *target_name,
				     chiscsi_tcp_endpoint *endpoint);

	/**
	 * @fp_login_stage_check: The login enters a stage.
	 *
	 * Called when the security stage and when the operational stage
	 * are first entered on the leading connection of a normal session. The
	 * login waits until chiscsi_target_login_stage_check_done() is called
	 * with @hndl.
	 *
	 * Context: process, non-blocking. Source: Guide 5.1.3, 7.3.1.2
	 */
	void (*fp_login_stage_check)(unsigned long hndl,
				     unsigned char login_stage,
				     char *initiator_name, char *target_name,
				     chiscsi_tcp_endpoint *endpoint);

	/**
	 * @fp_chap_info_get: Look up the CHAP secrets of a login.
	 *
	 * Called once CHAP_N and CHAP_R have come. @chap arrives with
	 * CHAP_FLAG_REMOTE_NAME_VALID and the name the initiator sent. The
	 * hook fills in remote_secret for it and, for mutual CHAP, local_name
	 * and local_secret; it sets the flag of each, and
	 * CHAP_FLAG_MUTUAL_REQUIRED if one-way CHAP is not enough. There is no
	 * completion call: @chap is complete on return. An unknown name is
	 * answered by leaving CHAP_FLAG_REMOTE_SECRET_VALID clear; the login
	 * is then refused.
	 *
	 * Context: process, must not wait. Source: Guide 5.1.4, 7.3.1.3
	 */
	void (*fp_chap_info_get)(char *initiator_name, char *target_name,
				 chap_info *chap);

	/**
	 * @fp_session_added: A session has reached full feature phase.
	 *
	 * Comes before any command of the session. The value returned is the
	 * driver's own; it comes back as sc_tclass_sess_priv of each command
	 * and as sess_tclass of fp_tmf_execute().
	 *
	 * Context: process, blocking. Source: Guide 5.1.5, 7.3.2
	 */
	unsigned long (*fp_session_added)(unsigned long sess_hdl,
					  unsigned char isid[6],
					  char *initiator_name,
					  char *target_name);

	/**
	 * @fp_session_removed: A session has ended, for whatever reason.
	 *
	 * Comes once per fp_session_added(), after every abort of the session
	 * was answered or given up, and before fp_session_added() of a
	 * session that replaces it (same initiator, same ISID).
	 *
	 * Context: process, blocking. Source: Guide 5.1.5, 7.3.3
	 */
	void (*fp_session_removed)(unsigned long sess_hdl, char *initiator_name,
				   char *target_name);

	/**
	 * @fp_discovery_target_accessible: May an initiator see a target?
	 *
	 * Called once per target while SendTargets is answered. Returns 1 to
	 * list the target, 0 to hide it, a negative error to hide it because
	 * the question could not be answered. Without the hook all
	 * targets of the class are listed.
	 *
	 * Context: process, blocking. Source: Guide 5.1.6, 7.2
	 */
	int (*fp_discovery_target_accessible)(unsigned long hndl,
					      char *initiator_name,
					      char *target_name,
					      chiscsi_tcp_endpoint *endpoint);

	/**
	 * @fp_select_redirection_portal: Choose the portal of a redirection.
	 *
	 * Called for a login of a normal session at a portal group that
	 * redirects, after fp_first_login_check() was answered. Writes the
	 * portal into endpoint->taddr, in the form of struct tcp_endpoint (the
	 * bytes of the address tell its family), and returns 0. A negative
	 * error ends the login with a target error, and so does a portal that
	 * is no place to go: no address, no port, or the very portal the login
	 * came to. With ``ShadowMode=No`` it has to be one that this target
	 * listens at, with ``ShadowMode=Yes`` it may be any. Without the hook
	 * the configured portals take turns. Mind the order of the names:
	 * target first.
	 *
	 * All logins, of other targets too, wait until the hook returns.
	 * Sessions do not.
	 *
	 * Context: process, blocking. Source: Guide 5.1.7
	 */
	int (*fp_select_redirection_portal)(char *target_name,
					    char *initiator_name,
					    chiscsi_tcp_endpoint *endpoint);

	/** @chiscsi_private: Space of the target, zero at registration. */
	unsigned long chiscsi_private[8];
};
typedef struct chiscsi_target_class chiscsi_target_class;

/**
 * enum lun_class_property_bits - Bit numbers of a LUN class property.
 * @LUN_CLASS_SCSI_PASS_THRU_BIT: the class runs every CDB itself. Without it the
 *	target answers the commands that are not media access
 * @LUN_CLASS_MULTI_PHASE_DATA_BIT: the class may hand over the data of a
 *	command in several lists
 * @LUN_CLASS_HAS_CMD_QUEUE_BIT: the class queues commands and runs them in a
 *	thread of its own, not in that of the target. Recommended
 *
 * Source: Guide 5.2, 5.2.2
 */
enum lun_class_property_bits {
	LUN_CLASS_SCSI_PASS_THRU_BIT,
	LUN_CLASS_MULTI_PHASE_DATA_BIT,
	LUN_CLASS_HAS_CMD_QUEUE_BIT,
};

/**
 * struct chiscsi_target_lun_class - A kind of LUN and the hooks it is run by.
 *
 * Allocated by the driver, usually static, zeroed, and left alone from
 * registration to deregistration.
 *
 * A class registers its name as a type word of ``TargetDevice``; LUN n of a
 * target is its n-th ``TargetDevice`` line. A line without a type word goes to
 * the class named FILE, or to the first one of a target class that has no
 * such class. A target made by chiscsi_target_add() without any
 * ``TargetDevice`` sends all LUNs to the first LUN class of its target class,
 * which must have LUN_CLASS_SCSI_PASS_THRU_BIT then.
 *
 * @fp_config_parse_options, @fp_attach, @fp_detach, @fp_reattach and @fp_flush
 * serve ``TargetDevice`` lines only; a class that serves such lines needs
 * @fp_attach and @fp_detach at least. They are called by whoever calls
 * chiscsi_target_add(), chiscsi_target_reconfig() or chiscsi_target_remove(),
 * one at a time for a target; @fp_flush and @fp_detach also by a thread of the
 * target, when a command has outlived the limit of such a call, and @fp_flush by
 * the administrator, at any time while the handle has the device. The life of a
 * handle:
 *
 * * @fp_config_parse_options, then @fp_attach, or @fp_reattach with the handle
 *   as hndl_new. When one of the three has returned 0, @fp_detach is owed, also
 *   if a later one fails.
 * * Commands of the LUN come between a successful attach or reattach and
 *   @fp_detach, and only then.
 * * In the end @fp_flush, if the handle has the device (it was not reattached to another
 *   handle), and right after it @fp_detach, exactly once. Nothing comes after
 *   that; the number is never used again.
 *
 * When a hook refuses, the target keeps the LUNs it had and the call fails:
 * what was attached is detached, what was reattached is reattached back.
 *
 * Without LUN_CLASS_SCSI_PASS_THRU_BIT the target answers for the device what
 * it can answer by itself: INQUIRY, REPORT LUNS, READ CAPACITY, MODE SENSE and
 * the like, and every command it does not know. It needs
 * chiscsi_lun_set_geometry() for that. The class sees READ, WRITE, VERIFY,
 * WRITE AND VERIFY, PRE-FETCH and SYNCHRONIZE CACHE, and what it has named in
 * chiscsi_lun_geometry.commands; the blocks they name exist, and a write to a
 * read-only LUN does not come.
 *
 * The life of a command: @fp_scsi_cmd_cdb_rcved, then any number of
 * @fp_scsi_cmd_data_xfer_status, perhaps @fp_scsi_cmd_abort, and last of all
 * @fp_scsi_cmd_cleanup.
 *
 * Source: Guide 5.2
 */
struct chiscsi_target_lun_class {
	/**
	 * @class_name: Name of the class. Not NULL, not empty, unique within
	 * its target class. Source: Guide 5.2.1
	 */
	char *class_name;

	/**
	 * @property: 1 << bit, of enum lun_class_property_bits.
	 * Source: Guide 5.2.2
	 */
	unsigned int property;

	/**
	 * @fp_config_parse_options: Read a ``TargetDevice`` value.
	 *
	 * @hndl is the handle of the LUN for all five hooks of this group.
	 * @buf holds @buflen bytes of the value, NUL-terminated; the hook may
	 * change them. Returns 0, or a negative error with a reason in @ebuf,
	 * which has CHISCSI_CONFIG_EBUF_LEN bytes; the reason goes to the log.
	 *
	 * Context: process, blocking. Source: Guide 5.2.3
	 */
	int (*fp_config_parse_options)(unsigned long hndl, char *buf,
				       int buflen, char *ebuf);

	/**
	 * @fp_attach: Open the device of a LUN.
	 *
	 * Returns 0, or a negative error with a reason of up to @ebuflen
	 * bytes in @ebuf. The place for chiscsi_lun_set_private() and, for a
	 * class without LUN_CLASS_SCSI_PASS_THRU_BIT,
	 * chiscsi_lun_set_geometry().
	 *
	 * Context: process, blocking. Source: Guide 5.2.3
	 */
	int (*fp_attach)(unsigned long hndl, char *ebuf, int ebuflen);

	/**
	 * @fp_detach: Close the device of a LUN. No command of it is left.
	 *
	 * Context: process, blocking. Source: Guide 5.2.3
	 */
	void (*fp_detach)(unsigned long hndl);

	/**
	 * @fp_reattach: Move the open device of @hndl over to @hndl_new.
	 *
	 * Called when a target is reloaded and the LUN stays: a line of the
	 * same class names the same path or name as before, possibly with
	 * other options and as another LUN. On error the old handle keeps the
	 * device. Commands of @hndl may be under way, and stay so until
	 * @fp_detach of @hndl; new ones come with @hndl_new. A reload that fails
	 * later calls the hook once more, with the handles exchanged. Without
	 * the hook a LUN whose line is the same keeps its handle.
	 *
	 * Context: process, blocking. Source: Guide 5.2.3
	 */
	int (*fp_reattach)(unsigned long hndl, unsigned long hndl_new,
			   char *ebuf, int ebuflen);

	/**
	 * @fp_flush: Write cached data to stable storage, before @fp_detach.
	 *
	 * Context: process, blocking. Source: Guide 5.2.3
	 */
	int (*fp_flush)(unsigned long hndl);

	/**
	 * @fp_scsi_cmd_cdb_rcved: Take a new command. Mandatory.
	 *
	 * Read, or no data: queue it; it ends with
	 * chiscsi_scsi_cmd_execution_status(). Write: bring memory for the data
	 * and give it with chiscsi_scsi_cmd_buffer_ready(), or end the
	 * command at once with an error status.
	 *
	 * A negative value refuses the command: the target ends it, with BUSY
	 * for -EBUSY and -ENOMEM, else with CHECK CONDITION, ABORTED COMMAND.
	 * @fp_scsi_cmd_cleanup is called in that case, too.
	 *
	 * Context: process, non-blocking. Source: Guide 5.2.4, 7.3.5.1
	 */
	int (*fp_scsi_cmd_cdb_rcved)(chiscsi_scsi_command *scmd);

	/**
	 * @fp_scsi_cmd_data_xfer_status: A transfer is done. Mandatory.
	 *
	 * The arguments have the meaning of
	 * chiscsi_scsi_cmd_buffer_ready(); the list belongs to the driver
	 * again.
	 *
	 * Read: once per list handed over, or once for several merged ones,
	 * when the target no longer needs the memory. With
	 * LUN_CLASS_MULTI_PHASE_DATA_BIT the driver may now go on with the next
	 * phase.
	 *
	 * Write: all bytes of one or more whole phases are in the memory, in
	 * order, never part of a phase. The array may be a merged copy that
	 * belongs to the target and is valid until the hook returns. After the
	 * last byte the driver executes the command and ends it with
	 * chiscsi_scsi_cmd_execution_status().
	 *
	 * Never called for a command without data.
	 *
	 * A negative value ends the command as with @fp_scsi_cmd_cdb_rcved;
	 * after a final status it is ignored.
	 *
	 * Context: process, non-blocking. Source: Guide 5.2.4, 7.3.5.1
	 */
	int (*fp_scsi_cmd_data_xfer_status)(chiscsi_scsi_command *scmd,
					    unsigned char *sc_xfer_sreq_buf,
					    unsigned int sc_xfer_sgcnt,
					    unsigned int sc_xfer_offset,
					    unsigned int sc_xfer_buflen);

	/**
	 * @fp_scsi_cmd_abort: Let go of a command. Mandatory.
	 *
	 * sc_flag says why: SC_FLAG_SESS_ABORT, session or connection ends,
	 * answered by chiscsi_scsi_cmd_abort_status(); SC_FLAG_TMF_ABORT, a
	 * task management function hits a command whose data is on the way,
	 * answered by chiscsi_scsi_cmd_execution_status(). All buffers of the
	 * command belong to the driver from this call on. When the driver's
	 * own final status and the abort cross, either counts as the answer.
	 *
	 * Returns 0; a negative value says that the driver does not hold the
	 * command any more and no answer will come.
	 *
	 * Context: process, non-blocking. Source: Guide 5.2.4, 7.3.5.4, 7.3.6
	 */
	int (*fp_scsi_cmd_abort)(chiscsi_scsi_command *scmd);

	/**
	 * @fp_scsi_cmd_abort_status: An abort the driver asked for is done.
	 *
	 * Exactly one per accepted chiscsi_scsi_cmd_abort(). The command may be
	 * gone, so its members come as arguments: @sc_xfer_sreq_buf and
	 * @sc_xfer_sgcnt are the list that was with the target, NULL and 0
	 * if there was none; it belongs to the driver again. Mandatory for a
	 * driver that calls chiscsi_scsi_cmd_abort().
	 *
	 * Context: process, non-blocking. Source: Guide 5.2.4, 7.3.5.4
	 */
	void (*fp_scsi_cmd_abort_status)(unsigned int sc_lun,
					 unsigned int sc_cmdsn,
					 unsigned int sc_itt,
					 unsigned int sc_xfer_sgcnt,
					 unsigned char *sc_xfer_sreq_buf,
					 void *sc_sdev_hdl);

	/**
	 * @fp_tmf_execute: Run a task management function. Mandatory.
	 *
	 * @sess_tclass is what fp_session_added() returned, @hndl identifies
	 * the function, @immediate_cmd is the I bit of the request,
	 * @tmf_func is ISCSI_TMF_FUNCTION_*. @lun is valid for ABORT TASK,
	 * ABORT TASK SET, CLEAR TASK SET and LOGICAL UNIT RESET. @scmd is the
	 * command of ABORT TASK, else NULL; it is valid until the driver has
	 * ended it.
	 *
	 * The driver ends the commands it holds with
	 * chiscsi_scsi_cmd_execution_status(), then calls
	 * chiscsi_tmf_execution_done(). Commands whose data is on the way get
	 * @fp_scsi_cmd_abort first, and so do those the driver has left, in
	 * whatever session, after it has answered. TASK REASSIGN, CLEAR ACA, the
	 * functions of RFC 7144, and ABORT TASK of a command the driver does not
	 * hold never get here.
	 *
	 * -EOPNOTSUPP leaves the function to the target, which aborts the
	 * commands one by one; any other negative value answers "function
	 * rejected". No done call then.
	 *
	 * Context: process, non-blocking. Source: Guide 5.2.4, 7.3.6
	 */
	int (*fp_tmf_execute)(unsigned long sess_tclass, unsigned long hndl,
			      unsigned char immediate_cmd,
			      unsigned char tmf_func, unsigned int lun,
			      chiscsi_scsi_command *scmd);

	/**
	 * @fp_scsi_cmd_cleanup: A command is about to be released. Optional.
	 *
	 * Exactly once per command @fp_scsi_cmd_cdb_rcved saw, and the
	 * last hook for it, fp_scsi_cmd_abort_status() excepted. The place to
	 * free what sc_sdev_hdl points to.
	 *
	 * Context: process, non-blocking. Source: Guide 5.2.4
	 */
	void (*fp_scsi_cmd_cleanup)(chiscsi_scsi_command *scmd);

	/**
	 * @fp_queued_scsi_cmd_exe: Run a queued command.
	 *
	 * The companion of LUN_CLASS_HAS_CMD_QUEUE_BIT, run by the driver's own
	 * thread for a command it has queued. The target keeps the pointer
	 * and does not call it. Returns 0 or a negative error.
	 *
	 * Context: a thread of the driver. Source: readme of the sample driver
	 */
	int (*fp_queued_scsi_cmd_exe)(chiscsi_scsi_command *scmd);

	/** @chiscsi_private: Space of the target, zero at registration. */
	unsigned long chiscsi_private[8];
};
typedef struct chiscsi_target_lun_class chiscsi_target_lun_class;

/**
 * chiscsi_target_class_register() - Make a target class known.
 * @target_class: the class; must outlive its registration
 *
 * A class can carry targets once it has at least one LUN class. While a target
 * from the configuration file uses the class, the module of the driver is held.
 * A target the driver itself added does not hold it, so that the exit function of
 * the driver gets its turn and can call chiscsi_target_remove().
 *
 * Context: Process context. May sleep.
 * Return: 0, -EINVAL for a missing name, -EEXIST if the name is taken,
 *	-ENOMEM.
 *
 * Source: Guide 5.1
 */
int chiscsi_target_class_register(chiscsi_target_class *target_class);

/**
 * chiscsi_target_class_deregister() - Withdraw a target class.
 * @class_name: name of the class
 *
 * LUN classes of it that are still registered go with it; no hook of either
 * runs any more once this has returned 0. Waits up to 30 seconds while the driver
 * holds commands. After -EBUSY hooks may still be called: an exit function
 * has to try again until it gets another answer, since its code must stay.
 *
 * Context: Process context. May sleep. Not from inside a hook.
 * Return: 0, -ENOENT if there is no such class, -EBUSY while a target of it
 *	exists or the driver still holds commands.
 *
 * Source: Guide 5.1
 */
int chiscsi_target_class_deregister(char *class_name);

/**
 * chiscsi_target_lun_class_register() - Add a LUN class to a target class.
 * @lun_class: the class; must outlive its registration
 * @target_class_name: the target class it belongs to
 *
 * Context: Process context. May sleep.
 * Return: 0, -EINVAL for a missing name or mandatory hook or an unknown bit of
 *	property, -ENOENT if there is no such target class, -EEXIST if the name
 *	is taken, -ENOSPC for a ninth class.
 *
 * Source: Guide 5.2
 */
int chiscsi_target_lun_class_register(chiscsi_target_lun_class *lun_class,
				      char *target_class_name);

/**
 * chiscsi_target_lun_class_deregister() - Withdraw a LUN class.
 * @lun_class_name: name of the class
 * @target_class_name: the target class it belongs to
 *
 * No hook of the class runs any more once this has returned 0. Does not wait;
 * for -EBUSY see chiscsi_target_class_deregister().
 *
 * Context: Process context. May sleep. Not from inside a hook.
 * Return: 0, -ENOENT if there is no such class, -EBUSY while a target of the
 *	target class exists or the driver still holds commands.
 *
 * Source: Guide 5.2
 */
int chiscsi_target_lun_class_deregister(char *lun_class_name,
					char *target_class_name);

/**
 * chiscsi_target_first_login_check_done() - Answer fp_first_login_check().
 * @hndl: the handle that hook was given
 * @login_status_class: ISCSI_LOGIN_STATUS_CLASS_*; 0 lets the login go on, and
 *	so does the redirection class, since the target redirects by itself
 * @login_status_detail: ISCSI_LOGIN_STATUS_DETAIL_*, 0 with class 0
 * @max_cmd: command window of the session in commands; 0 for the key
 *	``TargetSessionMaxCmd`` or, without it, 128
 *
 * A handle that is stale is ignored.
 *
 * Context: Any context. Does not sleep.
 *
 * Source: Guide 5.1.2, 7.3.1.1
 */
void chiscsi_target_first_login_check_done(unsigned long hndl,
					   unsigned char login_status_class,
					   unsigned char login_status_detail,
					   unsigned int max_cmd);

/**
 * chiscsi_target_login_stage_check_done() - Answer fp_login_stage_check().
 * @hndl: the handle that hook was given
 * @login_status_class: as for chiscsi_target_first_login_check_done()
 * @login_status_detail: as for chiscsi_target_first_login_check_done()
 *
 * A handle that is stale is ignored.
 *
 * Context: Any context. Does not sleep.
 *
 * Source: Guide 5.1.3, 7.3.1.2
 */
void chiscsi_target_login_stage_check_done(unsigned long hndl,
					   unsigned char login_status_class,
					   unsigned char login_status_detail);

/**
 * chiscsi_target_add() - Create and start a target node.
 * @sdev_priv: a pointer of the driver's own, it names the owner of the target
 * @target_name: iSCSI name of the target
 * @target_class_name: target class that serves it
 * @config_buffer: ``key=value`` strings of a ``target:`` block, each
 *	ended by a NUL byte; read only, and only until the call returns
 * @buflen: bytes of @config_buffer, the last NUL included
 *
 * Keys that are absent take their defaults. ``TargetName`` may be absent and
 * must equal @target_name if not. A target is of use only with at least one
 * ``PortalGroup``.
 *
 * Context: Process context. Sleeps. Not from inside a hook.
 * Return: 0, -EINVAL for a bad argument or key (the kernel log names it),
 *	-ENOENT if there is no such class, -EEXIST if the name is taken, -ENOMEM,
 *	or the error of the device or portal that could not be opened.
 *
 * Source: Guide 6.1, 6.1.1
 */
int chiscsi_target_add(void *sdev_priv, char *target_name,
		       char *target_class_name, char *config_buffer,
		       int buflen);

/**
 * chiscsi_target_remove() - Stop and remove a target node.
 * @sdev_priv: the pointer given to chiscsi_target_add()
 * @target_name: name of the target
 *
 * Sessions are terminated, their commands aborted, and the hooks for that
 * called before the call returns. It returns in bounded time as long as hooks
 * return: commands the driver does not give back are left behind, see
 * chiscsi_scsi_cmd_abort_status().
 *
 * Context: Process context. Sleeps. Not from inside a hook.
 * Return: 0, -ENOENT if there is no such target, -EPERM if @sdev_priv is not
 *	its owner, -EBUSY while another call changes or removes the target.
 *
 * Source: Guide 6.1.2
 */
int chiscsi_target_remove(void *sdev_priv, char *target_name);

/**
 * chiscsi_target_reconfig() - Change the settings of a target node.
 * @sdev_priv: the pointer given to chiscsi_target_add()
 * @target_name: name of the target
 * @target_class_name: its target class
 * @config_buffer: the complete new settings, as for chiscsi_target_add()
 * @buflen: bytes of @config_buffer, the last NUL included
 *
 * Keys that are absent go back to their defaults. Sessions keep what they
 * negotiated. On error the target keeps all its old settings and devices.
 *
 * LUNs are those of the new ``TargetDevice`` lines at once, for all sessions. The
 * call waits for the commands of a LUN that leaves, but not longer than the
 * time a driver has for an abort: after that the LUN is flushed and detached when
 * its last command has ended.
 *
 * Context: Process context. Sleeps. Not from inside a hook.
 * Return: 0, -ENOENT if there is no such target, -EPERM if @sdev_priv is not
 *	its owner, -EBUSY while another call changes or removes the target, -EINVAL
 *	for a bad key, one that must not change or another class, -ENOMEM, or the
 *	error of the device or portal that could not be opened.
 *
 * Source: Guide 6.1.3
 */
int chiscsi_target_reconfig(void *sdev_priv, char *target_name,
			    char *target_class_name, char *config_buffer,
			    int buflen);

/**
 * chiscsi_target_session_abort() - Terminate a session.
 * @sess_hdl: the handle fp_session_added() was given
 *
 * Starts the end of the session; fp_session_removed() tells when it is done,
 * and from then on the handle is stale. Asking again before that does nothing
 * more.
 *
 * Context: Any context, every hook included. Does not sleep.
 * Return: 0, -ESTALE if there is no such session.
 *
 * Source: Guide 7.3.4
 */
int chiscsi_target_session_abort(unsigned long sess_hdl);

#ifdef __cplusplus
}
#endif

#endif /* ISCSI_TARGET_CLASS_H */
