// SPDX-License-Identifier: GPL-2.0-only
//
// PREEMPT AND ABORT (SPC-5): the commands of the nexuses that lose their
// registrations have ended before it is answered, whoever has them and whatever holds them up.
#include "information.hh"
#include "reservation_fixture.hh"

namespace chiscsi::test {
namespace {

class PreemptAndAbort : public TwoNexusTest {
 protected:
  // By `a`, of whoever has registered 0xb.
  Pdu send_preempt() {
    Pdu preempt = a->make_command(out_cdb(kAbort, kWriteExclusive, 24), 24, 0xa0);
    preempt.data = list(0xa, 0xb);
    EXPECT_TRUE(a->send(preempt));
    return preempt;
  }
  static size_t session_count() {
    chiscsi_session_info list[8];
    return static_cast<size_t>(
        chiscsi_get_session_info(mutable_text(kTargetName), mutable_text(kInitiatorName), 8, list));
  }
};

TEST_F(PreemptAndAbort, EndsTheCommandsFirst) {
  both_register();
  EXPECT_TRUE(out(*b, kReserve, 0xb, 0, kWriteExclusive).good());
  disks->hold("a");
  auto third = log_in(3);
  const Pdu held = b->make_command(write10_cdb(0, 1), FakeDisks::kBlock, 0xa0);
  const Pdu not_named = third->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0);
  ASSERT_TRUE(b->send(held));
  ASSERT_TRUE(third->send(not_named));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  ASSERT_TRUE(disks->wait_for("cdb 2a a"));
  EXPECT_TRUE(out(*a, kAbort, 0xa, 0xb, kExclusiveAccess).good());
  EXPECT_EQ(disks->count("abort a"), 1u) << "of the preempted nexus alone";
  EXPECT_EQ(disks->count("cleanup a"), 1u) << "over before the answer";
  disks->release("a");
  EXPECT_TRUE(third->finish(not_named).good());
  expect_sense(ready(*b), 6, 0x2a, 0x05);
  expect_conflict(write_block(*b));
  EXPECT_TRUE(write_block(*a).good());
  EXPECT_CLEAN(*b);
}

TEST_F(PreemptAndAbort, OfOnesOwnKeySparesItself) {
  both_register();
  EXPECT_TRUE(out(*a, kAbort, 0xa, 0xa, kWriteExclusive).good());
  EXPECT_EQ(keys(*a), ByteVector{0xb});
  // Ahead of the order of commands as well.
  ASSERT_TRUE(out(*a, kRegister, 0, 0xa).good());
  Pdu preempt = a->make_command(out_cdb(kAbort, kWriteExclusive, 24), 24, 0xa0);
  preempt.bhs.opcode_byte |= iscsi::kImmediateBit;
  --a->cmd_sn;
  preempt.data = list(0xa, 0xa);
  ASSERT_TRUE(a->send(preempt));
  EXPECT_TRUE(a->finish(preempt).good());
  EXPECT_EQ(keys(*a), ByteVector{0xb});
  EXPECT_TRUE(ready(*a).good());
  EXPECT_TRUE(ready(*b).good());
}

TEST_F(PreemptAndAbort, IsNotGoodWhileACommandIsLeft) {
  both_register();
  disks->hold("a");
  disks->stick();
  const Pdu held = b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0);
  ASSERT_TRUE(b->send(held));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  const Pdu preempt = send_preempt();
  ASSERT_TRUE(disks->wait_for("abort a"));
  host_advance_clock(31'000);
  expect_sense(a->finish(preempt), 4, 0x44, 0);
  disks->unstick();
  disks->release("a");
  EXPECT_EQ(keys(*a), ByteVector{0xa});
}

TEST_F(PreemptAndAbort, WaitsForTheCommandsOfADeadConnection) {
  both_register();
  auto third = log_in(3);
  disks->hold("a");
  disks->stick();
  ASSERT_TRUE(b->send(b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0)));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  b->disconnect();
  ASSERT_TRUE(disks->wait_for("abort a"));
  const Pdu preempt = send_preempt();
  EXPECT_TRUE(eventually([&] { return keys(*third) == ByteVector{0xa}; })) << "it has begun";
  EXPECT_TRUE(a->is_silent()) << "the driver can still read";
  disks->unstick();
  EXPECT_TRUE(a->finish(preempt).good());
  EXPECT_EQ(disks->count("cleanup a"), 1u) << "over before the answer";
  disks->release("a");
}

TEST_F(PreemptAndAbort, IsNotGoodWhileAnOrphanOfAnEndedSessionIsLeft) {
  both_register();
  disks->hold("a");
  disks->stick();
  ASSERT_TRUE(b->send(b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0)));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  b->disconnect();
  ASSERT_TRUE(disks->wait_for("abort a"));
  host_advance_clock(31'000);
  ASSERT_TRUE(eventually([&] { return session_count() == 1; }));
  auto third = log_in(3);
  EXPECT_TRUE(out(*third, kRegister, 0, 0xc).good());
  EXPECT_TRUE(out(*third, kAbort, 0xc, 0xa, kExclusiveAccess).good()) << "no orphan is of that one";
  expect_sense(ready(*a), 6, 0x2a, 0x05);
  EXPECT_TRUE(out(*a, kIgnore, 0, 0xa).good());
  expect_sense(a->finish(send_preempt()), 4, 0x44, 0);
  disks->unstick();
  disks->release("a");
}

