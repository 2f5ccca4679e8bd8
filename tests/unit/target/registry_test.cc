// SPDX-License-Identifier: GPL-2.0-only
//
// Registry: what a class has to bring, and when it may go (Guide 5.1, 5.2; docs/api-readings.md).
#include "target/registry.hh"

#include <gtest/gtest.h>

#include "host.hh"

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
