// SPDX-License-Identifier: GPL-2.0-only
//
// The parameter list of EXTENDED COPY: what is read of a good one, cut at every byte, wrong at
// every field, and random.
#include "target/scsi/copy_list.hh"

#include <gtest/gtest.h>

#include <random>

#include "copy_lists.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.
using ByteVector = std::vector<uint8_t>;

CopyListBytes two_and_two() {
  CopyListBytes list;
  list.target({1, 2, 3, 4, 5, 6, 7, 8});
  list.target({0x41, 0x42}, 0x10000, true, 2, 1);
  list.segment(0, 1, 0x1234, 0x1122334455667788, 0x99aabbccddeeff00, 3);
  list.segment(1, 0, 0, 7, 8);
  list.id(9);
  return list;
}

// On the heap and exactly as long, so that the sanitizer sees a read past the end.
Sense parse(const ByteVector& bytes, CopyList* list) {
  static ByteVector copy;
  copy = ByteVector(bytes.begin(), bytes.end());
  copy.shrink_to_fit();
  return list->parse(Bytes(copy.data(), copy.size()));
}
Sense parse(const ByteVector& bytes) {
  CopyList list;
  return parse(bytes, &list);
}

void expect(const Sense& sense, SenseCode code) {
  EXPECT_TRUE(sense.code == code) << int{sense.code.asc};
}
void expect(const Sense& sense, SenseCode code, size_t byte,
            uint8_t bit = FieldPointer::kWholeByte) {
  expect(sense, code);
  EXPECT_EQ(sense.field.place, FieldPointer::kParameters);
  EXPECT_EQ(sense.field.byte, byte);
  EXPECT_EQ(sense.field.bit, bit);
}

TEST(CopyList, ReadsEveryField) {
  CopyList list;
  const CopyListBytes built = two_and_two();
  ASSERT_TRUE(parse(built.bytes, &list).is_good());
  EXPECT_EQ(list.id(), 9);
  EXPECT_EQ(list.id_usage(), ListIdUsage::kHold);
  ASSERT_EQ(list.targets(), 2);
  ASSERT_EQ(list.segments(), 2);
  const CopyTarget first = list.target(0), second = list.target(1);
  EXPECT_EQ(ByteVector(first.designator.begin(), first.designator.end()),
            (ByteVector{1, 2, 3, 4, 5, 6, 7, 8}));
  EXPECT_EQ(first.block_size, 512u);
  EXPECT_FALSE(first.pads);
  EXPECT_EQ(first.at, 16);
  EXPECT_EQ(second.designator.size(), 2u);
  EXPECT_EQ(second.block_size, 0x10000u);
  EXPECT_TRUE(second.pads);
  EXPECT_EQ(second.code_set, 2);
  EXPECT_EQ(second.kind, 1);
  EXPECT_EQ(second.at, 48);
  const CopySegment segment = list.segment(0);
  EXPECT_TRUE(segment.counts_destination);
  EXPECT_TRUE(segment.keeps_rest);
  EXPECT_EQ(segment.source, 0);
  EXPECT_EQ(segment.destination, 1);
  EXPECT_EQ(segment.blocks, 0x1234);
  EXPECT_EQ(segment.first_source, 0x1122334455667788u);
  EXPECT_EQ(segment.first_destination, 0x99aabbccddeeff00u);
  EXPECT_FALSE(list.segment(1).counts_destination);
  EXPECT_EQ(list.segment(1).source, 1);
}

TEST(CopyList, AListWithoutDescriptorsIsGood) {
  CopyList list;
  EXPECT_TRUE(parse(ByteVector(16), &list).is_good());
  EXPECT_EQ(list.targets(), 0);
  EXPECT_EQ(list.segments(), 0);
}

TEST(CopyList, CutAtEveryByte) {
  const ByteVector whole = two_and_two().bytes;
  for (size_t size = 1; size < whole.size(); ++size)
    expect(parse(ByteVector(whole.begin(), whole.begin() + static_cast<long>(size))),
           kParameterListLengthError);
  // Bytes behind the last descriptor belong to nothing.
  ByteVector longer = whole;
  longer.push_back(0xff);
  EXPECT_TRUE(parse(longer).is_good());
}

TEST(CopyList, LengthsThatContradictTheList) {
  CopyListBytes list = two_and_two();
  CopyListBytes::put(list.bytes, 2, 2, 63);
  expect(parse(list.bytes), kParameterListLengthError);
  list = two_and_two();
  CopyListBytes::put(list.bytes, 8, 4, 55);
  expect(parse(list.bytes), kParameterListLengthError);
  for (const size_t at : {size_t{8}, size_t{12}}) {
    for (const uint64_t length : {57u, 0xffffffffu, 0xffffffc0u, 0x7fffffffu, 0x80000000u}) {
      list = two_and_two();
      CopyListBytes::put(list.bytes, at, 4, length);
      expect(parse(list.bytes), kParameterListLengthError);
    }
  }
  list = two_and_two();
  list.bytes.resize(list.bytes.size() + 4);
  CopyListBytes::put(list.bytes, 12, 4, 4);
  expect(parse(list.bytes), kInvalidFieldInParameters, 12);
}

