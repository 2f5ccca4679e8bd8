// SPDX-License-Identifier: GPL-2.0-only
//
// What well-known initiators do when commands take too long: row T-6 of the robustness corpus. The
// order and the time limits are theirs, the requests are written by hand; a storage driver that
// does not answer is the worst case. Each response has to come within the initiator's own limit.
#include <gtest/gtest.h>

#include <optional>
#include <thread>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;

class Patterns : public ProtocolTest, public testing::WithParamInterface<bool> {
 protected:
  static constexpr unsigned kWrites = 32;
  bool is_stuck() const { return GetParam(); }

  // Writes that the driver keeps: half of them wait for their data as well.
  void start_writes() {
    options.abort_timeout_s = 5;
    peer = start_and_log_in();
    for (unsigned i = 0; i < kWrites; ++i) {
      if (i == kWrites / 2) hold();
      writes.push_back(peer->make_command(write10_cdb(8 * i, 8), 8 * kBlock, kCommandWrite));
      ASSERT_TRUE(peer->send(writes.back()));
      ASSERT_TRUE(driver.wait_for("cdb", i + 1));
      if (i >= kWrites / 2) continue;
      const auto r2t = peer->receive_for(writes.back().task_tag());
      ASSERT_TRUE(r2t && r2t->opcode() == Opcode::kR2t);
    }
    host_advance_clock(5000);
  }
  void hold() {
    if (is_stuck()) {
      driver.stick();
    } else {
      driver.hold(true);
    }
  }
  Pdu send_function(uint8_t function, uint32_t referenced) {
    const Pdu request = peer->make_task_management(function, referenced);
    EXPECT_TRUE(peer->send(request));
    return request;
  }
  // The answer to a function; the clock runs on only as far as `limit_ms`.
  std::optional<uint8_t> answer_within(const Pdu& request, unsigned limit_ms) {
    for (unsigned passed = 0; passed < limit_ms; passed += 500) {
      const auto answer = peer->receive_for(request.task_tag(), 200);
      if (answer) return answer->as<TaskManagementResponse>().response;
      host_advance_clock(500);
    }
    return {};
  }
  std::unique_ptr<Initiator> peer;
  std::vector<Pdu> writes;
};

// ESXi aborts each command by itself after 5 s.
TEST_P(Patterns, EachOf32WritesIsAbortedByItself) {
  start_writes();
  std::vector<Pdu> requests;
  for (const Pdu& write : writes)
    requests.push_back(send_function(kAbortTask, write.task_tag()));
  for (const Pdu& request : requests) {
    const auto response = answer_within(request, 10000);
    ASSERT_TRUE(response);
    if (!is_stuck()) {
      EXPECT_EQ(*response, 0);
    }
  }
  EXPECT_TRUE(peer->ping());
  EXPECT_EQ(driver.content(0, 0, kBlock), ByteVector(kBlock, 0));
  driver.unstick();
  driver.hold(false);
  EXPECT_TRUE(driver.wait_for("cleanup", kWrites));
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb()).good());
  EXPECT_CLEAN(*peer);
}

// Windows resets the unit, then the target, then logs in anew; nothing of it answers R2Ts.
TEST_P(Patterns, UnitResetTargetResetReconnect) {
  start_writes();
  const auto unit = answer_within(send_function(kLunReset, kReservedTag), 10000);
  ASSERT_TRUE(unit);
  const auto target = answer_within(send_function(kWarmReset, kReservedTag), 10000);
  ASSERT_TRUE(target);
  if (!is_stuck()) {
    EXPECT_EQ(*unit, 0);
    EXPECT_EQ(*target, 0);
  }
  const auto old = std::move(peer);
  std::unique_ptr<Initiator> fresh;
  std::thread clock([&] {
    if (is_stuck()) {
      driver.wait_for("abort", 1);
      host_advance_clock(6000);
    }
  });
  fresh = log_in();
  clock.join();
  EXPECT_TRUE(old->closed_by_target());
  driver.unstick();
  driver.hold(false);
  EXPECT_TRUE(driver.wait_for("cleanup", kWrites));
  EXPECT_TRUE(fresh->write(write10_cdb(0, 8), pattern(8 * kBlock)).good());
  EXPECT_EQ(driver.content(0, 0, 8 * kBlock), pattern(8 * kBlock));
}

std::string name_of(const testing::TestParamInfo<bool>& info) {
  return info.param ? "StuckDriver" : "SlowDriver";
}

INSTANTIATE_TEST_SUITE_P(Drivers, Patterns, testing::Bool(), name_of);

}  // namespace
}  // namespace chiscsi::test
