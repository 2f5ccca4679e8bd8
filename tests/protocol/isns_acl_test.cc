// SPDX-License-Identifier: GPL-2.0-only
//
// iscsi_acl_order over the wire: logins and discoveries under ACL lines and the list of an iSNS
// server, and how long such a list lives.
#include "control_fixture.hh"

namespace chiscsi::test {
namespace {

const std::string kHost1 = "iqn.2026-11.org.example:host1";
const std::string kHost2 = "iqn.2026-11.org.example:host2";
constexpr uint16_t kAuthorizationFailure = 0x0202;
constexpr unsigned long kOther = 2;  // Another open file than the requests of control().

class IsnsAclProtocol : public ControlProtocol {
 protected:
  // The ACL is on; `more` has its lines.
  void start_with(const Lines& more, const char* order = "CONFIG") {
    Lines lines = {"ACL_Enable=Yes"};
    lines.insert(lines.end(), more.begin(), more.end());
    start(lines);
    ASSERT_EQ(control(CHISCSI_CONTROL_GLOBAL_SET, {std::string("iscsi_acl_order=") + order}).error,
              0);
  }
  ControlAnswer allow(const Lines& initiators, unsigned long holder = 1, unsigned version = 0) {
    if (version == 0) version = ++version_;
    Lines lines = {std::string("target=") + kTargetName, "version=" + std::to_string(version)};
    for (const std::string& name : initiators)
      lines.push_back("initiator=" + name);
    return control(CHISCSI_CONTROL_ISNS_ALLOW, lines, 0, 1 << 20, holder);
  }
  static ControlAnswer forget(unsigned long holder = 1) {
    return control(CHISCSI_CONTROL_ISNS_FORGET, {std::string("target=") + kTargetName}, 0, 1 << 20,
                   holder);
  }
  static ControlRecord state() { return about(CHISCSI_CONTROL_TARGET_STATE).first(); }
  static Lines listed() { return state().values("isns_initiator"); }
  static bool has_list() { return !state().value("isns_version").empty(); }
  // 0, or how the login was refused.
  uint16_t try_login(const std::string& name, uint8_t isid = 9) {
    LoginOptions login;
    login.initiator_name = name;
    login.isid[5] = isid;
    Initiator initiator(port);
    const LoginResult result = initiator.login(login);
    EXPECT_TRUE(result.answered);
    EXPECT_EQ(result.in_full_feature, result.status == 0);
    return result.status;
  }
  bool discovers(const std::string& name) {
    LoginOptions login;
    login.session_type = "Discovery";
    login.target_name.clear();
    login.initiator_name = name;
    Initiator initiator(port);
    EXPECT_TRUE(initiator.login(login).in_full_feature);
    return !initiator.send_targets().empty();
  }

