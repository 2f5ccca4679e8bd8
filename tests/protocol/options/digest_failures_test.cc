// SPDX-License-Identifier: GPL-2.0-only
//
// The option --enable-debug-digest-failures: digests that are right count as wrong at random. The
// program has its own transport/pdu_reader.cc, compiled with the option (ProtocolTests.cmake).
// Every failure has to end as RFC 7143 says for error recovery level 0 (sections 7.7 and 7.8), and
// what is not hit has to work: an initiator that tries again gets all of its data through.
#include <gtest/gtest.h>

#include "protocol_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;

constexpr uint32_t kBlock = FakeDriver::kBlock;
constexpr int kWantedFailures = 3;
// With one failure in 1024 digests, so many without three of them are as good as impossible.
constexpr int kMaxTries = 50000;

class DigestFailures : public ProtocolTest {
 protected:
  // Digests and kinds of data as the test wants them; logs in (again).
  void connect(const char* header, const char* data, bool immediate = false) {
    LoginOptions login;
    login.keys = {{"HeaderDigest", header},
                  {"DataDigest", data},
                  {"InitialR2T", "Yes"},
                  {"ImmediateData", immediate ? "Yes" : "No"}};
    peer = log_in(login);
    ++connections;
  }
  int said(const std::string& kind) const {
    int count = 0;
    for (const std::string& line : log.lines()) {
      if (line == "simulating a " + kind + " digest failure") ++count;
    }
    return count;
  }
  static bool rejects_data(const std::optional<Pdu>& pdu) {
    return pdu && pdu->opcode() == Opcode::kReject &&
           pdu->as<Reject>().reason == static_cast<uint8_t>(RejectReason::kDataDigestError);
  }
  // One block of a content of its own, to a place of its own.
  static ByteVector block_of(int round) { return pattern(kBlock, static_cast<unsigned>(round)); }
  static uint32_t place_of(int round) { return static_cast<uint32_t>(round) % FakeDriver::kBlocks; }

  HostLogCapture log;
  std::unique_ptr<Initiator> peer;
  int connections = 0;
};

TEST_F(DigestFailures, NothingFailsWithoutDigests) {
  start();
  connect("None", "None");
  for (int i = 0; i < 2000; ++i)
    ASSERT_TRUE(peer->write(write10_cdb(place_of(i), 1), block_of(i)).good());
  EXPECT_EQ(said("header") + said("data"), 0);
}

TEST_F(DigestFailures, HeaderFailureEndsTheConnection) {
  start();
  connect("CRC32C", "None");
  int lost = 0, good = 0;
  for (int i = 0; i < kMaxTries && lost < kWantedFailures; ++i) {
    const Outcome outcome = peer->no_data(test_unit_ready_cdb());
    good += outcome.good();
    if (outcome.answered) continue;
    ++lost;
    EXPECT_TRUE(peer->closed_by_target());
    connect("CRC32C", "None");
  }
  EXPECT_EQ(lost, kWantedFailures);
  EXPECT_EQ(said("header"), lost);
  EXPECT_GT(good, 0);
  EXPECT_TRUE(log.contains("header digest error"));
}

TEST_F(DigestFailures, SolicitedDataFailureFailsTheCommandAlone) {
  start();
  connect("None", "CRC32C");
  int failed = 0, good = 0;
  for (int i = 0; i < kMaxTries && (failed < kWantedFailures || good == 0); ++i) {
    const ByteVector before = driver.content(0, place_of(i) * kBlock, kBlock);
    const Outcome outcome = peer->write(write10_cdb(place_of(i), 1), block_of(i));
    ASSERT_TRUE(outcome.answered);
    const ByteVector after = driver.content(0, place_of(i) * kBlock, kBlock);
    if (outcome.good()) {
      ++good;
      ASSERT_EQ(after, block_of(i));
      continue;
    }
    ++failed;
    EXPECT_EQ(outcome.status, 2);
    EXPECT_EQ(outcome.sense_key(), 0xb);  // ABORTED COMMAND, protocol service CRC error.
    ASSERT_GE(outcome.sense.size(), 14u);
    EXPECT_EQ(outcome.sense[12], 0x47);
    EXPECT_EQ(outcome.sense[13], 0x05);
    EXPECT_TRUE(rejects_data(peer->receive_opcode(Opcode::kReject)));
    EXPECT_EQ(after, before);
  }
  EXPECT_EQ(failed, kWantedFailures);
  EXPECT_EQ(said("data"), failed);
  EXPECT_EQ(connections, 1);
  EXPECT_CLEAN(*peer);
}

// The hole that such a command leaves in the order of commands cannot be filled at level 0.
TEST_F(DigestFailures, ImmediateDataFailureEndsTheConnection) {
  start();
  connect("None", "CRC32C", true);
  int lost = 0, good = 0;
  for (int i = 0; i < kMaxTries && lost < kWantedFailures; ++i) {
    const Outcome outcome = peer->write(write10_cdb(place_of(i), 1), block_of(i), {kBlock, 0});
    if (outcome.good()) {
      ++good;
      continue;
    }
    ASSERT_FALSE(outcome.answered);
    ++lost;
    EXPECT_TRUE(rejects_data(peer->receive_opcode(Opcode::kReject)));
    EXPECT_TRUE(peer->closed_by_target());
    connect("None", "CRC32C", true);
  }
  EXPECT_EQ(lost, kWantedFailures);
  EXPECT_EQ(said("data"), lost);
  EXPECT_GT(good, 0);
}

TEST_F(DigestFailures, WorkGetsDoneByTryingAgain) {
  constexpr int kRounds = 4000;  // Without any failure as good as impossible.
  start();
  connect("CRC32C", "CRC32C", true);
  for (int i = 0; i < kRounds; ++i) {
    const ByteVector data = block_of(i);
    const WriteShape shape = {i % 2 == 0 ? kBlock : 0, 0};
    for (int tries = 0; tries < 100; ++tries) {
      const Outcome outcome = peer->write(write10_cdb(place_of(i), 1), data, shape);
      if (outcome.good()) break;
      if (!outcome.answered) connect("CRC32C", "CRC32C", true);
    }
  }
  EXPECT_GT(said("header") + said("data"), 0);
  for (int i = 0; i < kRounds; ++i)
    ASSERT_EQ(driver.content(0, place_of(i) * kBlock, kBlock), block_of(i)) << i;
}

}  // namespace
}  // namespace chiscsi::test
