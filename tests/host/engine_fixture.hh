// SPDX-License-Identifier: GPL-2.0-only
//
// What every fixture with an engine in this process shares: the engine and its transport, a port of
// its own for the target, logins, and the check that everything was given back at the end.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "free_port.hh"
#include "host.hh"
#include "initiator.hh"
#include "target/engine.h"

namespace chiscsi::test {

inline constexpr char kTargetName[] = "iqn.2026-11.org.example:target";

class EngineTest : public testing::Test {
 protected:
  EngineTest();
  ~EngineTest() override;
  // Stops the engine if it runs, then counts what is left. A fixture stops its drivers before.
  void TearDown() override;

  void start_engine();
  void stop_engine();
  bool engine_runs() const { return engine_runs_; }

  // Address of the target's portal, which is the initiator's as well.
  static std::string portal_ip();
  // Address and port of the target's portal.
  std::string portal_address() const { return portal_address(port); }
  static std::string portal_address(uint16_t at_port);

  // A new connection in full feature phase. When the login does not work the test has failed; what
  // is returned is never null, but of no use.
  std::unique_ptr<Initiator> log_in(const LoginOptions& login = {}) { return log_in(login, port); }
  static std::unique_ptr<Initiator> log_in(const LoginOptions& login, uint16_t at_port);
  // Of the initiator port with this ISID.
  static LoginOptions initiator_port(uint8_t isid);
  // The same, with a first burst as the targets of FakeDisks and of built-in classes permit it.
  static LoginOptions bursting_port(uint8_t isid);

  // Keys of a target with these devices, which takes unsolicited data.
  std::vector<std::string> bursting_keys(const std::vector<std::string>& devices) const;

  // CHECK CONDITION with this sense data.
  static void expect_sense(const Outcome& outcome, uint8_t key, uint8_t asc, uint8_t ascq = 0);

  engine_options options = {2, 30, 30, 64};
  uint16_t port = free_port();

 private:
  const uint64_t allocations_before_;
  const size_t sockets_before_;
  bool engine_runs_ = false;
};

// The initiator saw nothing wrong.
#define EXPECT_CLEAN(initiator) EXPECT_EQ((initiator).problems(), std::vector<std::string>())

}  // namespace chiscsi::test
