// SPDX-License-Identifier: GPL-2.0-only
//
// The storage driver API of include/common as symbols of the host build: the twin of
// target/linux/exports.c. Each function is the call of the same name in target/engine.h and nothing
// else, so that fake drivers and the sample driver link against what they would find in the kernel.
#include "common/chiscsi.h"
#include "target/engine.h"

int chiscsi_target_class_register(chiscsi_target_class* target_class) {
  return engine_target_class_register(target_class);
}

int chiscsi_target_class_deregister(char* class_name) {
  return engine_target_class_deregister(class_name);
}

int chiscsi_target_lun_class_register(chiscsi_target_lun_class* lun_class,
                                      char* target_class_name) {
  return engine_target_lun_class_register(lun_class, target_class_name);
}

int chiscsi_target_lun_class_deregister(char* lun_class_name, char* target_class_name) {
  return engine_target_lun_class_deregister(lun_class_name, target_class_name);
}

void chiscsi_target_first_login_check_done(unsigned long hndl, unsigned char login_status_class,
                                           unsigned char login_status_detail,
                                           unsigned int max_cmd) {
  engine_target_first_login_check_done(hndl, login_status_class, login_status_detail, max_cmd);
}

void chiscsi_target_login_stage_check_done(unsigned long hndl, unsigned char login_status_class,
                                           unsigned char login_status_detail) {
  engine_target_login_stage_check_done(hndl, login_status_class, login_status_detail);
}

int chiscsi_target_add(void* sdev_priv, char* target_name, char* target_class_name,
                       char* config_buffer, int buflen) {
  return engine_target_add(sdev_priv, target_name, target_class_name, config_buffer, buflen);
}

int chiscsi_target_remove(void* sdev_priv, char* target_name) {
  return engine_target_remove(sdev_priv, target_name);
}

int chiscsi_target_reconfig(void* sdev_priv, char* target_name, char* target_class_name,
                            char* config_buffer, int buflen) {
  return engine_target_reconfig(sdev_priv, target_name, target_class_name, config_buffer, buflen);
}

int chiscsi_target_session_abort(unsigned long sess_hdl) {
  return engine_target_session_abort(sess_hdl);
}

int chiscsi_lun_set_usage(unsigned long hndl, unsigned long long used,
                          unsigned long long available) {
  return engine_lun_set_usage(hndl, used, available);
}

int chiscsi_lun_set_geometry(unsigned long hndl, const chiscsi_lun_geometry* geometry) {
  return engine_lun_set_geometry(hndl, geometry);
}

int chiscsi_lun_set_sanitize(unsigned long hndl, unsigned int state, unsigned int progress) {
  return engine_lun_set_sanitize(hndl, state, progress);
}

int chiscsi_lun_set_private(unsigned long hndl, void* priv) {
  return engine_lun_set_private(hndl, priv);
}

int chiscsi_scsi_cmd_buffer_ready(chiscsi_scsi_command* scmd, unsigned char* sc_xfer_sreq_buf,
                                  unsigned int sc_xfer_sgcnt, unsigned int sc_xfer_offset,
                                  unsigned int sc_xfer_buflen) {
  return engine_scsi_cmd_buffer_ready(scmd, sc_xfer_sreq_buf, sc_xfer_sgcnt, sc_xfer_offset,
                                      sc_xfer_buflen);
}

int chiscsi_scsi_cmd_execution_status(chiscsi_scsi_command* scmd, unsigned char* sc_xfer_sreq_buf,
                                      unsigned int sc_xfer_sgcnt, unsigned int sc_xfer_offset,
                                      unsigned int sc_xfer_buflen) {
  return engine_scsi_cmd_execution_status(scmd, sc_xfer_sreq_buf, sc_xfer_sgcnt, sc_xfer_offset,
                                          sc_xfer_buflen);
}

int chiscsi_scsi_cmd_abort(chiscsi_scsi_command* scmd) { return engine_scsi_cmd_abort(scmd); }

int chiscsi_scsi_cmd_abort_status(chiscsi_scsi_command* scmd) {
  return engine_scsi_cmd_abort_status(scmd);
}

int chiscsi_tmf_execution_done(unsigned long hndl, unsigned char tmf_response,
                               chiscsi_scsi_command* scmd) {
  return engine_tmf_execution_done(hndl, tmf_response, scmd);
}

const unsigned char* chiscsi_scsi_cmd_cdb(chiscsi_scsi_command* scmd, unsigned int* cdb_len) {
  return engine_scsi_cmd_cdb(scmd, cdb_len);
}

int chiscsi_scsi_cmd_priority(chiscsi_scsi_command* scmd) { return engine_scsi_cmd_priority(scmd); }

int chiscsi_scsi_cmd_set_status_qualifier(chiscsi_scsi_command* scmd, unsigned short qualifier) {
  return engine_scsi_cmd_set_status_qualifier(scmd, qualifier);
}

void chiscsi_iscsi_command_dump(chiscsi_scsi_command* scmd) { engine_iscsi_command_dump(scmd); }

int chiscsi_get_target_info(char* tname, struct chiscsi_target_info* target_info) {
  return engine_get_target_info(tname, target_info);
}

int chiscsi_get_session_info(char* tname, char* iname, int sess_info_max,
                             struct chiscsi_session_info* sess_info) {
  return engine_get_session_info(tname, iname, sess_info_max, sess_info);
}

int chiscsi_get_connection_info(unsigned long sess_hdl, int conn_idx,
                                struct chiscsi_connection_info* conninfo) {
  return engine_get_connection_info(sess_hdl, conn_idx, conninfo);
}

int chiscsi_get_perf_info(int ipv6, unsigned int* ip_addr, unsigned int port,
                          struct chiscsi_perf_info* pdata) {
  return engine_get_perf_info(ipv6, ip_addr, port, pdata);
}
