// SPDX-License-Identifier: GPL-2.0-only
#include "iface_target_class.hh"

#include "iface_sessions.hh"

namespace iface {
namespace {

using chiscsi_driver::LoginCheck;
using chiscsi_driver::Nexus;

// Set before the class is registered, read only afterwards.
constinit const Config* g_rules = nullptr;

// iSCSI names compare byte by byte once the initiator has normalised them.
bool is_admitted(const char* initiator_name) {
  return !g_rules->acl || Text(initiator_name) == Text(g_rules->init_name);
}

void report_refusal(const char* initiator_name) {
  iface_os_log(IFACE_OS_INFO, "login of %s refused: not init_name", initiator_name);
}

void answer(LoginCheck& check, const Nexus& nexus, u32 max_cmd) {
  if (is_admitted(nexus.initiator)) return check.accept(max_cmd);
  report_refusal(nexus.initiator);
  check.refuse(ISCSI_LOGIN_STATUS_CLASS_INITIATOR_ERROR, ISCSI_LOGIN_STATUS_DETAIL_NO_PERMS);
}

class IfaceTargetClass : public chiscsi_driver::TargetClass<IfaceTargetClass> {
 public:
  // The answers to the two login hooks could come later and from any thread; nothing takes time
  // here, so they are given on the spot.
  static void first_login_check(LoginCheck check, const Nexus& nexus) {
    answer(check, nexus, g_rules->max_cmd);
  }
  static void login_stage_check(LoginCheck check, unsigned char, const Nexus& nexus) {
    answer(check, nexus, 0);
  }

  // Finds the secret for the CHAP name the initiator sent. An unknown name gets none, and the
  // target refuses the login.
  static void chap_info_get(const Nexus&, chap_info& chap) {
    const Config& rules = *g_rules;
    const Text name(reinterpret_cast<const char*>(chap.remote_name));
    const Text known = rules.initiator.name;
    if (!rules.chap || (!known.empty() && !(name == known))) return;

    __builtin_memcpy(chap.remote_secret, rules.initiator.secret, rules.initiator.secret_length);
    chap.remote_secret_length = rules.initiator.secret_length;
    chap.flag |= CHAP_FLAG_REMOTE_SECRET_VALID;
    if (rules.chap_mutual) prove_target(rules, chap);
  }

  // What it returns comes back with each command and task management function of the session.
  static unsigned long session_added(unsigned long handle, const unsigned char*, const Nexus&) {
    return sessions_add(handle);
  }
  static void session_removed(unsigned long handle, const Nexus&) { sessions_remove(handle); }

  static int discovery_target_accessible(unsigned long, const Nexus& nexus) {
    return is_admitted(nexus.initiator) ? 1 : 0;
  }

 private:
  static void prove_target(const Config& rules, chap_info& chap) {
    __builtin_memcpy(chap.local_name, rules.target.name, sizeof(rules.target.name));
    __builtin_memcpy(chap.local_secret, rules.target.secret, rules.target.secret_length);
    chap.local_secret_length = rules.target.secret_length;
    chap.flag |= CHAP_FLAG_LOCAL_NAME_VALID | CHAP_FLAG_LOCAL_SECRET_VALID;
    if (rules.chap_mutual_required) chap.flag |= CHAP_FLAG_MUTUAL_REQUIRED;
  }
};

constinit char g_target_class_name[] = "ifacedriver";
constinit IfaceTargetClass g_target_class;

}  // namespace

chiscsi_target_class& target_class(const Config& config) {
  g_rules = &config;
  return g_target_class.make_table(g_target_class_name);
}

}  // namespace iface
