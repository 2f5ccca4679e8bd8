// SPDX-License-Identifier: GPL-2.0-only
//
// Login and its surroundings: the storage driver's hooks, redirection, the access list, admission.
#include "tests/unit/target/login/login_fixture.hh"

namespace chiscsi::test {
namespace {

// --- The storage driver's hooks, Guide 7.3.1 ---

TEST_F(LoginTest, AsksTheDriverInOrder) {
  EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kRespond);
  EXPECT_EQ(send(1, 3, true, {}), Step::kRespondAndEnterFullFeature);
  const std::vector<std::string> expected = {"find_target",   "first_login_check", "stage_check 0",
                                             "stage_check 1", "acl_allows",        "admit"};
  EXPECT_EQ(host.calls, expected);
}

TEST_F(LoginTest, AsksTheDriverOnlyAboutTheWholeFirstRequest) {
  EXPECT_EQ(send(login_request(0, 1, false, true), names()), Step::kRespond);
  EXPECT_TRUE(host.calls.empty());
}

TEST_F(LoginTest, WaitsForEachAnswerOfTheDriver) {
  host.first_check = CheckResult::kPending;
  host.stage_checks = CheckResult::kPending;
  host.admission = AdmitResult::pending();
  EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
  EXPECT_EQ(login->state(), LoginState::kFirstCheck);
  EXPECT_EQ(note(login->first_login_check_done(0, 0, 40)), Step::kWait);
  EXPECT_EQ(login->state(), LoginState::kStageCheck);
  EXPECT_EQ(note(login->stage_check_done(0, 0)), Step::kWait) << "the next stage is asked for";
  EXPECT_EQ(note(login->stage_check_done(0, 0)), Step::kRespond);
  EXPECT_TRUE(transited());
  EXPECT_EQ(csg(), 0);
  EXPECT_EQ(nsg(), 1);
  EXPECT_EQ(keys["TargetPortalGroupTag"], "7");
  EXPECT_EQ(send(1, 3, true, {"InitialR2T=Yes"}), Step::kWait);
  EXPECT_EQ(login->state(), LoginState::kAdmission);
  EXPECT_EQ(note(login->admitted(LoginStatus::kSuccess, 77)), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(keys["InitialR2T"], "Yes");
  EXPECT_EQ(login->response().tsih.get(), 77);
  EXPECT_EQ(login->session().max_commands, 40u);
}

TEST_F(LoginTest, ReportsTheDriversRefusal) {
  const struct {
    uint8_t status_class, detail;
    LoginStatus expected;
  } kRows[] = {{2, 0, LoginStatus::kInitiatorError},
               {2, 2, LoginStatus::kAuthorizationFailure},
               {2, 11, LoginStatus::kInvalidDuringLogin},
               {3, 2, LoginStatus::kOutOfResources},
               {9, 1, LoginStatus::kTargetError}};
  for (const auto& row : kRows) {
    host.first_check = CheckResult::kPending;
    start();
    EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
    EXPECT_EQ(note(login->first_login_check_done(row.status_class, row.detail, 0)),
              Step::kRespondAndClose);
    EXPECT_EQ(status(), row.expected);
    host.first_check = CheckResult::kNone;
    host.stage_checks = CheckResult::kPending;
    start();
    EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
    EXPECT_EQ(note(login->stage_check_done(row.status_class, row.detail)), Step::kRespondAndClose);
    EXPECT_EQ(status(), row.expected);
    host.stage_checks = CheckResult::kNone;
  }
}

TEST_F(LoginTest, IgnoresAnswersThatAreNotDue) {
  start();
  EXPECT_EQ(login->first_login_check_done(2, 0, 0), Step::kWait);
  EXPECT_EQ(login->stage_check_done(2, 0), Step::kWait);
  EXPECT_EQ(login->admitted(LoginStatus::kSuccess, 5), Step::kWait);
  EXPECT_EQ(login->state(), LoginState::kStart);
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(login->admitted(LoginStatus::kSuccess, 5), Step::kWait);
  EXPECT_EQ(login->session().tsih, 0x1234);
}

TEST_F(LoginTest, DropsARequestWhileAnAnswerIsAwaited) {
  host.first_check = CheckResult::kPending;
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kWait);
  EXPECT_EQ(send(1, 3, true, {}), Step::kDrop);
}

TEST_F(LoginTest, CapsTheDriversCommandWindow) {
  host.first_check = CheckResult::kPending;
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kWait);
  EXPECT_EQ(note(login->first_login_check_done(1, 0, 0xffffffff)),
            Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(login->session().max_commands, 2048u);
}

// --- Redirection, ACL, admission ---

TEST_F(LoginTest, SendsTheInitiatorOnAfterTheDriverWasAsked) {
  host.target_status = LoginStatus::kMovedTemporarily;
  host.first_check = CheckResult::kPending;
  EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
  EXPECT_EQ(note(login->first_login_check_done(1, 1, 0)), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kMovedTemporarily);
  EXPECT_EQ(keys["TargetAddress"], "192.0.2.85:3261");
  EXPECT_EQ(keys.size(), 1u);
}

TEST_F(LoginTest, ChoosesThePortalAfterTheDriverHasLetTheLoginGoOn) {
  host.target_status = LoginStatus::kMovedTemporarily;
  host.first_check = CheckResult::kPending;
  EXPECT_EQ(send(login_request(0, 1, true), names()), Step::kWait);
  EXPECT_FALSE(host.called("redirect"));
  EXPECT_EQ(note(login->first_login_check_done(2, 2, 0)), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kAuthorizationFailure);
  EXPECT_FALSE(host.called("redirect"));
}

TEST_F(LoginTest, RefusesWhenThereIsNoPortalToSendItOnTo) {
  host.target_status = LoginStatus::kMovedTemporarily;
  host.redirect_status = LoginStatus::kTargetError;
  expect_refused(login_request(0, 1, true), names(), LoginStatus::kTargetError);
  EXPECT_EQ(keys.size(), 0u);
}

TEST_F(LoginTest, DoesNotSendDiscoveryOn) {
  host.target_status = LoginStatus::kMovedTemporarily;
  EXPECT_EQ(
      send(login_request(1, 3, true), discovery_names({std::string("TargetName=") + kTargetName})),
      Step::kRespondAndEnterFullFeature);
}

TEST_F(LoginTest, AsksTheAccessListFirstOrLast) {
  host.acl = false;
  expect_refused(login_request(1, 3, true), names(), LoginStatus::kAuthorizationFailure);
  EXPECT_TRUE(host.called("first_login_check"));
  host.calls.clear();
  limits.acl_before_login = true;
  expect_refused(login_request(1, 3, true), names(), LoginStatus::kAuthorizationFailure);
  EXPECT_FALSE(host.called("first_login_check"));
}

TEST_F(LoginTest, ReportsARefusedAdmission) {
  host.admission = AdmitResult::refused(LoginStatus::kOutOfResources);
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kOutOfResources);
  host.admission = AdmitResult::pending();
  start();
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kWait);
  EXPECT_EQ(note(login->admitted(LoginStatus::kServiceUnavailable, 0)), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kServiceUnavailable);
  host.admission = AdmitResult::admitted(0);
  start();
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kTargetError);
}

TEST_F(LoginTest, TakesNothingAfterItsEnd) {
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kRespondAndEnterFullFeature);
  EXPECT_EQ(send(login_request(1, 3, true), names()), Step::kDrop);
  EXPECT_EQ(login->refuse(1, LoginStatus::kTargetError, "x"), Step::kDrop);
  expect_refused(login_request(2, 3, true), "", LoginStatus::kInitiatorError);
}

TEST_F(LoginTest, RefusesOnBehalfOfTheConnection) {
  start();
  EXPECT_EQ(note(login->refuse(5, LoginStatus::kInvalidDuringLogin, "no Login Request")),
            Step::kRespondAndClose);
  EXPECT_EQ(status(), LoginStatus::kInvalidDuringLogin);
  EXPECT_EQ(login->response().initiator_task_tag.get(), 5u);
  EXPECT_EQ(login->refuse(5, LoginStatus::kTargetError, "again"), Step::kDrop);
}

}  // namespace
}  // namespace chiscsi::test
