// SPDX-License-Identifier: GPL-2.0-only
//
// Member: how it counts the commands of its connection, and when a place is taken or over.
#include "target/session/member.hh"

#include <gtest/gtest.h>

#include "session_fixture.hh"

namespace chiscsi::test {
namespace {

class MemberTest : public SessionFixture {
 protected:
  void SetUp() override { make_session(); }
  // A command that came by the member's connection.
  Command& command() {
    Command* command = session->new_command();
    command->set_state(CommandState::kReceiving);
    session->commands.push_back(*command);
    member->adopt(*command);
    return *command;
  }
};

TEST_F(MemberTest, TakesAPlaceFromAdmissionToTheLoss) {
  const struct {
    MemberState state;
    bool taken;
  } kStates[] = {{MemberState::kAsking, false},
                 {MemberState::kWaiting, false},
                 {MemberState::kAdmitted, true},
                 {MemberState::kActive, true},
                 {MemberState::kLost, false}};
  for (const auto& row : kStates) {
    member->state = row.state;
    EXPECT_EQ(member->is_taken(), row.taken) << static_cast<int>(row.state);
    EXPECT_EQ(member->is_over(), row.state == MemberState::kLost);
  }
}

TEST_F(MemberTest, IsOverWhenTheTasksOfALostConnectionAre) {
  on_worker([&] {
    Command& first = command();
    Command& second = command();
    member->state = MemberState::kLost;
    EXPECT_FALSE(member->is_over());
    session->free_command(first);
    EXPECT_FALSE(member->is_over());
    // An orphan: its task is over, its memory is not.
    session->forget_task(second);
    EXPECT_TRUE(member->is_over());
    EXPECT_EQ(member->held_commands, 1u);
    session->forget_task(second);
    EXPECT_EQ(member->open_commands, 0u);
    session->free_command(second);
    EXPECT_EQ(member->held_commands, 0u);
    EXPECT_EQ(second.member, nullptr);
  });
}

TEST_F(MemberTest, EndsTheCommandsOfItsConnectionAlone) {
  on_worker([&] {
    auto other = Ref<Member>::adopt(
        make<Member>(Alloc::kMaySleep, Ref<Session>(), *worker, 1, WorkerMessage::Handle()));
    ASSERT_TRUE(other);
    Command& mine = command();
    Command& others = command();
    mine.initiator_task_tag = 1;
    others.initiator_task_tag = 2;
    member->release(others);
    other->adopt(others);
    session->tasks.add(mine);
    session->tasks.add(others);
    session->terminate_commands(*member);
    EXPECT_TRUE(mine.silent);
    EXPECT_EQ(session->tasks.find(1), nullptr);
    EXPECT_FALSE(others.silent);
    EXPECT_EQ(session->tasks.find(2), &others);
    session->run_work();
    EXPECT_EQ(member->held_commands, 0u);
    EXPECT_EQ(other->held_commands, 1u);
    session->free_command(others);
  });
}

}  // namespace
}  // namespace chiscsi::test
