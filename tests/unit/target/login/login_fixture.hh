// SPDX-License-Identifier: GPL-2.0-only
//
// LoginTest: a login against a FakeLoginHost, with one-line exchanges and checks of what every
// answer has to have in common.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "tests/unit/target/login/fake_login_host.hh"

namespace chiscsi::test {

using iscsi::LoginStatus;
using Step = Login::Step;

class LoginTest : public testing::Test {
 protected:
  LoginTest() { host.settings = settings_of({}); }

  void start() {
    login = Login::create(host, limits);
    ASSERT_TRUE(login);
  }
  // Sends a request and notes the answer's keys.
  Step send(const iscsi::LoginRequest& request, const std::string& text) {
    if (!login) start();
    return note(login->on_request(request, bytes_of(text)));
  }
  Step send(int csg, int nsg, bool transit, std::initializer_list<std::string> pairs) {
    return send(request_for(csg, nsg, transit), wire(pairs));
  }
  virtual iscsi::LoginRequest request_for(int csg, int nsg, bool transit) {
    return login_request(csg, nsg, transit);
  }
  // The first request of a normal session, with more keys behind the names.
  std::string names(std::initializer_list<std::string> more = {}) {
    return wire({std::string("InitiatorName=") + kInitiatorName,
                 std::string("TargetName=") + kTargetName}) +
           wire(more);
  }
  std::string discovery_names(std::initializer_list<std::string> more = {}) {
    return wire({std::string("InitiatorName=") + kInitiatorName, "SessionType=Discovery"}) +
           wire(more);
  }

  Step note(Step step) {
    keys.clear();
    if (step == Step::kWait || step == Step::kDrop) return step;
    check_answer(step);
    for (const auto& [key, value] : pairs_of(string_of(login->response_data()))) {
      EXPECT_EQ(keys.count(key), 0u) << key << " answered twice";
      keys[key] = value;
    }
    return step;
  }

  // What holds for every answer, RFC 7143 section 11.13.
  void check_answer(Step step) {
    const iscsi::LoginResponse& response = login->response();
    EXPECT_EQ(response.opcode_byte, 0x23);
    EXPECT_EQ(response.data_segment_length.get(), login->response_data().size());
    EXPECT_LE(login->response_data().size(), 8192u);
    EXPECT_NE(response.flags & 0xc0, 0xc0) << "T and C together";
    EXPECT_EQ(response.version_active, 0);
    const bool refused = step == Step::kRespondAndClose;
    EXPECT_EQ(refused, response.status_class != 0);
    EXPECT_EQ(refused, login->failure_reason()[0] != '\0') << login->failure_reason();
    if (refused) {
      EXPECT_EQ(response.flags, 0);
    }
    if (step == Step::kRespondAndEnterFullFeature) {
      EXPECT_EQ(response.flags & 0x83, 0x83);
    }
  }

  bool transited() const { return (login->response().flags & 0x80) != 0; }
  int csg() const { return (login->response().flags >> 2) & 3; }
  int nsg() const { return login->response().flags & 3; }
  LoginStatus status() const {
    return static_cast<LoginStatus>(login->response().status_class << 8 |
                                    login->response().status_detail);
  }
  std::string reason() const { return login->failure_reason(); }

  // Expects that a login with this one request is refused.
  void expect_refused(const iscsi::LoginRequest& request, const std::string& text,
                      LoginStatus expected) {
    const int admissions = host.admissions;
    start();
    EXPECT_EQ(send(request, text), Step::kRespondAndClose) << text;
    EXPECT_EQ(status(), expected) << reason();
    EXPECT_EQ(host.admissions, admissions);
  }

  FakeLoginHost host;
  LoginLimits limits;
  OwnPtr<Login> login;
  std::map<std::string, std::string> keys;  // Of the last answer.
};

}  // namespace chiscsi::test
