// SPDX-License-Identifier: GPL-2.0-only
//
// Transports of other modules: registration, portals shared with the sockets, and the end of a
// transport while its connections live. The other protocol tests run over such a transport, too.
#include <gtest/gtest.h>

#include <cerrno>
#include <future>

#include "common/chiscsi_transport.h"
#include "memory_transport.hh"
#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

int no_listen(const tcp_endpoint*, int, chiscsi_listen_port*, void**) { return -ENODEV; }
int nothing(void*) { return 0; }

chiscsi_transport idle_transport(const char* name) {
  chiscsi_transport transport = {};
  transport.name = name;
  transport.version = CHISCSI_TRANSPORT_VERSION;
  transport.max_recv_data_segment = 8192;
  transport.max_xmit_data_segment = 8192;
  transport.listen = &no_listen;
  transport.unlisten = [](void*) {};
  transport.start_conn = [](void*) {};
  transport.recv_pdus = &nothing;
  transport.xmit_pdus = &nothing;
  transport.set_param = [](void*, chiscsi_conn_param, unsigned int) { return 0; };
  transport.stop_conn = [](void*, int) {};
  transport.destroy_conn = [](void*) {};
  return transport;
}

class TransportProtocol : public ProtocolTest {};

TEST_F(TransportProtocol, RefusesWhatIsIncomplete) {
  start();
  EXPECT_EQ(chiscsi_transport_register(nullptr), -EINVAL);
  const auto refused = [](auto&& bend) {
    chiscsi_transport transport = idle_transport("idle");
    bend(transport);
    return chiscsi_transport_register(&transport);
  };
  EXPECT_EQ(refused([](auto& t) { t.name = nullptr; }), -EINVAL);
  EXPECT_EQ(refused([](auto& t) { t.name = ""; }), -EINVAL);
  EXPECT_EQ(refused([](auto& t) { t.name = "a name that is longer than thirty-one"; }), -EINVAL);
  EXPECT_EQ(refused([](auto& t) { ++t.version; }), -EINVAL);
  EXPECT_EQ(refused([](auto& t) { t.listen = nullptr; }), -EINVAL);
  EXPECT_EQ(refused([](auto& t) { t.destroy_conn = nullptr; }), -EINVAL);
  EXPECT_EQ(refused([](auto& t) { t.max_recv_data_segment = 511; }), -EINVAL);
  EXPECT_EQ(refused([](auto& t) { t.max_xmit_data_segment = 0; }), -EINVAL);
}

// What is missing is not made up: no command is executed with it.
TEST_F(TransportProtocol, OneThatLosesDataLosesTheConnection) {
  start();
  if (!MemoryTransport::chosen()) {
    ASSERT_EQ(MemoryTransport::start(true), 0);
  }
  {
    Initiator peer(MemoryTransport::connect(port));
    LoginOptions login;
    login.isid[5] = 9;
    ASSERT_TRUE(peer.login(login).in_full_feature);
    ASSERT_TRUE(peer.write(write10_cdb(0, 1), pattern(512), {512}).good());
    MemoryTransport::swallow_a_byte();
    Pdu command = peer.make_command(write10_cdb(0, 1), 512, iscsi::kCommandWrite);
    command.data = pattern(512, 9);
    ASSERT_TRUE(peer.send(command));
    EXPECT_TRUE(peer.closed_by_target());
    EXPECT_TRUE(driver.wait_for("session_removed"));
    EXPECT_EQ(driver.count("cdb 2a"), 1u);
    EXPECT_EQ(driver.content(0, 0, 512), pattern(512));
  }
  if (!MemoryTransport::chosen()) {
    EXPECT_EQ(MemoryTransport::stop(), 0);
  }
}

TEST_F(TransportProtocol, ANameIsTakenOnce) {
  start();
  chiscsi_transport first = idle_transport("idle");
  chiscsi_transport second = idle_transport("idle");
  ASSERT_EQ(chiscsi_transport_register(&first), 0);
  EXPECT_EQ(chiscsi_transport_register(&second), -EEXIST);
  EXPECT_EQ(chiscsi_transport_unregister(&second), -ENOENT);
  EXPECT_EQ(chiscsi_transport_unregister(&first), 0);
  EXPECT_EQ(chiscsi_transport_unregister(&first), -ENOENT);
}

TEST_F(TransportProtocol, ServesAPortalBesideTheSockets) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "the sockets are not in use";
  start();
  // The portal is open already.
  ASSERT_EQ(MemoryTransport::start(true), 0);
  LoginOptions other;
  other.isid[5] = 2;
  auto by_tcp = log_in();
  auto by_memory = std::make_unique<Initiator>(MemoryTransport::connect(port));
  ASSERT_TRUE(by_memory->connected());
  ASSERT_TRUE(by_memory->login(other).in_full_feature);
  EXPECT_TRUE(by_memory->write(write10_cdb(0, 16), pattern(8192)).good());
  EXPECT_EQ(by_tcp->read(read10_cdb(0, 16), 8192).data, pattern(8192));
  EXPECT_EQ(driver.count("session_added"), 2u);
  // Its end is the end of its session alone.
  EXPECT_EQ(MemoryTransport::stop(), 0);
  EXPECT_TRUE(by_memory->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_TRUE(by_tcp->ping());
  EXPECT_EQ(MemoryTransport::connect(port), nullptr);
  EXPECT_CLEAN(*by_tcp);
}

TEST_F(TransportProtocol, ATargetAtAnAddressOfNobodyDoesNotStart) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "the address is that transport's";
  start();
  const std::vector<std::string> elsewhere = {
      "PortalGroup=1@" + std::string(MemoryTransport::kAddress) + ":" + std::to_string(port)};
  EXPECT_EQ(driver.add_target("iqn.2026-11.org.example:elsewhere", elsewhere), -EADDRNOTAVAIL);
  ASSERT_EQ(MemoryTransport::start(), 0);
  EXPECT_EQ(driver.add_target("iqn.2026-11.org.example:elsewhere", elsewhere), 0);
  EXPECT_EQ(driver.remove_target("iqn.2026-11.org.example:elsewhere"), 0);
  EXPECT_EQ(MemoryTransport::stop(), 0);
}

TEST_F(TransportProtocol, EndsWhileCommandsAreWithTheDriver) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "registers the transport by itself";
  start();
  ASSERT_EQ(MemoryTransport::start(true), 0);
  driver.hold(true);
  auto initiator = std::make_unique<Initiator>(MemoryTransport::connect(port));
  ASSERT_TRUE(initiator->login().in_full_feature);
  for (int i = 0; i < 8; ++i)
    initiator->send(initiator->make_command(read10_cdb(0, 16), 8192, iscsi::kCommandRead));
  ASSERT_TRUE(driver.wait_for("cdb", 8));
  EXPECT_EQ(MemoryTransport::stop(), 0);
  EXPECT_TRUE(initiator->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(driver.count("cleanup"), 8u);
}

}  // namespace
}  // namespace chiscsi::test
