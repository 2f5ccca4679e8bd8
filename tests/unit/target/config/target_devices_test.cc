// SPDX-License-Identifier: GPL-2.0-only
//
// TargetDevice lines: types, options of ours and of drivers' classes, names that have to differ,
// and how many there may be. Row K-3 of the robustness corpus.
#include "parsed_settings.hh"

namespace chiscsi {
namespace {

TEST(TargetDevices, ReadsDevicesInOrder) {
  const Parsed parsed =
      parse({"TargetDevice=ram0,MEM,size=64MB",
             "TargetDevice=/dev/vdb,RO,BLK,SYNC,NULLRW,ID=ABCD,WWN=0123456789ABCDEF,SN=1",
             "TargetDevice=/tmp/file", "TargetDevice=x,MyDriverClass"});
  ASSERT_TRUE(parsed.settings) << parsed.error;
  const Span<const TargetDeviceSettings> devices = parsed.settings->devices();
  ASSERT_EQ(devices.size(), 4u);
  EXPECT_EQ(string_of(devices[0].name), "ram0");
  EXPECT_EQ(string_of(devices[0].lun_class), "MEM");
  EXPECT_EQ(devices[0].size_mb, 64u);
  EXPECT_TRUE(devices[1].read_only && devices[1].sync && devices[1].nullrw);
  EXPECT_EQ(string_of(devices[1].wwn), "0123456789ABCDEF");
  EXPECT_EQ(string_of(devices[1].sn), "1");
  EXPECT_EQ(string_of(devices[2].lun_class), "FILE");
  EXPECT_EQ(string_of(devices[3].lun_class), "MyDriverClass");
  EXPECT_EQ(string_of(devices[0].line), "ram0,MEM,size=64MB");
  EXPECT_TRUE(devices[0].names_class && !devices[2].names_class && devices[3].names_class);
}

TEST(TargetDevices, WordsOfTheBuiltInClasses) {
  const Parsed parsed =
      parse({"TargetDevice=/f,THIN,BS=4096,PROD=Fast Disk", "TargetDevice=m,MEM",
             "TargetDevice=x,Mine,THIN,REMOVABLE", "TargetDevice=t,MEM,THIN,THRESHOLD=80"});
  ASSERT_TRUE(parsed.settings) << parsed.error;
  const Span<const TargetDeviceSettings> devices = parsed.settings->devices();
  EXPECT_TRUE(devices[0].thin);
  EXPECT_FALSE(devices[0].removable);
  EXPECT_EQ(devices[0].block_size, 4096u);
  EXPECT_EQ(string_of(devices[0].product), "Fast Disk");
  EXPECT_EQ(devices[1].block_size, 0u);
  EXPECT_EQ(devices[1].threshold, 0u);
  EXPECT_EQ(devices[3].threshold, 80u);
  // A driver's class reads them itself.
  EXPECT_EQ(string_of(devices[2].foreign_option), "THIN");
  for (const char* bad : {"x,BS=100", "x,BS=513", "x,BS=8192", "x,BS=512,BS=512", "x,THIN,THIN",
                          "x,PROD=", "x,PROD=12345678901234567", "x,THRESHOLD=0", "x,THRESHOLD=100",
                          "x,THRESHOLD=", "x,THRESHOLD=50%", "x,THRESHOLD=5,THRESHOLD=6"}) {
    EXPECT_FALSE(parse({std::string("TargetDevice=") + bad}).settings) << bad;
  }
}

// The class of a driver has values of its own for these words.
TEST(TargetDevices, LeavesOtherValuesOfOurWordsToTheClassOfADriver) {
  for (const std::string option : {"BS=100", "BS=64k", "BS=512,BS=512", "THRESHOLD=250",
                                   "THRESHOLD=", "THRESHOLD=5,THRESHOLD=6", "PROD=",
                                   "PROD=12345678901234567", "THIN,THIN", "REMOVABLE,REMOVABLE"}) {
    const std::string first = option.substr(0, option.find(','));
    for (const std::string& line : {"x,Mine," + option, "x," + option + ",Mine"}) {
      const Parsed parsed = parse({"TargetDevice=" + line});
      ASSERT_TRUE(parsed.settings) << line << ": " << parsed.error;
      const TargetDeviceSettings& device = parsed.settings->devices()[0];
      EXPECT_EQ(string_of(device.lun_class), "Mine");
      EXPECT_EQ(string_of(device.foreign_option), first);
    }
    EXPECT_FALSE(parse({"TargetDevice=x,MEM," + option}).settings) << option;
  }
  EXPECT_EQ(error_of({"TargetDevice=x,BS=100,MEM"}),
            "TargetDevice: wants BS=512, 1024, 2048 or 4096 once, not \"BS=100\"");
  EXPECT_EQ(error_of({"TargetDevice=x,MEM,THRESHOLD=0"}),
            "TargetDevice: wants THRESHOLD=<1-99> once, not \"THRESHOLD=0\"");
  EXPECT_EQ(error_of({"TargetDevice=x,MEM,THIN,THIN"}),
            "TargetDevice: option given twice \"THIN\"");
  // These words are known to every class.
  for (const char* bad : {"x,Mine,RO,RO", "x,Mine,size=0MB", "x,Mine,SN="})
    EXPECT_FALSE(parse({std::string("TargetDevice=") + bad}).settings) << bad;
}

TEST(TargetDevices, LeavesOptionsItDoesNotKnowToTheClassOfADriver) {
  const Parsed parsed = parse({"TargetDevice=x,Mine,fast,RO,level=3,size=2MB",
                               "TargetDevice=y,level=3,Mine", "TargetDevice=z,Mine,RO"});
  ASSERT_TRUE(parsed.settings) << parsed.error;
  const Span<const TargetDeviceSettings> devices = parsed.settings->devices();
  EXPECT_EQ(string_of(devices[0].lun_class), "Mine");
  EXPECT_EQ(string_of(devices[0].foreign_option), "fast");
  EXPECT_TRUE(devices[0].read_only);
  EXPECT_EQ(devices[0].size_mb, 2u);
  EXPECT_EQ(string_of(devices[1].foreign_option), "level=3");
  EXPECT_TRUE(devices[2].foreign_option.empty());
}

TEST(TargetDevices, RefusesMalformedDevices) {
  const std::string long_id(25, 'x');
  for (const std::string& bad : {std::string(),
                                 std::string(",MEM"),
                                 std::string("x,"),
                                 std::string("x,MEM,BLK"),
                                 std::string("x,RO,RO"),
                                 std::string("x,MEM,size=0MB"),
                                 std::string("x,MEM,size=64"),
                                 std::string("x,MEM,size=MB"),
                                 std::string("x,MEM,size=1MB,size=2MB"),
                                 std::string("x,size=1MB"),
                                 std::string("x,ID="),
                                 "x,ID=" + long_id,
                                 std::string("x,WWN=12345678901234567"),
                                 std::string("x,SN=1,SN=2"),
                                 std::string("x,Foo=1"),
                                 std::string("x,MEM,Foo=1"),
                                 std::string("x,FILE,fast"),
                                 std::string("x,Mine,BLK"),
                                 std::string("x,Mine,,"),
                                 std::string("x\ny"),
                                 std::string("x,MEM,size=-1MB"),
                                 std::string(256, 'x')}) {
    EXPECT_EQ(error_of({"TargetDevice=" + bad}).substr(0, 14), "TargetDevice: ") << bad;
  }
}

TEST(TargetDevices, KeepsTheNamesOfRamDisksApart) {
  EXPECT_EQ(
      error_of({"TargetDevice=a,MEM", "TargetDevice=r,MEM", "TargetDevice=r,MEM,size=1MB"}),
      "TargetDevice: \"r\" is also the name of LUN 1; that of a MEM device is unique within its "
      "target");
  error_of({"TargetDevice=r,MEM", "TargetDevice=r,NULLRW,MEM"});
  error_of({"TargetDevice=r,MEM", "TargetDevice=r,MEM,WWN=0123456789ABCDEF"});
  // The identity of others is made of their names, too.
  error_of({"TargetDevice=/r,MEM", "TargetDevice=/r"});
  error_of({"TargetDevice=/r,BLK", "TargetDevice=/r,MEM"});
  error_of({"TargetDevice=r,Mine", "TargetDevice=r,MEM"});
  EXPECT_TRUE(is_good({"TargetDevice=r,MEM", "TargetDevice=R,MEM", "TargetDevice=r2,MEM"}));
  // One file or one device, whatever the line; a class of a driver has names of its own.
  EXPECT_TRUE(is_good(
      {"TargetDevice=/r", "TargetDevice=/r,BLK", "TargetDevice=r,Mine", "TargetDevice=r,Mine"}));
}

TEST(TargetDevices, RefusesOptionsThatTheTypeDoesNotHave) {
  EXPECT_EQ(error_of({"TargetDevice=r,MEM,SYNC"}),
            "TargetDevice: SYNC is for FILE and BLK only: \"r,MEM,SYNC\"");
  EXPECT_EQ(error_of({"TargetDevice=r,SYNC,MEM"}).substr(0, 40),
            "TargetDevice: SYNC is for FILE and BLK o");
  EXPECT_EQ(error_of({"TargetDevice=/f,THRESHOLD=5"}),
            "TargetDevice: THRESHOLD= is for MEM and FILE with THIN only: \"/f,THRESHOLD=5\"");
  error_of({"TargetDevice=r,MEM,THRESHOLD=5"});
  error_of({"TargetDevice=/dev/sdb,BLK,THRESHOLD=5"});
  error_of({"TargetDevice=/dev/sdb,BLK,THIN,THRESHOLD=5"});
  EXPECT_EQ(error_of({"TargetDevice=r,MEM,DIRECT"}),
            "TargetDevice: DIRECT is for FILE only: \"r,MEM,DIRECT\"");
  error_of({"TargetDevice=/dev/sdb,DIRECT,BLK"});
  error_of({"TargetDevice=/f,DIRECT,DIRECT"});
  EXPECT_TRUE(is_good({"TargetDevice=/f,SYNC,THRESHOLD=5,THIN", "TargetDevice=/b,BLK,SYNC",
                       "TargetDevice=x,Mine,SYNC,THRESHOLD=5", "TargetDevice=/g,DIRECT,SYNC",
                       "TargetDevice=/h,FILE,RO,DIRECT", "TargetDevice=y,Mine,DIRECT,DIRECT"}));
}

TEST(TargetDevices, WantsItsTypeWordsInCapitals) {
  EXPECT_EQ(error_of({"TargetDevice=r,mem"}), "TargetDevice: wants MEM in capitals, not \"mem\"");
  EXPECT_EQ(error_of({"TargetDevice=r,RO,Blk,fast"}),
            "TargetDevice: wants BLK in capitals, not \"Blk\"");
  EXPECT_EQ(error_of({"TargetDevice=/f,filE"}),
            "TargetDevice: wants FILE in capitals, not \"filE\"");
  EXPECT_TRUE(is_good({"TargetDevice=r,Memory", "TargetDevice=s,me", "TargetDevice=t,memo"}));
}

TEST(TargetDevices, HasAsManyDevicesAsATargetHasLuns) {
  std::vector<std::string> lines(16384, "TargetDevice=/f");
  EXPECT_TRUE(is_good(lines));
  lines.push_back("TargetDevice=/f");
  EXPECT_EQ(error_of(lines), "TargetDevice: more than 16384 lines");
}

}  // namespace
}  // namespace chiscsi
