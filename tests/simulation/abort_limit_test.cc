// SPDX-License-Identifier: GPL-2.0-only
//
// The limit of a storage driver's answer to an abort, whatever the initiator sends meanwhile.
#include "simulated_target.hh"

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

// Unsolicited data that breaks the rules ends a command that the driver has; the driver is asked to
// abort and says nothing. The rest of the data arrives after that. The limit stays.
TEST(AbortLimit, HoldsWhenTheRestOfTheDataArrives) {
  host_set_log_level(0);
  SimulatedTarget target;
  target.storage.on_command = Storage::Reply::kHold;
  target.storage.on_abort = Storage::AbortReply::kHold;
  target.login.keys = {{"InitialR2T", "No"}, {"FirstBurstLength", "65536"}};
  target.options.abort_timeout_s = 1;
  ASSERT_EQ(target.start(), 0);
  {
    const auto peer = target.log_in();
    Bhs write = peer->make_command(kCommandWrite, 8192, 0);
    write.flags &= static_cast<uint8_t>(~kFinalBit);
    const uint32_t tag = write.initiator_task_tag.get();
    peer->add(write, {});
    peer->send_all();
    settle();
    ASSERT_EQ(target.storage.held(), 1u);
    peer->add_data(peer->make_data_out(tag, kReservedTag, 0, 512, false), 512);
    peer->send_all();
    settle();
    peer->add_data(peer->make_data_out(tag, kReservedTag, 1, 1024, true), 512);
    peer->send_all();
    settle();
    EXPECT_EQ(target.storage.counts.aborts, 1u);
    peer->link.close();
  }
  // Two limits: the command's and, at the end of its session, the same again.
  for (int i = 0; i < 8 && target.storage.counts.ended == 0; ++i)
    advance(500);
  EXPECT_EQ(target.storage.counts.ended, 1u);
  EXPECT_EQ(target.storage.held(), 1u);
  host_set_log_level(4);
}

}  // namespace
}  // namespace chiscsi::simulation
