// SPDX-License-Identifier: GPL-2.0-only
//
// SgCursor: copies, checksums and descriptions of a driver's buffers, against a plain string of
// bytes; never a byte outside of the range asked for, nor outside of an element.
#include "transport/sg_cursor.hh"

#include <gtest/gtest.h>

#include <random>

#include "host.hh"
#include "os/digest.h"
#include "wire.hh"

namespace chiscsi::test {
namespace {

ByteVector slice(const ByteVector& all, size_t from, size_t size) {
  from = std::min(from, all.size());
  size = std::min(size, all.size() - from);
  return ByteVector(all.begin() + static_cast<long>(from),
                    all.begin() + static_cast<long>(from + size));
}

// Copies out in pieces of `step` bytes until nothing comes.
ByteVector read_all(SgCursor cursor, size_t step) {
  ByteVector all;
  while (true) {
    ByteVector piece(step);
    piece.shrink_to_fit();
    const size_t got = cursor.copy_out(MutableBytes(piece.data(), piece.size()));
    all.insert(all.end(), piece.begin(), piece.begin() + static_cast<long>(got));
    if (got < step) return all;
  }
}

ByteVector read_fragments(SgCursor cursor) {
  ByteVector all;
  os_fragment fragment;
  while (cursor.next_fragment(&fragment)) {
    const auto* base =
        static_cast<const uint8_t*>(fragment.page != nullptr ? fragment.page : fragment.address);
    all.insert(all.end(), base + fragment.offset, base + fragment.offset + fragment.length);
  }
  EXPECT_EQ(cursor.left(), 0u);
  return all;
}

// Everything that can be asked of a range of `memory`.
void check_range(SgMemory& memory, const ByteVector& content, size_t offset, size_t length) {
  const ByteVector expected = slice(content, offset, length);
  for (const size_t step : {1, 3, 4096, 1 << 20})
    ASSERT_EQ(read_all(SgCursor(memory.list(), offset, length), step), expected);
  ASSERT_EQ(read_fragments(SgCursor(memory.list(), offset, length)), expected);
  SgCursor summed(memory.list(), offset, length);
  ASSERT_EQ(summed.crc32c_rest(~0u), os_crc32c(~0u, expected.data(), expected.size()));
  ASSERT_EQ(summed.left(), 0u);
}

SgMemory make_mixed() {
  SgMemory memory;
  memory.add_address(0);
  memory.add_address(5);
  memory.add_pages(4093, 6);
  memory.add_address(0);
  memory.add_pages(0, 4096);
  memory.add_pages(100, 9000);
  memory.add_address(1);
  memory.add_pages(5000, 10);
  memory.add_pages(0, 0);
  memory.add_pages(7, 300, true);
  memory.add_address(0);
  return memory;
}

TEST(SgCursor, IsEmptyByDefault) {
  SgCursor cursor;
  uint8_t byte = 0;
  os_fragment fragment;
  EXPECT_EQ(cursor.left(), 0u);
  EXPECT_EQ(cursor.copy_in(Bytes(&byte, 1)), 0u);
  EXPECT_EQ(cursor.copy_out(MutableBytes(&byte, 1)), 0u);
  EXPECT_FALSE(cursor.next_fragment(&fragment));
  EXPECT_EQ(cursor.crc32c_rest(123), 123u);
}

TEST(SgCursor, ReadsEveryRangeOfAShortList) {
  SgMemory memory;
  memory.add_address(3);
  memory.add_address(0);
  memory.add_pages(4094, 5);
  memory.add_address(1);
  memory.add_pages(10, 4);
  const ByteVector content = pattern(13, 1);
  memory.set_content(content);
  for (size_t offset = 0; offset <= 14; ++offset) {
    for (size_t length = 0; length <= 15; ++length)
      check_range(memory, content, offset, length);
  }
}

TEST(SgCursor, ReadsOverPagesAndElements) {
  SgMemory memory = make_mixed();
  const ByteVector content = pattern(memory.content().size(), 2);
  memory.set_content(content);
  ASSERT_EQ(memory.content(), content);
  check_range(memory, content, 0, content.size());
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i)
    check_range(memory, content, random() % content.size(), random() % content.size());
}

TEST(SgCursor, WritesItsRangeAndNothingElse) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    SgMemory memory = make_mixed();
    ByteVector expected = memory.content();
    const size_t offset = random() % expected.size();
    const size_t length = random() % (expected.size() - offset + 1);
    const ByteVector source = pattern(length + random() % 50, static_cast<uint8_t>(round));
    SgCursor cursor(memory.list(), offset, length);
    const size_t step = 1 + random() % (round % 2 == 0 ? 50 : 9000);
    size_t done = 0;
    while (done < source.size()) {
      const ByteVector piece = slice(source, done, step);
      const size_t used = cursor.copy_in(Bytes(piece.data(), piece.size()));
      done += used;
      ASSERT_EQ(cursor.left(), length - done);
      if (used < piece.size()) break;
    }
    ASSERT_EQ(done, length);
    std::copy_n(source.begin(), length, expected.begin() + static_cast<long>(offset));
    ASSERT_EQ(memory.content(), expected);
    ASSERT_TRUE(memory.surroundings_intact());
  }
}

