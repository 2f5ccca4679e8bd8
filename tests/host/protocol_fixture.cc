// SPDX-License-Identifier: GPL-2.0-only
//
// See protocol_fixture.hh.
#include "protocol_fixture.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "memory_transport.hh"

namespace chiscsi::test {

uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  const bool good = bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0 &&
                    getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  close(fd);
  return good ? ntohs(address.sin_port) : 0;
}

ProtocolTest::ProtocolTest()
    : port(free_port()),
      allocations_before_(host_live_allocations()),
      sockets_before_(host_open_sockets()) {
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

ProtocolTest::~ProtocolTest() {
  host_set_read_piece(0);
  host_set_send_limit(0);
  host_set_notice_delay(0);
  host_fail_allocation_at(0);
}

std::string ProtocolTest::portal_ip() {
  return MemoryTransport::chosen() ? MemoryTransport::kAddress : "127.0.0.1";
}

std::string ProtocolTest::portal_address(uint16_t at_port) {
  return portal_ip() + ":" + std::to_string(at_port);
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
  ASSERT_EQ(engine_start(&options), 0);
  engine_started_ = true;
  ASSERT_EQ(MemoryTransport::chosen() ? MemoryTransport::start() : 0, 0);
  ASSERT_EQ(driver.start(), 0);
  ASSERT_EQ(driver.add_target(kTargetName, target_keys()), 0);
  target_added_ = true;
}

void ProtocolTest::remove_target() {
  target_added_ = false;
  EXPECT_EQ(driver.remove_target(kTargetName), 0);
}

void ProtocolTest::TearDown() {
  host_fail_allocation_at(0);
  if (engine_started_) {
    driver.unstick();
    if (target_added_) remove_target();
    EXPECT_EQ(driver.stop(), 0);
    EXPECT_EQ(MemoryTransport::chosen() ? MemoryTransport::stop() : 0, 0);
    engine_stop();
    host_drain_sockets();
  }
  EXPECT_EQ(driver.violations(), std::vector<std::string>());
  EXPECT_EQ(host_live_allocations(), allocations_before_);
  EXPECT_EQ(host_open_sockets(), sockets_before_);
}

std::unique_ptr<Initiator> ProtocolTest::log_in(const LoginOptions& login_options) {
  auto initiator = std::make_unique<Initiator>(port);
  const LoginResult result = initiator->login(login_options);
  EXPECT_TRUE(result.in_full_feature) << "status " << std::hex << result.status;
  return initiator;
}

std::unique_ptr<Initiator> ProtocolTest::start_and_log_in(const LoginOptions& login_options) {
  start();
  return log_in(login_options);
}

}  // namespace chiscsi::test
