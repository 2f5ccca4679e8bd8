// SPDX-License-Identifier: GPL-2.0-only
/*
 * The storage driver API of include/common as symbols of chiscsi.ko.
 *
 * Called by storage driver modules, in the contexts that the public headers allow; each function is
 * the call of the same name in target/engine.h and nothing else. In C, so that symbol versions are
 * computed from the public prototypes. A driver that uses one of them holds the module by that.
 */
#include <linux/export.h>

#include "common/chiscsi.h"
#include "common/chiscsi_transport.h"
#include "target/engine.h"

int chiscsi_target_class_register(chiscsi_target_class *target_class)
{
	return engine_target_class_register(target_class);
}
EXPORT_SYMBOL(chiscsi_target_class_register);

int chiscsi_target_class_deregister(char *class_name)
{
	return engine_target_class_deregister(class_name);
}
EXPORT_SYMBOL(chiscsi_target_class_deregister);

int chiscsi_target_lun_class_register(chiscsi_target_lun_class *lun_class, char *target_class_name)
{
	return engine_target_lun_class_register(lun_class, target_class_name);
}
EXPORT_SYMBOL(chiscsi_target_lun_class_register);

int chiscsi_target_lun_class_deregister(char *lun_class_name, char *target_class_name)
{
	return engine_target_lun_class_deregister(lun_class_name, target_class_name);
}
EXPORT_SYMBOL(chiscsi_target_lun_class_deregister);

void chiscsi_target_first_login_check_done(unsigned long hndl, unsigned char login_status_class,
					   unsigned char login_status_detail, unsigned int max_cmd)
{
	engine_target_first_login_check_done(hndl, login_status_class, login_status_detail,
					     max_cmd);
}
EXPORT_SYMBOL(chiscsi_target_first_login_check_done);

void chiscsi_target_login_stage_check_done(unsigned long hndl, unsigned char login_status_class,
					   unsigned char login_status_detail)
{
	engine_target_login_stage_check_done(hndl, login_status_class, login_status_detail);
}
EXPORT_SYMBOL(chiscsi_target_login_stage_check_done);

int chiscsi_target_add(void *sdev_priv, char *target_name, char *target_class_name,
		       char *config_buffer, int buflen)
{
	return engine_target_add(sdev_priv, target_name, target_class_name, config_buffer, buflen);
}
EXPORT_SYMBOL(chiscsi_target_add);

int chiscsi_target_remove(void *sdev_priv, char *target_name)
{
	return engine_target_remove(sdev_priv, target_name);
}
EXPORT_SYMBOL(chiscsi_target_remove);

int chiscsi_target_reconfig(void *sdev_priv, char *target_name, char *target_class_name,
			    char *config_buffer, int buflen)
{
	return engine_target_reconfig(sdev_priv, target_name, target_class_name, config_buffer,
				      buflen);
}
EXPORT_SYMBOL(chiscsi_target_reconfig);

int chiscsi_target_session_abort(unsigned long sess_hdl)
{
	return engine_target_session_abort(sess_hdl);
}
EXPORT_SYMBOL(chiscsi_target_session_abort);

int chiscsi_lun_set_geometry(unsigned long hndl, const struct chiscsi_lun_geometry *geometry)
{
	return engine_lun_set_geometry(hndl, geometry);
}
EXPORT_SYMBOL(chiscsi_lun_set_geometry);

int chiscsi_lun_set_usage(unsigned long hndl, unsigned long long used,
			  unsigned long long available)
{
	return engine_lun_set_usage(hndl, used, available);
}
EXPORT_SYMBOL(chiscsi_lun_set_usage);

int chiscsi_lun_set_sanitize(unsigned long hndl, unsigned int state, unsigned int progress)
{
	return engine_lun_set_sanitize(hndl, state, progress);
}
EXPORT_SYMBOL(chiscsi_lun_set_sanitize);

int chiscsi_lun_set_private(unsigned long hndl, void *priv)
{
	return engine_lun_set_private(hndl, priv);
}
EXPORT_SYMBOL(chiscsi_lun_set_private);

int chiscsi_scsi_cmd_buffer_ready(chiscsi_scsi_command *scmd, unsigned char *sc_xfer_sreq_buf,
				  unsigned int sc_xfer_sgcnt, unsigned int sc_xfer_offset,
				  unsigned int sc_xfer_buflen)
{
	return engine_scsi_cmd_buffer_ready(scmd, sc_xfer_sreq_buf, sc_xfer_sgcnt, sc_xfer_offset,
					    sc_xfer_buflen);
}
EXPORT_SYMBOL(chiscsi_scsi_cmd_buffer_ready);