TEST(SgCursor, SkipsWhatIsInItsPlace) {
  SgMemory memory = make_mixed();
  const ByteVector content = memory.content();
  for (size_t skipped = 0; skipped <= content.size() + 2; ++skipped) {
    SgCursor cursor(memory.list(), 1, content.size());
    cursor.skip(skipped);
    ASSERT_EQ(read_all(cursor, 4096), slice(content, 1 + skipped, content.size()));
  }
  SgCursor bounded(memory.list(), 3, 5);
  bounded.skip(4);
  EXPECT_EQ(bounded.left(), 1u);
  bounded.skip(4);
  EXPECT_EQ(bounded.left(), 0u);
}

TEST(SgCursor, EndsWithAListShorterThanItsLength) {
  SgMemory memory;
  memory.add_address(10);
  memory.add_pages(0, 10);
  const ByteVector content = pattern(20, 3);
  memory.set_content(content);
  for (const uint64_t length : {uint64_t{20}, uint64_t{21}, uint64_t{1} << 32, ~uint64_t{0}}) {
    EXPECT_EQ(read_all(SgCursor(memory.list(), 0, length), 64), content);
    EXPECT_EQ(read_fragments(SgCursor(memory.list(), 0, length)), content);
    EXPECT_EQ(read_all(SgCursor(memory.list(), 15, length), 64), slice(content, 15, 5));
    SgCursor cursor(memory.list(), 0, length);
    const ByteVector source = pattern(30, 4);
    EXPECT_EQ(cursor.copy_in(Bytes(source.data(), source.size())), 20u);
    EXPECT_EQ(cursor.left(), 0u);
    memory.set_content(content);
  }
}

TEST(SgCursor, HasNothingBehindTheEndOfItsList) {
  SgMemory memory;
  memory.add_address(10);
  for (const uint64_t offset : {uint64_t{10}, uint64_t{11}, uint64_t{1} << 32, ~uint64_t{0}}) {
    SgCursor cursor(memory.list(), offset, 5);
    EXPECT_EQ(cursor.left(), 0u) << offset;
    EXPECT_EQ(read_all(cursor, 8), ByteVector());
  }
}

TEST(SgCursor, HasNothingInAListOfEmptyElements) {
  SgMemory memory;
  memory.add_address(0);
  memory.add_pages(0, 0);
  memory.add_address(0);
  EXPECT_EQ(SgCursor(memory.list(), 0, 5).left(), 0u);
  EXPECT_EQ(read_fragments(SgCursor(memory.list(), 0, 5)), ByteVector());
}

TEST(SgCursor, StopsAtAnElementWithoutMemory) {
  SgMemory memory;
  memory.add_address(10);
  memory.add_nothing(10);
  memory.add_address(10);
  SgCursor cursor(memory.list(), 0, 30);
  const ByteVector source = pattern(30, 5);
  EXPECT_EQ(cursor.copy_in(Bytes(source.data(), source.size())), 10u);
  EXPECT_EQ(cursor.copy_in(Bytes(source.data(), source.size())), 0u);
  os_fragment fragment;
  EXPECT_FALSE(cursor.next_fragment(&fragment));
  EXPECT_EQ(cursor.crc32c_rest(5), 5u);
}

TEST(SgCursor, DescribesPagesByThePage) {
  SgMemory memory;
  memory.add_pages(100, 9000, true);
  memory.add_address(50);
  SgCursor cursor(memory.list(), 10, 9000);
  os_fragment fragment;
  ASSERT_TRUE(cursor.next_fragment(&fragment));
  EXPECT_EQ(fragment.page, memory.elements()[0].sg_page);
  EXPECT_EQ(fragment.offset, 110u);
  EXPECT_EQ(fragment.length, 8990u);
  ASSERT_TRUE(cursor.next_fragment(&fragment));
  EXPECT_EQ(fragment.page, nullptr);
  EXPECT_EQ(static_cast<const uint8_t*>(fragment.address) + fragment.offset,
            memory.elements()[1].sg_addr);
  EXPECT_EQ(fragment.length, 10u);
  EXPECT_FALSE(cursor.next_fragment(&fragment));
}

TEST(SgCursor, CopiesInAtomicContext) {
  SgMemory memory = make_mixed();
  const ByteVector source = pattern(5000, 6);
  HostAtomicSection section;
  SgCursor cursor(memory.list(), 0, 5000);
  EXPECT_EQ(cursor.copy_in(Bytes(source.data(), source.size())), 5000u);
}

}  // namespace
}  // namespace chiscsi::test
