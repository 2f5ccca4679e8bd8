// SPDX-License-Identifier: GPL-2.0-only
//
// Random trains of commands with task attributes over the wire, of which some are aborted: after
// each step the class has what a model says, no more and no less, and in the end nothing is left.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "task_attribute_fixture.hh"
#include "task_set_model.hh"

namespace chiscsi::test {
namespace {

class TaskAttributeModel : public TaskAttributes {
 protected:
  void come(unsigned dice) {
    const Attribute attribute = dice < 50 ? kSimple : dice < 85 ? kOrdered : kHeadOfQueue;
    commands.push_back(send(attribute, kFlush10));
    model.come(task_attribute(attribute));
  }
  // The oldest that the class has ends.
  void end_oldest() {
    if (at_class.empty()) return;
    const size_t number = at_class.front();
    ASSERT_TRUE(disks.release_next("a"));
    EXPECT_TRUE(peer->finish(commands[number]).good());
    model.end(number);
  }
  void abort(size_t number) {
    if (model.tasks[number].over) return;
    EXPECT_EQ(peer->task_management(kAbortTask, commands[number].task_tag()), 0);
    model.end(number);
  }
  // Whatever is enabled has reached the class, in this order.
  void follow() {
    at_class.erase(std::remove_if(at_class.begin(), at_class.end(),
                                  [&](size_t number) { return model.tasks[number].over; }),
                   at_class.end());
    for (size_t i = 0; i < model.tasks.size(); ++i) {
      const ModelTask& task = model.tasks[i];
      if (!task.enabled || std::find(seen.begin(), seen.end(), i) != seen.end()) continue;
      seen.push_back(i);
      at_class.push_back(i);
    }
    ASSERT_TRUE(disks.wait_for("cdb ", seen.size()));
    ASSERT_TRUE(peer->ping());
    ASSERT_EQ(disks.count("cdb "), seen.size());
  }

  TaskSetModel model;
  std::vector<Pdu> commands;
  std::vector<size_t> seen, at_class;  // What the class has got, and what it has.
};

TEST_F(TaskAttributeModel, RandomTrainsReachTheClassAsTheModelSays) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    for (int step = 0; step < 40 && !HasFailure(); ++step) {
      const unsigned dice = random() % 100;
      if (dice < 50) {
        come(random() % 100);
      } else if (dice < 85) {
        end_oldest();
      } else if (!commands.empty()) {
        abort(commands.size() - 1 - random() % std::min<size_t>(commands.size(), 8));
      }
      follow();
    }
    while (!at_class.empty() && !HasFailure()) {
      end_oldest();
      follow();
    }
    ASSERT_FALSE(HasFailure());
  }
  for (const ModelTask& task : model.tasks)
    EXPECT_TRUE(task.over);
  EXPECT_CLEAN(*peer);
}

}  // namespace
}  // namespace chiscsi::test
