/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Pins the layout of the public structures on 64-bit machines, and the values
 * of the constants drivers and peers depend on. Compiled as C and as C++ by
 * ./run; a driver written in one language talks to a target written in the
 * other, so both must agree on every offset. A change here is an API change:
 * raise CHISCSI_API_VERSION with it.
 */
#include <stddef.h>

#include "chiscsi.h"

#ifdef __cplusplus
#define ASSERT(expression) static_assert(expression, #expression)
#else
#define ASSERT(expression) _Static_assert(expression, #expression)
#endif
#define PIN_SIZE(type, bytes) ASSERT(sizeof(struct type) == (bytes))
#define PIN(type, member, bytes) ASSERT(offsetof(struct type, member) == (bytes))

#if defined(__LP64__)

PIN_SIZE(chiscsi_sgvec, 48);
PIN(chiscsi_sgvec, sg_flag, 0);
PIN(chiscsi_sgvec, sg_page, 8);
PIN(chiscsi_sgvec, sg_addr, 16);
PIN(chiscsi_sgvec, sg_dma_addr, 24);
PIN(chiscsi_sgvec, sg_offset, 32);
PIN(chiscsi_sgvec, sg_length, 36);
PIN(chiscsi_sgvec, sg_private, 40);

PIN_SIZE(tcp_endpoint, 20);
PIN(tcp_endpoint, ip, 0);
PIN(tcp_endpoint, port, 16);
PIN_SIZE(chiscsi_tcp_endpoints, 48);
PIN(chiscsi_tcp_endpoints, iaddr, 4);
PIN(chiscsi_tcp_endpoints, taddr, 24);
PIN(chiscsi_tcp_endpoints, port_id, 44);

PIN_SIZE(chap_info, 548);
PIN(chap_info, flag, 0);
PIN(chap_info, local_secret_length, 1);
PIN(chap_info, remote_secret_length, 2);
PIN(chap_info, local_secret, 4);
PIN(chap_info, local_name, 20);
PIN(chap_info, remote_secret, 276);
PIN(chap_info, remote_name, 292);

PIN_SIZE(chiscsi_scsi_command, 232);
PIN(chiscsi_scsi_command, sc_tclass_sess_priv, 0);
PIN(chiscsi_scsi_command, sc_ieps, 8);
PIN(chiscsi_scsi_command, sc_sess, 16);
PIN(chiscsi_scsi_command, sc_sessl, 16);
PIN(chiscsi_scsi_command, sc_conn, 24);
PIN(chiscsi_scsi_command, sc_flag, 32);
PIN(chiscsi_scsi_command, sc_attribute, 36);
PIN(chiscsi_scsi_command, sc_cmdlen, 37);
PIN(chiscsi_scsi_command, sc_cmd, 40);
PIN(chiscsi_scsi_command, sc_CmdSN, 48);
PIN(chiscsi_scsi_command, sc_Cmdsn, 48);
PIN(chiscsi_scsi_command, sc_cmdsn, 48);
PIN(chiscsi_scsi_command, sc_itt, 52);
PIN(chiscsi_scsi_command, sc_xfer_len, 56);
PIN(chiscsi_scsi_command, sc_lun, 60);
PIN(chiscsi_scsi_command, sc_status, 64);
PIN(chiscsi_scsi_command, sc_response, 65);
PIN(chiscsi_scsi_command, sc_sense_key, 66);
PIN(chiscsi_scsi_command, sc_sense_asc, 67);
PIN(chiscsi_scsi_command, sc_sense_ascq, 68);
PIN(chiscsi_scsi_command, sc_sense_buf, 69);
PIN(chiscsi_scsi_command, sc_xfer_residualcount, 168);
PIN(chiscsi_scsi_command, sc_sdev_hdl, 176);
PIN(chiscsi_scsi_command, sc_lun_hndl, 184);
PIN(chiscsi_scsi_command, sc_lun_priv, 192);
PIN(chiscsi_scsi_command, sc_private, 200);

