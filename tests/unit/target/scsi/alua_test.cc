// SPDX-License-Identifier: GPL-2.0-only
//
// States of port groups, and which commands pass in which of them.
#include "target/scsi/alua.hh"

#include <gtest/gtest.h>

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

constexpr AccessState kAll[] = {AccessState::kOptimized, AccessState::kNonOptimized,
                                AccessState::kStandby, AccessState::kUnavailable,
                                AccessState::kTransitioning};

TEST(AccessStates, BeginOptimizedAndAreSetOneByOne) {
  AccessStates states;
  EXPECT_EQ(states.of(1), AccessState::kOptimized);
  EXPECT_EQ(states.change_of(1), AccessChange::kNone);
  EXPECT_FALSE(states.set(1, AccessState::kOptimized, AccessChange::kExplicit).take());
  EXPECT_TRUE(states.set(1, AccessState::kStandby, AccessChange::kExplicit).take());
  EXPECT_TRUE(states.set(0xffff, AccessState::kTransitioning, AccessChange::kImplicit).take());
  EXPECT_EQ(states.of(1), AccessState::kStandby);
  EXPECT_EQ(states.change_of(1), AccessChange::kExplicit);
  EXPECT_EQ(states.of(0xffff), AccessState::kTransitioning);
  EXPECT_EQ(states.of(0), AccessState::kOptimized);
  EXPECT_TRUE(states.set(1, AccessState::kOptimized, AccessChange::kImplicit).take());
  EXPECT_EQ(states.of(1), AccessState::kOptimized);
  EXPECT_EQ(states.change_of(1), AccessChange::kImplicit);
}

TEST(AccessStates, AreLimited) {
  AccessStates states;
  for (uint16_t tag = 0; tag < AccessStates::kMaxGroups; ++tag)
    ASSERT_TRUE(states.set(tag, AccessState::kStandby, AccessChange::kImplicit).is_ok());
  EXPECT_EQ(states.set(999, AccessState::kStandby, AccessChange::kImplicit).error(),
            Error::kNoSpace);
  EXPECT_TRUE(states.set(7, AccessState::kOptimized, AccessChange::kImplicit).is_ok());
}

TEST(AccessStates, HaveNames) {
  for (const AccessState state : kAll) {
    AccessState again = AccessState::kTransitioning;
    ASSERT_TRUE(parse_access_state(access_state_name(state), &again));
    EXPECT_EQ(again, state);
  }
  AccessState none;
  EXPECT_FALSE(parse_access_state("", &none));
  EXPECT_FALSE(parse_access_state("offline", &none));
}

// "A" passes, in the order of kAll.
struct Row {
  uint8_t opcode, action;
  const char* columns;
};
constexpr Row kRows[] = {
    {0x00, 0, "AACCC"},    {0x03, 0, "AAAAA"},    {0x12, 0, "AAAAA"},    {0xa0, 0, "AAAAA"},
    {0xa3, 0x0a, "AAAAA"}, {0xa3, 0x0c, "AACCC"}, {0xa4, 0x0a, "AAAAC"}, {0xa4, 0x06, "AACCC"},
    {0x15, 0, "AAACC"},    {0x1a, 0, "AAACC"},    {0x55, 0, "AAACC"},    {0x5a, 0, "AAACC"},
    {0x4c, 0, "AAACC"},    {0x4d, 0, "AAACC"},    {0x5e, 0, "AAACC"},    {0x5f, 0, "AAACC"},
    {0x1c, 0, "AAACC"},    {0x1d, 0, "AAACC"},    {0x28, 0, "AACCC"},    {0x2a, 0, "AACCC"},
    {0x25, 0, "AACCC"},    {0x9e, 0x10, "AACCC"}, {0x16, 0, "AACCC"},
};

TEST(AccessStates, WhichCommandsPass) {
  constexpr SenseCode kSenses[] = {{}, {}, kAccessStandby, kAccessUnavailable, kAccessTransition};
  for (const Row& row : kRows) {
    const uint8_t bytes[kCdbSize] = {row.opcode, row.action};
    for (size_t i = 0; i < 5; ++i) {
      const Sense sense = check_access(kAll[i], Cdb(bytes));
      EXPECT_EQ(sense.is_good(), row.columns[i] == 'A') << +row.opcode << " " << i;
      if (!sense.is_good()) {
        EXPECT_TRUE(sense.code == kSenses[i]);
      }
    }
  }
}

}  // namespace
}  // namespace chiscsi::test
