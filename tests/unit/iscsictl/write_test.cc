// SPDX-License-Identifier: GPL-2.0-only
//
// iscsictl -W against a module in memory: what it writes starts the same, in one piece or not at
// all, and nobody else reads its secrets.
#include <thread>

#include "commands.hh"
#include "commands_fixture.hh"
#include "target/config/config_file.hh"

namespace iscsictl {
namespace {

constexpr uid_t kStranger = 65533;

TEST_F(Commands, WriteMakesAFileThatStartsTheSame) {
  const string blocks =
      target_block(kDisk0, " Auth_CHAP_Initiator=\"u\":\"0123456789ab\"\n") + target_block(kDisk1);
  put("global:\n isns_query=7\n" + blocks);
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone);
  ASSERT_EQ(run({"-s", string("target=") + kDisk1}), kDone);
  door_.targets["iqn.2026-11.org.example:of-a-driver"].owner = "driver";
  const string before = get("chiscsi.conf");
  EXPECT_EQ(run({"-W", "-f", conf_}), kDone) << err_;
  EXPECT_EQ(get("chiscsi.conf.bak"), before);
  const string written = get("chiscsi.conf");
  EXPECT_TRUE(has(written, "isns_query=7\n"));
  EXPECT_TRUE(has(written, "\"u\":\"0123456789ab\"\n"));
  EXPECT_TRUE(has(written, "TargetDevice=/dev/vg/vol,BLK\n"));
  EXPECT_FALSE(has(written, kDisk1));
  EXPECT_FALSE(has(written, "of-a-driver"));
  door_.targets.clear();
  EXPECT_EQ(run({"-S", "target=ALL"}), kDone) << err_;
  EXPECT_TRUE(is_active(kDisk0));
  // Nothing but the two is left behind.
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

TEST_F(Commands, WriteKeepsTheModeOfAFileAndMakesNewOnesPrivate) {
  struct stat facts = {};
  EXPECT_EQ(run({"-W", "-f", folder_ + "/new.conf"}), kDone) << err_;
  ASSERT_EQ(stat((folder_ + "/new.conf").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
  put("", "old.conf");
  chmod((folder_ + "/old.conf").c_str(), 0640);
  symlink("old.conf", (folder_ + "/link.conf").c_str());
  EXPECT_EQ(run({"-W", "-f", folder_ + "/link.conf"}), kDone) << err_;
  ASSERT_EQ(lstat((folder_ + "/old.conf").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0640u);
  EXPECT_TRUE(has(get("old.conf"), "global:"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ + "/link.conf"));
}

// What it held before may have had secrets as well.
TEST_F(Commands, WriteKeepsTheOldTextFromOthers) {
  struct stat facts = {};
  put(target_block(kDisk0, " Auth_CHAP_Initiator=\"u\":\"0123456789ab\"\n"));
  chmod(conf_.c_str(), 0644);
  EXPECT_EQ(run({"-W", "-f", conf_}), kDone) << err_;
  ASSERT_EQ(stat((conf_ + ".bak").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
  EXPECT_TRUE(has(get("chiscsi.conf.bak"), "0123456789ab"));
  ASSERT_EQ(stat(conf_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0644u) << "there is no secret in it any more";
}

// Whoever has put a file there beforehand would own the secrets.
TEST_F(Commands, WriteGivesNothingToAStranger) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  put("# mine\n");
  ASSERT_EQ(chown(conf_.c_str(), kStranger, kStranger), 0);
  EXPECT_EQ(run({"-W", "-f", conf_}), kRefused);
  EXPECT_EQ(err_,
            "iscsictl: " + conf_ + ": belongs to user 65533, who would own what is written\n");
  EXPECT_EQ(get("chiscsi.conf"), "# mine\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
}

// As fs.protected_symlinks has it, and in every folder: a link leads where its owner wants.
TEST_F(Commands, WriteFollowsNoLinkOfAStranger) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give links away";
  put("# precious\n", "precious");
  ASSERT_EQ(mkdir((folder_ + "/real").c_str(), 0700), 0);
  put("# precious\n", "real/precious");
  const string file = folder_ + "/file", folder = folder_ + "/folder", own = folder_ + "/own";
  ASSERT_EQ(symlink("precious", file.c_str()), 0);
  ASSERT_EQ(symlink((folder_ + "/real").c_str(), folder.c_str()), 0);
  ASSERT_EQ(symlink("./file", own.c_str()), 0);
  for (const string& link : {file, folder})
    ASSERT_EQ(lchown(link.c_str(), kStranger, kStranger), 0);
  const struct {
    string path, link;
  } rows[] = {{file, file}, {own, file}, {folder + "/precious", folder}, {folder + "/new", folder}};
  for (const auto& row : rows) {
    EXPECT_EQ(run({"-W", "-f", row.path}), kRefused) << row.path;
    EXPECT_EQ(err_, "iscsictl: " + row.link + ": is a symbolic link of user 65533\n");
  }
  EXPECT_EQ(get("precious"), "# precious\n");
  EXPECT_EQ(get("real/precious"), "# precious\n");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_ + "/real"), {}), 1);
}

// Links of one's own: of files and folders, absolute and not, and round in a circle.
TEST_F(Commands, WriteFollowsLinksOfItsCaller) {
  ASSERT_EQ(mkdir((folder_ + "/real").c_str(), 0700), 0);
  put("", "real/file");
  ASSERT_EQ(symlink("real", (folder_ + "/folder").c_str()), 0);
  ASSERT_EQ(symlink((folder_ + "/folder/../folder/file").c_str(), (folder_ + "/link").c_str()), 0);
  EXPECT_EQ(run({"-W", "-f", folder_ + "//./link"}), kDone) << err_;
  EXPECT_TRUE(has(get("real/file"), "global:"));
  EXPECT_EQ(get("real/file.bak"), "");
  EXPECT_EQ(run({"-W", "-f", folder_ + "/folder/new"}), kDone) << err_;
  EXPECT_TRUE(has(get("real/new"), "global:"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ + "/folder"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ + "/link"));
  ASSERT_EQ(symlink("circle", (folder_ + "/circle").c_str()), 0);
  EXPECT_EQ(run({"-W", "-f", folder_ + "/circle"}), kRefused);
  EXPECT_TRUE(std::filesystem::is_symlink(folder_ + "/circle"));
}

TEST_F(Commands, WriteKeepsSecretsFromOthers) {
  struct stat facts = {};
  put(target_block(kDisk0, " Auth_CHAP_Initiator=\"u\":\"0123456789ab\"\n"));
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone);
  chmod(conf_.c_str(), 0666);
  EXPECT_EQ(run({"-W", "-f", conf_}), kDone) << err_;
  ASSERT_EQ(stat(conf_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600u);
}

// Devices, FIFOs and links to nowhere stay what they are.
TEST_F(Commands, WriteReplacesRegularFilesAlone) {
  const string fifo = folder_ + "/fifo", link = folder_ + "/link";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  ASSERT_EQ(symlink("nowhere", link.c_str()), 0);
  for (const string& path : {fifo, link}) {
    EXPECT_EQ(run({"-W", "-f", path}), kRefused);
    EXPECT_EQ(err_, "iscsictl: " + path + ": is there and is not a regular file\n");
  }
  EXPECT_EQ(run({"-W", "-f", folder_}), kRefused);
  EXPECT_TRUE(std::filesystem::is_fifo(fifo));
  EXPECT_TRUE(std::filesystem::is_symlink(link));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

// Names that were set are kept; what a class has for them, or what was derived, is not written.
TEST_F(Commands, WriteKeepsTheNamesOfALun) {
  put("target:\n TargetName=" + string(kDisk0) +
      "\n TargetDevice=/dev/a,BLK,PROD=My Disk,SN=7\n PortalGroup=1@0.0.0.0\n" +
      target_block(kDisk1));
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone) << err_;
  EXPECT_EQ(run({"-W", "-f", conf_}), kDone) << err_;
  const string written = get("chiscsi.conf");
  EXPECT_TRUE(has(written, "TargetDevice=/dev/a,BLK,PROD=My Disk,SN=7\n"));
  EXPECT_EQ(written.find("PROD="), written.rfind("PROD="));
}

TEST_F(Commands, WriteReplacesNothingByWhatDoesNotReadBack) {
  put("# precious\n");
  door_.targets[kDisk0].keys = {string("TargetName=") + kDisk0, "Foo=1"};
  EXPECT_EQ(run({"-W", "-f", conf_}), kRefused);
  EXPECT_TRUE(has(err_, "nothing is written"));
  EXPECT_EQ(get("chiscsi.conf"), "# precious\n");
  EXPECT_EQ(run({"-W", "-f", folder_ + "/absent/x.conf"}), kRefused);
}

// Many at once: each file is a whole one, the last one and the one before it are there, and no
// temporary one is left.
TEST_F(Commands, WritersTakeTurns) {
  put("");
  constexpr unsigned kWriters = 8;
  std::vector<std::thread> writers;
  for (unsigned i = 0; i < kWriters; ++i) {
    writers.emplace_back([this, i] {
      FakeDoor door;
      door.ask(CHISCSI_CONTROL_GLOBAL_SET, {"isns_query=" + std::to_string(i + 1)}, 0);
      std::istringstream in;
      std::ostringstream out, err;
      Context context{door, in, out, err};
      Options options;
      options.mode = Mode::kWrite;
      options.file = conf_;
      for (int round = 0; round < 10; ++round)
        EXPECT_EQ(write_file(options, context), kDone) << err.str();
    });
  }
  for (std::thread& writer : writers)
    writer.join();
  for (const char* name : {"chiscsi.conf", "chiscsi.conf.bak"}) {
    const string text = get(name);
    const auto file = chiscsi::ConfigFile::parse({text.data(), text.size()});
    ASSERT_TRUE(file.is_ok());
    EXPECT_EQ(file.value()->error_count(), 0u);
    EXPECT_TRUE(file.value()->globals()) << name;
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 2);
}

}  // namespace
}  // namespace iscsictl
