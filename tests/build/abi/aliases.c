/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every name of the API that has more than one spelling, each next to the real
 * one, with the type or the prototype the Guide gives it. It only has to compile:
 * a spelling that is missing, or that means something else, does not.
 *
 * One section per row of the table of errata in which a name, an argument or a
 * type was settled.
 */
#include "chiscsi.h"

/* The same through the headers' other names. */
#include "chiscsi_chap.h"
#include "chiscsi_info.h"
#include "chiscsi_target_class.h"
#include "iscsi_scsi_command.h"
#include "iscsi_sgvec.h"

#ifdef __cplusplus
#define ASSERT(expression) static_assert(expression, #expression)
#define NOTHING nullptr
#else
#define ASSERT(expression) _Static_assert(expression, #expression)
#define NOTHING ((void *)0)
#endif

void aliases_of_structures(void);
void aliases_of_calls(void);
void hooks_of_classes(chiscsi_target_class *tclass,
		      chiscsi_target_lun_class *lclass);
unsigned int aliases_of_members(chiscsi_scsi_command *scmd,
				struct iscsi_session_settings *keys,
				chiscsi_tcp_endpoints *ends);

/* ALIAS(REAL, OTHER): two spellings of one type. */
#define ALIAS(real, other)                    \
	do {                                  \
		real *first = NOTHING;        \
		other *second = first;        \
		(void)second;                 \
	} while (0)

/* CALL(RESULT, NAME, ARGUMENTS): a function with exactly this prototype. */
#define CALL(result, name, arguments)          \
	do {                                   \
		result(*call) arguments = name; \
		(void)call;                    \
	} while (0)

