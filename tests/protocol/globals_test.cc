// SPDX-License-Identifier: GPL-2.0-only
//
// The global settings in force: what GLOBAL_SET says, logins, discoveries and INQUIRY do.
#include <map>

#include "control_fixture.hh"
#include "os/digest.h"

namespace chiscsi::test {
namespace {

using namespace iscsi;  // NOLINT: PDUs and their fields.

constexpr uint16_t kAuthenticationFailure = 0x0201, kAuthorizationFailure = 0x0202;

ControlAnswer set_globals(const std::vector<std::string>& lines, uint32_t flags = 0) {
  return control(CHISCSI_CONTROL_GLOBAL_SET, lines, flags);
}

// The initiator's side of CHAP with MD5.
class Chap {
 public:
  Chap(std::string name, std::string secret) : name_(std::move(name)), secret_(std::move(secret)) {}
  // Asks the target to prove itself, too, with this secret.
  void ask_back(const std::string& secret) { target_secret_ = secret; }
  bool target_proved() const { return proved_; }
  std::string target_name() const { return target_name_; }

  KeyList next(const Pdu& response) {
    std::map<std::string, std::string> keys;
    for (const auto& [key, value] : response.keys())
      keys[key] = value;
    if (keys.count("CHAP_C") != 0) return answer(keys["CHAP_I"], keys["CHAP_C"]);
    if (keys.count("CHAP_R") != 0) {
      target_name_ = keys["CHAP_N"];
      proved_ = keys["CHAP_R"] == digest(7, target_secret_, bytes_of(kChallenge));
      return {};
    }
    return keys["AuthMethod"] == "CHAP" ? KeyList{{"CHAP_A", "5"}} : KeyList();
  }

 private:
  static constexpr const char* kChallenge = "0x000102030405060708090a0b0c0d0e0f1011";
  static ByteVector bytes_of(const std::string& hex) {
    ByteVector bytes;
    for (size_t at = 2; at + 1 < hex.size(); at += 2)
      bytes.push_back(static_cast<uint8_t>(std::stoul(hex.substr(at, 2), nullptr, 16)));
    return bytes;
  }
  static std::string digest(unsigned id, const std::string& secret, const ByteVector& challenge) {
    const auto number = static_cast<uint8_t>(id);
    const os_hash_part parts[] = {
        {&number, 1}, {secret.data(), secret.size()}, {challenge.data(), challenge.size()}};
    uint8_t result[OS_HASH_MAX_SIZE];
    EXPECT_EQ(os_hash(OS_HASH_MD5, parts, 3, result), 0);
    std::string hex = "0x";
    for (size_t i = 0; i < os_hash_size(OS_HASH_MD5); ++i) {
      hex += "0123456789abcdef"[result[i] >> 4];
      hex += "0123456789abcdef"[result[i] & 15];
    }
    return hex;
  }
  KeyList answer(const std::string& id, const std::string& challenge) {
    KeyList keys = {
        {"CHAP_N", name_},
        {"CHAP_R", digest(static_cast<unsigned>(std::stoul(id)), secret_, bytes_of(challenge))}};
    if (!target_secret_.empty()) {
      keys.emplace_back("CHAP_I", "7");
      keys.emplace_back("CHAP_C", kChallenge);
    }
    return keys;
  }

