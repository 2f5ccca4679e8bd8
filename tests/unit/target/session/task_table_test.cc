// SPDX-License-Identifier: GPL-2.0-only
//
// TaskTable: finding commands by tags as initiators choose them, those of one chain among them.
#include "target/session/task_table.hh"

#include <map>
#include <random>
#include <vector>

#include "session_fixture.hh"

namespace chiscsi::test {
namespace {

class TaskTableTest : public SessionFixture {
 protected:
  void SetUp() override { make_session(); }
  Command& add(uint32_t tag) {
    commands_.push_back(std::make_unique<Command>(*session));
    Command& command = *commands_.back();
    command.initiator_task_tag = tag;
    table_.add(command);
    return command;
  }
  std::vector<std::unique_ptr<Command>> commands_;
  TaskTable table_;
};

TEST_F(TaskTableTest, FindsNothingAtFirst) {
  for (const uint32_t tag : {0u, 1u, 0x12345678u, 0xffffffffu})
    EXPECT_EQ(table_.find(tag), nullptr);
}

TEST_F(TaskTableTest, FindsACommandByItsTagUntilItIsRemoved) {
  Command& command = add(0x12345678);
  EXPECT_EQ(table_.find(0x12345678), &command);
  EXPECT_EQ(table_.find(0x12345679), nullptr);
  EXPECT_EQ(table_.find(0x78563412), nullptr);
  table_.remove(command);
  EXPECT_EQ(table_.find(0x12345678), nullptr);
  table_.remove(command);
  table_.add(command);
  EXPECT_EQ(table_.find(0x12345678), &command);
}

TEST_F(TaskTableTest, TellsTagsOfTheSameChainApart) {
  // Multiples of 2^30 and of 64 * 65 fall together, whatever the hash makes of the rest.
  std::vector<uint32_t> tags;
  for (uint32_t i = 0; i < 4; ++i)
    tags.push_back(i << 30);
  for (uint32_t i = 1; i < 64; ++i)
    tags.push_back(i * 64 + i);
  for (const uint32_t tag : tags)
    add(tag);
  for (size_t i = 0; i < tags.size(); ++i)
    EXPECT_EQ(table_.find(tags[i]), commands_[i].get());
  for (size_t i = 0; i < tags.size(); i += 2)
    table_.remove(*commands_[i]);
  for (size_t i = 0; i < tags.size(); ++i)
    EXPECT_EQ(table_.find(tags[i]), i % 2 == 0 ? nullptr : commands_[i].get());
}

TEST_F(TaskTableTest, AgreesWithAMap) {
  std::mt19937 random(5);
  std::map<uint32_t, Command*> model;
  for (int step = 0; step < 3000; ++step) {
    const uint32_t tag = random() % 3 == 0 ? random() % 64 : (random() % 200) << (random() % 25);
    const auto found = model.find(tag);
    ASSERT_EQ(table_.find(tag), found == model.end() ? nullptr : found->second);
    if (found == model.end()) {
      if (commands_.size() < 400) model[tag] = &add(tag);
    } else if (random() % 2 == 0) {
      table_.remove(*found->second);
      model.erase(found);
    }
  }
}

}  // namespace
}  // namespace chiscsi::test
