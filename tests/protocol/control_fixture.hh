// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture of the tests of the control device: an engine, the disks of FakeDisks as what a
// TargetDevice line may name, and targets that are started by control requests.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "control_call.hh"
#include "disks_fixture.hh"
#include "memory_transport.hh"

namespace chiscsi::test {

class ControlProtocol : public DisksTest {
 protected:
  // A whole target: two disks, one portal, and what is given besides.
  Lines keys(const Lines& more = {}, const Lines& devices = {"a,RAW", "b,DISK"}) const {
    Lines all = {std::string("TargetName=") + kTargetName, "PortalGroup=1@" + portal_address()};
    for (const std::string& device : devices)
      all.push_back("TargetDevice=" + device);
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  static ControlAnswer start_target(const Lines& lines, uint32_t flags = 0) {
    return control(CHISCSI_CONTROL_TARGET_START, lines, flags);
  }
  static ControlAnswer stop_target(const std::string& name = kTargetName) {
    return control(CHISCSI_CONTROL_TARGET_STOP, {"target=" + name});
  }
  static ControlAnswer about(chiscsi_control_op op, const std::string& name = kTargetName) {
    return control(op, {"target=" + name});
  }
  // Engine, disks and the target.
  void start(const Lines& more = {}) {
    ASSERT_NO_FATAL_FAILURE(start_disks());
    const ControlAnswer answer = start_target(keys(more));
    ASSERT_EQ(answer.error, 0) << answer.why;
  }
  std::unique_ptr<Initiator> log_in(
      uint8_t isid = 1, const std::string& name = "iqn.2026-11.org.example:initiator") const {
    LoginOptions login = initiator_port(isid);
    login.initiator_name = name;
    return EngineTest::log_in(login, port);
  }
};

}  // namespace chiscsi::test