  std::string name_, secret_, target_secret_, target_name_;
  bool proved_ = false;
};

class GlobalsProtocol : public ControlProtocol {
 protected:
  LoginResult discover(Initiator& initiator, Chap* chap, const std::string& methods) {
    LoginOptions login;
    login.session_type = "Discovery";
    login.target_name.clear();
    login.first_stage = Stage::kSecurity;
    login.keys = {{"AuthMethod", methods}};
    if (chap != nullptr) login.next_round = [chap](const Pdu& pdu) { return chap->next(pdu); };
    return initiator.login(login);
  }
  static ControlRecord globals() { return control(CHISCSI_CONTROL_GLOBAL_GET).first(); }
};

TEST_F(GlobalsProtocol, BeginWithTheirDefaults) {
  start_disks();
  const ControlRecord record = globals();
  EXPECT_EQ(record.value("iscsi_auth_order"), "CHAP");
  EXPECT_EQ(record.value("DISC_AuthMethod"), "None");
  EXPECT_EQ(record.value("iscsi_target_vendor_id"), "CHISCSI");
  EXPECT_EQ(record.number("iscsi_login_complete_time"), options.login_timeout_s);
  EXPECT_EQ(record.value("iscsi_verbose_level"), "0x7,0x0");
}

TEST_F(GlobalsProtocol, ChangeAllOrNothing) {
  start_disks();
  const std::string before = control(CHISCSI_CONTROL_GLOBAL_GET).text;
  const ControlAnswer bad = set_globals({"iscsi_login_complete_time=17", "iscsi_auth_order=Both"});
  EXPECT_EQ(bad.error, -EINVAL);
  EXPECT_EQ(bad.why, "iscsi_auth_order: wants CHAP or ACL, not \"Both\"");
  EXPECT_EQ(set_globals({"iscsi_login_complete_time=17"}, CHISCSI_CONTROL_CHECK).error, 0);
  EXPECT_EQ(control(CHISCSI_CONTROL_GLOBAL_GET).text, before);
  EXPECT_EQ(set_globals({"iscsi_login_complete_time=17", "iscsi_HA_mode=Yes"}).error, 0);
  EXPECT_EQ(globals().number("iscsi_login_complete_time"), 17u);
  EXPECT_EQ(globals().value("iscsi_HA_mode"), "Yes");
  EXPECT_EQ(set_globals({"iscsi_acl_order=ISNS"}, CHISCSI_CONTROL_DEFAULTS).error, 0);
  EXPECT_EQ(globals().number("iscsi_login_complete_time"), 300u);
  EXPECT_EQ(globals().value("iscsi_HA_mode"), "No");
  EXPECT_EQ(globals().value("iscsi_acl_order"), "ISNS");
}

TEST_F(GlobalsProtocol, SecretsAreShownOnRequestOnly) {
  start_disks();
  ASSERT_EQ(
      set_globals({"DISC_AuthMethod=CHAP", "DISC_Auth_CHAP_Initiator=\"u\":\"disc-secret-1\""})
          .error,
      0);
  EXPECT_EQ(globals().value("DISC_Auth_CHAP_Initiator"), "\"u\":\"***\"");
  const ControlAnswer whole = control(CHISCSI_CONTROL_GLOBAL_GET, {}, CHISCSI_CONTROL_SECRETS);
  EXPECT_EQ(whole.first().value("DISC_Auth_CHAP_Initiator"), "\"u\":\"disc-secret-1\"");
}

TEST_F(GlobalsProtocol, ToeIsTakenWithAWarning) {
  start_disks();
  EXPECT_EQ(set_globals({"iscsi_offload_mode=TOE"}).first().value("warning"),
            "iscsi_offload_mode: TOE means the same as AUTO");
  EXPECT_EQ(set_globals({"iscsi_offload_mode=ULP"}).text, "");
}

// ---- Discovery ----

TEST_F(GlobalsProtocol, DiscoveryAsksForChap) {
  start();
  ASSERT_EQ(set_globals(
                {"DISC_AuthMethod=CHAP", "DISC_Auth_CHAP_Initiator=\"inituser\":\"initsecret123\""})
                .error,
            0);
  {
    Initiator initiator(port);
    EXPECT_EQ(discover(initiator, nullptr, "None").status, kAuthenticationFailure);
  }
  for (const char* secret : {"initsecret124", "initsecret12", ""}) {
    Initiator initiator(port);
    Chap chap("inituser", secret);
    EXPECT_EQ(discover(initiator, &chap, "CHAP,None").status, kAuthenticationFailure) << secret;
  }
  {
    Initiator initiator(port);
    Chap chap("somebody", "initsecret123");
    EXPECT_EQ(discover(initiator, &chap, "CHAP").status, kAuthenticationFailure);
  }
  Initiator initiator(port);
  Chap chap("inituser", "initsecret123");
  ASSERT_TRUE(discover(initiator, &chap, "CHAP").in_full_feature);
  const KeyList targets = initiator.send_targets();
  ASSERT_FALSE(targets.empty());
  EXPECT_EQ(targets[0].second, kTargetName);
  // The target itself asks for nothing.
  peer = log_in();
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 0).good());
}

TEST_F(GlobalsProtocol, DiscoveryProvesItselfWhenAsked) {
  start();
  ASSERT_EQ(set_globals({"DISC_AuthMethod=CHAP", "DISC_Auth_CHAP_Policy=Mutual",
                         "DISC_Auth_CHAP_Initiator=\"inituser\":\"initsecret123\"",
                         "DISC_Auth_CHAP_Target=\"tgtuser\":\"tgtsecret4567\""})
                .error,
            0);
  {
    // One way is not enough under this policy.
    Initiator initiator(port);
    Chap chap("inituser", "initsecret123");
    EXPECT_EQ(discover(initiator, &chap, "CHAP").status, kAuthenticationFailure);
  }
  Initiator initiator(port);
  Chap chap("inituser", "initsecret123");
  chap.ask_back("tgtsecret4567");
  ASSERT_TRUE(discover(initiator, &chap, "CHAP").in_full_feature);
  EXPECT_TRUE(chap.target_proved());
  EXPECT_EQ(chap.target_name(), "tgtuser");
  EXPECT_FALSE(initiator.send_targets().empty());
}

