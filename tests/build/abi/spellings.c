/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A driver that uses the Guide's other spellings throughout. It only has to
 * compile: hooks with exactly the Guide's argument types, positional use of
 * every exported prototype, and each name the Guide writes in two ways.
 */
#include "chiscsi_info.h"
#include "chiscsi_target_class.h"
#include "iscsi_scsi_command.h"
#include "iscsi_sgvec.h"

#include "chiscsi_chap.h"

static int take(chisci_scsi_command *scmd)
{
	return scmd->sc_CmdSN == scmd->sc_cmdsn &&
	       scmd->sc_Cmdsn == scmd->sc_cmdsn &&
	       scmd->sc_sess == scmd->sc_sessl;
}

static int transferred(struct chisci_scsi_command *scmd, unsigned char *sgl,
		       unsigned int sgcnt, unsigned int offset,
		       unsigned int buflen)
{
	chiscsi_sgvec *first = (chiscsi_sgvec *)(void *)sgl;

	first->sg_flag |= ISCSI_SBUG_SG_DMABLE;
	return take(scmd) && sgcnt && offset < buflen;
}

static void aborted(unsigned int sc_lun, unsigned int sc_cmdsn,
		    unsigned int sc_itt, unsigned int sc_xfer_sgcnt,
		    unsigned char *sc_xfer_sreq_buf, void *sc_sdev_hdl)
{
	(void)sc_lun;
	(void)sc_cmdsn;
	(void)sc_itt;
	(void)sc_xfer_sgcnt;
	(void)sc_xfer_sreq_buf;
	(void)sc_sdev_hdl;
}

static int accessible(unsigned long hndl, char *initiator_name,
		      char *target_name, isccsi_tcp_endpoint *endpoint)
{
	return hndl && initiator_name && target_name && !endpoint->f_filler;
}

static void login(unsigned long hndl, char *initiator_name, char *target_name,
		  chiscsi_tcp_endpoint *endpoint)
{
	struct chiscsi_tcp_endpoints copy = *endpoint;
	struct chisci_tcp_endpoint *same = &copy;

	if (accessible(hndl, initiator_name, target_name, same))
		chiscsi_target_first_login_check_done(hndl, 0, 0, 0);
	else
		chiscsi_target_login_stage_check_done(
			hndl, ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR,
			ISCSI_LOGIN_STATUS_DETAIL_NO_PERMS);
}

static int tmf(unsigned long sess_tclass, unsigned long hndl,
	       unsigned char immediate_cmd, unsigned char tmf_func,
	       unsigned int lun, chisci_scsi_command *scmd)
{
	(void)sess_tclass;
	(void)immediate_cmd;
	(void)lun;
	if (tmf_func != ISCSI_TMF_FUNCTION_LOGIN_UNIT_RESET)
		return -1;
	return chisci_tmf_execution_done(hndl, ISCSI_RESPONSE_TMF_COMPLETE,
					 scmd);
}

static int parse(unsigned long hndl, char *buf, int buflen, char *ebuf)
{
	(void)hndl;
	(void)buf;
	(void)buflen;
	ebuf[CHISCSI_CONFIG_EBUF_LEN - 1] = 0;
	return 0;
}

int register_all(chiscsi_target_class *tclass,
		 chiscsi_target_lun_class *lclass);
int register_all(chiscsi_target_class *tclass, chiscsi_target_lun_class *lclass)
{
	tclass->fp_first_login_check = login;
	tclass->fp_discovery_target_accessible = accessible;
	lclass->property = 1 << LUN_CLASS_SCSI_PASS_THRU_BIT;
	lclass->fp_config_parse_option = parse;
	lclass->fp_scsi_cmd_cdb_rcved = take;
	lclass->fp_scsi_cmd_data_xfer_status = transferred;
	lclass->fp_scsi_cmd_abort = chisci_scsi_cmd_abort_status;
	lclass->fp_scsi_cmd_abort_status = aborted;
	lclass->fp_tmf_execute = tmf;
	lclass->fp_scsi_cmd_cleanup = chiscsi_iscsi_command_dump;
	lclass->fp_queued_scsi_cmd_exe = chisci_scsi_cmd_abort;
	return chiscsi_target_class_register(tclass) ||
	       chiscsi_target_lun_class_register(lclass, tclass->class_name) ||
	       chiscsi_target_lun_class_deregister(lclass->class_name,
						   tclass->class_name) ||
	       chiscsi_target_class_deregister(tclass->class_name);
}

int information(char *name, struct chisci_target_info *target,
		struct chisci_session_info *session,
		struct chisci_connection_info *conn, chiscsi_perf_data *perf);
int information(char *name, struct chisci_target_info *target,
		struct chisci_session_info *session,
		struct chisci_connection_info *conn, chiscsi_perf_data *perf)
{
	unsigned int address[4] = { 0, 0, 0, 0 };
	struct chiscsi_tcp_endpoint *ends = &conn->tcp_endpoints;

	target->sess_keys.initiatial_r2t = 1;
	return target->sess_keys.initial_r2t && ends &&
	       chiscsi_target_get_information(name, target) &&
	       chiscsi_target_get_session(name, name, 1, session) &&
	       chiscsi_get_connection_info(session->hndl, 0, conn) &&
	       chiscsi_get_perf_info(1, address, 3260, perf) &&
	       chiscsi_target_session_abort(session->hndl);
}

int commands(chiscsi_scsi_command *scmd, unsigned char *sgl);
int commands(chiscsi_scsi_command *scmd, unsigned char *sgl)
{
	return chisci_scsi_cmd_buffer_ready(scmd, sgl, 1, 0, 512) ||
	       chisci_scsi_cmd_execution_status(scmd, (unsigned char *)0, 0, 0, 0);
}

int nodes(void *owner, char *name, char *tclass, char *keys, int len);
int nodes(void *owner, char *name, char *tclass, char *keys, int len)
{
	return chiscsi_target_add(owner, name, tclass, keys, len) ||
	       chiscsi_target_reconfig(owner, name, tclass, keys, len) ||
	       chiscsi_target_remove(owner, name);
}

void secrets(chap_info *chap);
void secrets(chap_info *chap)
{
	chap->flag |= CHAP_FLAG_MUTUAL_CHAP_REQUIRED;
	chap->remote_secret_length = sizeof(chap->remote_secret);
}