PIN_SIZE(chiscsi_target_class, 128);
PIN(chiscsi_target_class, class_name, 0);
PIN(chiscsi_target_class, fp_first_login_check, 8);
PIN(chiscsi_target_class, fp_login_stage_check, 16);
PIN(chiscsi_target_class, fp_chap_info_get, 24);
PIN(chiscsi_target_class, fp_session_added, 32);
PIN(chiscsi_target_class, fp_session_removed, 40);
PIN(chiscsi_target_class, fp_discovery_target_accessible, 48);
PIN(chiscsi_target_class, fp_select_redirection_portal, 56);
PIN(chiscsi_target_class, chiscsi_private, 64);

PIN_SIZE(chiscsi_target_lun_class, 176);
PIN(chiscsi_target_lun_class, class_name, 0);
PIN(chiscsi_target_lun_class, property, 8);
PIN(chiscsi_target_lun_class, fp_config_parse_options, 16);
PIN(chiscsi_target_lun_class, fp_attach, 24);
PIN(chiscsi_target_lun_class, fp_detach, 32);
PIN(chiscsi_target_lun_class, fp_reattach, 40);
PIN(chiscsi_target_lun_class, fp_flush, 48);
PIN(chiscsi_target_lun_class, fp_scsi_cmd_cdb_rcved, 56);
PIN(chiscsi_target_lun_class, fp_scsi_cmd_data_xfer_status, 64);
PIN(chiscsi_target_lun_class, fp_scsi_cmd_abort, 72);
PIN(chiscsi_target_lun_class, fp_scsi_cmd_abort_status, 80);
PIN(chiscsi_target_lun_class, fp_tmf_execute, 88);
PIN(chiscsi_target_lun_class, fp_scsi_cmd_cleanup, 96);
PIN(chiscsi_target_lun_class, fp_queued_scsi_cmd_exe, 104);
PIN(chiscsi_target_lun_class, chiscsi_private, 112);

PIN_SIZE(chiscsi_lun_geometry, 144);
PIN(chiscsi_lun_geometry, blocks, 0);
PIN(chiscsi_lun_geometry, block_size, 8);
PIN(chiscsi_lun_geometry, flags, 12);
PIN(chiscsi_lun_geometry, physical_exponent, 16);
PIN(chiscsi_lun_geometry, vendor_id, 17);
PIN(chiscsi_lun_geometry, product_id, 26);
PIN(chiscsi_lun_geometry, product_rev, 43);
PIN(chiscsi_lun_geometry, serial, 48);
PIN(chiscsi_lun_geometry, compare_and_write_blocks, 85);
PIN(chiscsi_lun_geometry, rotation_rate, 86);
PIN(chiscsi_lun_geometry, commands, 88);
PIN(chiscsi_lun_geometry, max_transfer_blocks, 92);
PIN(chiscsi_lun_geometry, unmap_granularity, 104);
PIN(chiscsi_lun_geometry, max_write_same_blocks, 120);
PIN(chiscsi_lun_geometry, lowest_aligned_block, 132);
PIN(chiscsi_lun_geometry, medium, 136);

