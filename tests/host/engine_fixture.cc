// SPDX-License-Identifier: GPL-2.0-only
//
// See engine_fixture.hh.
#include "engine_fixture.hh"

#include <utility>

#include "memory_transport.hh"
#include "offload_run.hh"

namespace chiscsi::test {

EngineTest::EngineTest()
    : allocations_before_(host_live_allocations()), sockets_before_(host_open_sockets()) {
  MemoryTransport::reset();
}

EngineTest::~EngineTest() {
  EXPECT_EQ(MemoryTransport::take_violations(), std::vector<std::string>());
  host_set_read_piece(0);
  host_set_send_limit(0);
  host_set_notice_delay(0);
  host_fail_allocation_at(0);
}

void EngineTest::TearDown() {
  host_fail_allocation_at(0);
  stop_engine();
  EXPECT_EQ(host_module_holds(), 0);
  EXPECT_EQ(host_live_allocations(), allocations_before_);
  EXPECT_EQ(host_open_sockets(), sockets_before_);
}

void EngineTest::start_engine() {
  ASSERT_EQ(engine_start(&options), 0);
  engine_runs_ = true;
  ASSERT_EQ(MemoryTransport::chosen() ? MemoryTransport::start() : 0, 0);
  if (OffloadRun::chosen()) OffloadRun::start();
}

void EngineTest::stop_engine() {
  if (!std::exchange(engine_runs_, false)) return;
  EXPECT_EQ(MemoryTransport::chosen() ? MemoryTransport::stop() : 0, 0);
  if (OffloadRun::chosen()) OffloadRun::stop();
  engine_stop();
  host_drain_sockets();
}

std::string EngineTest::portal_ip() {
  return MemoryTransport::chosen() ? MemoryTransport::kAddress : "127.0.0.1";
}

std::string EngineTest::portal_address(uint16_t at_port) {
  return portal_ip() + ":" + std::to_string(at_port);
}

std::unique_ptr<Initiator> EngineTest::log_in(const LoginOptions& login, uint16_t at_port) {
  auto initiator = std::make_unique<Initiator>(at_port);
  const LoginResult result = initiator->login(login);
  EXPECT_TRUE(result.in_full_feature) << "status " << std::hex << result.status;
  return initiator;
}

LoginOptions EngineTest::initiator_port(uint8_t isid) {
  LoginOptions login;
  login.isid[5] = isid;
  return login;
}

LoginOptions EngineTest::bursting_port(uint8_t isid) {
  LoginOptions login = initiator_port(isid);
  login.keys = {{"InitialR2T", "No"}, {"ImmediateData", "Yes"}, {"FirstBurstLength", "65536"}};
  return login;
}

std::vector<std::string> EngineTest::bursting_keys(const std::vector<std::string>& devices) const {
  std::vector<std::string> keys = {"PortalGroup=1@" + portal_address(),
                                   "AuthMethod=None",
                                   "InitialR2T=No",
                                   "ImmediateData=Yes",
                                   "FirstBurstLength=65536",
                                   "MaxBurstLength=262144"};
  for (const std::string& device : devices)
    keys.push_back("TargetDevice=" + device);
  return keys;
}

void EngineTest::expect_sense(const Outcome& outcome, uint8_t key, uint8_t asc, uint8_t ascq) {
  ASSERT_TRUE(outcome.answered);
  EXPECT_EQ(outcome.status, 2);
  ASSERT_GE(outcome.sense.size(), 14u);
  EXPECT_EQ(outcome.sense_key(), key);
  EXPECT_EQ(outcome.sense[12], asc);
  EXPECT_EQ(outcome.sense[13], ascq);
}

}  // namespace chiscsi::test
