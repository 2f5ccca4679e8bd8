// SPDX-License-Identifier: GPL-2.0-only
//
// LoginHost: what a login asks of its surroundings.
//
// The engine implements it for one connection; unit tests and fuzzers have a fake. All calls come
// from inside a Login function, on the login thread, without a lock. No call but redirect() may
// wait: what takes time returns kPending and is answered later through the Login function named
// beside it.
#pragma once

#include <cstdint>

#include "base/ref.hh"
#include "base/text.hh"
#include "common/iscsi_chap.h"
#include "iscsi/opcodes.hh"
#include "target/config/address.hh"
#include "target/config/target_settings.hh"
#include "target/login/parameters.hh"

namespace chiscsi {

class ChallengeRegistry;

// Limits of one login. The defaults suit the module; tests narrow them.
struct LoginLimits {
  ConnLimits transport;
  uint32_t max_text_bytes =
      64 * 1024;                  // One continued text (RFC 7143 section 6.1 asks for 64 KiB).
  uint32_t max_text_pdus = 16;    // Requests that make up one text.
  uint32_t max_requests = 64;     // Requests of one login.
  uint32_t max_keys = 256;        // Keys of one login.
  bool acl_before_login = false;  // iscsi_auth_order=ACL: the ACL is asked first.
  // All challenges in flight on this login thread, or nullptr: only our own is compared.
  ChallengeRegistry* challenges = nullptr;
};

// The target a login asked for.
struct TargetLookup {
  Ref<TargetSettings> settings;
  uint16_t portal_group_tag = 0;  // Of the group whose portal the connection arrived on.
  bool has_chap_hook = false;     // The class has fp_chap_info_get.
};

enum class CheckResult : uint8_t {
  kNone,     // Nobody has to be asked: go on.
  kPending,  // The answer comes later.
};

// The answer to LoginHost::admit().
struct AdmitResult {
  enum class Kind : uint8_t { kAdmitted, kRefused, kPending };
  Kind kind = Kind::kRefused;
  iscsi::LoginStatus status = iscsi::LoginStatus::kTargetError;  // With kRefused.
  uint16_t tsih = 0;                                             // With kAdmitted, never 0.

  static AdmitResult admitted(uint16_t tsih) {
    return {Kind::kAdmitted, iscsi::LoginStatus::kSuccess, tsih};
  }
  static AdmitResult refused(iscsi::LoginStatus status) { return {Kind::kRefused, status, 0}; }
  static AdmitResult pending() { return {Kind::kPending, iscsi::LoginStatus::kSuccess, 0}; }
};

class LoginHost {
 public:
  // Looks up the target named in the first request. kSuccess fills `lookup`, and so does
  // kMovedTemporarily: the login is to be redirected when the driver has let it go on; any other
  // status ends the login (kNotFound, kTargetRemoved, kServiceUnavailable).
  virtual iscsi::LoginStatus find_target(Text target_name, TargetLookup* lookup) = 0;

  // Where a login goes that find_target() said is to move: kMovedTemporarily with `portal`,
  // "a.b.c.d:port" or "[v6]:port"; any other status ends the login with it. Waits for the storage
  // driver's fp_select_redirection_portal. Source: Guide 5.1.7.
  virtual iscsi::LoginStatus redirect(const SessionParameters& session,
                                      const TargetSettings& settings, AddressText* portal) = 0;

  // Authentication of discovery sessions; lives as long as the login.
  virtual const AuthSettings& discovery_auth() = 0;

  // fp_first_login_check: the first complete request of a normal session's leading connection.
  // kPending is answered by Login::first_login_check_done(). Source: Guide 7.3.1.1.
  virtual CheckResult first_login_check(const SessionParameters& session) = 0;

  // fp_login_stage_check: a stage is entered for the first time on the leading connection of a
  // normal session. kPending is answered by Login::stage_check_done(). Source: Guide 7.3.1.2.
  virtual CheckResult stage_check(const SessionParameters& session, iscsi::Stage stage) = 0;

  // fp_chap_info_get for TargetLookup::has_chap_hook; `info` has the remote name. False: the hook
  // is gone. The login wipes `info` afterwards. Source: Guide 7.3.1.3.
  virtual bool chap_info(const SessionParameters& session, chap_info* info) = 0;

  // Whether the initiator may log in to this target (ACL of the file and of iSNS, by address).
  virtual bool acl_allows(const SessionParameters& session, const TargetSettings& settings) = 0;

  // A login with TSIH != 0: whether that session exists for this initiator, target and portal
  // group, and whether connection `cid` can join it. kSuccess fills `keys` with the session's
  // values.
  virtual iscsi::LoginStatus join(const SessionParameters& session, uint16_t cid,
                                  SessionKeys* keys) = 0;

  // The last step before full feature phase. A pending admission is answered by Login::admitted().
  virtual AdmitResult admit(const SessionParameters& session,
                            const ConnectionParameters& connection) = 0;

 protected:
  ~LoginHost() = default;
};

}  // namespace chiscsi