int chiscsi_scsi_cmd_execution_status(chiscsi_scsi_command *scmd, unsigned char *sc_xfer_sreq_buf,
				      unsigned int sc_xfer_sgcnt, unsigned int sc_xfer_offset,
				      unsigned int sc_xfer_buflen)
{
	return engine_scsi_cmd_execution_status(scmd, sc_xfer_sreq_buf, sc_xfer_sgcnt,
						sc_xfer_offset, sc_xfer_buflen);
}
EXPORT_SYMBOL(chiscsi_scsi_cmd_execution_status);

int chiscsi_scsi_cmd_abort(chiscsi_scsi_command *scmd)
{
	return engine_scsi_cmd_abort(scmd);
}
EXPORT_SYMBOL(chiscsi_scsi_cmd_abort);

int chiscsi_scsi_cmd_abort_status(chiscsi_scsi_command *scmd)
{
	return engine_scsi_cmd_abort_status(scmd);
}
EXPORT_SYMBOL(chiscsi_scsi_cmd_abort_status);

int chiscsi_tmf_execution_done(unsigned long hndl, unsigned char tmf_response,
			       chiscsi_scsi_command *scmd)
{
	return engine_tmf_execution_done(hndl, tmf_response, scmd);
}
EXPORT_SYMBOL(chiscsi_tmf_execution_done);

const unsigned char *chiscsi_scsi_cmd_cdb(chiscsi_scsi_command *scmd, unsigned int *cdb_len)
{
	return engine_scsi_cmd_cdb(scmd, cdb_len);
}
EXPORT_SYMBOL(chiscsi_scsi_cmd_cdb);

int chiscsi_scsi_cmd_priority(chiscsi_scsi_command *scmd)
{
	return engine_scsi_cmd_priority(scmd);
}
EXPORT_SYMBOL(chiscsi_scsi_cmd_priority);

int chiscsi_scsi_cmd_set_status_qualifier(chiscsi_scsi_command *scmd, unsigned short qualifier)
{
	return engine_scsi_cmd_set_status_qualifier(scmd, qualifier);
}
EXPORT_SYMBOL(chiscsi_scsi_cmd_set_status_qualifier);

void chiscsi_iscsi_command_dump(chiscsi_scsi_command *scmd)
{
	engine_iscsi_command_dump(scmd);
}
EXPORT_SYMBOL(chiscsi_iscsi_command_dump);

int chiscsi_get_target_info(char *tname, struct chiscsi_target_info *target_info)
{
	return engine_get_target_info(tname, target_info);
}
EXPORT_SYMBOL(chiscsi_get_target_info);

int chiscsi_get_session_info(char *tname, char *iname, int sess_info_max,
			     struct chiscsi_session_info *sess_info)
{
	return engine_get_session_info(tname, iname, sess_info_max, sess_info);
}
EXPORT_SYMBOL(chiscsi_get_session_info);

int chiscsi_get_connection_info(unsigned long sess_hdl, int conn_idx,
				struct chiscsi_connection_info *conninfo)
{
	return engine_get_connection_info(sess_hdl, conn_idx, conninfo);
}
EXPORT_SYMBOL(chiscsi_get_connection_info);

int chiscsi_get_perf_info(int ipv6, unsigned int *ip_addr, unsigned int port,
			  struct chiscsi_perf_info *pdata)
{
	return engine_get_perf_info(ipv6, ip_addr, port, pdata);
}
EXPORT_SYMBOL(chiscsi_get_perf_info);

/* The transport interface; target/transport_calls.cc has the bodies under their public names. */
EXPORT_SYMBOL(chiscsi_transport_register);
EXPORT_SYMBOL(chiscsi_transport_offer);
EXPORT_SYMBOL(chiscsi_transport_unregister);
EXPORT_SYMBOL(chiscsi_conn_accepted);
EXPORT_SYMBOL(chiscsi_conn_schedule);
EXPORT_SYMBOL(chiscsi_conn_failed);
EXPORT_SYMBOL(chiscsi_conn_stopped);
EXPORT_SYMBOL(chiscsi_conn_rx_header);
EXPORT_SYMBOL(chiscsi_conn_rx_data);
EXPORT_SYMBOL(chiscsi_conn_rx_placed);
EXPORT_SYMBOL(chiscsi_conn_rx_done);
EXPORT_SYMBOL(chiscsi_conn_rx_header_digest_error);
EXPORT_SYMBOL(chiscsi_conn_next_pdu);
EXPORT_SYMBOL(chiscsi_conn_place);
EXPORT_SYMBOL(chiscsi_conn_task_released);
EXPORT_SYMBOL(chiscsi_conn_pdu_sent);
EXPORT_SYMBOL(chiscsi_conn_pdu_dropped);
