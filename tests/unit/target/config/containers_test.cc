// SPDX-License-Identifier: GPL-2.0-only
//
// The small helpers of the configuration: growable array, word list, message line, choice list.
#include <gtest/gtest.h>

#include <string>

#include "host.hh"
#include "target/config/growable_array.hh"
#include "target/config/key_table.hh"
#include "target/config/message_line.hh"
#include "target/config/word_list.hh"

namespace chiscsi {
namespace {

struct Counted {
  explicit Counted(int value) : value(value) { ++alive; }
  Counted(Counted&& other) noexcept : value(other.value) { ++alive; }
  Counted& operator=(Counted&&) = delete;
  ~Counted() { --alive; }
  bool operator==(int other) const { return value == other; }
  int value;
  static int alive;
};
int Counted::alive = 0;

TEST(GrowableArray, KeepsElementsInOrderWhileItGrows) {
  {
    GrowableArray<Counted> array;
    EXPECT_TRUE(array.empty());
    for (int i = 0; i < 100; ++i)
      ASSERT_TRUE(array.append(Counted(i)).is_ok());
    EXPECT_EQ(Counted::alive, 100);
    for (int i = 0; i < 100; ++i)
      EXPECT_EQ(array[static_cast<size_t>(i)].value, i);
    EXPECT_EQ(array.back().value, 99);
    EXPECT_TRUE(array.contains(42));
    EXPECT_FALSE(array.contains(100));
    GrowableArray<Counted> other = std::move(array);
    EXPECT_TRUE(array.empty());
    EXPECT_EQ(other.size(), 100u);
    array = std::move(other);
    EXPECT_EQ(array.span().size(), 100u);
  }
  EXPECT_EQ(Counted::alive, 0);
}

TEST(GrowableArray, StaysAsItIsWithoutMemory) {
  GrowableArray<Counted> array;
  for (int i = 0; i < 4; ++i)
    ASSERT_TRUE(array.append(Counted(i)).is_ok());
  host_fail_allocation_at(1);
  EXPECT_EQ(array.append(Counted(4)).error(), Error::kNoMemory);
  host_fail_allocation_at(0);
  EXPECT_EQ(array.size(), 4u);
  EXPECT_EQ(Counted::alive, 4);
}

std::string words_of(Text list, char separator = ',') {
  std::string result;
  WordList words(list, separator);
  for (Text word; words.next(&word);)
    result += "<" + std::string(word.data(), word.size()) + ">";
  return result;
}

TEST(WordList, HasOneWordMoreThanSeparators) {
  EXPECT_EQ(words_of(""), "<>");
  EXPECT_EQ(words_of("a"), "<a>");
  EXPECT_EQ(words_of("a,bc"), "<a><bc>");
  EXPECT_EQ(words_of(",a,,b,"), "<><a><><b><>");
  EXPECT_EQ(words_of("a;b,c", ';'), "<a><b,c>");
}

TEST(MessageLine, CutsWhatDoesNotFit) {
  MessageLine line;
  line.at("Key").add("is ").add_number(42).add(", not ").add_quoted("x\ny\x80");
  EXPECT_STREQ(line.c_str(), "Key: is 42, not \"x?y?\"");
  const std::string longer(1000, 'z');
  line.at("Key").add_quoted({longer.data(), longer.size()});
  EXPECT_EQ(std::string(line.c_str()), "Key: \"" + std::string(40, 'z') + "...\"");
  for (int i = 0; i < 100; ++i)
    line.add("0123456789");
  EXPECT_EQ(line.text().size(), 199u);
  EXPECT_EQ(line.c_str()[199], '\0');
  line.clear();
  EXPECT_TRUE(line.empty());
}

TEST(ChoiceList, HoldsEachChoiceOnce) {
  DigestChoice list;
  EXPECT_TRUE(list.add(DigestType::kCrc32c));
  EXPECT_FALSE(list.add(DigestType::kCrc32c));
  EXPECT_TRUE(list.add(DigestType::kNone));
  EXPECT_FALSE(list.add(DigestType::kNone));
  EXPECT_EQ(list.size(), 2);
  EXPECT_EQ(list[0], DigestType::kCrc32c);
}

}  // namespace
}  // namespace chiscsi
