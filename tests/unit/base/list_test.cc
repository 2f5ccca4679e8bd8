// SPDX-License-Identifier: GPL-2.0-only
//
// List: order, removal by element, removal while visiting, moving elements between lists.
#include "base/list.hh"

#include <gtest/gtest.h>

#include <vector>

namespace chiscsi {
namespace {

struct Item {
  explicit Item(int value) : value(value) {}
  int value;
  ListNode node;
  ListNode other_node;
};
using Items = List<Item, &Item::node>;

std::vector<int> values(Items& list) {
  std::vector<int> all;
  list.for_each([&](Item& item) { all.push_back(item.value); });
  return all;
}

TEST(List, StartsEmpty) {
  Items list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.back(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(List, KeepsOrder) {
  Items list;
  Item a(1), b(2), c(3), d(4);
  list.push_back(b);
  list.push_back(d);
  list.push_front(a);
  list.insert_before(d, c);
  EXPECT_EQ(values(list), (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(list.front(), &a);
  EXPECT_EQ(list.back(), &d);
  EXPECT_EQ(list.next(a), &b);
  EXPECT_EQ(list.next(d), nullptr);
}

TEST(List, InsertsBeforeTheFront) {
  Items list;
  Item a(1), b(2);
  list.push_back(b);
  list.insert_before(b, a);
  EXPECT_EQ(list.front(), &a);
}

TEST(List, RemovesByElementAlone) {
  Items list;
  Item a(1), b(2), c(3);
  list.push_back(a);
  list.push_back(b);
  list.push_back(c);
  EXPECT_TRUE(b.node.is_linked());
  b.node.unlink();
  EXPECT_FALSE(b.node.is_linked());
  b.node.unlink();
  list.remove(b);
  EXPECT_EQ(values(list), (std::vector<int>{1, 3}));
  list.remove(a);
  list.remove(c);
  EXPECT_TRUE(list.empty());
}

TEST(List, PopsFromTheFrontAndTakesBackAgain) {
  Items list;
  Item a(1), b(2);
  list.push_back(a);
  list.push_back(b);
  EXPECT_EQ(list.pop_front(), &a);
  list.push_back(a);
  EXPECT_EQ(values(list), (std::vector<int>{2, 1}));
}

TEST(List, VisitMayUnlinkItsElement) {
  Items list;
  Item a(1), b(2), c(3);
  list.push_back(a);
  list.push_back(b);
  list.push_back(c);
  list.for_each([](Item& item) {
    if (item.value != 2) item.node.unlink();
  });
  EXPECT_EQ(values(list), (std::vector<int>{2}));
}

TEST(List, VisitMayFreeItsElement) {
  Items list;
  for (int i = 0; i < 3; ++i)
    list.push_back(*new Item(i));
  list.for_each([](Item& item) {
    item.node.unlink();
    delete &item;
  });
  EXPECT_TRUE(list.empty());
}

TEST(List, FindsTheFirstMatch) {
  Items list;
  Item a(1), b(2), c(2);
  list.push_back(a);
  list.push_back(b);
  list.push_back(c);
  EXPECT_EQ(list.find([](Item& item) { return item.value == 2; }), &b);
  EXPECT_EQ(list.find([](Item& item) { return item.value == 7; }), nullptr);
}

TEST(List, SplicesToTheEnd) {
  Items first, second;
  Item a(1), b(2), c(3);
  first.push_back(a);
  second.push_back(b);
  second.push_back(c);
  first.splice_back(second);
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(values(first), (std::vector<int>{1, 2, 3}));
}

TEST(List, ElementMayBeInTwoLists) {
  Items list;
  List<Item, &Item::other_node> other;
  Item a(1), b(2);
  list.push_back(a);
  list.push_back(b);
  other.push_back(b);
  other.push_back(a);
  EXPECT_EQ(list.front(), &a);
  EXPECT_EQ(other.front(), &b);
  list.remove(b);
  EXPECT_EQ(other.front(), &b);
}

TEST(ListDeathTest, SecondInsertionIsCaught) {
  Items list;
  Item a(1);
  list.push_back(a);
  EXPECT_DEATH(list.push_back(a), "check failed");
}

}  // namespace
}  // namespace chiscsi
