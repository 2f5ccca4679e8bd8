// SPDX-License-Identifier: GPL-2.0-only
//
// CommandPool: its limit, growth in any context, the order of reuse, and no memory.
#include "target/session/command_pool.hh"

#include <set>
#include <vector>

#include "session_fixture.hh"

namespace chiscsi::test {
namespace {

class CommandPoolTest : public SessionFixture {
 protected:
  void SetUp() override {
    make_session();
    pool_ = std::make_unique<CommandPool>(*session);
  }
  void TearDown() override {
    for (Command* command : taken_)
      pool_->give_back(*command);
    pool_.reset();
  }
  Command* take() {
    Command* command = pool_->take();
    if (command != nullptr) taken_.push_back(command);
    return command;
  }
  void give_back(size_t at) {
    pool_->give_back(*taken_[at]);
    taken_.erase(taken_.begin() + static_cast<long>(at));
  }
  size_t take_all() {
    while (take() != nullptr)
      continue;
    return taken_.size();
  }

  std::unique_ptr<CommandPool> pool_;
  std::vector<Command*> taken_;
};

TEST_F(CommandPoolTest, HasRoomForItsLimit) {
  for (const uint32_t limit : {1u, 8u, 9u, 50u, 500u}) {
    SCOPED_TRACE(limit);
    pool_ = std::make_unique<CommandPool>(*session);
    pool_->set_limit(limit);
    EXPECT_GE(take_all(), limit);
    EXPECT_LT(taken_.size(), limit + 8);
    EXPECT_EQ(std::set<Command*>(taken_.begin(), taken_.end()).size(), taken_.size());
    while (!taken_.empty())
      give_back(0);
  }
}

TEST_F(CommandPoolTest, NeverGrowsBeyondWhatASessionMayNeed) {
  pool_->set_limit(1u << 30);
  EXPECT_EQ(take_all(), 2048u + 128u);
}

TEST_F(CommandPoolTest, GivesCleanCommandsOfItsSession) {
  for (int i = 0; i < 20; ++i) {
    Command* command = take();
    ASSERT_NE(command, nullptr);
    EXPECT_EQ(command->state, CommandState::kFree);
    EXPECT_EQ(&command->session, session.get());
    EXPECT_EQ(command->scsi.sc_status, 0);
    EXPECT_FALSE(command->silent);
    EXPECT_TRUE(Command::is_live_pointer(&command->scsi));
    command->scsi.sc_status = 2;
    command->silent = true;
    give_back(0);
  }
}

TEST_F(CommandPoolTest, ReusesTheOldestFirst) {
  take_all();
  ASSERT_EQ(taken_.size(), 8u);
  Command* const third = taken_[3];
  Command* const first = taken_[1];
  give_back(3);
  give_back(1);
  EXPECT_EQ(take(), third);
  EXPECT_EQ(take(), first);
  EXPECT_EQ(take(), nullptr);
}

TEST_F(CommandPoolTest, TakesWithoutSleeping) {
  pool_->set_limit(100);
  HostAtomicSection section;
  for (int i = 0; i < 50; ++i)
    EXPECT_NE(take(), nullptr);
}

TEST_F(CommandPoolTest, IsEmptyHandedWithoutMemoryAndGoesOnWithIt) {
  pool_->set_limit(100);
  host_fail_allocation_at(1);
  EXPECT_EQ(take(), nullptr);
  host_fail_allocation_at(1);
  EXPECT_FALSE(pool_->stock());
  host_fail_allocation_at(0);
  EXPECT_TRUE(pool_->stock());
  const uint64_t allocations = host_allocation_count();
  EXPECT_NE(take(), nullptr);
  EXPECT_EQ(host_allocation_count(), allocations);
}

TEST_F(CommandPoolTest, StocksNothingAtItsLimit) {
  EXPECT_EQ(take_all(), 8u);
  EXPECT_FALSE(pool_->stock());
  give_back(0);
  EXPECT_TRUE(pool_->stock());
}

TEST_F(CommandPoolTest, AllocatesNothingWhenCommandsComeAndGo) {
  pool_->set_limit(64);
  take();
  give_back(0);
  const uint64_t allocations = host_allocation_count();
  for (int i = 0; i < 1000; ++i) {
    take();
    give_back(0);
  }
  EXPECT_EQ(host_allocation_count(), allocations);
}

}  // namespace
}  // namespace chiscsi::test