TEST(CopyList, AsManyDescriptorsAsThereMayBe) {
  const auto list_of = [](int targets, int segments) {
    CopyListBytes list;
    for (int i = 0; i < targets; ++i)
      list.target({1});
    for (int i = 0; i < segments; ++i)
      list.segment(0, 0, 1, 0, 1);
    return list.bytes;
  };
  CopyList list;
  EXPECT_TRUE(parse(list_of(kMaxCopyTargets, kMaxCopySegments), &list).is_good());
  EXPECT_EQ(list.segments(), kMaxCopySegments);
  expect(parse(list_of(kMaxCopyTargets + 1, 1)), kTooManyTargets, 2);
  expect(parse(list_of(1, kMaxCopySegments + 1)), kTooManySegments, 8);
  expect(parse(list_of(kMaxCopyTargets + 1, kMaxCopySegments + 1)), kParameterListLengthError);
}

TEST(CopyList, TheHeader) {
  ByteVector bytes = two_and_two().bytes;
  bytes[1] = 0x27;  // STR and the lowest PRIORITY.
  EXPECT_TRUE(parse(bytes).is_good());
  bytes[1] = 0x10;
  EXPECT_TRUE(parse(bytes).is_good());
  bytes[1] = 0x08;
  expect(parse(bytes), kInvalidFieldInParameters, 1, 4);
  bytes[1] = 0x40;
  expect(parse(bytes), kInvalidFieldInParameters, 1, 6);
  bytes[1] = 0xc0;
  expect(parse(bytes), kInvalidFieldInParameters, 1, 7);
  bytes[1] = 0x18;
  expect(parse(bytes), kInvalidFieldInParameters, 0);
  bytes[0] = 0;
  CopyList list;
  EXPECT_TRUE(parse(bytes, &list).is_good());
  EXPECT_EQ(list.id_usage(), ListIdUsage::kNone);
}

TEST(CopyList, DescriptorsOfOtherTypes) {
  const ByteVector good = two_and_two().bytes;
  for (int type = 0; type < 256; ++type) {
    ByteVector bytes = good;
    bytes[48] = static_cast<uint8_t>(type);
    if (type != 0xe4) expect(parse(bytes), kUnsupportedTargetType, 48);
    bytes = good;
    bytes[80 + 28] = static_cast<uint8_t>(type);
    if (type != 0x02) expect(parse(bytes), kUnsupportedSegmentType, 80 + 28);
  }
}

TEST(CopyList, FieldsOfDescriptors) {
  const ByteVector good = two_and_two().bytes;
  const auto with = [&](size_t at, uint8_t value) {
    ByteVector bytes = good;
    bytes[at] = value;
    return parse(bytes);
  };
  // LU ID TYPE, which is ignored; NUL and the type of the device, which are looked at later.
  EXPECT_TRUE(with(49, 0xff).is_good());
  EXPECT_TRUE(with(48 + 7, 20).is_good());
  expect(with(48 + 7, 21), kInvalidFieldInParameters, 48 + 7);
  expect(with(48 + 7, 255), kInvalidFieldInParameters, 48 + 7);
  for (uint8_t bit = 2; bit < 8; ++bit)
    expect(with(81, static_cast<uint8_t>(1 << bit)), kInvalidFieldInParameters, 81, bit);
  expect(with(83, 23), kInvalidFieldInParameters, 82);
  expect(with(83, 25), kInvalidFieldInParameters, 82);
  expect(with(82, 1), kInvalidFieldInParameters, 82);
}

TEST(CopyList, RandomListsAreReadOrRefused) {
  std::mt19937 random(83);
  size_t good = 0;
  for (int i = 0; i < 100000; ++i) {
    ByteVector bytes = two_and_two().bytes;
    bytes.resize(1 + random() % bytes.size() + (random() % 4 == 0 ? 40 : 0));
    const size_t spoilt = random() % 6;
    for (size_t k = 0; k < spoilt; ++k)
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    CopyList list;
    const Sense sense = parse(bytes, &list);
    if (!sense.is_good()) {
      EXPECT_EQ(sense.code.key, 5);
      EXPECT_LT(sense.field.byte, bytes.size());
      continue;
    }
    ++good;
    for (uint16_t k = 0; k < list.targets(); ++k)
      EXPECT_LE(list.target(k).designator.size(), CopyTarget::kMaxDesignator);
    for (uint16_t k = 0; k < list.segments(); ++k)
      static_cast<void>(list.segment(k));
  }
  EXPECT_GT(good, 100u);
}

}  // namespace
}  // namespace chiscsi::test