// A login keeps what it began with.
TEST_F(GlobalsProtocol, ALoginUnderWayKeepsItsAccounts) {
  start();
  ASSERT_EQ(set_globals(
                {"DISC_AuthMethod=CHAP", "DISC_Auth_CHAP_Initiator=\"inituser\":\"initsecret123\""})
                .error,
            0);
  Initiator initiator(port);
  Chap chap("inituser", "initsecret123");
  LoginOptions login;
  login.session_type = "Discovery";
  login.target_name.clear();
  login.first_stage = Stage::kSecurity;
  login.keys = {{"AuthMethod", "CHAP"}};
  int rounds = 0;
  login.next_round = [&](const Pdu& pdu) {
    if (++rounds == 2) {
      EXPECT_EQ(set_globals({"DISC_Auth_CHAP_Initiator=\"inituser\":\"another-secret\""}).error, 0);
    }
    return chap.next(pdu);
  };
  EXPECT_TRUE(initiator.login(login).in_full_feature);
  Initiator late(port);
  Chap old("inituser", "initsecret123");
  EXPECT_EQ(discover(late, &old, "CHAP").status, kAuthenticationFailure);
}

// ---- Others ----

TEST_F(GlobalsProtocol, TheOrderDecidesWhatARefusedLoginHears) {
  start({"ACL_Enable=Yes", "ACL=iname=iqn.1994-05.org.example:host1", "AuthMethod=CHAP",
         "Auth_CHAP_Initiator=\"inituser\":\"initsecret123\""});
  const auto status = [&] {
    LoginOptions login;
    login.first_stage = Stage::kSecurity;
    login.keys = {{"AuthMethod", "None"}};
    return Initiator(port).login(login).status;
  };
  EXPECT_EQ(status(), kAuthenticationFailure);
  ASSERT_EQ(set_globals({"iscsi_auth_order=ACL"}).error, 0);
  EXPECT_EQ(status(), kAuthorizationFailure);
}

TEST_F(GlobalsProtocol, TheVendorIsInInquiry) {
  start();
  peer = log_in();
  const auto vendor = [&] {
    const Outcome outcome = peer->read(inquiry_cdb(96), 96, 1);
    EXPECT_TRUE(outcome.good());
    return std::string(outcome.data.begin() + 8, outcome.data.begin() + 16);
  };
  EXPECT_EQ(vendor(), "CHISCSI ");
  ASSERT_EQ(set_globals({"iscsi_target_vendor_id=EXAMPLE1"}).error, 0);
  EXPECT_EQ(vendor(), "EXAMPLE1");
}

TEST_F(GlobalsProtocol, TheTimeForALoginIsThatOfItsStart) {
  start();
  ASSERT_EQ(set_globals({"iscsi_login_complete_time=40"}).error, 0);
  Initiator initiator(port);
  ASSERT_TRUE(initiator.connected());
  // It is accepted, for its first request is answered; then nothing comes.
  LoginOptions login;
  login.first_stage = Stage::kSecurity;
  login.keys = {{"AuthMethod", "CHAP,None"}};
  bool advanced = false;
  login.next_round = [&](const Pdu&) -> KeyList {
    if (!std::exchange(advanced, true)) host_advance_clock(35'000);
    return {};
  };
  EXPECT_TRUE(initiator.login(login).in_full_feature);
  Initiator silent(port);
  ASSERT_TRUE(silent.connected());
  peer = log_in(9);  // The login worker has accepted `silent` before.
  host_advance_clock(45'000);
  EXPECT_TRUE(silent.closed_by_target());
}

TEST_F(GlobalsProtocol, VerboseTracesEveryStepOfACommand) {
  start();
  peer = log_in();
  HostLogCapture log;
  ASSERT_EQ(set_globals({"iscsi_verbose_level=0xf,0xc82000"}).error, 0);
  ASSERT_TRUE(peer->write(write10_cdb(0, 8), pattern(4096), {}, 1).good());
  ASSERT_TRUE(peer->ping());  // The command's cleanup came before its answer.
  ASSERT_EQ(set_globals({"iscsi_verbose_level=0x7"}).error, 0);
  for (const char* step : {"cmd_received", "cmd_delivered", "cmd_r2t", "cmd_data_complete",
                           "cmd_ended", "cmd_response", "cmd_cleanup", "cmd_state"}) {
    EXPECT_TRUE(log.contains(step)) << step;
  }
  const size_t lines = log.lines().size();
  ASSERT_TRUE(peer->write(write10_cdb(0, 8), pattern(4096), {}, 1).good());
  EXPECT_EQ(log.lines().size(), lines);
}

}  // namespace
}  // namespace chiscsi::test
