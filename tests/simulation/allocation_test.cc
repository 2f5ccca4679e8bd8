// SPDX-License-Identifier: GPL-2.0-only
//
// Row M-1 of the robustness corpus: whole scenes in which the n-th allocation fails, for every n
// until there is none left to fail. The simulated host makes the same run of the same scene each
// time, so no allocation is missed. Nothing may leak, hang or stay half built; what the peer and
// the driver see must keep all rules (Peer, Storage).
#include <functional>

#include "simulated_target.hh"

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

// Runs `scene` with each of its allocations failing; `before` is what is not to fail.
void fail_each(const std::function<void(SimulatedTarget&)>& scene, bool from_start = false) {
  uint64_t n = 0;
  bool failed_one = true;
  while (failed_one) {
    ++n;
    ASSERT_LT(n, 5000u) << "the scene does not come to an end";
    SCOPED_TRACE("allocation " + std::to_string(n));
    SimulatedTarget target;
    target.storage.may_be_short_of_memory = true;
    if (!from_start) {
      ASSERT_EQ(target.start(), 0);
    }
    const uint64_t before = host_allocation_count();
    host_fail_allocation_at(n);
    scene(target);
    failed_one = host_allocation_count() - before >= n;
    host_fail_allocation_at(0);
    target.end();
  }
  EXPECT_GT(n, 3u) << "the scene allocates nothing";
}

void pass_on(Peer& peer) {
  for (int i = 0; i < 4; ++i) {
    peer.collect();
    settle();
  }
}

class EveryAllocation : public testing::Test {
 protected:
  void SetUp() override { host_set_log_level(0); }
  void TearDown() override {
    host_fail_allocation_at(0);
    host_set_log_level(4);
  }
};

TEST_F(EveryAllocation, OfTheStart) {
  fail_each([](SimulatedTarget& target) { target.start(); }, true);
}

TEST_F(EveryAllocation, OfALogin) {
  fail_each([](SimulatedTarget& target) {
    const auto peer = target.log_in();
    pass_on(*peer);
  });
}

TEST_F(EveryAllocation, OfADiscovery) {
  fail_each([](SimulatedTarget& target) {
    target.login.target_name.clear();
    const auto peer = target.log_in();
    Bhs text = peer->make(Opcode::kTextRequest, false);
    text.as<TextRequest>().target_transfer_tag = kReservedTag;
    peer->add(text, std::string("SendTargets=All") + '\0');
    peer->send_all();
    pass_on(*peer);
  });
}

TEST_F(EveryAllocation, OfAReinstatement) {
  fail_each([](SimulatedTarget& target) {
    const auto first = target.log_in();
    first->add(first->make_command(kCommandRead, 8192, 0), {});
    first->send_all();
    const auto second = target.log_in();
    pass_on(*second);
  });
}

TEST_F(EveryAllocation, OfReads) {
  fail_each([](SimulatedTarget& target) {
    target.login.keys = {{"HeaderDigest", "CRC32C"}, {"DataDigest", "CRC32C"}};
    target.storage.on_command = Storage::Reply::kLend;
    const auto peer = target.log_in();
    for (int i = 0; i < 20; ++i)
      peer->add(peer->make_command(kCommandRead, 70000, 0), {});
    peer->send_all();
    for (size_t i = 0; i < 20; ++i)
      target.storage.lend(i, 8192);
    pass_on(*peer);
  });
}

// Immediate, unsolicited and solicited data, in phases.
TEST_F(EveryAllocation, OfWrites) {
  fail_each([](SimulatedTarget& target) {
    target.login.keys = {{"InitialR2T", "No"},
                         {"ImmediateData", "Yes"},
                         {"MaxBurstLength", "8192"},
                         {"FirstBurstLength", "8192"},
                         {"MaxOutstandingR2T", "4"}};
    target.storage.on_command = Storage::Reply::kLend;
    const auto peer = target.log_in();
    for (int i = 0; i < 12; ++i) {
      Bhs command = peer->make_command(kCommandWrite, 40000, 0);
      if (i % 3 == 0) command.flags &= static_cast<uint8_t>(~kFinalBit);
      peer->add_data(command, i % 2 == 0 ? 1000 : 0);
      const uint32_t at = i % 2 == 0 ? 1000 : 0, tag = command.initiator_task_tag.get();
      if (i % 3 == 0) {
        peer->add_data(peer->make_data_out(tag, kReservedTag, 0, at, true), 4000);
      }
    }
    peer->send_all();
    for (int i = 0; i < 200; ++i) {
      peer->collect();
      if (peer->r2ts.empty()) break;
      peer->answer_r2t(4096);
      peer->send_all();
    }
  });
}

TEST_F(EveryAllocation, OfAbortsAndTaskManagement) {
  fail_each([](SimulatedTarget& target) {
    target.storage.on_command = Storage::Reply::kHold;
    const auto peer = target.log_in();
    for (uint8_t i = 0; i < 6; ++i)
      peer->add(peer->make_command(i % 2 == 0 ? kCommandRead : kCommandWrite, 8192, i % 3), {});
    peer->send_all();
    target.storage.lend(1, 4096);
    target.storage.abort(2);
    settle();
    for (const uint8_t function : {1, 2, 5, 8, 6}) {
      Bhs bhs = peer->make(Opcode::kTaskManagementRequest, true);
      bhs.as<TaskManagementRequest>().function = kFinalBit | function;
      bhs.as<TaskManagementRequest>().referenced_task_tag = peer->last_command_tag;
      bhs.as<TaskManagementRequest>().ref_cmd_sn = peer->cmd_sn - 1;
      peer->add(bhs, {});
      peer->send_all();
      peer->collect();
    }
  });
}

TEST_F(EveryAllocation, OfControlRequestsAndTheirEnd) {
  fail_each([](SimulatedTarget& target) {
    const auto peer = target.log_in();
    for (int i = 0; i < 3; ++i) {
      Bhs ping = peer->make(Opcode::kNopOut, i % 2 == 0);
      ping.as<NopOut>().target_transfer_tag = kReservedTag;
      peer->add(ping, std::string(3000, 'n'));
    }
    Bhs unknown = peer->make(static_cast<Opcode>(0x1d), true);
    peer->add(unknown, {});
    Bhs logout = peer->make(Opcode::kLogoutRequest, false);
    logout.flags = kFinalBit;
    peer->add(logout, {});
    peer->send_all();
    pass_on(*peer);
  });
}

// The connection breaks while commands are in all kinds of states.
TEST_F(EveryAllocation, OfATeardown) {
  fail_each([](SimulatedTarget& target) {
    target.storage.on_command = Storage::Reply::kHold;
    target.storage.on_abort = Storage::AbortReply::kHold;
    const auto peer = target.log_in();
    for (uint8_t i = 0; i < 8; ++i)
      peer->add(peer->make_command(i % 2 == 0 ? kCommandRead : kCommandWrite, 100000, 0), {});
    peer->send_all();
    peer->link.set_room(3000);
    target.storage.lend(0, 40000);
    target.storage.lend(1, 40000);
    target.storage.complete(2);
    target.storage.abort(4);
    settle();
    peer->link.reset();
    settle();
    advance(2000);
  });
}

}  // namespace
}  // namespace chiscsi::simulation
