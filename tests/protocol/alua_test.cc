// SPDX-License-Identifier: GPL-2.0-only
//
// Asymmetric access over the wire: two port groups, their states, what passes, who hears of it.
#include "target/scsi/alua.hh"
#include "reservation_fixture.hh"
#include "target/engine.hh"

namespace chiscsi::test {
namespace {

using scsi::AccessState;

class AsymmetricAccess : public TwoNexusTest {
 protected:
  // "a" and "b" come by group 1, `other` by group 2.
  void SetUp() override {
    TwoNexusTest::SetUp();
    other = log_in(4, second_port);
  }
  void TearDown() override {
    other.reset();
    TwoNexusTest::TearDown();
  }
  // The engine has no type information, which the sanitizer would ask for.
  __attribute__((no_sanitize("vptr"))) static Error set(uint16_t tag, AccessState state) {
    Ref<Target> target = Engine::instance().registry().find_target(kTargetName);
    return scsi::set_alua_state(*target, tag, state).error();
  }
  // As if so many groups that are gone had been in another state.
  __attribute__((no_sanitize("vptr"))) static void take_places(uint32_t count) {
    Ref<Target> target = Engine::instance().registry().find_target(kTargetName);
    for (uint32_t i = 0; i < count; ++i) {
      const auto tag = static_cast<uint16_t>(1000 + i);
      ASSERT_TRUE(target->access_states()
                      .set(tag, AccessState::kStandby, scsi::AccessChange::kImplicit)
                      .is_ok());
    }
  }
  static Outcome report(Initiator& who, uint8_t format = 0) {
    return who.read({0xa3, static_cast<uint8_t>(0x0a | format << 5), 0, 0, 0, 0, 0, 0, 1, 0, 0, 0},
                    256);
  }
  static Outcome set_groups(Initiator& who, const ByteVector& groups) {
    ByteVector list(4);
    list.insert(list.end(), groups.begin(), groups.end());
    return who.write({0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(list.size()), 0, 0},
                     list, {});
  }
  std::unique_ptr<Initiator> other;
};

TEST_F(AsymmetricAccess, GroupsAreReported) {
  EXPECT_EQ(report(*a).data, (ByteVector{0, 0,    0, 24,                          //
                                         0, 0x8f, 0, 1,  0, 0, 0, 1, 0, 0, 0, 1,  //
                                         0, 0x8f, 0, 2,  0, 0, 0, 1, 0, 0, 0, 2}));
  const ByteVector extended = report(*a, 1).data;
  ASSERT_EQ(extended.size(), 32u);
  EXPECT_EQ(extended[3], 28);
  EXPECT_EQ(extended[4], 0x10);
  EXPECT_EQ(extended[11], 1);
  expect_sense(report(*a, 2), 5, 0x24, 0);
  EXPECT_EQ(a->read(inquiry_cdb(36), 36).data[5] & 0x30, 0x30);
  const ByteVector names = a->read({0x12, 1, 0x83, 1, 0, 0}, 256).data;
  const ByteVector group = {0x51, 0x95, 0, 4, 0, 0, 0, 1};
  EXPECT_NE(std::search(names.begin(), names.end(), group.begin(), group.end()), names.end());
}

TEST_F(AsymmetricAccess, StandbyOfOneGroup) {
  EXPECT_EQ(set(1, AccessState::kStandby), Error::kNone);
  expect_sense(ready(*a), 6, 0x2a, 0x06);
  expect_sense(ready(*other), 6, 0x2a, 0x06);
  expect_sense(ready(*a), 2, 0x04, 0x0b);
  expect_sense(read_block(*a), 2, 0x04, 0x0b);
  EXPECT_TRUE(a->read(inquiry_cdb(36), 36).good());
  EXPECT_TRUE(in(*a, 0).good());
  EXPECT_TRUE(read_block(*other).good());
  EXPECT_EQ(report(*a).data[4], 2);
  EXPECT_EQ(report(*a).data[9], 2);  // Implicitly.
  EXPECT_EQ(set(1, AccessState::kOptimized), Error::kNone);
  expect_sense(ready(*a), 6, 0x2a, 0x06);
  EXPECT_TRUE(read_block(*a).good());
}

TEST_F(AsymmetricAccess, UnavailableAndTransitioning) {
  EXPECT_EQ(set(1, AccessState::kUnavailable), Error::kNone);
  ready(*a);
  expect_sense(read_block(*a), 2, 0x04, 0x0c);
  expect_sense(in(*a, 0), 2, 0x04, 0x0c);
  EXPECT_EQ(set(1, AccessState::kTransitioning), Error::kNone);
  ready(*a);
  expect_sense(read_block(*a), 2, 0x04, 0x0a);
  expect_sense(set_groups(*a, {0, 0, 0, 1}), 2, 0x04, 0x0a);
  EXPECT_EQ(set(1, AccessState::kNonOptimized), Error::kNone);
  ready(*a);
  EXPECT_TRUE(read_block(*a).good());
}

TEST_F(AsymmetricAccess, InitiatorSetsGroups) {
  EXPECT_TRUE(set_groups(*a, {2, 0, 0, 2, 1, 0, 0, 1}).good());
  EXPECT_TRUE(read_block(*a).good());  // Who did it does not hear of it.
  expect_sense(ready(*b), 6, 0x2a, 0x06);
  expect_sense(ready(*other), 6, 0x2a, 0x06);
  expect_sense(read_block(*other), 2, 0x04, 0x0b);
  EXPECT_EQ(report(*a).data[9], 1);  // Explicitly.
  EXPECT_TRUE(set_groups(*other, {0, 0, 0, 2}).good());
  EXPECT_TRUE(read_block(*other).good());
  EXPECT_TRUE(set_groups(*a, {0, 0, 0, 2}).status == 2);  // Its unit attention.
  EXPECT_TRUE(set_groups(*a, {0, 0, 0, 2}).good());       // Nothing new.
  EXPECT_TRUE(ready(*other).good());
}

TEST_F(AsymmetricAccess, WrongListsChangeNothing) {
  expect_sense(set_groups(*a, {2, 0, 0, 1, 2, 0, 0, 9}), 5, 0x26, 0);
  expect_sense(set_groups(*a, {15, 0, 0, 1}), 5, 0x26, 0);
  expect_sense(set_groups(*a, {2, 0, 0}), 5, 0x1a, 0);
  EXPECT_TRUE(a->no_data({0xa4, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}).good());
  EXPECT_TRUE(read_block(*a).good());
  EXPECT_TRUE(ready(*b).good());
  EXPECT_EQ(set(9, AccessState::kStandby), Error::kNoEntry);
}

TEST_F(AsymmetricAccess, AChangeThatEndsHalfWayIsTold) {
  take_places(scsi::AccessStates::kMaxGroups - 1);
  expect_sense(set_groups(*a, {1, 0, 0, 1, 2, 0, 0, 2}), 4, 0x67, 0x0a);
  expect_sense(ready(*b), 6, 0x2a, 0x06);
  expect_sense(ready(*other), 6, 0x2a, 0x06);
  EXPECT_EQ(report(*other).data[4], 1);
  EXPECT_TRUE(read_block(*other).good());
}

TEST_F(AsymmetricAccess, StateSurvivesAReload) {
  EXPECT_EQ(set(1, AccessState::kStandby), Error::kNone);
  ready(*a);
  ASSERT_EQ(disks->reconfigure_target(kTargetName, target_keys()), 0);
  expect_sense(read_block(*a), 2, 0x04, 0x0b);
}

}  // namespace
}  // namespace chiscsi::test
