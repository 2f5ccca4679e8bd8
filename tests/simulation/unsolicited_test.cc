// SPDX-License-Identifier: GPL-2.0-only
//
// Unsolicited data that arrives when the storage driver has lent its lists, and goes straight
// there: each byte where it belongs, however stream and lists are cut, and none to memory that was
// given back. Storage checks each byte and frees what comes back, so that the address sanitizer
// sees who still writes there.
#include "simulated_target.hh"

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

constexpr uint32_t kLength = 6000;
constexpr uint32_t kImmediate = 600;
constexpr uint32_t kSegment = 1800;

class Unsolicited : public testing::Test {
 protected:
  void SetUp() override {
    host_set_log_level(0);
    target.storage.on_command = Storage::Reply::kHold;
    target.storage.go_on = false;
    target.login.keys = {{"InitialR2T", "No"}, {"DataDigest", "CRC32C"}};
    ASSERT_EQ(target.start(), 0);
    log_in();
  }
  void TearDown() override { host_set_log_level(4); }

  void log_in() {
    peer = target.log_in();
    ASSERT_TRUE(peer->in_full_feature());
  }

  // Three PDUs of Data-Out stand behind the command. It is sent, and nothing of them.
  void begin_write() {
    Bhs bhs = peer->make_command(kCommandWrite, kLength, 0);
    bhs.flags &= static_cast<uint8_t>(~kFinalBit);
    tag = bhs.initiator_task_tag.get();
    peer->add_data(bhs, kImmediate);
    peer->send_all();
  }
  void add_data_out() {
    uint32_t data_sn = 0;
    for (uint32_t at = kImmediate; at < kLength; at += kSegment) {
      peer->add_data(
          peer->make_data_out(tag, kReservedTag, data_sn++, at, at + kSegment == kLength),
          kSegment);
    }
  }
  // The command is over when the driver has lent all, and everything has come.
  void finish(uint32_t list) {
    for (uint32_t lent = 0; target.storage.held() != 0 && lent <= 2 * kLength; lent += list) {
      target.storage.lend(0, list);
      settle();
    }
    for (int i = 0; i < 3 && target.storage.held() != 0; ++i) {
      target.storage.complete(0);
      settle();
    }
    peer->collect();
  }

  SimulatedTarget target;
  std::unique_ptr<Peer> peer;
  uint32_t tag = 0;
};

constexpr size_t kPduSize = kBhsSize + kSegment + kDigestSize;
constexpr size_t kStreamSize = 3 * kPduSize;

// The driver lends some lists, then data comes, then other lists, then the rest.
TEST_F(Unsolicited, DataLandsOnceHoweverListsAndStreamAreCut) {
  uint64_t sent = 0;
  for (const uint32_t list : {500u, 1800u, 2400u, 4096u, kLength}) {
    for (const int lent_before : {1, 2, 20}) {
      for (size_t cut = 1; cut < kStreamSize; cut += 211) {
        begin_write();
        for (int i = 0; i < lent_before; ++i)
          target.storage.lend(0, list);
        settle();
        add_data_out();
        peer->send_first(cut);
        target.storage.lend(0, list);
        peer->send_all();
        finish(list);
        ASSERT_EQ(peer->good_statuses, ++sent) << "lists of " << list << ", cut at " << cut;
      }
    }
  }
}

// In the middle of a PDU, of which some has landed in the driver's list.
constexpr size_t kMiddle = kPduSize + 1000;

TEST_F(Unsolicited, DataOfACommandThatTheDriverEndsLandsNowhereElse) {
  for (int how = 0; how < 3; ++how) {
    begin_write();
    target.storage.lend(0, kLength);
    settle();
    add_data_out();
    peer->send_first(kMiddle);
    if (how == 0) target.storage.abort(0);
    if (how == 1) target.storage.fail(0, 2, 18);
    if (how == 2) target.storage.fail(0, 8, 0);
    settle();
    EXPECT_EQ(target.storage.held(), 1u) << "its memory is given back while a PDU arrives there";
    peer->send_all();
    peer->collect();
    EXPECT_EQ(target.storage.held(), 0u);
  }
  EXPECT_EQ(peer->statuses, 3u);
  EXPECT_EQ(peer->good_statuses, 0u);
}

TEST_F(Unsolicited, DataOfAConnectionThatEndsLandsNowhere) {
  for (const size_t cut : {size_t{60}, kMiddle, kStreamSize - 2}) {
    for (int how = 0; how < 3; ++how) {
      begin_write();
      target.storage.lend(0, kLength);
      settle();
      add_data_out();
      peer->send_first(cut);
      const std::unique_ptr<Peer> old = std::move(peer);
      if (how == 0) old->link.close();
      if (how == 1) old->link.reset();
      log_in();  // In the place of the old session, too, if that is still there.
      old->send_all();
      settle();
      EXPECT_EQ(target.storage.held(), 0u);
    }
  }
  EXPECT_EQ(target.storage.counts.aborts, 9u);
}

// Sixty seconds are the limit for all unsolicited data of a command.
TEST_F(Unsolicited, DataThatStopsInTheMiddleEndsTheConnection) {
  begin_write();
  target.storage.lend(0, kLength);
  settle();
  add_data_out();
  peer->send_first(kMiddle);
  for (int i = 0; i < 70; ++i)
    advance(1000);
  EXPECT_FALSE(peer->link.is_open());
  EXPECT_EQ(target.storage.counts.aborts, 1u);
  EXPECT_EQ(target.storage.held(), 0u);
}

// The rest comes before the function is over, or after it was given up.
class UnsolicitedAndReset : public Unsolicited, public testing::WithParamInterface<bool> {};
INSTANTIATE_TEST_SUITE_P(RestComes, UnsolicitedAndReset, testing::Bool());

TEST_P(UnsolicitedAndReset, DataOfACommandThatEndsLandsNowhere) {
  target.login.initiator_name += "-other";
  const auto other = target.log_in();
  begin_write();
  target.storage.lend(0, kLength);
  settle();
  add_data_out();
  peer->send_first(kMiddle);
  Bhs reset = other->make(Opcode::kTaskManagementRequest, true);
  reset.flags = kFinalBit | 5;
  other->add(reset, {});
  other->send_all();
  if (GetParam()) peer->send_all();
  for (int i = 0; i < 70; ++i)
    advance(1000);
  other->collect();
  EXPECT_TRUE(other->last(Opcode::kTaskManagementResponse));
  peer->send_all();
  EXPECT_EQ(target.storage.held(), 0u);
  EXPECT_EQ(target.storage.counts.aborts, 1u);
}

// The list has the wrong bytes then, and goes back as that of a command that failed.
TEST_F(Unsolicited, DataWithAWrongDigestFailsTheCommand) {
  begin_write();
  target.storage.lend(0, kLength);
  settle();
  peer->spoil_data_digest = true;
  add_data_out();
  peer->send_all();
  peer->collect();
  EXPECT_TRUE(peer->last(Opcode::kReject));
  EXPECT_EQ(peer->statuses, 1u);
  EXPECT_EQ(peer->good_statuses, 0u);
  EXPECT_EQ(target.storage.counts.transfers, 0u);
  EXPECT_EQ(target.storage.counts.aborts, 1u);
}

}  // namespace
}  // namespace chiscsi::simulation
