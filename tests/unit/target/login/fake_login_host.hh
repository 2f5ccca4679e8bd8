// SPDX-License-Identifier: GPL-2.0-only
//
// What login tests and the login fuzzer share: a LoginHost that answers from its members and notes
// what it was asked, and small helpers for wire text. No test framework in here.
#pragma once

#include <cstring>
#include <initializer_list>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "iscsi/bhs.hh"
#include "target/login/login.hh"

namespace chiscsi::test {

inline constexpr char kTargetName[] = "iqn.2026-11.org.example:disk0";
inline constexpr char kInitiatorName[] = "iqn.1994-05.org.example:host1";

// Joins strings, each followed by a NUL byte.
inline std::string wire(std::initializer_list<std::string> pairs) {
  std::string text;
  for (const std::string& pair : pairs)
    text += pair + '\0';
  return text;
}

inline Bytes bytes_of(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline Text text_of(const std::string& text) { return {text.data(), text.size()}; }
inline std::string string_of(Text text) { return {text.data(), text.size()}; }
inline std::string string_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// The pairs of a text, in order.
inline std::vector<std::pair<std::string, std::string>> pairs_of(const std::string& text) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\0', at);
    const std::string pair = text.substr(at, end - at);
    const size_t equals = pair.find('=');
    pairs.emplace_back(pair.substr(0, equals),
                       equals == std::string::npos ? "" : pair.substr(equals + 1));
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return pairs;
}

inline std::string hex_of(const std::string& bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text = "0x";
  for (const char c : bytes) {
    text += kDigits[static_cast<uint8_t>(c) >> 4];
    text += kDigits[c & 15];
  }
  return text;
}

// The snapshot of a configuration, which has to be a good one.
inline Ref<TargetSettings> settings_of(std::initializer_list<std::string> lines,
                                       const TargetParseOptions& options = {}) {
  ConfigError error;
  const std::string text = wire(lines);
  auto settings = TargetSettings::parse(kTargetName, bytes_of(text), options, &error);
  return settings.is_ok() ? settings.take() : Ref<TargetSettings>();
}

class FakeLoginHost final : public LoginHost {
 public:
  iscsi::LoginStatus find_target(Text target_name, TargetLookup* lookup) override {
    calls.push_back("find_target");
    if (target_name != Text(kTargetName)) return iscsi::LoginStatus::kNotFound;
    if (target_status == iscsi::LoginStatus::kSuccess ||
        target_status == iscsi::LoginStatus::kMovedTemporarily) {
      lookup->settings = settings;
      lookup->portal_group_tag = 7;
      lookup->has_chap_hook = has_chap_hook;
    }
    return target_status;
  }
  iscsi::LoginStatus redirect(const SessionParameters&, const TargetSettings&,
                              AddressText* portal) override {
    calls.push_back("redirect");
    portal->assign(text_of(redirect_to));
    return redirect_status;
  }
  const AuthSettings& discovery_auth() override { return discovery; }
  CheckResult first_login_check(const SessionParameters&) override {
    calls.push_back("first_login_check");
    return first_check;
  }
  CheckResult stage_check(const SessionParameters&, iscsi::Stage stage) override {
    calls.push_back(stage == iscsi::Stage::kSecurity ? "stage_check 0" : "stage_check 1");
    return stage_checks;
  }
  bool chap_info(const SessionParameters&, struct chap_info* info) override {
    calls.push_back("chap_info");
    asked_name = reinterpret_cast<const char*>(info->remote_name);
    if (!hook_answers) return false;
    hook_answer.flag |= info->flag;
    *info = hook_answer;
    return true;
  }
  bool acl_allows(const SessionParameters&, const TargetSettings&) override {
    calls.push_back("acl_allows");
    return acl;
  }
  iscsi::LoginStatus join(const SessionParameters&, uint16_t, SessionKeys* keys) override {
    calls.push_back("join");
    *keys = joined;
    return join_status;
  }
  AdmitResult admit(const SessionParameters& session,
                    const ConnectionParameters& connection) override {
    calls.push_back("admit");
    admitted_session = session;
    admitted_connection = connection;
    ++admissions;
    return admission;
  }

  bool called(const std::string& name) const {
    for (const std::string& call : calls) {
      if (call == name) return true;
    }
    return false;
  }

  Ref<TargetSettings> settings;
  AuthSettings discovery;
  iscsi::LoginStatus target_status = iscsi::LoginStatus::kSuccess;
  std::string redirect_to = "192.0.2.85:3261";
  iscsi::LoginStatus redirect_status = iscsi::LoginStatus::kMovedTemporarily;
  bool has_chap_hook = false;
  bool hook_answers = true;
  struct chap_info hook_answer = {};
  CheckResult first_check = CheckResult::kNone;
  CheckResult stage_checks = CheckResult::kNone;
  bool acl = true;
  iscsi::LoginStatus join_status = iscsi::LoginStatus::kSuccess;
  SessionKeys joined;
  AdmitResult admission = AdmitResult::admitted(0x1234);

  std::vector<std::string> calls;
  std::string asked_name;
  SessionParameters admitted_session;
  ConnectionParameters admitted_connection;
  int admissions = 0;
};

// A Login Request with the flags and stages of an ordinary leading login.
inline iscsi::LoginRequest login_request(int csg, int nsg, bool transit,
                                         bool more_follows = false) {
  iscsi::LoginRequest request = {};
  request.opcode_byte = 0x43;
  request.flags =
      static_cast<uint8_t>((transit ? 0x80 : 0) | (more_follows ? 0x40 : 0) | csg << 2 | nsg);
  const uint8_t isid[6] = {0x00, 0x02, 0x3d, 0x00, 0x00, 0x01};
  memcpy(request.isid, isid, sizeof(isid));
  request.initiator_task_tag = 0x11223344;
  request.cid = 1;
  request.cmd_sn = 123;
  return request;
}

}  // namespace chiscsi::test
