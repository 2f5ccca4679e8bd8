// SPDX-License-Identifier: GPL-2.0-only
#include "iface_target_class.hh"

namespace iface {
namespace {

// Set before the class is registered, read only afterwards.
constinit const Config* g_rules = nullptr;

// Names sessions for task management functions; 0 is nobody's.
constinit unsigned long g_sessions = 0;

// iSCSI names compare byte by byte once the initiator has normalised them.
bool is_admitted(const char* initiator_name) {
  return !g_rules->acl || Text(initiator_name) == Text(g_rules->init_name);
}

void report_refusal(const char* initiator_name) {
  iface_os_log(IFACE_OS_INFO, "login of %s refused: not init_name", initiator_name);
}

// The answers to the two login hooks could come later and from any thread; nothing takes time here,
// so they are given on the spot.
void check_first_login(unsigned long handle, char* initiator_name, char*, chiscsi_tcp_endpoint*) {
  if (is_admitted(initiator_name)) {
    chiscsi_target_first_login_check_done(handle, ISCSI_LOGIN_STATUS_CLASS_SUCCESS, 0,
                                          g_rules->max_cmd);
    return;
  }
  report_refusal(initiator_name);
  chiscsi_target_first_login_check_done(handle, ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR,
                                        ISCSI_LOGIN_STATUS_DETAIL_NO_PERMS, 0);
}

void check_login_stage(unsigned long handle, unsigned char, char* initiator_name, char*,
                       chiscsi_tcp_endpoint*) {
  if (is_admitted(initiator_name)) {
    chiscsi_target_login_stage_check_done(handle, ISCSI_LOGIN_STATUS_CLASS_SUCCESS, 0);
    return;
  }
  report_refusal(initiator_name);
  chiscsi_target_login_stage_check_done(handle, ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR,
                                        ISCSI_LOGIN_STATUS_DETAIL_NO_PERMS);
}

// Finds the secret for the CHAP name the initiator sent. An unknown name gets none, and the target
// refuses the login.
void find_chap_secrets(char*, char*, chap_info* chap) {
  const Config& rules = *g_rules;
  const Text name(reinterpret_cast<const char*>(chap->remote_name));
  const Text known = rules.initiator.name;
  if (!rules.chap || (!known.empty() && !(name == known))) return;

  __builtin_memcpy(chap->remote_secret, rules.initiator.secret, rules.initiator.secret_length);
  chap->remote_secret_length = rules.initiator.secret_length;
  chap->flag |= CHAP_FLAG_REMOTE_SECRET_VALID;
  if (!rules.chap_mutual) return;

  __builtin_memcpy(chap->local_name, rules.target.name, sizeof(rules.target.name));
  __builtin_memcpy(chap->local_secret, rules.target.secret, rules.target.secret_length);
  chap->local_secret_length = rules.target.secret_length;
  chap->flag |= CHAP_FLAG_LOCAL_NAME_VALID | CHAP_FLAG_LOCAL_SECRET_VALID;
  if (rules.chap_mutual_required) chap->flag |= CHAP_FLAG_MUTUAL_REQUIRED;
}

unsigned long add_session(unsigned long, unsigned char[6], char*, char*) {
  return __atomic_add_fetch(&g_sessions, 1UL, __ATOMIC_RELAXED);
}

// Nothing was kept for the session but its number.
void remove_session(unsigned long, char*, char*) {}

int is_visible(unsigned long, char* initiator_name, char*, chiscsi_tcp_endpoint*) {
  return is_admitted(initiator_name) ? 1 : 0;
}

constinit char g_target_class_name[] = "ifacedriver";

constinit chiscsi_target_class g_target_class = {
    .class_name = g_target_class_name,
    .fp_first_login_check = check_first_login,
    .fp_login_stage_check = check_login_stage,
    .fp_chap_info_get = find_chap_secrets,
    .fp_session_added = add_session,
    .fp_session_removed = remove_session,
    .fp_discovery_target_accessible = is_visible,
    .fp_select_redirection_portal = nullptr,
    .chiscsi_private = {},
};

}  // namespace

int target_class_register(const Config& config) {
  g_rules = &config;
  return chiscsi_target_class_register(&g_target_class);
}

int target_class_deregister() { return chiscsi_target_class_deregister(g_target_class_name); }

char* target_class_name() { return g_target_class_name; }

}  // namespace iface
