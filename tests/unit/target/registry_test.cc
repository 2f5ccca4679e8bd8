// SPDX-License-Identifier: GPL-2.0-only
//
// Registry: what a class has to bring, and when it may go (Guide 5.1, 5.2; docs/api-readings.md).
#include "target/registry.hh"

#include <gtest/gtest.h>

#include <vector>

#include "host.hh"
#include "target/target.hh"

namespace chiscsi::test {
namespace {

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() {
    target_class.class_name = class_name;
    lun_class.class_name = lun_class_name;
    lun_class.fp_scsi_cmd_cdb_rcved = [](chiscsi_scsi_command*) { return 0; };
    lun_class.fp_scsi_cmd_data_xfer_status = [](chiscsi_scsi_command*, unsigned char*, unsigned,
                                                unsigned, unsigned) { return 0; };
    lun_class.fp_scsi_cmd_abort = [](chiscsi_scsi_command*) { return 0; };
    lun_class.fp_tmf_execute = [](unsigned long, unsigned long, unsigned char, unsigned char,
                                  unsigned, chiscsi_scsi_command*) { return 0; };
    EXPECT_TRUE(registry.create().is_ok());
    EXPECT_TRUE(registry.add_class(&target_class).is_ok());
  }
  ~RegistryTest() override {
    static_cast<void>(registry.remove_class(class_name));
    EXPECT_FALSE(registry.find_class(class_name));
  }
  Error add_lun_class() { return registry.add_lun_class(&lun_class, class_name).error(); }
  Error remove_lun_class() { return registry.remove_lun_class(lun_class_name, class_name).error(); }

  // Whether a target could be made of the class.
  bool can_serve_a_target() {
    Result<Ref<TargetClass>> held = registry.hold_class(class_name);
    if (!held.is_ok()) return false;
    registry.release_class(*held.value());
    return true;
  }