PIN_SIZE(chiscsi_perf_info, 32);
PIN(chiscsi_perf_info, read_bytes, 0);
PIN(chiscsi_perf_info, write_bytes, 8);
PIN(chiscsi_perf_info, read_cmd_cnt, 16);
PIN(chiscsi_perf_info, write_cmd_cnt, 24);
PIN_SIZE(iscsi_session_settings, 28);
PIN(iscsi_session_settings, max_conns, 4);
PIN(iscsi_session_settings, time2retain, 24);
PIN_SIZE(iscsi_conn_settings, 16);
PIN(iscsi_conn_settings, data_digest, 2);
PIN(iscsi_conn_settings, portal_group_tag, 4);
PIN(iscsi_conn_settings, max_xmit_data_segment, 12);
PIN_SIZE(iscsi_chap_settings, 8);
PIN(iscsi_chap_settings, challenge_length, 4);
PIN_SIZE(iscsi_target_config_settings, 8);
PIN(iscsi_target_config_settings, sess_max_cmds, 4);
PIN_SIZE(chiscsi_target_info, 584);
PIN(chiscsi_target_info, alias, 256);
PIN(chiscsi_target_info, sess_keys, 512);
PIN(chiscsi_target_info, conn_keys, 540);
PIN(chiscsi_target_info, chap, 556);
PIN(chiscsi_target_info, config_keys, 564);
PIN(chiscsi_target_info, auth_order, 572);
PIN(chiscsi_target_info, hndl, 576);
PIN_SIZE(chiscsi_session_info, 608);
PIN(chiscsi_session_info, peer_alias, 256);
PIN(chiscsi_session_info, sess_keys, 512);
PIN(chiscsi_session_info, type, 540);
PIN(chiscsi_session_info, isid, 541);
PIN(chiscsi_session_info, conn_cnt, 547);
PIN(chiscsi_session_info, tsih, 548);
PIN(chiscsi_session_info, cmdsn, 552);
PIN(chiscsi_session_info, perf, 568);
PIN(chiscsi_session_info, hndl, 600);
PIN_SIZE(chiscsi_connection_info, 88);
PIN(chiscsi_connection_info, conn_keys, 48);
PIN(chiscsi_connection_info, cid, 68);
PIN(chiscsi_connection_info, statsn, 72);
PIN(chiscsi_connection_info, expstatsn, 76);
PIN(chiscsi_connection_info, hndl, 80);

#endif /* __LP64__ */

ASSERT(SC_FLAG_READ == 0x1 && SC_FLAG_WRITE == 0x2 && SC_FLAG_SENSE == 0x4);
ASSERT(SC_FLAG_TMF_ABORT == 0x8 && SC_FLAG_SESS_ABORT == 0x10);
ASSERT(SC_FLAG_CMD_ABORT == 0x20 && SC_FLAG_IMMEDIATE_CMD == 0x400);
ASSERT(SC_FLAG_WRITE_THROUGH == 0x800);
ASSERT(SC_FLAG_XFER_OVERFLOW == 0x40 && SC_FLAG_XFER_UNDERFLOW == 0x80);
ASSERT(SC_FLAG_XFER_BI_OVERFLOW == 0x100);
ASSERT(SC_FLAG_XFER_BI_UNDERFLOW == 0x200);

ASSERT(LUN_CLASS_SCSI_PASS_THRU_BIT == 0);
ASSERT(LUN_CLASS_MULTI_PHASE_DATA_BIT == 1);
ASSERT(LUN_CLASS_HAS_CMD_QUEUE_BIT == 2);

ASSERT(CHAP_FLAG_LOCAL_NAME_VALID == 0x1 && CHAP_FLAG_LOCAL_SECRET_VALID == 0x2);
ASSERT(CHAP_FLAG_REMOTE_NAME_VALID == 0x4);
ASSERT(CHAP_FLAG_REMOTE_SECRET_VALID == 0x8);
ASSERT(CHAP_FLAG_MUTUAL_REQUIRED == 0x10);
ASSERT(CHAP_FLAG_MUTUAL_CHAP_REQUIRED == CHAP_FLAG_MUTUAL_REQUIRED);

ASSERT(ISCSI_SG_SBUF_DMABLE == 0x1);
ASSERT(ISCSI_SBUG_SG_DMABLE == ISCSI_SG_SBUF_DMABLE);
ASSERT(ISCSI_IPADDR_LEN == 16 && SCSI_SENSE_BUFFERSIZE == 96);

