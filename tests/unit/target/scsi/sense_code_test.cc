// SPDX-License-Identifier: GPL-2.0-only
//
// Sense data, byte by byte, in both formats.
#include "target/scsi/sense_code.hh"

#include <gtest/gtest.h>

#include <vector>

namespace chiscsi::test {
namespace {

using ByteVector = std::vector<uint8_t>;

ByteVector bytes_of(const Sense& sense, bool descriptors) {
  ByteVector bytes(kMaxSenseSize, 0xee);
  bytes.resize(put_sense(bytes.data(), sense, descriptors));
  return bytes;
}

TEST(SenseData, CodesAlone) {
  const Sense sense(SenseCode{3, 0x11, 4});
  EXPECT_EQ(bytes_of(sense, false),
            (ByteVector{0x70, 0, 3, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x11, 4, 0, 0, 0, 0}));
  EXPECT_EQ(bytes_of(sense, true), (ByteVector{0x72, 3, 0x11, 4, 0, 0, 0, 0}));
}

TEST(SenseData, PointsToAFieldOfTheCdb) {
  EXPECT_EQ(bytes_of(wrong_cdb_field(0x102, 5), false),
            (ByteVector{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xcd, 1, 2}));
  EXPECT_EQ(bytes_of(wrong_cdb_field(2), false),
            (ByteVector{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x24, 0, 0, 0xc0, 0, 2}));
  EXPECT_EQ(bytes_of(wrong_cdb_field(2, 0), true),
            (ByteVector{0x72, 5, 0x24, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0xc8, 0, 2, 0}));
}

TEST(SenseData, PointsToAParameter) {
  EXPECT_EQ(bytes_of(wrong_parameter(9), false),
            (ByteVector{0x70, 0, 5, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x26, 0, 0, 0x80, 0, 9}));
  EXPECT_EQ(bytes_of(wrong_parameter(9, 7), true),
            (ByteVector{0x72, 5, 0x26, 0, 0, 0, 0, 8, 2, 6, 0, 0, 0x8f, 0, 9, 0}));
}

TEST(SenseData, Progress) {
  EXPECT_EQ(bytes_of(sanitize_in_progress(0xfedc), false),
            (ByteVector{0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 0x1b, 0, 0x80, 0xfe, 0xdc}));
  EXPECT_EQ(bytes_of(sanitize_in_progress(0), true),
            (ByteVector{0x72, 2, 4, 0x1b, 0, 0, 0, 8, 2, 6, 0, 0, 0x80, 0, 0, 0}));
}

TEST(SenseData, Information) {
  Sense sense(SenseCode{0x0e, 0x1d, 0});
  sense.has_information = true;
  sense.information = 0x12345678;
  EXPECT_EQ(bytes_of(sense, false), (ByteVector{0xf0, 0, 0x0e, 0x12, 0x34, 0x56, 0x78, 10, 0, 0, 0,
                                                0, 0x1d, 0, 0, 0, 0, 0}));
  sense.information = 0x123456789;
  EXPECT_EQ(bytes_of(sense, false)[0], 0x70) << "four bytes cannot hold it";
  EXPECT_EQ(bytes_of(sense, true), (ByteVector{0x72, 0x0e, 0x1d, 0, 0, 0, 0,    12,   0,    10,
                                               0x80, 0,    0,    0, 0, 1, 0x23, 0x45, 0x67, 0x89}));
  sense.field = {FieldPointer::kParameters, 3, 7};
  EXPECT_EQ(bytes_of(sense, true).size(), 28u);
}

TEST(SenseData, WhereACopyHasFailed) {
  Sense sense(SenseCode{0x0a, 0x26, 0x0a});
  sense.has_segment = true;
  sense.segment = 0x102;
  sense.field = {FieldPointer::kSegment, FieldPointer::kWholeByte, 10};
  EXPECT_EQ(bytes_of(sense, false),
            (ByteVector{0x70, 0, 0x0a, 0, 0, 0, 0, 10, 0, 0, 1, 2, 0x26, 0x0a, 0, 0xa0, 0, 10}));
  EXPECT_EQ(bytes_of(sense, true),
            (ByteVector{0x72, 0x0a, 0x26, 0x0a, 0, 0, 0, 20, 2, 6, 0, 0, 0xa0, 0,
                        10,   0,    1,    10,   0, 0, 0, 0,  0, 0, 0, 0, 1,    2}));
}

TEST(SenseData, WhatADeviceHasSaidOfACopy) {
  Sense sense(SenseCode{0x0a, 0x0d, 0x01});
  sense.has_segment = true;
  sense.segment = 3;
  sense.forwarded = {ForwardedSense::kDestination, 2, {7, 0x27, 0}};
  ByteVector fixed = {0x70, 0, 0x0a, 0, 0, 0, 0, 29, 0, 18, 0, 3, 0x0d, 1, 0, 0, 0, 0, 2};
  const ByteVector of_device = {0x70, 0, 7, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x27, 0, 0, 0, 0, 0};
  fixed.insert(fixed.end(), of_device.begin(), of_device.end());
  EXPECT_EQ(bytes_of(sense, false), fixed);
  ByteVector descriptors = {0x72, 0x0a, 0x0d, 1, 0, 0, 0, 34, 1,    10, 0, 0,
                            0,    0,    0,    0, 0, 0, 0, 3,  0x0c, 20, 2, 2};
  descriptors.insert(descriptors.end(), of_device.begin(), of_device.end());
  EXPECT_EQ(bytes_of(sense, true), descriptors);
  // A status without sense data; and everything at once.
  sense.forwarded = {ForwardedSense::kSource, 0x18, {0, 0, 0}};
  EXPECT_EQ(bytes_of(sense, false),
            (ByteVector{0x70, 0, 0x0a, 0, 0, 0, 0, 11, 18, 0, 0, 3, 0x0d, 1, 0, 0, 0, 0, 0x18}));
  sense.forwarded.status = 2;
  sense.has_information = true;
  sense.field.place = FieldPointer::kSegment;
  EXPECT_EQ(bytes_of(sense, true).size(), kMaxSenseSize);
}

TEST(SenseData, FixedFormatIsReadBack) {
  Sense sense(SenseCode{0x0e, 0x1d, 1});
  sense.has_information = true;
  sense.information = 0x87654321;
  for (const Sense& written :
       {Sense(SenseCode{3, 0x11, 4}), wrong_cdb_field(0x102, 5), wrong_cdb_field(7),
        wrong_parameter(9, 0), sanitize_in_progress(0x1234), sense}) {
    const Sense read = read_fixed_sense(bytes_of(written, false).data());
    EXPECT_EQ(bytes_of(read, true), bytes_of(written, true));
  }
  // The progress of a format is no field pointer.
  const uint8_t progress[kFixedSenseSize] = {0x70, 0, 2, 0, 0, 0, 0, 10, 0, 0, 0, 0, 4, 4, 0, 0x80};
  EXPECT_EQ(read_fixed_sense(progress).field.place, FieldPointer::kNowhere);
}

}  // namespace
}  // namespace chiscsi::test