  Registry registry;
  char class_name[8] = "class", lun_class_name[8] = "luns";
  chiscsi_target_class target_class = {};
  chiscsi_target_lun_class lun_class = {};
};

constexpr Error kOk = Error::kNone;

TEST_F(RegistryTest, TakesALunClassWithItsMandatoryHooks) {
  EXPECT_EQ(add_lun_class(), kOk);
  EXPECT_TRUE(can_serve_a_target());
  EXPECT_EQ(add_lun_class(), Error::kExists);
}

TEST_F(RegistryTest, NamesTheMandatoryHookThatIsMissing) {
  const chiscsi_target_lun_class whole = lun_class;
  const auto expect_refused = [&](const char* hook) {
    HostLogCapture log;
    EXPECT_EQ(add_lun_class(), Error::kInvalid);
    EXPECT_TRUE(log.contains(std::string(hook) + " is not set")) << hook;
    lun_class = whole;
  };
  lun_class.fp_scsi_cmd_cdb_rcved = nullptr;
  expect_refused("fp_scsi_cmd_cdb_rcved");
  lun_class.fp_scsi_cmd_data_xfer_status = nullptr;
  expect_refused("fp_scsi_cmd_data_xfer_status");
  lun_class.fp_scsi_cmd_abort = nullptr;
  expect_refused("fp_scsi_cmd_abort");
  lun_class.fp_tmf_execute = nullptr;
  expect_refused("fp_tmf_execute");
  EXPECT_FALSE(can_serve_a_target());
}

TEST_F(RegistryTest, RefusesClassesWithoutAName) {
  lun_class.class_name = nullptr;
  EXPECT_EQ(add_lun_class(), Error::kInvalid);
  lun_class_name[0] = '\0';
  lun_class.class_name = lun_class_name;
  EXPECT_EQ(add_lun_class(), Error::kInvalid);
  chiscsi_target_class nameless = {};
  EXPECT_EQ(registry.add_class(&nameless).error(), Error::kInvalid);
}

TEST_F(RegistryTest, TakesLunClassesAlongWhenTheTargetClassGoes) {
  EXPECT_EQ(add_lun_class(), kOk);
  EXPECT_EQ(registry.remove_class(class_name).error(), kOk);
  EXPECT_EQ(remove_lun_class(), Error::kNoEntry);
  EXPECT_EQ(registry.remove_class(class_name).error(), Error::kNoEntry);
  EXPECT_EQ(registry.add_class(&target_class).error(), kOk);
  EXPECT_FALSE(can_serve_a_target()) << "nothing was kept";
}

TEST_F(RegistryTest, RefusesPropertiesThatDoNotExist) {
  HostLogCapture log;
  lun_class.property = 1u << 3;
  EXPECT_EQ(add_lun_class(), Error::kInvalid);
  EXPECT_TRUE(log.contains("unknown bits in property 0x8"));
  for (const unsigned property : {0u, 1u, 2u, 4u, 7u}) {
    lun_class.property = property;
    EXPECT_EQ(add_lun_class(), kOk) << property;
    EXPECT_EQ(remove_lun_class(), kOk);
  }
}

// Whoever lists is in the middle of it when the target goes that it has just looked at.
TEST_F(RegistryTest, AListingGoesOnWhenATargetIsRemoved) {
  EXPECT_EQ(add_lun_class(), kOk);
  Result<Ref<TargetClass>> held = registry.hold_class(class_name);
  ASSERT_TRUE(held.is_ok());
  std::vector<Ref<Target>> targets;
  for (const char* name : {"iqn.2026-11.org.example:a", "iqn.2026-11.org.example:b",
                           "iqn.2026-11.org.example:c", "iqn.2026-11.org.example:d"}) {
    Result<Ref<Target>> made = Target::create(name, TargetOwner::administrator(), held.value(), {});
    ASSERT_TRUE(made.is_ok());
    targets.push_back(made.take());
    ASSERT_TRUE(registry.add_target(*targets.back()).is_ok());
  }
  const Ref<Target> second = registry.next_target(registry.next_target({}));
  EXPECT_EQ(second.get(), targets[1].get());
  registry.remove_target(*targets[1]);
  registry.remove_target(*targets[2]);
  const Ref<Target> next = registry.next_target(second);
  EXPECT_EQ(next.get(), targets[3].get());
  registry.remove_target(*targets[3]);
  EXPECT_FALSE(registry.next_target(next));
  registry.remove_target(*targets[0]);
  EXPECT_FALSE(registry.next_target(second));
  registry.release_class(*held.value());
}

TEST_F(RegistryTest, ATargetGetsTheSmallestFreeId) {
  EXPECT_EQ(add_lun_class(), kOk);
  Result<Ref<TargetClass>> held = registry.hold_class(class_name);
  ASSERT_TRUE(held.is_ok());
  std::vector<Ref<Target>> targets;
  const auto add = [&] {
    const std::string name = "iqn.2026-11.org.example:" + std::to_string(targets.size());
    targets.push_back(
        Target::create(name.c_str(), TargetOwner::administrator(), held.value(), {}).take());
    EXPECT_EQ(registry.add_target(*targets.back()).error(), kOk);
    return targets.back()->id;
  };
  for (uint32_t id = 1; id <= 200; ++id)
    ASSERT_EQ(add(), id);
  for (const uint32_t id : {1, 64, 65, 150})
    registry.remove_target(*targets[id - 1]);
  for (const uint32_t id : {1, 64, 65, 150, 201})
    EXPECT_EQ(add(), id);
  for (const Ref<Target>& target : targets)
    registry.remove_target(*target);
  registry.release_class(*held.value());
}

// Of two starts of one name the second is told before it opens anything.
TEST_F(RegistryTest, ANameIsTakenFromTheBeginningOfAStart) {
  EXPECT_EQ(add_lun_class(), kOk);
  Result<Ref<TargetClass>> held = registry.hold_class(class_name);
  ASSERT_TRUE(held.is_ok());
  const auto make = [&] {
    return Target::create("iqn.2026-11.org.example:a", TargetOwner::administrator(), held.value(),
                          {})
        .take();
  };
  const Ref<Target> first = make(), second = make();
  EXPECT_EQ(registry.reserve_name(*first).error(), kOk);
  EXPECT_EQ(registry.reserve_name(*second).error(), Error::kExists);
  EXPECT_FALSE(registry.find_target(first->name()));
  registry.give_up_name(*first);
  EXPECT_EQ(registry.reserve_name(*second).error(), kOk);
  EXPECT_EQ(registry.add_target(*second).error(), kOk);
  EXPECT_EQ(registry.reserve_name(*first).error(), Error::kExists);
  registry.remove_target(*second);
  registry.release_class(*held.value());
}

TEST_F(RegistryTest, KeepsClassesForTargetsThatAreMadeAndForLunsThatAreOpen) {
  EXPECT_EQ(registry.hold_class(class_name).error(), Error::kInvalid) << "no LUN class yet";
  EXPECT_EQ(registry.hold_class("other").error(), Error::kNoEntry);
  EXPECT_EQ(add_lun_class(), kOk);
  Result<Ref<TargetClass>> held = registry.hold_class(class_name);
  ASSERT_TRUE(held.is_ok());
  EXPECT_EQ(remove_lun_class(), Error::kBusy);
  EXPECT_EQ(registry.remove_class(class_name).error(), Error::kBusy);
  registry.release_class(*held.value());
  held.value()->luns_open = 1;
  EXPECT_EQ(remove_lun_class(), Error::kBusy);
  EXPECT_EQ(registry.remove_class(class_name).error(), Error::kBusy);
  held.value()->luns_open = 0;
  EXPECT_EQ(remove_lun_class(), kOk);
}

TEST_F(RegistryTest, KeepsClassesWhileTheDriverHoldsCommands) {
  EXPECT_EQ(add_lun_class(), kOk);
  Ref<TargetClass> held = registry.find_class(class_name);
  held->commands_held = 1;
  EXPECT_EQ(remove_lun_class(), Error::kBusy);
  EXPECT_EQ(registry.remove_class(class_name).error(), Error::kBusy);
  held->commands_held = 0;
  EXPECT_EQ(remove_lun_class(), kOk);
  EXPECT_EQ(registry.remove_class(class_name).error(), kOk);
}

}  // namespace
}  // namespace chiscsi::test
