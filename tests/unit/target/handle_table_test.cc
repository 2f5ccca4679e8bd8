// SPDX-License-Identifier: GPL-2.0-only
//
// HandleTable: what is there is found and visited, what has gone never again.
#include "target/handle_table.hh"

#include <gtest/gtest.h>

#include "base/alloc.hh"

namespace chiscsi::test {
namespace {

struct Thing : RefCounted<Thing> {
  explicit Thing(int thing_number) : number(thing_number) {}
  int number;
  Handle handle;
};

class HandleTableTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(table_.create().is_ok()); }
  Ref<Thing> make_thing(int number) {
    auto thing = Ref<Thing>::adopt(make<Thing>(Alloc::kMaySleep, number));
    table_.add(*thing);
    return thing;
  }
  int visited(unsigned long handle) {
    int number = 0;
    const bool found = table_.visit(handle, [&](Thing& thing) { number = thing.number; });
    EXPECT_EQ(found, number != 0);
    return number;
  }
  HandleTable<Thing> table_;
};

TEST_F(HandleTableTest, FindsAndVisitsWhatIsThere) {
  const Ref<Thing> first = make_thing(1), second = make_thing(2);
  EXPECT_NE(first->handle.value, second->handle.value);
  EXPECT_EQ(visited(first->handle.value), 1);
  EXPECT_EQ(visited(second->handle.value), 2);
  EXPECT_EQ(table_.find(second->handle.value).get(), second.get());
  for (const unsigned long wrong : {0ul, 99ul, first->handle.value + 256, ~0ul}) {
    EXPECT_EQ(visited(wrong), 0);
    EXPECT_FALSE(table_.find(wrong));
  }
  table_.remove(*first);
  table_.remove(*second);
}

TEST_F(HandleTableTest, NeverUsesAHandleAgain) {
  const Ref<Thing> first = make_thing(1);
  const unsigned long old = first->handle.value;
  table_.remove(*first);
  EXPECT_EQ(visited(old), 0);
  const Ref<Thing> second = make_thing(2);
  EXPECT_NE(second->handle.value, old);
  EXPECT_EQ(visited(old), 0);
  EXPECT_FALSE(table_.find(old));
  table_.remove(*second);
  EXPECT_FALSE(table_.any());
}

}  // namespace
}  // namespace chiscsi::test
