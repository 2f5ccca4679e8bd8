// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture of the protocol tests: an engine in this process, a FakeDriver with one target on a
// loop-back port of its own, and the check that everything was given back at the end. A test sets
// `keys`, `options` and the driver's script in its constructor or before it calls start().
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "fake_driver.hh"
#include "host.hh"
#include "initiator.hh"
#include "target/engine.h"

namespace chiscsi::test {

inline constexpr char kTargetName[] = "iqn.2026-11.org.example:target";

class ProtocolTest : public testing::Test {
 protected:
  ProtocolTest();
  ~ProtocolTest() override;
  void SetUp() override {}
  void TearDown() override;

  // Starts engine, driver and target. TearDown() ends what was started.
  void start();
  // A key of the target, instead of the one with that name which is there.
  void set_key(const std::string& key, const std::string& value);
  std::vector<std::string> target_keys() const;
  // Address of the target's portal, which is the initiator's as well.
  static std::string portal_ip();
  // Address and port of the target's portal.
  std::string portal_address() const { return portal_address(port); }
  static std::string portal_address(uint16_t at_port);
  // Removes the target before TearDown() does.
  void remove_target();

  // A new connection in full feature phase. When the login does not work the test has failed; what
  // is returned is never null, but of no use.
  std::unique_ptr<Initiator> log_in(const LoginOptions& options = {});
  // start() and log_in() in one.
  std::unique_ptr<Initiator> start_and_log_in(const LoginOptions& options = {});

  engine_options options = {2, 30, 1, 64};
  KeyList keys;
  uint16_t port = 0;
  FakeDriver driver;

 private:
  const uint64_t allocations_before_;
  const size_t sockets_before_;
  bool engine_started_ = false;
  bool target_added_ = false;
};

// A TCP port of the loop-back address that is free right now.
uint16_t free_port();

// The initiator saw nothing wrong.
#define EXPECT_CLEAN(initiator) EXPECT_EQ((initiator).problems(), std::vector<std::string>())

}  // namespace chiscsi::test
