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

// What was offered to the transport below, and whether it takes it.
int offers = 0;
bool takes_offers = false;

TEST_F(TransportProtocol, OffersPortalsAgainThatWereNotTaken) {
  start();
  chiscsi_transport transport = idle_transport("late");
  transport.listen = [](const tcp_endpoint*, int, chiscsi_listen_port*, void** portal) {
    ++offers;
    *portal = &offers;
    return takes_offers ? 0 : -ENODEV;
  };
  EXPECT_EQ(chiscsi_transport_offer(&transport), -ENOENT);
  ASSERT_EQ(chiscsi_transport_register(&transport), 0);
  EXPECT_EQ(offers, 1);
  takes_offers = true;
  EXPECT_EQ(chiscsi_transport_offer(&transport), 0);
  EXPECT_EQ(offers, 2);
  EXPECT_EQ(chiscsi_transport_offer(&transport), 0);
  EXPECT_EQ(offers, 2) << "it listens there";
  EXPECT_EQ(chiscsi_transport_unregister(&transport), 0);
  EXPECT_EQ(chiscsi_transport_offer(&transport), -ENOENT);
}

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
  EXPECT_EQ(refused([](auto& t) { t.caps = CHISCSI_TRANSPORT_PLACES; }), -EINVAL);
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
    MemoryTransport::script.swallows_a_byte = true;
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

