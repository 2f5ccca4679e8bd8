// SPDX-License-Identifier: GPL-2.0-only
//
// Logins under the script, and the hooks of the target class: checks that are answered in every
// way, CHAP secrets with every flag, sessions.
#include "conformance/errdev.hh"

namespace conformance {
namespace logins_detail {

using chiscsi_driver::LoginCheck;
using chiscsi_driver::Nexus;

constexpr u32 kPendingMax = 64;
// Logins that are under way, to see the checks in order: an upper bound of what a test opens.
constexpr u32 kSeenMax = 256;

constexpr char kInitiatorSecret[] = "conformance-1234";  // README.md
constexpr char kTargetSecret[] = "conformance-5678";
constexpr char kTargetName[] = "conformance";

// A check whose answer comes later, or with "do release".
struct Pending {
  unsigned long handle;  // 0: free; atomic
  bool first;
  conf_deferred* later;
};
constinit Pending g_pending[kPendingMax] = {};

struct Seen {
  unsigned long handle;
  u8 stages;  // bit 0: first check, bit 1 + stage: that stage's
};
// Under the lock of the driver.
constinit Seen g_seen[kSeenMax] = {};
constinit u32 g_next_seen = 0;

void answer_check(unsigned long handle, bool first, u8 status_class, u8 detail, u32 max_cmd) {
  if (first) {
    chiscsi_target_first_login_check_done(handle, status_class, detail, max_cmd);
  } else {
    chiscsi_target_login_stage_check_done(handle, status_class, detail);
  }
}

void answer_pending(void* context) {
  auto* pending = static_cast<Pending*>(context);
  const unsigned long handle = __atomic_load_n(&pending->handle, __ATOMIC_ACQUIRE);
  if (handle == 0) return;
  const bool first = pending->first;
  __atomic_store_n(&pending->handle, 0UL, __ATOMIC_RELEASE);
  answer_check(handle, first, 0, 0, 0);
}

Pending* keep(unsigned long handle, bool first) {
  for (Pending& slot : g_pending) {
    unsigned long nobody = 0;
    if (!__atomic_compare_exchange_n(&slot.handle, &nobody, handle, false, __ATOMIC_ACQ_REL,
                                     __ATOMIC_RELAXED)) {
      continue;
    }
    slot.first = first;
    if (slot.later == nullptr) slot.later = conf_deferred_create(answer_pending, &slot);
    return &slot;
  }
  return nullptr;
}

void check_order(unsigned long handle, u8 bit) {
  const DriverGuard guard;
  Seen* seen = nullptr;
  for (Seen& entry : g_seen) {
    if (entry.handle == handle) seen = &entry;
  }
  if (seen == nullptr) {
    seen = &g_seen[g_next_seen++ % kSeenMax];
    *seen = {handle, 0};
  }
  const u8 later = static_cast<u8>(~((1U << bit) - 1));  // this check and those after it
  check(Rule::kLoginOrder, (seen->stages & later) == 0, "a check came twice or out of order", bit,
        seen->stages);
  check(Rule::kLoginOrder, bit == 0 || (seen->stages & 1) != 0,
        "a stage check before the first login check", bit);
  seen->stages |= static_cast<u8>(1U << bit);
}

void check_names(const Nexus& nexus, bool with_endpoints) {
  const bool names = nexus.initiator != nullptr && nexus.target != nullptr &&
                     nexus.initiator[0] != '\0' && nexus.target[0] != '\0';
  const bool ends =
      !with_endpoints || (nexus.endpoints != nullptr && nexus.endpoints->iaddr.port != 0 &&
                          nexus.endpoints->taddr.port != 0);
  check(Rule::kLoginNames, names && ends, "a name or an address is missing");
}

void answer_as_scripted(LoginCheck check, bool first) {
  Settings how;
  {
    const DriverGuard guard;
    how = settings();
  }
  const u8 status_class = static_cast<u8>(how.login_status >> 8);
  const u8 detail = static_cast<u8>(how.login_status);
  Pending* pending = nullptr;
  switch (first ? how.first : how.stage) {
    case Login::kAccept:
      return check.accept(how.max_cmd);
    case Login::kRefuse:
      return check.refuse(status_class, detail);
    case Login::kTwice: {
      const unsigned long handle = check.release();
      answer_check(handle, first, 0, 0, how.max_cmd);
      return answer_check(handle, first, ISCSI_LOGIN_STATUS_CLASS_TARGET_ERROR, 0, 0);
    }
    case Login::kLate:
    case Login::kNever:
      pending = keep(check.release(), first);
  }
  if (pending == nullptr || pending->later == nullptr) return note("a login was forgotten");
  if ((first ? how.first : how.stage) == Login::kLate) {
    conf_deferred_start(pending->later, CONF_ON_SOFTIRQ, how.delay_ms);
  }
}

class Logins : public chiscsi_driver::TargetClass<Logins> {
 public:
  static void first_login_check(LoginCheck check, const Nexus& nexus) {
    const HookScope scope("first_login_check");
    const unsigned long handle = check.release();
    note("first_login_check %lu", handle);
    check_order(handle, 0);
    check_names(nexus, true);
    answer_as_scripted(LoginCheck(handle, true), true);
  }
  static void login_stage_check(LoginCheck check, unsigned char stage, const Nexus& nexus) {
    const HookScope scope("login_stage_check");
    const unsigned long handle = check.release();
    note("login_stage_check %lu stage %u", handle, stage);
    check_order(handle, static_cast<u8>(1 + (stage & 3)));
    check_names(nexus, true);
    answer_as_scripted(LoginCheck(handle, false), false);
  }
  static void chap_info_get(const Nexus& nexus, chap_info& chap) {
    const HookScope scope("chap_info_get");
    check_names(nexus, false);
    const void* end = __builtin_memchr(chap.remote_name, '\0', sizeof(chap.remote_name));
    check(Rule::kChapFlags, chap.flag == CHAP_FLAG_REMOTE_NAME_VALID && end != nullptr,
          "chap_info arrives with other flags, or its name has no end", chap.flag);
    u32 flags;
    {
      const DriverGuard guard;
      flags = settings().chap_flags;
    }
    static_assert(sizeof(kInitiatorSecret) - 1 == CHAP_SECRET_MAX);
    __builtin_memcpy(chap.remote_secret, kInitiatorSecret, CHAP_SECRET_MAX);
    chap.remote_secret_length = CHAP_SECRET_MAX;
    __builtin_memcpy(chap.local_secret, kTargetSecret, CHAP_SECRET_MAX);
    chap.local_secret_length = CHAP_SECRET_MAX;
    __builtin_memcpy(chap.local_name, kTargetName, sizeof(kTargetName));
    chap.flag = static_cast<u8>(chap.flag | flags);
    note("chap_info_get: flags 0x%x", chap.flag);
  }
  static unsigned long session_added(unsigned long handle, const unsigned char* isid,
                                     const Nexus& nexus) {
    const HookScope scope("session_added");
    check_names(nexus, false);
    const unsigned long number = session_enter(handle, isid, nexus);
    note("session_added %lu: %lu", handle, number);
    maybe_abort_session(Hook::kAdded, number);
    return number;
  }
  static void session_removed(unsigned long handle, const Nexus& nexus) {
    const HookScope scope("session_removed");
    check_names(nexus, false);
    note("session_removed %lu", handle);
    session_leave(handle, nexus);
    check(Rule::kRefuseHandle, chiscsi_target_session_abort(handle) < 0,
          "session_abort of a session that is being removed", handle);
  }
  static int discovery_target_accessible(unsigned long, const Nexus& nexus) {
    const HookScope scope("discovery_target_accessible");
    check_names(nexus, true);
    return 1;
  }
};

constinit char g_target_class_name[] = "conformance";
constinit Logins g_target_class;

}  // namespace logins_detail

using namespace logins_detail;  // NOLINT: this file's own.

chiscsi_target_class& target_class() { return g_target_class.table(); }
chiscsi_target_class& make_target_class() { return g_target_class.make_table(g_target_class_name); }

void release_logins() {
  for (Pending& pending : g_pending)
    answer_pending(&pending);
}

void destroy_logins() {
  for (Pending& pending : g_pending) {
    conf_deferred_destroy(pending.later);
    pending.later = nullptr;
  }
}

}  // namespace conformance