/* BOTH: under the real prefix and under the one without its second "s". */
#define BOTH(result, rest, arguments)               \
	do {                                        \
		CALL(result, chiscsi_##rest, arguments); \
		CALL(result, chisci_##rest, arguments);  \
	} while (0)

void aliases_of_structures(void)
{
	/* Structures and their typedefs, with either prefix. */
	ALIAS(struct chiscsi_target_class, struct chisci_target_class);
	ALIAS(struct chiscsi_target_class, chiscsi_target_class);
	ALIAS(struct chiscsi_target_class, chisci_target_class);
	ALIAS(struct chiscsi_target_lun_class, struct chisci_target_lun_class);
	ALIAS(struct chiscsi_target_lun_class, chiscsi_target_lun_class);
	ALIAS(struct chiscsi_target_lun_class, chisci_target_lun_class);
	ALIAS(struct chiscsi_scsi_command, struct chisci_scsi_command);
	ALIAS(struct chiscsi_scsi_command, chiscsi_scsi_command);
	ALIAS(struct chiscsi_scsi_command, chisci_scsi_command);
	ALIAS(struct chiscsi_sgvec, struct chisci_sgvec);
	ALIAS(struct chiscsi_sgvec, chiscsi_sgvec);
	ALIAS(struct chiscsi_sgvec, chisci_sgvec);
	ALIAS(struct chiscsi_target_info, struct chisci_target_info);
	ALIAS(struct chiscsi_target_info, chisci_target_info);
	ALIAS(struct chiscsi_session_info, struct chisci_session_info);
	ALIAS(struct chiscsi_session_info, chisci_session_info);
	ALIAS(struct chiscsi_connection_info, struct chisci_connection_info);
	ALIAS(struct chiscsi_connection_info, chisci_connection_info);
	ALIAS(struct chap_info, chap_info);

	/* The counters. */
	ALIAS(struct chiscsi_perf_info, struct chisci_perf_info);
	ALIAS(struct chiscsi_perf_info, struct chiscsi_perf_data);
	ALIAS(struct chiscsi_perf_info, chiscsi_perf_data);

	/* The endpoints: one structure, six names. */
	ALIAS(struct chiscsi_tcp_endpoints, chiscsi_tcp_endpoints);
	ALIAS(struct chiscsi_tcp_endpoints, chiscsi_tcp_endpoint);
	ALIAS(struct chiscsi_tcp_endpoints, struct chiscsi_tcp_endpoint);
	ALIAS(struct chiscsi_tcp_endpoints, isccsi_tcp_endpoint);
	ALIAS(struct chiscsi_tcp_endpoints, iscsi_tcp_endpoints);
	ALIAS(struct chiscsi_tcp_endpoints, chisci_tcp_endpoint);
	ALIAS(struct chiscsi_tcp_endpoints, struct chisci_tcp_endpoint);
	ALIAS(struct chiscsi_tcp_endpoints, chisci_tcp_endpoints);
}

void aliases_of_calls(void)
{
	BOTH(int, target_class_register, (chiscsi_target_class *));
	BOTH(int, target_class_deregister, (char *));
	BOTH(int, target_lun_class_register, (chiscsi_target_lun_class *, char *));
	BOTH(int, target_lun_class_deregister, (char *, char *));
	BOTH(void, target_first_login_check_done,
	     (unsigned long, unsigned char, unsigned char, unsigned int));
	BOTH(void, target_login_stage_check_done,
	     (unsigned long, unsigned char, unsigned char));
	BOTH(int, target_add, (void *, char *, char *, char *, int));
	BOTH(int, target_remove, (void *, char *));
	BOTH(int, target_reconfig, (void *, char *, char *, char *, int));
	/* Without a prototype in the Guide. */
	BOTH(int, target_session_abort, (unsigned long));

	/* Buffer lists travel as bytes. */
	BOTH(int, scsi_cmd_buffer_ready,
	     (chiscsi_scsi_command *, unsigned char *, unsigned int,
	      unsigned int, unsigned int));
	BOTH(int, scsi_cmd_execution_status,
	     (chiscsi_scsi_command *, unsigned char *, unsigned int,
	      unsigned int, unsigned int));
	BOTH(int, scsi_cmd_abort, (chiscsi_scsi_command *));
	BOTH(int, scsi_cmd_abort_status, (chiscsi_scsi_command *));
	BOTH(int, tmf_execution_done,
	     (unsigned long, unsigned char, chiscsi_scsi_command *));
	BOTH(void, iscsi_command_dump, (chiscsi_scsi_command *));

	/* The information calls, two of them under names of the text. */
	BOTH(int, get_target_info, (char *, struct chiscsi_target_info *));
	CALL(int, chiscsi_target_get_information,
	     (char *, struct chiscsi_target_info *));
	BOTH(int, get_session_info,
	     (char *, char *, int, struct chiscsi_session_info *));
	CALL(int, chiscsi_target_get_session,
	     (char *, char *, int, struct chiscsi_session_info *));
	BOTH(int, get_connection_info,
	     (unsigned long, int, struct chiscsi_connection_info *));
	BOTH(int, get_perf_info,
	     (int, unsigned int *, unsigned int, struct chiscsi_perf_info *));
}

/* HOOK(CLASS, RESULT, MEMBER, ARGUMENTS): a hook with exactly this prototype. */
#define HOOK(class, result, member, arguments)            \
	do {                                              \
		result(*hook) arguments = (class)->member; \
		(class)->member = hook;                   \
	} while (0)

void hooks_of_classes(chiscsi_target_class *tclass,
		      chiscsi_target_lun_class *lclass)
{
	HOOK(tclass, void, fp_first_login_check,
	     (unsigned long, char *, char *, chiscsi_tcp_endpoint *));
	HOOK(tclass, void, fp_login_stage_check,
	     (unsigned long, unsigned char, char *, char *,
	      chiscsi_tcp_endpoint *));
	HOOK(tclass, void, fp_chap_info_get, (char *, char *, chap_info *));
	HOOK(tclass, unsigned long, fp_session_added,
	     (unsigned long, unsigned char[6], char *, char *));
	HOOK(tclass, void, fp_session_removed, (unsigned long, char *, char *));
	HOOK(tclass, int, fp_discovery_target_accessible,
	     (unsigned long, char *, char *, isccsi_tcp_endpoint *));
	HOOK(tclass, int, fp_select_redirection_portal,
	     (char *, char *, chiscsi_tcp_endpoint *));

	/* The plural in the listing, the singular in the text. */
	HOOK(lclass, int, fp_config_parse_options,
	     (unsigned long, char *, int, char *));
	HOOK(lclass, int, fp_config_parse_option,
	     (unsigned long, char *, int, char *));
	HOOK(lclass, int, fp_attach, (unsigned long, char *, int));
	HOOK(lclass, void, fp_detach, (unsigned long));
	HOOK(lclass, int, fp_reattach,
	     (unsigned long, unsigned long, char *, int));
	HOOK(lclass, int, fp_flush, (unsigned long));
	HOOK(lclass, int, fp_scsi_cmd_cdb_rcved, (chiscsi_scsi_command *));
	/* Five arguments, and not one. */
	HOOK(lclass, int, fp_scsi_cmd_data_xfer_status,
	     (chiscsi_scsi_command *, unsigned char *, unsigned int,
	      unsigned int, unsigned int));
	HOOK(lclass, int, fp_scsi_cmd_abort, (chiscsi_scsi_command *));
	/* Six arguments, and not five. */
	HOOK(lclass, void, fp_scsi_cmd_abort_status,
	     (unsigned int, unsigned int, unsigned int, unsigned int,
	      unsigned char *, void *));
	HOOK(lclass, int, fp_tmf_execute,
	     (unsigned long, unsigned long, unsigned char, unsigned char,
	      unsigned int, chisci_scsi_command *));
	/* Not in the listing. */
	HOOK(lclass, void, fp_scsi_cmd_cleanup, (chisci_scsi_command *));
	HOOK(lclass, int, fp_queued_scsi_cmd_exe, (chiscsi_scsi_command *));
}

unsigned int aliases_of_members(chiscsi_scsi_command *scmd,
				struct iscsi_session_settings *keys,
				chiscsi_tcp_endpoints *ends)
{
	unsigned int *number = &scmd->sc_CmdSN;
	void **session = &scmd->sc_sess;

	number = &scmd->sc_Cmdsn;
	number = &scmd->sc_cmdsn;
	session = &scmd->sc_sessl;
	keys->initiatial_r2t = 1;
	ends->f_filler = 0;
	return *number + (*session != NOTHING) + keys->initial_r2t;
}

/* Constants with two names. */
ASSERT(CHAP_FLAG_MUTUAL_CHAP_REQUIRED == CHAP_FLAG_MUTUAL_REQUIRED);
ASSERT(ISCSI_SBUG_SG_DMABLE == ISCSI_SG_SBUF_DMABLE);
ASSERT(ISCSI_TMF_FUNCTION_LOGIN_UNIT_RESET ==
       ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET);

/* Sizes that the Guide leaves open or contradicts. */
ASSERT(sizeof(((chap_info *)0)->local_secret) == 16);
ASSERT(sizeof(((chap_info *)0)->remote_secret) == 16);
ASSERT(CHISCSI_CONFIG_EBUF_LEN == 256);
ASSERT(CHISCSI_SESSION_MAX_CMD_DEFAULT == 128);
