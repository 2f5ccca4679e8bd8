// SPDX-License-Identifier: GPL-2.0-only
//
// Lun: what a class says of its device, and many threads at the door of a LUN that closes.
#include "target/lun/lun.hh"

#include <algorithm>
#include <atomic>
#include <thread>

#include "lun_fixture.hh"

namespace chiscsi::test {
namespace {

class LunTest : public LunFixture {
 protected:
  void SetUp() override {
    ASSERT_TRUE(change_to({"a,FULL", "b,FULL,RO"}).is_ok());
    calls();
  }
  Lun& lun(uint32_t number = 0) { return *map()->find(number); }
  static chiscsi_lun_geometry geometry(uint64_t blocks, uint32_t block_size) {
    chiscsi_lun_geometry made = {};
    made.blocks = blocks;
    made.block_size = block_size;
    return made;
  }
};

TEST_F(LunTest, HasNoGeometryUntilItsClassSaysSo) {
  EXPECT_FALSE(lun().has_geometry());
  ASSERT_TRUE(lun().set_geometry(geometry(100, 4096)).is_ok());
  EXPECT_TRUE(lun().has_geometry());
  EXPECT_EQ(lun().blocks(), 100u);
  EXPECT_EQ(lun().block_size(), 4096u);
  EXPECT_FALSE(lun().is_read_only());
  EXPECT_TRUE(lun(1).is_read_only());
}

TEST_F(LunTest, RefusesWhatNoDeviceHas) {
  for (const auto& [blocks, size] : std::vector<std::pair<uint64_t, uint32_t>>{
           {0, 512}, {1, 0}, {1, 256}, {1, 513}, {1, 131072}, {~uint64_t{0}, 512}}) {
    EXPECT_EQ(lun().set_geometry(geometry(blocks, size)).error(), Error::kInvalid)
        << blocks << " " << size;
  }
  chiscsi_lun_geometry bad = geometry(1, 512);
  bad.flags = 1u << 31;
  EXPECT_EQ(lun().set_geometry(bad).error(), Error::kInvalid);
  bad = geometry(1, 512);
  bad.physical_exponent = 16;
  EXPECT_EQ(lun().set_geometry(bad).error(), Error::kInvalid);
  EXPECT_FALSE(lun().has_geometry());
  EXPECT_TRUE(lun().set_geometry(geometry(~uint64_t{0} / 512, 512)).is_ok());
}

TEST_F(LunTest, MayChangeSizeAndProtectionButNothingElse) {
  HostLogCapture log;
  chiscsi_lun_geometry given = geometry(100, 512);
  ASSERT_TRUE(lun().set_geometry(given).is_ok());
  EXPECT_TRUE(lun().set_geometry(given).is_ok());
  given.blocks = 200;
  given.flags = CHISCSI_LUN_READ_ONLY;
  EXPECT_TRUE(lun().set_geometry(given).is_ok());
  EXPECT_EQ(lun().blocks(), 200u);
  EXPECT_TRUE(lun().is_read_only());
  EXPECT_TRUE(log.contains("200 blocks, was 100"));
  given.block_size = 1024;
  EXPECT_EQ(lun().set_geometry(given).error(), Error::kInvalid);
  given.block_size = 512;
  given.vendor_id[0] = 'x';
  EXPECT_EQ(lun().set_geometry(given).error(), Error::kInvalid);
  EXPECT_EQ(lun().block_size(), 512u);
}

TEST_F(LunTest, EndsTextsThatHaveNoEnd) {
  chiscsi_lun_geometry given = geometry(1, 512);
  memset(given.serial, 's', sizeof(given.serial));
  ASSERT_TRUE(lun().set_geometry(given).is_ok());
  EXPECT_EQ(strlen(lun().constants().serial), sizeof(given.serial) - 1);
}

TEST_F(LunTest, IsClosedExactlyOnceWhoeverLeavesLast) {
  for (int round = 0; round < 50; ++round) {
    const Ref<LunMap> luns = map();
    Lun& door = *luns->find(0);
    std::atomic<bool> go{false};
    std::vector<std::thread> visitors;
    for (int i = 0; i < 3; ++i) {
      visitors.emplace_back([&] {
        while (!go)
          std::this_thread::yield();
        while (door.enter())
          door.leave();
      });
    }
    calls();
    go = true;
    ASSERT_TRUE(change_to({"a,KEEP", "b,FULL,RO"}).is_ok());
    for (std::thread& visitor : visitors)
      visitor.join();
    const Calls made = calls();
    EXPECT_EQ(std::count(made.begin(), made.end(), "detach a"), 1) << round;
    EXPECT_EQ(std::count(made.begin(), made.end(), "flush a"), 1) << round;
    ASSERT_TRUE(change_to({"a,FULL", "b,FULL,RO"}).is_ok());
  }
}

TEST(LunIdentity, IsDerivedFromNamesAndStaysTheSame) {
  const auto identify = [](Text target, Text line) {
    TargetDeviceSettings device;
    ConfigError error;
    EXPECT_TRUE(parse_target_device(line, &device, &error).is_ok());
    return identify_lun(target, device);
  };
  const auto naa = [](const LunIdentity& identity) {
    return std::vector<uint8_t>(identity.naa, identity.naa + 8);
  };
  const LunIdentity one = identify("iqn.a:t", "disk1,MEM");
  EXPECT_EQ(one.naa[0] >> 4, 3);
  EXPECT_EQ(naa(one), naa(identify("iqn.a:t", "disk1,MEM,RO")));
  EXPECT_NE(naa(one), naa(identify("iqn.a:t", "disk2,MEM")));
  EXPECT_NE(naa(one), naa(identify("iqn.a:td", "isk1,MEM")));
  EXPECT_EQ(one.serial.size(), 16u);
  // The same disk behind two targets.
  EXPECT_EQ(naa(identify("iqn.a:t", "x,WWN=shared")), naa(identify("iqn.a:u", "y,WWN=shared")));
  EXPECT_EQ(naa(identify("iqn.a:t", "x,WWN=5000C50012345678")),
            (std::vector<uint8_t>{0x50, 0, 0xc5, 0, 0x12, 0x34, 0x56, 0x78}));
  // Digits that are no NAA designator are a name like any other.
  EXPECT_EQ(naa(identify("iqn.a:t", "x,WWN=0123456789ABCDEF"))[0] >> 4, 3);
  const LunIdentity named = identify("iqn.a:t", "x,SN=42,ID=my disk");
  EXPECT_TRUE(named.serial.text() == Text("42") && named.serial_is_given);
  EXPECT_TRUE(named.vendor_text.text() == Text("my disk"));
}

}  // namespace
}  // namespace chiscsi::test
