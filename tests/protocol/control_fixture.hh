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
#include "fake_disks.hh"
#include "host.hh"
#include "memory_transport.hh"
#include "protocol_fixture.hh"

namespace chiscsi::test {

class ControlProtocol : public testing::Test {
 protected:
  using Lines = std::vector<std::string>;
  ControlProtocol()
      : allocations_before_(host_live_allocations()), sockets_before_(host_open_sockets()) {}
  void TearDown() override {
    host_fail_allocation_at(0);
    peer.reset();
    if (started_) {
      disks.unstick();
      EXPECT_EQ(disks.stop(), 0);
      EXPECT_EQ(MemoryTransport::chosen() ? MemoryTransport::stop() : 0, 0);
      engine_stop();
      host_drain_sockets();
    }
    EXPECT_EQ(host_module_holds(), 0);
    EXPECT_EQ(disks.violations(), Lines());
    EXPECT_EQ(host_live_allocations(), allocations_before_);
    EXPECT_EQ(host_open_sockets(), sockets_before_);
  }

  void start_engine() {
    ASSERT_EQ(engine_start(&options), 0);
    started_ = true;
    ASSERT_EQ(MemoryTransport::chosen() ? MemoryTransport::start() : 0, 0);
    ASSERT_EQ(disks.start(), 0);
  }
  static std::string ip() {
    return MemoryTransport::chosen() ? MemoryTransport::kAddress : "127.0.0.1";
  }
  // A whole target: two disks, one portal, and what is given besides.
  Lines keys(const Lines& more = {}, const Lines& devices = {"a,RAW", "b,DISK"}) const {
    Lines all = {std::string("TargetName=") + kTargetName,
                 "PortalGroup=1@" + ip() + ":" + std::to_string(port)};
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
    start_engine();
    const ControlAnswer answer = start_target(keys(more));
    ASSERT_EQ(answer.error, 0) << answer.why;
  }
  std::unique_ptr<Initiator> log_in(uint8_t isid = 1,
                                    const std::string& name = "iqn.2026-11.org.example:initiator") {
    LoginOptions login;
    login.isid[5] = isid;
    login.initiator_name = name;
    auto initiator = std::make_unique<Initiator>(port);
    EXPECT_TRUE(initiator->login(login).in_full_feature);
    return initiator;
  }

  engine_options options = {2, 30, 30, 64};
  uint16_t port = free_port();
  FakeDisks disks;
  std::unique_ptr<Initiator> peer;

 private:
  const uint64_t allocations_before_;
  const size_t sockets_before_;
  bool started_ = false;
};

}  // namespace chiscsi::test
