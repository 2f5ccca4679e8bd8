// SPDX-License-Identifier: GPL-2.0-only
//
// TaskSets: when a unit gets a set and when that goes, which commands are in it, and what happens
// without memory for it.
#include "target/session/task_sets.hh"

#include <gtest/gtest.h>

#include <vector>

#include "session_fixture.hh"
#include "target/lun/lun.hh"

namespace chiscsi::test {
namespace {

using Verdict = TaskSets::Verdict;
constexpr uint8_t kSimpleAttr = 1, kOrderedAttr = 2, kHeadAttr = 3;

class TaskSetsTest : public SessionFixture {
 protected:
  void SetUp() override {
    make_session();
    ASSERT_TRUE(handles.create().is_ok());
    lun_class.class_name = class_name;
    target_class = Ref<TargetClass>::adopt(make<TargetClass>(Alloc::kMaySleep));
    target_class->hooks = &class_hooks;
    target_class->lun_classes[0] = &lun_class;
    target_class->lun_class_count = 1;
    first = make_lun("a,DISK");
    second = make_lun("b,DISK");
    ASSERT_TRUE(first && second);
  }
  void TearDown() override {
    for (Command* command : commands)
      end(*command);
    EXPECT_EQ(host_live_allocations(), before_);
    for (Ref<Lun>* lun : {&first, &second}) {
      (*lun)->release();
      lun->reset();
    }
    target_class.reset();
  }
  Ref<Lun> make_lun(const char* line) {
    Result<Ref<Lun>> made =
        Lun::create(handles, target_class, 0, Text("iqn.2026-11.org.example:target"), Text(line));
    return made.is_ok() ? made.take() : Ref<Lun>();
  }
  // Its pool is filled before allocations are counted.
  Command& make_command(const Ref<Lun>& lun, uint8_t attribute) {
    Command* command = session->new_command();
    if (commands.empty()) before_ = host_live_allocations();
    commands.push_back(command);
    session->commands.push_back(*command);
    command->logical_unit = lun.get();
    command->flags = attribute;
    return *command;
  }
  Verdict come(const Ref<Lun>& lun, uint8_t attribute) {
    return session->task_sets.enter(make_command(lun, attribute));
  }
  // The session's pool takes back what it gave.
  void end(Command& command) {
    if (!command.session_node.is_linked() || command.logical_unit == nullptr) return;
    command.logical_unit = nullptr;
    command.state = CommandState::kResponding;
    session->free_command(command);
  }
  bool is_enabled(size_t number) const {
    return commands[number]->task_place.state == TaskSetPlace::State::kEnabled;
  }
  uint64_t sets() const { return host_live_allocations() - before_; }

  char class_name[5] = "DISK";
  chiscsi_target_lun_class lun_class = {};
  HandleTable<Lun> handles;
  Ref<TargetClass> target_class;
  Ref<Lun> first, second;
  std::vector<Command*> commands;

 private:
  uint64_t before_ = 0;
};

TEST_F(TaskSetsTest, SimpleCommandsNeedNone) {
  for (int i = 0; i < 4; ++i)
    EXPECT_EQ(come(first, kSimpleAttr), Verdict::kEnabled);
  EXPECT_EQ(sets(), 0u);
}

TEST_F(TaskSetsTest, ASetCountsWhatIsThereAndGoesWithTheLast) {
  come(first, kSimpleAttr);
  come(first, kSimpleAttr);
  EXPECT_EQ(come(first, kOrderedAttr), Verdict::kDormant);
  EXPECT_EQ(come(first, kSimpleAttr), Verdict::kDormant);
  EXPECT_EQ(sets(), 1u);
  end(*commands[0]);
  EXPECT_FALSE(commands[2]->work_node.is_linked());
  end(*commands[1]);
  EXPECT_TRUE(is_enabled(2) && commands[2]->work_node.is_linked());
  EXPECT_FALSE(is_enabled(3));
  end(*commands[2]);
  EXPECT_TRUE(is_enabled(3) && commands[3]->work_node.is_linked());
  EXPECT_EQ(sets(), 1u);
  end(*commands[3]);
  EXPECT_EQ(sets(), 0u);
}

TEST_F(TaskSetsTest, UnitsAreApart) {
  come(first, kSimpleAttr);
  EXPECT_EQ(come(second, kOrderedAttr), Verdict::kEnabled);
  EXPECT_EQ(come(first, kOrderedAttr), Verdict::kDormant);
  EXPECT_EQ(sets(), 2u);
  EXPECT_EQ(come(second, kHeadAttr), Verdict::kEnabled);
  EXPECT_EQ(come(second, kSimpleAttr), Verdict::kDormant);
  end(*commands[0]);
  EXPECT_TRUE(is_enabled(2));
  EXPECT_FALSE(is_enabled(4));
}

TEST_F(TaskSetsTest, OneThatHasLeftIsNotCounted) {
  come(first, kSimpleAttr);
  session->task_sets.leave(*commands[0]);  // Its status has left, it is still there.
  EXPECT_EQ(come(first, kOrderedAttr), Verdict::kEnabled);
  session->task_sets.leave(*commands[1]);
  EXPECT_EQ(sets(), 0u);
  EXPECT_EQ(come(first, kOrderedAttr), Verdict::kEnabled);
}

TEST_F(TaskSetsTest, WithoutMemoryNothingIsLeft) {
  come(first, kSimpleAttr);
  Command& ordered = make_command(first, kOrderedAttr);
  host_fail_allocation_at(1);
  EXPECT_EQ(session->task_sets.enter(ordered), Verdict::kNoMemory);
  host_fail_allocation_at(0);
  EXPECT_EQ(come(first, kSimpleAttr), Verdict::kEnabled);
  EXPECT_EQ(sets(), 0u);
  EXPECT_EQ(come(first, kOrderedAttr), Verdict::kDormant);
  end(*commands[0]);
  end(ordered);
  EXPECT_FALSE(is_enabled(3)) << "what was refused is not waited for, the others are";
  end(*commands[2]);
  EXPECT_TRUE(is_enabled(3));
}

}  // namespace
}  // namespace chiscsi::test