 private:
  unsigned version_ = 0;
};

TEST_F(IsnsAclProtocol, WithoutLinesTheServerDecides) {
  start_with({});
  EXPECT_EQ(try_login(kHost1), kAuthorizationFailure);
  EXPECT_FALSE(discovers(kHost1));
  ASSERT_EQ(allow({kHost1}).error, 0);
  EXPECT_EQ(try_login(kHost1), 0);
  EXPECT_TRUE(discovers(kHost1));
  EXPECT_EQ(try_login(kHost2), kAuthorizationFailure);
  EXPECT_FALSE(discovers(kHost2));
  ASSERT_EQ(allow({}).error, 0);
  EXPECT_EQ(try_login(kHost1), kAuthorizationFailure);
}

TEST_F(IsnsAclProtocol, TheFileIsAskedFirst) {
  start_with({"ACL=iname=" + kHost1});
  ASSERT_EQ(allow({kHost2}).error, 0);
  EXPECT_EQ(try_login(kHost1), 0);
  EXPECT_EQ(try_login(kHost2), kAuthorizationFailure);
}

TEST_F(IsnsAclProtocol, TheServerIsAskedFirstAndTheFileWithoutIt) {
  start_with({"ACL=iname=" + kHost1}, "ISNS");
  EXPECT_EQ(try_login(kHost1), 0);
  EXPECT_EQ(try_login(kHost2), kAuthorizationFailure);
  ASSERT_EQ(allow({kHost2}).error, 0);
  EXPECT_EQ(try_login(kHost1), kAuthorizationFailure);
  EXPECT_FALSE(discovers(kHost1));
  EXPECT_EQ(try_login(kHost2), 0);
  EXPECT_TRUE(discovers(kHost2));
  ASSERT_EQ(forget().error, 0);
  EXPECT_EQ(try_login(kHost1), 0);
  EXPECT_EQ(try_login(kHost2), kAuthorizationFailure);
}

TEST_F(IsnsAclProtocol, WithoutAnAclNobodyIsAsked) {
  start();
  ASSERT_EQ(control(CHISCSI_CONTROL_GLOBAL_SET, {"iscsi_acl_order=ISNS"}).error, 0);
  ASSERT_EQ(allow({kHost1}).error, 0);
  EXPECT_EQ(try_login(kHost2), 0);
}

// iscsi_auth_order=ACL: before anything else is said.
TEST_F(IsnsAclProtocol, TheListIsAskedOnTheFirstRequest) {
  start_with({"AuthMethod=CHAP", "Auth_CHAP_Initiator=\"u\":\"secret-secret-secret\""}, "ISNS");
  ASSERT_EQ(control(CHISCSI_CONTROL_GLOBAL_SET, {"iscsi_auth_order=ACL"}).error, 0);
  ASSERT_EQ(allow({kHost1}).error, 0);
  EXPECT_EQ(try_login(kHost2), kAuthorizationFailure);
  EXPECT_EQ(try_login(kHost1), 0x0201) << "it is CHAP that is missing";
}

// As with ACL lines, which cannot change while a target is active: what is there goes on.
TEST_F(IsnsAclProtocol, SessionsGoOnAndAreNotRenewed) {
  start_with({}, "ISNS");
  ASSERT_EQ(allow({kHost1}).error, 0);
  peer = log_in(1, kHost1);
  ASSERT_EQ(allow({kHost2}).error, 0);
  EXPECT_TRUE(peer->read(read10_cdb(0, 8), 4096).good());
  EXPECT_EQ(try_login(kHost1, 1), kAuthorizationFailure) << "it would reinstate the session";
  EXPECT_TRUE(peer->write(write10_cdb(0, 8), pattern(4096)).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(IsnsAclProtocol, MasksOfTheFileHoldForWhomTheyName) {
  start_with({"ACL=iname=" + kHost1 + ";lun=1:R"}, "ISNS");
  ASSERT_EQ(allow({kHost1, kHost2}).error, 0);
  peer = log_in(1, kHost1);
  EXPECT_FALSE(peer->read(read10_cdb(0, 8), 4096, 0).good());
  EXPECT_TRUE(peer->read(read10_cdb(0, 8), 4096, 1).good());
  EXPECT_FALSE(peer->write(write10_cdb(0, 8), pattern(4096), {}, 1).good());
  auto other = log_in(2, kHost2);
  EXPECT_TRUE(other->write(write10_cdb(0, 8), pattern(4096), {}, 0).good());
  EXPECT_TRUE(other->write(write10_cdb(0, 8), pattern(4096), {}, 1).good());
}

TEST_F(IsnsAclProtocol, AListEndsWithItsHolder) {
  start_with({"ACL=iname=" + kHost1}, "ISNS");
  ASSERT_EQ(allow({kHost2}).error, 0);
  engine_control_gone(kOther);
  EXPECT_EQ(listed(), Lines{kHost2});
  engine_control_gone(1);
  EXPECT_FALSE(has_list());
  EXPECT_EQ(try_login(kHost1), 0);
  EXPECT_EQ(try_login(kHost2), kAuthorizationFailure);
  EXPECT_EQ(allow({kHost2}, kOther).error, 0);
  EXPECT_EQ(listed(), Lines{kHost2});
}

TEST_F(IsnsAclProtocol, AListEndsWithItsTarget) {
  start_with({}, "ISNS");
  ASSERT_EQ(allow({kHost2}).error, 0);
  ASSERT_EQ(start_target(keys({"ACL_Enable=Yes", "TargetAlias=x"})).error, 0);
  EXPECT_EQ(listed(), Lines{kHost2}) << "a reload keeps it";
  ASSERT_EQ(stop_target().error, 0);
  ASSERT_EQ(start_target(keys({"ACL_Enable=Yes"})).error, 0);
  EXPECT_FALSE(has_list());
  EXPECT_EQ(try_login(kHost2), kAuthorizationFailure);
}

TEST_F(IsnsAclProtocol, AListIsReplacedAsAWholeOrNotAtAll) {
  start_with({}, "ISNS");
  ASSERT_EQ(allow({kHost1, kHost2}, 1, 5).error, 0);
  const auto expect_refused = [&](const ControlAnswer& answer, int error) {
    EXPECT_EQ(answer.error, -error) << answer.why;
    EXPECT_NE(answer.why, "");
    EXPECT_EQ(listed(), (Lines{kHost1, kHost2}));
    EXPECT_EQ(state().number("isns_version"), 5u);
  };
  expect_refused(allow({kHost1}, 1, 5), ESTALE);
  expect_refused(allow({kHost1}, 1, 4), ESTALE);
  expect_refused(allow({kHost1}, kOther, 6), EBUSY);
  expect_refused(forget(kOther), EBUSY);
  expect_refused(allow({kHost2, kHost1}, 1, 6), EINVAL);
  expect_refused(allow({kHost1, "nobody"}, 1, 6), EINVAL);
  Lines many;
  for (unsigned i = 0; i < 8193; ++i)
    many.push_back("iqn.2026-11.org.example:" + std::to_string(10000 + i));
  expect_refused(allow(many, 1, 6), E2BIG);
  const std::string target = std::string("target=") + kTargetName;
  const auto raw = [&](const Lines& lines) { return control(CHISCSI_CONTROL_ISNS_ALLOW, lines); };
  expect_refused(raw({target, "initiator=" + kHost1}), EINVAL);
  expect_refused(raw({target, "version=0"}), EINVAL);
  expect_refused(raw({target, "version=9x"}), EINVAL);
  expect_refused(raw({target, "version=18446744073709551616"}), EINVAL);
  expect_refused(raw({target, target, "version=9"}), EINVAL);
  expect_refused(raw({"version=9"}), EINVAL);
  expect_refused(raw({target, "version=9", "initiators=" + kHost1}), EINVAL);
  expect_refused(raw({"target=iqn.none", "version=9"}), ENOENT);
  many.pop_back();
  EXPECT_EQ(allow(many, 1, 6).error, 0);
  EXPECT_EQ(listed(), many);
  EXPECT_EQ(forget().error, 0);
  EXPECT_EQ(forget().error, 0) << "nothing is there to be forgotten";
}

TEST_F(IsnsAclProtocol, AListHoldsAsManyOfTheLongestNames) {
  start_with({}, "ISNS");
  Lines many;
  for (unsigned i = 0; i < 8192; ++i)
    many.push_back(kHost1 + std::to_string(10000 + i) + std::string(223 - 5 - kHost1.size(), 'x'));
  ASSERT_EQ(many.front().size(), 223u);
  const ControlAnswer answer = allow(many);
  ASSERT_EQ(answer.error, 0) << answer.why;
  const Lines target = {std::string("target=") + kTargetName};
  const ControlRecord shown = control(CHISCSI_CONTROL_TARGET_STATE, target, 0, 4 << 20).first();
  EXPECT_EQ(shown.values("isns_initiator"), many);
  EXPECT_EQ(try_login(many.back()), 0);
  EXPECT_EQ(try_login(kHost1), kAuthorizationFailure);
}

// Whatever allocation fails, the older list or the new one is in force.
TEST_F(IsnsAclProtocol, SurvivesEveryFailedAllocation) {
  start_with({}, "ISNS");
  ASSERT_EQ(allow({kHost1}).error, 0);
  bool is_done = false;
  for (int at = 1; !is_done; ++at) {
    ASSERT_LT(at, 100);
    host_fail_allocation_at(at);
    const ControlAnswer answer = allow({kHost2});
    host_fail_allocation_at(0);
    is_done = answer.error == 0;
    if (!is_done) {
      EXPECT_EQ(answer.error, -ENOMEM);
      EXPECT_EQ(listed(), Lines{kHost1});
    }
  }
  EXPECT_EQ(listed(), Lines{kHost2});
}

TEST_F(IsnsAclProtocol, TheStateShowsPortalGroups) {
  start();
  EXPECT_EQ(state().value("access"), "1:optimized");
  ASSERT_EQ(control(CHISCSI_CONTROL_ALUA_SET,
                    {std::string("target=") + kTargetName, "group=1", "state=standby"})
                .error,
            0);
  EXPECT_EQ(state().value("access"), "1:standby");
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_STATE, "iqn.none").error, -ENOENT);
}

}  // namespace
}  // namespace chiscsi::test