// Its end is there before the turn in which the login is answered is over: as over sockets, whoever
// was let in is a session of the driver first.
TEST_F(TransportProtocol, WhoEndsWithItsLoginWasThere) {
  driver.with_login_hooks = false;
  MemoryTransport::script.places = false;  // That says in the next turn what was sent.
  start();
  if (!MemoryTransport::chosen()) {
    ASSERT_EQ(MemoryTransport::start(true), 0);
  }
  {
    Initiator peer(MemoryTransport::connect(port));
    MemoryTransport::script.ends_with_pdu = true;
    EXPECT_TRUE(peer.login().in_full_feature);
    EXPECT_TRUE(peer.closed_by_target());
    EXPECT_TRUE(driver.wait_for("session_removed"));
    EXPECT_EQ(driver.count("session_added"), 1u);
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

// The host's sockets leave the address to it, and are there when it goes.
TEST_F(TransportProtocol, OneThatNeedsTheAddressForItselfHasIt) {
  if (MemoryTransport::chosen()) GTEST_SKIP() << "registers the transport by itself";
  constexpr char kOther[] = "iqn.2026-11.org.example:other";
  start();
  MemoryTransport::script.binds = true;
  ASSERT_EQ(MemoryTransport::start(true), 0);
  EXPECT_EQ(MemoryTransport::connect(port), nullptr);  // That one the host had before.
  const uint16_t other = free_port();
  ASSERT_EQ(driver.add_target(kOther, {"PortalGroup=1@" + portal_address(other)}), 0);
  LoginOptions login;
  login.target_name = kOther;
  {
    Initiator peer(MemoryTransport::connect(other));
    ASSERT_TRUE(peer.connected());
    EXPECT_TRUE(peer.login(login).in_full_feature);
  }
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(MemoryTransport::stop(), 0);
  Initiator by_tcp(other);
  ASSERT_TRUE(by_tcp.connected());
  EXPECT_TRUE(by_tcp.login(login).in_full_feature);
  EXPECT_EQ(driver.remove_target(kOther), 0);
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

// ---- What a transport with the wits of an adapter does ----

class PlacingProtocol : public ProtocolTest {
 protected:
  void SetUp() override {
    MemoryTransport::script.places = true;
    MemoryTransport::script.places_some = false;
    start();
    if (!MemoryTransport::chosen()) {
      ASSERT_EQ(MemoryTransport::start(true), 0);
    }
  }
  void TearDown() override {
    MemoryTransport::script.holds_releases = false;
    if (!MemoryTransport::chosen()) {
      EXPECT_EQ(MemoryTransport::stop(), 0);
    }
    ProtocolTest::TearDown();
  }
  // Without keys of its own, with long data segments in both directions.
  std::unique_ptr<Initiator> log_in_here(LoginOptions login = {}) {
    if (login.keys.empty()) login.keys = {{"MaxRecvDataSegmentLength", "65536"}};
    auto peer = std::make_unique<Initiator>(MemoryTransport::connect(port));
    EXPECT_TRUE(peer->login(login).in_full_feature);
    return peer;
  }
  // A write whose first R2T has come.
  Pdu start_write(Initiator& peer, const ByteVector& data, uint32_t block = 0) {
    const auto blocks = static_cast<uint16_t>(data.size() / FakeDriver::kBlock);
    const Pdu command = peer.make_command(write10_cdb(block, blocks),
                                          static_cast<uint32_t>(data.size()), iscsi::kCommandWrite);
    EXPECT_TRUE(peer.send(command));
    const auto r2t = peer.receive_opcode(iscsi::Opcode::kR2t);
    EXPECT_TRUE(r2t);
    if (r2t) tag = r2t->as<iscsi::R2t>().target_transfer_tag.get();
    return command;
  }
  // One Data-Out PDU for it.
  void send_part(Initiator& peer, const Pdu& command, const ByteVector& data, uint32_t data_sn,
                 uint32_t from, uint32_t to) {
    const ByteVector part(data.begin() + from, data.begin() + to);
    EXPECT_TRUE(
        peer.send(peer.make_data_out(command, tag, data_sn, from, part, to == data.size())));
  }
  static MemoryTransport::Script& script() { return MemoryTransport::script; }
  static MemoryTransport::Counts& counts() { return MemoryTransport::counts; }
  uint32_t tag = 0;
};

TEST_F(PlacingProtocol, BuffersGoBackWhenTheTransportHasLetGo) {
  auto peer = log_in_here();
  script().holds_releases = true;
  const ByteVector data = pattern(8192);
  const Pdu command = start_write(*peer, data);
  send_part(*peer, command, data, 0, 0, 8192);
  ASSERT_TRUE(MemoryTransport::wait_for("release_task"));
  EXPECT_TRUE(peer->ping());
  EXPECT_EQ(driver.count("xfer"), 0u);
  script().holds_releases = false;
  EXPECT_TRUE(peer->ping());
  EXPECT_TRUE(peer->finish(command).good());
  EXPECT_EQ(driver.count("xfer"), 1u);
  EXPECT_EQ(driver.content(0, 0, 8192), data);
  EXPECT_EQ(counts().releases_asked, 1u);
  EXPECT_EQ(counts().releases_answered, 1u);
  EXPECT_CLEAN(*peer);
}

// The task stays while an R2T is outstanding; the target asks for it once.
TEST_F(PlacingProtocol, OneTaskServesAllR2tsOfALentList) {
  auto peer = log_in_here();
  const ByteVector data = pattern(1024 * 1024);
  EXPECT_TRUE(peer->write(write10_cdb(0, 2048), data).good());
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
  EXPECT_EQ(counts().r2ts_placed, 4u);
  EXPECT_EQ(counts().releases_asked, 1u);
  EXPECT_CLEAN(*peer);
}

TEST_F(PlacingProtocol, EveryLentListHasATaskOfItsOwn) {
  driver.phase_bytes = 65536;
  auto peer = log_in_here();
  const ByteVector data = pattern(262144);
  EXPECT_TRUE(peer->write(write10_cdb(0, 512), data, {1000, 0, 8192}).good());
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
  EXPECT_EQ(counts().releases_asked, 4u);
  EXPECT_EQ(counts().releases_answered, 4u);
  EXPECT_CLEAN(*peer);
}

TEST_F(PlacingProtocol, MergedPdusMayBeLongerThanOneMayBe) {
  auto peer = log_in_here();
  const ByteVector data = pattern(131072);
  const Pdu command = start_write(*peer, data);
  ByteVector bytes;
  for (uint32_t i = 0; i < 2; ++i) {
    const ByteVector part(data.begin() + i * 65536, data.begin() + (i + 1) * 65536);
    const ByteVector wire =
        peer->to_wire(peer->make_data_out(command, tag, i, i * 65536, part, i == 1));
    bytes.insert(bytes.end(), wire.begin(), wire.end());
  }
  ASSERT_TRUE(peer->send_bytes(bytes));
  EXPECT_TRUE(peer->finish(command).good());
  EXPECT_EQ(driver.content(0, 0, data.size()), data);
  EXPECT_EQ(counts().pdus_merged, 1u);
  EXPECT_CLEAN(*peer);
}

// No buffer is asked back from the driver before the transport has let go of it.
TEST_F(PlacingProtocol, AbortInTheMiddleOfABurst) {
  auto peer = log_in_here();
  script().holds_releases = true;
  const ByteVector data = pattern(131072);
  const Pdu command = start_write(*peer, data);
  send_part(*peer, command, data, 0, 0, 65536);
  const Pdu function = peer->make_task_management(kAbortTask, command.task_tag());
  ASSERT_TRUE(peer->send(function));
  ASSERT_TRUE(MemoryTransport::wait_for("release_task"));
  EXPECT_TRUE(peer->ping());
  EXPECT_EQ(driver.count("abort"), 0u);
  script().holds_releases = false;
  EXPECT_TRUE(peer->ping());
  const auto response = peer->receive_for(function.task_tag());
  ASSERT_TRUE(response);
  EXPECT_EQ(response->as<iscsi::TaskManagementResponse>().response, 0);
  EXPECT_TRUE(driver.wait_for("abort tmf"));
  EXPECT_TRUE(driver.wait_for("cleanup"));
  EXPECT_EQ(counts().releases_asked, 1u);
  // The rest of the burst has no home.
  send_part(*peer, command, data, 1, 65536, 131072);
  EXPECT_TRUE(peer->ping());
  EXPECT_TRUE(peer->write(write10_cdb(0, 16), pattern(8192)).good());
  EXPECT_CLEAN(*peer);
}

TEST_F(PlacingProtocol, AFailureInTheMiddleOfABurst) {
  auto peer = log_in_here();
  const ByteVector data = pattern(131072);
  const Pdu command = start_write(*peer, data);
  send_part(*peer, command, data, 0, 0, 32768);
  send_part(*peer, command, data, 2, 65536, 98304);  // One is missing.
  EXPECT_TRUE(peer->ping());
  EXPECT_EQ(counts().releases_asked, 0u);
  send_part(*peer, command, data, 3, 98304, 131072);
  const Outcome outcome = peer->finish(command);
  EXPECT_EQ(outcome.status, 2);
  EXPECT_EQ(counts().releases_asked, 1u);
  EXPECT_TRUE(driver.wait_for("cleanup"));
  EXPECT_EQ(driver.count("xfer"), 0u);
}

// The driver ends the command while its data is coming. The rest is awaited, so that the transport
// need not end the connection to let go of the buffers.
TEST_F(PlacingProtocol, AnAbortOfTheDriverDoesNotCostTheConnection) {
  std::atomic<chiscsi_scsi_command*> failing{nullptr};
  driver.on_command = [&](chiscsi_scsi_command* command) {
    const int rc = driver.run_command(command);
    failing = command;
    return rc;
  };
  auto peer = log_in_here();
  script().ends_at_incomplete = true;
  const ByteVector data = pattern(131072);
  const Pdu command = start_write(*peer, data);
  send_part(*peer, command, data, 0, 0, 65536);
  EXPECT_TRUE(peer->ping());
  ASSERT_EQ(driver.abort_command(failing), 0);
  EXPECT_TRUE(peer->ping());
  EXPECT_EQ(counts().releases_asked, 0u);
  EXPECT_EQ(driver.count("cleanup"), 0u);
  send_part(*peer, command, data, 1, 65536, 131072);
  EXPECT_EQ(peer->finish(command).status, 2);
  EXPECT_TRUE(driver.wait_for("cleanup"));
  EXPECT_EQ(counts().releases_asked, 1u);
  EXPECT_EQ(counts().releases_answered, 1u);
  EXPECT_TRUE(peer->ping());
  EXPECT_CLEAN(*peer);
}

TEST_F(PlacingProtocol, AnIncompleteBurstMayCostTheConnection) {
  auto peer = log_in_here();
  script().ends_at_incomplete = true;
  const ByteVector data = pattern(131072);
  const Pdu command = start_write(*peer, data);
  send_part(*peer, command, data, 0, 0, 65536);
  ASSERT_TRUE(peer->send(peer->make_task_management(kAbortTask, command.task_tag())));
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(driver.count("cleanup"), 1u);
  EXPECT_EQ(counts().releases_asked, 1u);
  EXPECT_EQ(counts().releases_answered, 0u);
}

// The end of the connection is the release of all, whether they were asked for or not.
TEST_F(PlacingProtocol, LossOfTheConnection) {
  script().holds_releases = true;
  const ByteVector data = pattern(65536);
  for (const uint32_t sent : {0u, 32768u, 65536u}) {
    auto peer = log_in_here();
    const size_t ended = driver.count("session_removed");
    const Pdu command = start_write(*peer, data);
    if (sent != 0) send_part(*peer, command, data, 0, 0, sent);
    if (sent == data.size()) {
      ASSERT_TRUE(MemoryTransport::wait_for("release_task"));
    }
    ASSERT_TRUE(peer->ping());
    EXPECT_EQ(driver.count("xfer"), 0u);
    peer->disconnect_with_reset();
    EXPECT_TRUE(driver.wait_for("session_removed", ended + 1));
    // A driver that has all data may end the command before it is asked to abort it.
    if (sent != data.size()) {
      EXPECT_EQ(driver.count("abort session"), ended + 1);
    }
    EXPECT_EQ(driver.count("cleanup"), ended + 1);
  }
  EXPECT_EQ(counts().releases_answered, 0u);
}

TEST_F(PlacingProtocol, LogoutWithATaskThatIsHeld) {
  auto peer = log_in_here();
  script().holds_releases = true;
  const ByteVector data = pattern(8192);
  const Pdu command = start_write(*peer, data);
  send_part(*peer, command, data, 0, 0, 8192);
  ASSERT_TRUE(MemoryTransport::wait_for("release_task"));
  EXPECT_EQ(peer->logout(), 0);
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(driver.count("cleanup"), 1u);
  EXPECT_EQ(counts().releases_asked, 1u);
}

// What was there before would pass as data.
// Its answer leaves before the end of the connection, which is the release.
TEST_F(PlacingProtocol, LogoutInTheMiddleOfABurst) {
  auto peer = log_in_here();
  script().ends_at_incomplete = true;
  const ByteVector data = pattern(131072);
  const Pdu command = start_write(*peer, data);
  send_part(*peer, command, data, 0, 0, 65536);
  EXPECT_EQ(peer->logout(), 0);
  EXPECT_TRUE(driver.wait_for("session_removed"));
  EXPECT_EQ(driver.count("cleanup"), 1u);
  EXPECT_EQ(counts().releases_asked, 0u);
}

TEST_F(PlacingProtocol, WhatWasNotPlacedEndsTheConnection) {
  script().places_some = true;
  script().merges = false;
  driver.set_content(0, 0, pattern(512, 7));
  const ByteVector data = pattern(512);
  {
    auto peer = log_in_here();
    script().lies_about_place = true;
    Pdu command = peer->make_command(write10_cdb(0, 1), 512, iscsi::kCommandWrite);
    command.data = data;
    ASSERT_TRUE(peer->send(command));
    EXPECT_TRUE(peer->closed_by_target());
    EXPECT_TRUE(driver.wait_for("session_removed"));
  }
  EXPECT_EQ(driver.count("cdb 2a"), 0u);
  {
    auto peer = log_in_here();
    while (counts().r2ts_placed < 4)
      EXPECT_TRUE(peer->write(write10_cdb(8, 1), data).good());
    const Pdu command = start_write(*peer, data);  // The fifth, which is not placed.
    EXPECT_EQ(counts().r2ts_placed, 4u);
    script().lies_about_place = true;
    send_part(*peer, command, data, 0, 0, 512);
    EXPECT_TRUE(peer->closed_by_target());
    EXPECT_TRUE(driver.wait_for("session_removed", 2));
  }
  EXPECT_EQ(driver.content(0, 0, 512), pattern(512, 7));
}

TEST_F(PlacingProtocol, DigestsAreToldBeforeTheLastLoginResponse) {
  LoginOptions login;
  login.keys = {{"HeaderDigest", "CRC32C"}, {"DataDigest", "None"}};
  auto peer = log_in_here(login);
  EXPECT_TRUE(peer->header_digest);
  EXPECT_TRUE(peer->ping());
  EXPECT_EQ(MemoryTransport::calls(),
            (std::vector<std::string>{"set_param 0 1", "set_param 1 0", "last Login Response"}));
  EXPECT_CLEAN(*peer);
}

TEST_F(PlacingProtocol, SequencesAreCutByTheTransport) {
  script().max_burst = 100000;
  LoginOptions login;
  login.keys = {{"MaxRecvDataSegmentLength", "8192"}};
  auto peer = log_in_here(login);
  const ByteVector data = pattern(1024 * 1024);
  driver.set_content(0, 0, data);
  const Outcome all = peer->read(read10_cdb(0, 2048), 1024 * 1024);
  EXPECT_TRUE(all.good());
  EXPECT_EQ(all.data, data);
  EXPECT_EQ(all.data_in_pdus, 128u);
  EXPECT_EQ(counts().bursts, 12u);  // Of 12, 12 and 8 PDUs for each MaxBurstLength.
  // One PDU is no burst.
  EXPECT_EQ(peer->read(read10_cdb(0, 16), 8192).data_in_pdus, 1u);
  EXPECT_EQ(counts().bursts, 12u);
  // The residual count is the last one's.
  const Outcome cut_off = peer->read(read10_cdb(0, 64), 30000);
  EXPECT_TRUE(cut_off.good());
  EXPECT_EQ(cut_off.data_in_pdus, 4u);
  EXPECT_EQ(cut_off.flags, iscsi::kResponseOverflow);
  EXPECT_EQ(cut_off.residual, 64u * 512 - 30000);
  EXPECT_EQ(counts().bursts, 13u);
  EXPECT_CLEAN(*peer);
}

TEST_F(PlacingProtocol, PdusOfABurstAreOfWholeWords) {
  script().max_burst = 100000;
  LoginOptions login;
  login.keys = {{"MaxRecvDataSegmentLength", "1003"}};
  auto peer = log_in_here(login);
  driver.set_content(0, 0, pattern(8192));
  const Outcome outcome = peer->read(read10_cdb(0, 16), 8192);
  EXPECT_EQ(outcome.data, pattern(8192));
  EXPECT_EQ(outcome.data_in_pdus, 9u);
  EXPECT_EQ(counts().bursts, 1u);
  EXPECT_CLEAN(*peer);
}

TEST_F(PlacingProtocol, LimitsAreThoseOfTheConnection) {
  script().recv_limit = 4096;
  script().xmit_limit = 2048;
  LoginOptions login;
  login.keys = {{"MaxRecvDataSegmentLength", "65536"}};
  Initiator peer(MemoryTransport::connect(port));
  const LoginResult result = peer.login(login);
  ASSERT_TRUE(result.in_full_feature);
  EXPECT_EQ(result.key("MaxRecvDataSegmentLength"), "4096");
  script().max_burst = 0;
  EXPECT_EQ(peer.read(read10_cdb(0, 16), 8192).data_in_pdus, 4u);
  // One that no connection can have is no limit.
  script().recv_limit = 100;
  Initiator other(MemoryTransport::connect(port));
  login.isid[5] = 2;
  const LoginResult second = other.login(login);
  ASSERT_TRUE(second.in_full_feature);
  EXPECT_EQ(second.key("MaxRecvDataSegmentLength"), "65536");
}

}  // namespace
}  // namespace chiscsi::test