ASSERT(ISCSI_LOGIN_STAGE_SECURITY == 0 && ISCSI_LOGIN_STAGE_OPERATIONAL == 1);
ASSERT(ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR == 2);
ASSERT(ISCSI_LOGIN_STATUS_CLASS_TARGET_ERROR == 3);
ASSERT(ISCSI_LOGIN_STATUS_DETAIL_INIT_ERROR == 0);
ASSERT(ISCSI_LOGIN_STATUS_DETAIL_NO_PERMS == 2);
ASSERT(ISCSI_LOGIN_STATUS_DETAIL_TARGET_NOT_FOUND == 3);
ASSERT(ISCSI_LOGIN_STATUS_DETAIL_TARGET_REMOVED == 4);
ASSERT(ISCSI_LOGIN_STATUS_DETAIL_INVALID_REQUEST == 11);
ASSERT(ISCSI_LOGIN_STATUS_DETAIL_TARG_ERROR == 0);
ASSERT(ISCSI_LOGIN_STATUS_DETAIL_SERVICE_UNAVAIL == 1);
ASSERT(ISCSI_LOGIN_STATUS_DETAIL_NO_RESOURCES == 2);

ASSERT(ISCSI_TASK_ATTRIBUTES_UNTAGGED == 0 && ISCSI_TASK_ATTRIBUTES_SIMPLE == 1);
ASSERT(ISCSI_TASK_ATTRIBUTES_ORDERED == 2);
ASSERT(ISCSI_TASK_ATTRIBUTES_HEAD_OF_QUEUE == 3);
ASSERT(ISCSI_TASK_ATTRIBUTES_ACA == 4);

ASSERT(ISCSI_TMF_FUNCTION_ABORT_TASK == 1);
ASSERT(ISCSI_TMF_FUNCTION_ABORT_TASK_SET == 2);
ASSERT(ISCSI_TMF_FUNCTION_CLEAR_ACA == 3);
ASSERT(ISCSI_TMF_FUNCTION_CLEAR_TASK_SET == 4);
ASSERT(ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET == 5);
ASSERT(ISCSI_TMF_FUNCTION_LOGIN_UNIT_RESET == 5);
ASSERT(ISCSI_TMF_FUNCTION_TARGET_WARM_RESET == 6);
ASSERT(ISCSI_TMF_FUNCTION_TARGET_COLD_RESET == 7);
ASSERT(ISCSI_TMF_FUNCTION_TASK_REASSIGN == 8);

ASSERT(ISCSI_RESPONSE_TMF_COMPLETE == 0 && ISCSI_RESPONSE_TMF_INVALID_TASK == 1);
ASSERT(ISCSI_RESPONSE_TMF_INVALID_LUN == 2);
ASSERT(ISCSI_RESPONSE_TMF_TASK_STILL_ALLEGANT == 3);
ASSERT(ISCSI_RESPONSE_TMF_NO_TASK_FAILOVER == 4);
ASSERT(ISCSI_RESPONSE_TMF_NOT_SUPPORTED == 5);
ASSERT(ISCSI_RESPONSE_TMF_AUTH_FAILED == 6);
ASSERT(ISCSI_RESPONSE_TMF_FUNCTION_REJECTED == 0xff);

ASSERT(CHISCSI_API_VERSION >= CHISCSI_API_VERSION_CODE(1, 5, 1));

/* Calls that the Guide does not have: their types are pinned like the layouts. */
struct own_calls {
	const unsigned char *(*cdb)(chiscsi_scsi_command *scmd,
				    unsigned int *cdb_len);
	int (*priority)(chiscsi_scsi_command *scmd);
	int (*set_status_qualifier)(chiscsi_scsi_command *scmd,
				    unsigned short qualifier);
};
extern const struct own_calls own_calls;
const struct own_calls own_calls = {
	chiscsi_scsi_cmd_cdb,
	chiscsi_scsi_cmd_priority,
	chiscsi_scsi_cmd_set_status_qualifier,
};
