/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Other spellings of API names.
 *
 * The Guide writes some names in more than one way. Each has one real name,
 * declared in the header that owns it; this file maps the others to it, so
 * that a driver compiles whichever spelling its author picked. They are
 * macros, not typedefs, so that "struct <spelling>" works in C and in C++
 * alike. Included by every header of the API; nothing includes it for its
 * own sake.
 */
#ifndef CHISCSI_SPELLINGS_H
#define CHISCSI_SPELLINGS_H

/* The prefix without its second "s": structures. */
#define chisci_target_class chiscsi_target_class
#define chisci_target_lun_class chiscsi_target_lun_class
#define chisci_scsi_command chiscsi_scsi_command
#define chisci_sgvec chiscsi_sgvec
#define chisci_perf_info chiscsi_perf_info
#define chisci_target_info chiscsi_target_info
#define chisci_session_info chiscsi_session_info
#define chisci_connection_info chiscsi_connection_info

/* The prefix without its second "s": functions. */
#define chisci_target_class_register chiscsi_target_class_register
#define chisci_target_class_deregister chiscsi_target_class_deregister
#define chisci_target_lun_class_register chiscsi_target_lun_class_register
#define chisci_target_lun_class_deregister chiscsi_target_lun_class_deregister
#define chisci_target_first_login_check_done \
	chiscsi_target_first_login_check_done
#define chisci_target_login_stage_check_done \
	chiscsi_target_login_stage_check_done
#define chisci_target_add chiscsi_target_add
#define chisci_target_remove chiscsi_target_remove
#define chisci_target_reconfig chiscsi_target_reconfig
#define chisci_target_session_abort chiscsi_target_session_abort
#define chisci_scsi_cmd_buffer_ready chiscsi_scsi_cmd_buffer_ready
#define chisci_scsi_cmd_execution_status chiscsi_scsi_cmd_execution_status
#define chisci_scsi_cmd_abort chiscsi_scsi_cmd_abort
#define chisci_scsi_cmd_abort_status chiscsi_scsi_cmd_abort_status
#define chisci_tmf_execution_done chiscsi_tmf_execution_done
#define chisci_iscsi_command_dump chiscsi_iscsi_command_dump
#define chisci_get_target_info chiscsi_get_target_info
#define chisci_get_session_info chiscsi_get_session_info
#define chisci_get_connection_info chiscsi_get_connection_info
#define chisci_get_perf_info chiscsi_get_perf_info

/* struct chiscsi_tcp_endpoints. */
#define chiscsi_tcp_endpoint chiscsi_tcp_endpoints
#define chisci_tcp_endpoint chiscsi_tcp_endpoints
#define chisci_tcp_endpoints chiscsi_tcp_endpoints
#define isccsi_tcp_endpoint chiscsi_tcp_endpoints
#define iscsi_tcp_endpoints chiscsi_tcp_endpoints

/* Chapter 8 names two calls and one structure differently in its text. */
#define chiscsi_target_get_information chiscsi_get_target_info
#define chiscsi_target_get_session chiscsi_get_session_info
#define chiscsi_perf_data chiscsi_perf_info

/* The lun class callback that parses TargetDevice options. */
#define fp_config_parse_option fp_config_parse_options

#endif /* CHISCSI_SPELLINGS_H */