TEST_F(PreemptAndAbort, WaitsOnWhenAnOlderFunctionGoes) {
  both_register();
  auto third = log_in(3);
  disks->hold("a");
  disks->stick();
  disks->with_tmf = false;
  ASSERT_TRUE(b->send(b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0)));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  ASSERT_TRUE(b->send(b->make_task_management(2, 0xffffffff, 0)));
  ASSERT_TRUE(disks->wait_for("abort a"));
  const Pdu preempt = send_preempt();
  EXPECT_TRUE(eventually([&] { return keys(*third) == ByteVector{0xa}; })) << "it has begun";
  b->disconnect();
  EXPECT_TRUE(a->is_silent()) << "the driver can still read";
  disks->unstick();
  EXPECT_TRUE(a->finish(preempt).good());
  EXPECT_EQ(disks->count("cleanup a"), 1u) << "over before the answer";
  disks->release("a");
}

TEST_F(PreemptAndAbort, WaitsLongerThanAFunctionThatTheDriverForgets) {
  both_register();
  auto third = log_in(3);
  disks->hold("a");
  disks->stick();
  disks->answers_tmf = false;
  ASSERT_TRUE(b->send(b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0)));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  ASSERT_TRUE(b->send(b->make_task_management(2, 0xffffffff, 0)));
  ASSERT_TRUE(disks->wait_for("tmf DISK 2"));
  host_advance_clock(20'000);
  const Pdu preempt = send_preempt();
  EXPECT_TRUE(eventually([&] { return keys(*third) == ByteVector{0xa}; })) << "it has begun";
  host_advance_clock(15'000);
  ASSERT_TRUE(disks->wait_for("abort a")) << "the older one gives up";
  EXPECT_TRUE(a->is_silent());
  disks->unstick();
  EXPECT_TRUE(a->finish(preempt).good());
  EXPECT_EQ(disks->count("cleanup a"), 1u) << "over before the answer";
  disks->release("a");
}

TEST_F(PreemptAndAbort, FindsTheCommandsOfADeviceThatHasAnotherNumberNow) {
  ASSERT_TRUE(out(*a, kRegister, 0, 0xa, 0, 0, 1).good());
  ASSERT_TRUE(out(*b, kRegister, 0, 0xb, 0, 0, 1).good());
  disks->hold("a");
  disks->hold("b");
  const Pdu other = b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0);
  ASSERT_TRUE(b->send(other));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  ASSERT_TRUE(b->send(b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0, 1)));
  ASSERT_TRUE(disks->wait_for("cdb 28 b"));
  std::vector<std::string> lines = target_keys();
  std::swap(lines[lines.size() - 2], lines.back());
  ASSERT_EQ(disks->reconfigure_target(kTargetName, lines), 0);
  while (ready(*a).good()) {
  }  // Until it has heard of the reload.
  EXPECT_TRUE(a->finish(send_preempt()).good());
  EXPECT_EQ(disks->count("abort b"), 1u);
  EXPECT_EQ(disks->count("cleanup b"), 1u) << "over before the answer";
  EXPECT_EQ(disks->count("abort a"), 0u) << "it came by the number that is now another's";
  disks->release("a");
  disks->release("b");
  EXPECT_TRUE(b->finish(other).good());
  const auto hears_of_preemption = [&](uint64_t lun) {
    bool heard = false;
    for (Outcome told; !(told = ready(*b, lun)).good();)
      heard |= told.sense.size() >= 14 && told.sense[12] == 0x2a && told.sense[13] == 0x05;
    return heard;
  };
  EXPECT_TRUE(hears_of_preemption(0));
  EXPECT_FALSE(hears_of_preemption(1));
}

TEST_F(PreemptAndAbort, TheSessionThatPreemptsMayEndMeanwhile) {
  both_register();
  disks->hold("a");
  disks->stick();
  ASSERT_TRUE(b->send(b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0)));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  send_preempt();
  ASSERT_TRUE(disks->wait_for("abort a"));
  EXPECT_EQ(a->logout(), 0);
  host_advance_clock(31'000);
  EXPECT_TRUE(eventually([&] { return session_count() == 1; }));
  disks->unstick();
  disks->release("a");
}

TEST_F(PreemptAndAbort, DoesNotRelyOnAFunctionThatGivesUp) {
  both_register();
  auto third = log_in(3);
  disks->hold("a");
  disks->stick();
  disks->with_tmf = false;  // The target aborts each command.
  ASSERT_TRUE(b->send(b->make_command(read10_cdb(0, 1), FakeDisks::kBlock, 0xc0)));
  ASSERT_TRUE(disks->wait_for("cdb 28 a"));
  ASSERT_TRUE(b->send(b->make_task_management(2, 0xffffffff, 0)));
  ASSERT_TRUE(disks->wait_for("abort a"));
  host_advance_clock(20'000);
  const Pdu preempt = send_preempt();
  EXPECT_TRUE(eventually([&] { return keys(*third) == ByteVector{0xa}; })) << "it has begun";
  host_advance_clock(15'000);
  expect_sense(a->finish(preempt), 4, 0x44, 0);
  disks->unstick();
  disks->release("a");
}

TEST_F(PreemptAndAbort, BothPreemptEachOtherAgainAndAgain) {
  for (int round = 0; round < 20; ++round) {
    out(*a, kIgnore, 0, 0xa);
    out(*b, kIgnore, 0, 0xb);
    Pdu first = a->make_command(out_cdb(kAbort, kWriteExclusive, 24), 24, 0xa0);
    Pdu second = b->make_command(out_cdb(kAbort, kWriteExclusive, 24), 24, 0xa0);
    first.data = list(0xa, 0xb);
    second.data = list(0xb, 0xa);
    ASSERT_TRUE(a->send(first));
    ASSERT_TRUE(b->send(second));
    const Outcome of_a = a->finish(first), of_b = b->finish(second);
    ASSERT_TRUE(of_a.answered);
    ASSERT_TRUE(of_b.answered);
    ready(*a);
    ready(*b);
    ASSERT_EQ(keys(*a).size(), 1u);
  }
}

}  // namespace
}  // namespace chiscsi::test
