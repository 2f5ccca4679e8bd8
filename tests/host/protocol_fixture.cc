// SPDX-License-Identifier: GPL-2.0-only
//
// See protocol_fixture.hh.
#include "protocol_fixture.hh"

#include <utility>

namespace chiscsi::test {

ProtocolTest::ProtocolTest() {
  options.abort_timeout_s = 1;
  keys = {{"PortalGroup", "1@" + portal_address()},
          {"AuthMethod", "None"},
          {"HeaderDigest", "None,CRC32C"},
          {"DataDigest", "None,CRC32C"},
          {"InitialR2T", "No"},
          {"ImmediateData", "Yes"},
          {"FirstBurstLength", "65536"},
          {"MaxBurstLength", "262144"},
          {"MaxOutstandingR2T", "1"},
          {"MaxRecvDataSegmentLength", "65536"}};
}

void ProtocolTest::set_key(const std::string& key, const std::string& value) {
  for (auto& pair : keys) {
    if (pair.first == key) {
      pair.second = value;
      return;
    }
  }
  keys.emplace_back(key, value);
}

std::vector<std::string> ProtocolTest::target_keys() const {
  std::vector<std::string> lines;
  for (const auto& [key, value] : keys)
    lines.push_back(key + "=" + value);
  return lines;
}

void ProtocolTest::start() {
  ASSERT_NO_FATAL_FAILURE(start_engine());
  ASSERT_EQ(driver.start(), 0);
  driver_runs_ = true;
  ASSERT_EQ(driver.add_target(kTargetName, target_keys()), 0);
  target_added_ = true;
}

void ProtocolTest::remove_target() {
  target_added_ = false;
  EXPECT_EQ(driver.remove_target(kTargetName), 0);
}

void ProtocolTest::TearDown() {
  host_fail_allocation_at(0);
  if (std::exchange(driver_runs_, false)) {
    driver.unstick();
    if (target_added_) remove_target();
    EXPECT_EQ(driver.stop(), 0);
  }
  EngineTest::TearDown();
  EXPECT_EQ(driver.violations(), std::vector<std::string>());
}

std::unique_ptr<Initiator> ProtocolTest::start_and_log_in(const LoginOptions& login) {
  start();
  return log_in(login);
}

void ProtocolTest::await_answer_to_abort(Initiator& initiator) {
  ASSERT_TRUE(driver.wait_for("answered abort"));
  for (int i = 0; i < 2; ++i)
    ASSERT_TRUE(initiator.ping());
}

}  // namespace chiscsi::test
