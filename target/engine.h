/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine's upward C interface: what the host's glue calls.
 *
 * target/linux/ calls these from module_init, module_exit and from the exported functions of
 * include/common; the POSIX port calls them from its main program and offers the same exported names.
 * Each engine_X() is the body of the exported chiscsi_X() and has its contract.
 */
#ifndef CHISCSI_TARGET_ENGINE_H
#define CHISCSI_TARGET_ENGINE_H

#include "os/types.h"

#include "common/chiscsi.h"
#include "common/chiscsi_control.h"

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct engine_options - settings fixed when the module is loaded.
 * @workers: full-feature-phase threads; 0: one per CPU
 * @login_timeout_s: iscsi_login_complete_time until it is set: a login not finished after this is
 *	dropped; 0: never; at most 3600 (Guide: 300)
 * @abort_timeout_s: how long a storage driver may take to answer an abort before its command is
 *	orphaned
 * @max_pending_logins: connections in the login phase at one time
 * @busy_poll_us: how long a thread that serves sessions waits awake before it sleeps
 */
struct engine_options {
	uint32_t workers;
	uint32_t login_timeout_s;
	uint32_t abort_timeout_s;
	uint32_t max_pending_logins;
	uint32_t busy_poll_us;
};

/** engine_start() - makes the threads. Return: 0 or a negative errno. Context: process. */
int engine_start(const struct engine_options *options);
/**
 * engine_keep_reservations() - where persistent reservations are stored (APTPL).
 * @folder: absolute; made when it is needed
 *
 * After engine_start() and before the first target. Without it APTPL is refused.
 * Return: 0 or a negative errno. Context: process.
 */
int engine_keep_reservations(const char *folder);
/**
 * engine_stop() - ends all sessions and threads. Context: process.
 * Every storage driver has deregistered before: it holds a reference on the module until then.
 */
void engine_stop(void);

int engine_target_class_register(chiscsi_target_class *target_class);
int engine_target_class_deregister(const char *class_name);
int engine_target_lun_class_register(chiscsi_target_lun_class *lun_class,
				     const char *target_class_name);
int engine_target_lun_class_deregister(const char *lun_class_name, const char *target_class_name);

void engine_target_first_login_check_done(unsigned long hndl, unsigned char status_class,
					  unsigned char status_detail, unsigned int max_cmd);
void engine_target_login_stage_check_done(unsigned long hndl, unsigned char status_class,
					  unsigned char status_detail);

int engine_target_add(void *sdev_priv, const char *target_name, const char *target_class_name,
		      const char *config_buffer, int buflen);
int engine_target_remove(void *sdev_priv, const char *target_name);
int engine_target_reconfig(void *sdev_priv, const char *target_name,
			   const char *target_class_name, const char *config_buffer, int buflen);
int engine_target_session_abort(unsigned long sess_hdl);

int engine_lun_set_geometry(unsigned long hndl, const struct chiscsi_lun_geometry *geometry);
int engine_lun_set_usage(unsigned long hndl, unsigned long long used,
			 unsigned long long available);
int engine_lun_set_sanitize(unsigned long hndl, unsigned int state, unsigned int progress);
int engine_lun_set_private(unsigned long hndl, void *priv);

int engine_scsi_cmd_buffer_ready(chiscsi_scsi_command *scmd, unsigned char *sc_xfer_sreq_buf,
				 unsigned int sc_xfer_sgcnt, unsigned int sc_xfer_offset,
				 unsigned int sc_xfer_buflen);
int engine_scsi_cmd_execution_status(chiscsi_scsi_command *scmd, unsigned char *sc_xfer_sreq_buf,
				     unsigned int sc_xfer_sgcnt, unsigned int sc_xfer_offset,
				     unsigned int sc_xfer_buflen);
int engine_scsi_cmd_abort(chiscsi_scsi_command *scmd);
int engine_scsi_cmd_abort_status(chiscsi_scsi_command *scmd);
int engine_tmf_execution_done(unsigned long hndl, unsigned char tmf_response,
			      chiscsi_scsi_command *scmd);
const unsigned char *engine_scsi_cmd_cdb(chiscsi_scsi_command *scmd, unsigned int *cdb_len);
int engine_scsi_cmd_priority(chiscsi_scsi_command *scmd);
/*
 * engine_scsi_cmd_must_be_stable() - whether SC_FLAG_WRITE_THROUGH would be set of a command that is
 *	handed over now. Not exported: for the built-in classes, while they have the command.
 * Return: 1, or 0. Context: any.
 */
int engine_scsi_cmd_must_be_stable(chiscsi_scsi_command *scmd);
int engine_scsi_cmd_set_status_qualifier(chiscsi_scsi_command *scmd, unsigned short qualifier);
void engine_iscsi_command_dump(chiscsi_scsi_command *scmd);

int engine_get_target_info(const char *tname, struct chiscsi_target_info *target_info);
int engine_get_session_info(const char *tname, const char *iname, int sess_info_max,
			    struct chiscsi_session_info *sess_info);
int engine_get_connection_info(unsigned long sess_hdl, int conn_idx,
			       struct chiscsi_connection_info *conninfo);
int engine_get_perf_info(int ipv6, const unsigned int *ip_addr, unsigned int port,
			 struct chiscsi_perf_info *pdata);

/**
 * struct engine_control_call - a request of the control device, its texts in memory of the caller.
 * @op: enum chiscsi_control_op
 * @flags: CHISCSI_CONTROL_*
 * @holder: who asks; what is handed over for as long as the asker is there belongs to this number
 * @in: ``key=value`` strings, each ended by a NUL; constant during the call
 * @in_size: its bytes
 * @out_room: bytes of output that the caller has a use for
 * @out: filled in: the output, or NULL; engine_control_release() frees it
 * @out_used: filled in: bytes of the whole output. More than @out_room: -ENOSPC, and not all of
 *	them are at @out
 * @error: filled in: what is wrong, NUL-terminated
 */
struct engine_control_call {
	uint32_t op;
	uint32_t flags;
	unsigned long holder;
	const void *in;
	uint32_t in_size;
	uint32_t out_room;
	void *out;
	uint32_t out_used;
	char error[sizeof(((struct chiscsi_control *)0)->error)];
};

/**
 * engine_control_check() - looks at an envelope as user space has filled it in.
 * Return: 0, or a negative errno with the reason in @control->error. Context: any.
 */
int engine_control_check(struct chiscsi_control *control);
/**
 * engine_control() - runs a request. The caller has the right to make it.
 * Return: 0 or a negative errno. Several may run at once. Context: process, without a lock; stopping
 * a target waits for its sessions, docs/control.md says for how long.
 */
int engine_control(struct engine_control_call *call);
/**
 * engine_control_gone() - forgets what belonged to a holder, which asks for nothing any more.
 * Context: process.
 */
void engine_control_gone(unsigned long holder);
/** engine_control_release() - frees and wipes the output of a call. Context: process. */
void engine_control_release(struct engine_control_call *call);

#ifdef __cplusplus
}
#endif
#endif
