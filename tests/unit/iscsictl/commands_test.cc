// SPDX-License-Identifier: GPL-2.0-only
//
// The commands of iscsictl against a module in memory: the rules of each option, exit statuses, the
// output that other software reads, and what is said when there is no module.
#include "commands.hh"

#include <algorithm>

#include "commands_fixture.hh"

namespace iscsictl {
namespace {

// --- The form of the command line ---

TEST_F(Commands, TellWhatIsWrongWithACommandLine) {
  const std::vector<std::vector<string>> wrong = {
      {},
      {"-Z"},
      {"-s"},
      {"-s", "target=a", "--if-exists", "-k", "X"},
      {"-g", "-k", "isns_id"},
      {"-G"},
      {"-W"},
      {"-W", "-f", "-"},
      {"-D"},
      {"-r"},
      {"-r", "target=ALL"},
      {"-r", "target=a,b"},
      {"-r", "target=a", "-k", "lun=0"},
      {"-F", "-k", "initiator=x"},
      {"-F", "-k", "lun"},
      {"-c", "-k", "ACL=x"},
      {"-c", "-k", "=x"},
      {"-c", "-g"},
      {"-S", "-f", "a", "-f", "b"},
      {"-S", "-f", "-", "-x", "-"},
      {"-S", "target="},
      {"-S", "target=a,"},
      {"-S", "nonsense"},
      {"-S", "-f"},
      {"top", "--interval", "0"},
      {"top", "--count", "x"},
  };
  for (const auto& words : wrong) {
    EXPECT_EQ(run(words), kUsage) << testing::PrintToString(words);
    EXPECT_TRUE(has(err_, "usage: iscsictl")) << testing::PrintToString(words);
    EXPECT_EQ(out_, "");
  }
  EXPECT_TRUE(door_.asked.empty());
}

// Nothing is passed over in silence: whoever has given it has meant something.
TEST_F(Commands, TellWhatDoesNotGoTogether) {
  const struct {
    std::vector<string> words;
    const char* complaint;
  } rows[] = {
      {{"top", "--count", "1", "target=a"}, "target= goes with -A, -c, -F, -r, -s and -S"},
      {{"-W", "-f", "x", "target=a"}, "target= goes with -A, -c, -F, -r, -s and -S"},
      {{"-g", "target=a"}, "target= goes with -A, -c, -F, -r, -s and -S"},
      {{"-D", "3", "target=ALL"}, "target= goes with -A, -c, -F, -r, -s and -S"},
      {{"status", "target=a"}, "target= goes with -A, -c, -F, -r, -s and -S"},
      {{"--check", "target=a"}, "target= goes with -A, -c, -F, -r, -s and -S"},
      {{"--check", "--json"}, "--json goes with -A, -c, -g, -r, status and top"},
      {{"-S", "--json"}, "--json goes with -A, -c, -g, -r, status and top"},
      {{"-s", "target=a", "--json"}, "--json goes with -A, -c, -g, -r, status and top"},
      {{"-S", "target=a", "--if-exists"}, "--if-exists goes with -s"},
      {{"-W", "-f", "x", "-x", "y"}, "-x goes with -S"},
      {{"-S", "-k", "TargetName"}, "-k goes with -c, -F and -r"},
      {{"-c", "--interval", "1"}, "--interval goes with top"},
      {{"status", "--count", "1"}, "--count goes with top"},
      {{"-v", "--json"}, "--json goes with -A, -c, -g, -r, status and top"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(run(row.words), kUsage) << testing::PrintToString(row.words);
    EXPECT_EQ(err_, string("iscsictl: ") + row.complaint + '\n' + kShortUsage);
    EXPECT_EQ(out_, "");
  }
  EXPECT_TRUE(door_.asked.empty());
  // -f alone is passed over where it means nothing.
  EXPECT_EQ(run({"-g", "-f", conf_}), kDone);
  EXPECT_EQ(run({"-c", "target=ALL", "-f", conf_}), kDone);
}

TEST_F(Commands, ShowKnowsTheKeysThatItCanShow) {
  put(target_block(kDisk0));
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone);
  const string name = string("target=") + kDisk0;
  const struct {
    const char *key, *complaint;
  } rows[] = {
      {"TargetAlais", "TargetAlais: unknown key, did you mean TargetAlias?"},
      {"targetname", "targetname: unknown key, did you mean TargetName?"},
      {"Acess", "Acess: unknown key, did you mean Access?"},
      {"Nonsense", "Nonsense: unknown key"},
      {"isns_server", "isns_server: unknown key"},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(run({"-c", name, "-k", row.key}), kUsage) << row.key;
    EXPECT_EQ(err_, string("iscsictl: -k ") + row.complaint + '\n' + kShortUsage);
    EXPECT_EQ(out_, "");
  }
  // A known one that the target does not have.
  EXPECT_EQ(run({"-c", name, "-k", "TargetAlias"}), kDone);
  EXPECT_EQ(out_, string("\nTARGET: ") + kDisk0 + ", id=1, login_ip=0\n");
  for (const char* key : {"Access", "iSNSInitiator", "ACL", "OFMarkInt", "RegisteriSNS"})
    EXPECT_EQ(run({"-c", name, "-k", key}), kDone) << key << err_;
}

TEST_F(Commands, HelpAndVersionNeedNoModule) {
  door_.current = Door::State::kNotLoaded;
  EXPECT_EQ(run({"-h"}), kDone);
  EXPECT_TRUE(has(out_, "--if-exists"));
  EXPECT_EQ(run({"-S", "--help"}), kDone);
  EXPECT_EQ(run({"-v"}), kDone);
  EXPECT_EQ(out_.rfind("iscsictl ", 0), 0u);
  EXPECT_EQ(door_.loads, 0u);
}

// --- Start and reload ---

TEST_F(Commands, StartWhatIsNamedAndNothingElse) {
  put(target_block(kDisk0) + target_block(kDisk1));
  EXPECT_EQ(run({"-S", string("target=") + kDisk1}), kDone);
  EXPECT_FALSE(is_active(kDisk0));
  EXPECT_TRUE(is_active(kDisk1));
  EXPECT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_TRUE(is_active(kDisk0));
  EXPECT_EQ(out_, "");
}

TEST_F(Commands, StartTakesCommasAndRepeatedWordsInAnyOrder) {
  put(target_block(kDisk0) + target_block(kDisk1));
  EXPECT_EQ(run({string("target=") + kDisk0 + "," + kDisk1, "-f", conf_, "-S"}), kDone);
  EXPECT_EQ(door_.targets.size(), 2u);
  door_.targets.clear();
  EXPECT_EQ(run({"--start", string("target=") + kDisk0, string("target=") + kDisk1}), kDone);
  EXPECT_EQ(door_.targets.size(), 2u);
}

TEST_F(Commands, StartWithoutTargetsReloadsWhatIsActive) {
  put(target_block(kDisk0) + target_block(kDisk1));
  EXPECT_EQ(run({"-S"}), kDone);
  EXPECT_EQ(out_, "no active target\n");
  EXPECT_TRUE(door_.targets.empty());
  ASSERT_EQ(run({"-S", string("target=") + kDisk0}), kDone);
  put("global:\n isns_query=7\n" + target_block(kDisk0, " TargetAlias=new\n") +
      target_block(kDisk1));
  EXPECT_EQ(run({"-S"}), kDone);
  EXPECT_FALSE(is_active(kDisk1));
  EXPECT_EQ(door_.targets[kDisk0].keys.back(), "TargetAlias=new");
  EXPECT_EQ(door_.globals->isns_query_s(), 7u);
}

TEST_F(Commands, StartLoadsTheModuleWhenThereIsSomethingToStart) {
  put(target_block(kDisk0));
  door_.current = Door::State::kNotLoaded;
  EXPECT_EQ(run({"-S"}), kDone);
  EXPECT_EQ(out_, "no active target\n");
  EXPECT_EQ(door_.loads, 0u);
  put("nonsense\n" + target_block(kDisk0));
  EXPECT_EQ(run({"-S", "target=ALL"}), kRefused);
  EXPECT_EQ(door_.loads, 0u);
  put(target_block(kDisk0));
  door_.can_load = false;
  EXPECT_EQ(run({"-S", "target=ALL"}), kRefused);
  EXPECT_EQ(err_, "iscsictl: modprobe could not load chiscsi.ko\n");
  door_.can_load = true;
  EXPECT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_TRUE(is_active(kDisk0));
}

TEST_F(Commands, StartChangesNothingWhenTheFileIsSpoiled) {
  put("global:\n isns_sever=1\n iscsi_HA_mode=yes\n" + target_block(kDisk0));
  EXPECT_EQ(run({"-S", "target=ALL"}), kRefused);
  EXPECT_EQ(err_, conf_ + ":2: isns_sever: unknown key, did you mean isns_server?\n" + conf_ +
                      ":3: iscsi_HA_mode: wants No or Yes, not \"yes\"\n"
                      "iscsictl: nothing is changed\n");
  EXPECT_TRUE(door_.asked.empty());
}

TEST_F(Commands, StartRefusesOneTargetAndStartsTheOthers) {
  put(target_block(kDisk0, " MaxConnections=0\n") + target_block(kDisk1));
  EXPECT_EQ(run({"-S", "target=ALL"}), kSomeRefused);
  EXPECT_TRUE(has(err_, conf_ + ":5: MaxConnections: wants a number from 1 to 65535, not \"0\"\n"));
  EXPECT_TRUE(has(err_, string(kDisk0) + " is refused for its mistakes"));
  EXPECT_FALSE(is_active(kDisk0));
  EXPECT_TRUE(is_active(kDisk1));
  // Who asks for the good one alone gets it.
  door_.targets.clear();
  EXPECT_EQ(run({"-S", string("target=") + kDisk1}), kDone);
  EXPECT_TRUE(is_active(kDisk1));
}

TEST_F(Commands, StartTellsWhatTheModuleSays) {
  put("target:\nTargetName=" + string(kDisk0) +
      "\nTargetDevice=/dev/absent\nPortalGroup=1@0.0.0.0\n");
  EXPECT_EQ(run({"-S", "target=ALL"}), kRefused);
  EXPECT_EQ(err_, "iscsictl: " + conf_ + ":1: " + kDisk0 + ": no such device\n");
}

TEST_F(Commands, StartTellsOfTargetsThatTheFileDoesNotHave) {
  put(target_block(kDisk0));
  EXPECT_EQ(run({"-S", string("target=") + kDisk0 + "," + kDisk1}), kSomeRefused);
  EXPECT_EQ(err_, string("iscsictl: ") + kDisk1 + " is not found in " + conf_ + "\n");
  EXPECT_TRUE(is_active(kDisk0));
  EXPECT_EQ(run({"-S", string("target=") + kDisk1}), kRefused);
}

// The boot service has failed only when nothing is served.
TEST_F(Commands, StartTellsSomeRefusedFromNoneStarted) {
  const string absent = "target:\nTargetDevice=/dev/absent\nPortalGroup=1@0.0.0.0\nTargetName=";
  put(absent + kDisk0 + "\n" + target_block(kDisk1));
  EXPECT_EQ(run({"-S", "target=ALL"}), kSomeRefused);
  EXPECT_TRUE(is_active(kDisk1));
  // So it is when what is active is reloaded.
  EXPECT_EQ(run({"-S", "target=ALL"}), kSomeRefused);
  EXPECT_EQ(run({"-S"}), kDone);
  put(absent + kDisk0 + "\n" + absent + kDisk1 + "\n");
  EXPECT_EQ(run({"-S", "target=ALL"}), kRefused);
  // Globals that are wrong start nothing.
  put("global:\n isns_query=0\n" + target_block(kDisk1));
  EXPECT_EQ(run({"-S", "target=ALL"}), kRefused);
}

TEST_F(Commands, StartTakesTheGlobalsOfTheFile) {
  ASSERT_EQ(run({"-G", "isns_query=9", "isns_id=x"}), kDone);
  // Without a block they stay.
  put(target_block(kDisk0));
  EXPECT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_EQ(door_.globals->isns_query_s(), 9u);
  // With one, what it does not name has its default.
  put("global:\n isns_id=y\n" + target_block(kDisk0));
  EXPECT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_EQ(door_.globals->isns_query_s(), 60u);
}

TEST_F(Commands, StartTakesTheGlobalsOfAnotherFile) {
  put("global:\n isns_query=1\n" + target_block(kDisk0));
  put("global:\n isns_query=2\ntarget:\n nonsense=1\n", "other.conf");
  EXPECT_EQ(run({"-S", "target=ALL", "-f", conf_, "-x", folder_ + "/other.conf"}), kDone);
  EXPECT_EQ(door_.globals->isns_query_s(), 2u);
  EXPECT_EQ(door_.targets.size(), 1u);
  EXPECT_EQ(err_, "");
  put("global:\n isns_query=0\n", "other.conf");
  EXPECT_EQ(run({"-S", "target=ALL", "-x", folder_ + "/other.conf"}), kRefused);
  EXPECT_TRUE(has(err_, "other.conf:2: isns_query: "));
}

TEST_F(Commands, StartReadsStandardInput) {
  in_ = target_block(kDisk0);
  EXPECT_EQ(run({"-S", "target=ALL", "-f", "-"}), kDone);
  EXPECT_TRUE(is_active(kDisk0));
}

TEST_F(Commands, StartFallsBackToTheOldPlaceWhenThereIsNoFileAlone) {
  put(target_block(kDisk1), "fallback.conf");
  EXPECT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_TRUE(is_active(kDisk1));
  // A file that is there and cannot be read is an error.
  std::filesystem::create_directory(conf_);
  EXPECT_EQ(run({"-S", "target=ALL"}), kRefused);
  EXPECT_EQ(err_, "iscsictl: " + conf_ + ": Is a directory\n");
  // -f never falls back.
  EXPECT_EQ(run({"-S", "target=ALL", "-f", folder_ + "/absent"}), kRefused);
  EXPECT_TRUE(has(err_, "/absent: No such file or directory"));
}

TEST_F(Commands, StartSaysSoWhenTheFileHasNoTarget) {
  put("# nothing\n");
  EXPECT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_EQ(out_, conf_ + ": no target in it\n");
}

TEST_F(Commands, CheckTellsEveryMistakeAndChangesNothing) {
  door_.current = Door::State::kNotLoaded;
  put("global:\n isns_query=0\n" + target_block(kDisk0, " MaxConnections=0\n Foo=1\n"));
  EXPECT_EQ(run({"--check", "-f", conf_}), kRefused);
  EXPECT_EQ(err_, conf_ + ":2: isns_query: wants a number from 1 to 86400, not \"0\"\n" + conf_ +
                      ":7: MaxConnections: wants a number from 1 to 65535, not \"0\"\n" + conf_ +
                      ":8: Foo: unknown key\n");
  put(target_block(kDisk0));
  EXPECT_EQ(run({"--check"}), kDone);
  EXPECT_EQ(out_, conf_ + ": 1 target, no mistake found\n");
  EXPECT_TRUE(door_.asked.empty());
  EXPECT_EQ(door_.loads, 0u);
}

TEST_F(Commands, WarnOfAFileWithSecretsThatOthersMayRead) {
  put(target_block(kDisk0, " Auth_CHAP_Initiator=\"u\":\"0123456789abcdef\"\n"));
  EXPECT_EQ(run({"--check"}), kDone);
  EXPECT_EQ(err_, "");
  chmod(conf_.c_str(), 0644);
  EXPECT_EQ(run({"--check"}), kDone);
  EXPECT_TRUE(has(err_, "warning: holds secrets"));
}

// --- Stop ---

TEST_F(Commands, StopWhatIsNamed) {
  put(target_block(kDisk0) + target_block(kDisk1));
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_EQ(run({"-s", string("target=") + kDisk0}), kDone);
  EXPECT_FALSE(is_active(kDisk0));
  EXPECT_TRUE(is_active(kDisk1));
  EXPECT_EQ(run({"-s", "target=ALL"}), kDone);
  EXPECT_TRUE(door_.targets.empty());
  EXPECT_EQ(run({"-s", "target=ALL"}), kDone);
  EXPECT_EQ(out_, "no active target\n");
}

TEST_F(Commands, StopOfAnAbsentTargetSaysThatItIsNotFound) {
  EXPECT_EQ(run({"-s", string("target=") + kDisk0}), kRefused);
  EXPECT_EQ(err_, string("iscsictl: ") + kDisk0 + " is not found\n");
  EXPECT_EQ(run({"-s", string("target=") + kDisk0, "--if-exists"}), kDone);
  EXPECT_EQ(err_, "");
}

TEST_F(Commands, StopGoesOnAfterOneThatIsAbsent) {
  put(target_block(kDisk1));
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_EQ(run({"-s", string("target=") + kDisk0 + "," + kDisk1}), kRefused);
  EXPECT_FALSE(is_active(kDisk1));
}

TEST_F(Commands, OfTwoThatStopATargetTheSecondWaitsAndFindsNothing) {
  door_.targets[kDisk0];
  door_.busy = 3;
  EXPECT_EQ(run({"-s", string("target=") + kDisk0}), kRefused);
  EXPECT_EQ(err_, string("iscsictl: ") + kDisk0 + " is not found\n");
  door_.busy = 3;
  put(target_block(kDisk0));
  EXPECT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_TRUE(is_active(kDisk0));
  // Not for ever.
  door_.busy = ~0u;
  patience_ms_ = 50;
  EXPECT_EQ(run({"-s", string("target=") + kDisk0}), kRefused);
  EXPECT_EQ(err_, string("iscsictl: ") + kDisk0 + ": somebody else is at it\n");
}

// Whoever flushes keeps others from the target as well.
TEST_F(Commands, OfTwoThatFlushATargetTheSecondWaits) {
  door_.targets[kDisk0];
  door_.busy = 3;
  door_.keeps_target = true;
  EXPECT_EQ(run({"-F", string("target=") + kDisk0, "-k", "lun=0"}), kDone) << err_;
  door_.busy = 3;
  EXPECT_EQ(run({"-F"}), kDone) << err_;
  door_.busy = ~0u;
  patience_ms_ = 50;
  EXPECT_EQ(run({"-F"}), kRefused);
  EXPECT_EQ(err_, string("iscsictl: ") + kDisk0 + ": somebody else is at it\n");
}

TEST_F(Commands, AllTargetsAreThoseOfTheAdministrator) {
  door_.targets[kDisk0].owner = "driver";
  door_.targets[kDisk1];
  const string left = string(kDisk0) + " belongs to a storage driver and is left to it\n";
  EXPECT_EQ(run({"-F"}), kDone) << err_;
  EXPECT_EQ(out_, left);
  EXPECT_EQ(run({"-s", "target=ALL"}), kDone) << err_;
  EXPECT_EQ(out_, left);
  EXPECT_FALSE(is_active(kDisk1));
  EXPECT_TRUE(is_active(kDisk0));
  // Who names it is told why not.
  EXPECT_EQ(run({"-s", string("target=") + kDisk0}), kRefused);
  EXPECT_EQ(err_, string("iscsictl: ") + kDisk0 + ": the target belongs to a storage driver\n");
  EXPECT_EQ(run({"-F", string("target=") + kDisk0}), kRefused);
  EXPECT_TRUE(is_active(kDisk0));
}

// A device that is in use does not get free by waiting.
TEST_F(Commands, OnlySomebodyElseIsWaitedFor) {
  put("target:\nTargetName=" + string(kDisk0) +
      "\nTargetDevice=/dev/mounted\nPortalGroup=1@0.0.0.0\n");
  EXPECT_EQ(run({"-S", "target=ALL"}), kRefused);
  EXPECT_TRUE(has(err_, "it is in use"));
  EXPECT_EQ(std::count(door_.asked.begin(), door_.asked.end(), CHISCSI_CONTROL_TARGET_START), 1);
}

// --- Showing ---

TEST_F(Commands, ShowHasTheFormThatOtherSoftwareReads) {
  put(target_block(kDisk0));
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_EQ(run({"-c", "target=ALL"}), kDone);
  EXPECT_EQ(out_, string("\nTARGET: ") + kDisk0 +
                      ", id=1, login_ip=0\n"
                      "        TargetDevice=/dev/vg/vol,BLK,PROD=CHISCSI Target,SN=0N0743000000000,"
                      "ID=abc,WWN=0123456789ABCDEF\n"
                      "        PortalGroup=1@10.9.8.7:3260,timeout=0\n");
}

// The rule by which Cinder finds a target's number.
int cinder_target_id(const string& listing, const string& iqn) {
  std::istringstream lines(listing);
  for (string line; std::getline(lines, line);) {
    if (line.find(iqn) == line.npos) continue;
    std::istringstream words(line);
    string word;
    for (int i = 0; i < 3; ++i)
      words >> word;
    EXPECT_EQ(word.rfind("id=", 0), 0u) << line;
    EXPECT_EQ(word.back(), ',') << line;
    return std::stoi(word.substr(3));
  }
  return -1;
}

TEST_F(Commands, ShowGivesEachTargetItsNumberByTheRuleOfCinder) {
  // One name is the beginning of the other, and the module lists it last.
  const string long_name = string(kDisk0) + "0";
  put(target_block(long_name) + target_block(kDisk0) + target_block(kDisk1));
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone);
  ASSERT_EQ(run({"-c", "target=ALL"}), kDone);
  for (const string& name : {long_name, string(kDisk0), string(kDisk1)})
    EXPECT_EQ(cinder_target_id(out_, name), static_cast<int>(door_.targets[name].id)) << name;
  EXPECT_EQ(cinder_target_id(out_, "iqn.2026-11.org.example:none"), -1);
}

TEST_F(Commands, TheFourCallsOfCinder) {
  const string name = "iqn.2010-10.org.openstack:volume-1";
  door_.current = Door::State::kNotLoaded;
  EXPECT_EQ(run({"-c", "target=ALL"}), kDone);
  EXPECT_EQ(cinder_target_id(out_, name), -1);
  put("global:\n", "chiscsi.conf");
  put("\n              target:\n                       TargetName=" + name +
          "\n                       TargetDevice=/dev/vg/volume-1\n"
          "                       PortalGroup=1@10.9.8.7:3260\n               ",
      "volume-1");
  EXPECT_EQ(run({"-S", "target=" + name, "-f", folder_ + "/volume-1", "-x", conf_}), kDone);
  EXPECT_EQ(run({"-c", "target=ALL"}), kDone);
  EXPECT_EQ(cinder_target_id(out_, name), 1);
  EXPECT_EQ(run({"-c", "target=" + name}), kDone);
  EXPECT_EQ(run({"-s", "target=" + name}), kDone);
  EXPECT_EQ(run({"-s", "target=" + name}), kRefused);
  EXPECT_TRUE(has(err_, "is not found"));
  EXPECT_EQ(run({"-c", "target=" + name}), kRefused);
  EXPECT_TRUE(has(out_, "NOT found"));
}

TEST_F(Commands, ShowOfANamedTargetHasAllKeysAndNoSecret) {
  put(target_block(kDisk0, " Auth_CHAP_Initiator=\"u\":\"hush-hush-hush\"\n TargetAlias=x\n"));
  ASSERT_EQ(run({"-S", "target=ALL"}), kDone);
  EXPECT_EQ(run({"-c", string("target=") + kDisk0}), kDone);
  EXPECT_TRUE(has(out_, "        TargetAlias=x\n"));
  EXPECT_TRUE(has(out_, "        Auth_CHAP_Initiator=\"u\":\"***\"\n"));
  EXPECT_FALSE(has(out_, "hush"));
  EXPECT_EQ(run({"-c", string("target=") + kDisk0, "-k", "TargetAlias"}), kDone);
  EXPECT_EQ(out_, string("\nTARGET: ") + kDisk0 + ", id=1, login_ip=0\n        TargetAlias=x\n");
}

TEST_F(Commands, ShowAsJson) {
  put(target_block(kDisk0, " TargetAlias=a\"\\\t\xff\xc3\xa9\n"));
  door_.targets[kDisk0] = {
      7, "administrator", {"TargetAlias=a\"\\\t\xff\xc3\xa9", "ACL=x", "ACL=y"}, {}};
  EXPECT_EQ(run({"-c", "--json", string("target=") + kDisk0}), kDone);
  EXPECT_EQ(out_,
            "{\n  \"targets\": [\n    {\n"
            "      \"target\": \"iqn.2026-11.org.example:disk0\",\n      \"id\": 7,\n"
            "      \"class\": \"chiscsi\",\n      \"owner\": \"administrator\",\n"
            "      \"sessions\": 0,\n      \"luns\": 1,\n      \"keys\": {\n"
            "        \"TargetAlias\": \"a\\\"\\\\\\u0009\\ufffd\xc3\xa9\",\n"
            "        \"ACL\": [\n          \"x\",\n          \"y\"\n        ]\n"
            "      },\n      \"access\": [\n        {\n          \"group\": 1,\n"
            "          \"state\": \"optimized\"\n        }\n      ]\n    }\n  ]\n}\n");
}

TEST_F(Commands, GlobalsAreShownAndSet) {
  EXPECT_EQ(run({"-g"}), kDone);
  EXPECT_TRUE(has(out_, "iscsi_login_complete_time=300\n"));
  EXPECT_FALSE(has(out_, "iscsi_target_vendor_id"));
  EXPECT_EQ(run({"-G", "iscsi_target_vendor_id=EXAMPLE", "isns_query=5"}), kDone);
  EXPECT_EQ(run({"-g"}), kDone);
  EXPECT_TRUE(has(out_, "iscsi_target_vendor_id=EXAMPLE\n"));
  EXPECT_EQ(run({"-g", "--json"}), kDone);
  EXPECT_TRUE(has(out_, "\"isns_query\": \"5\""));
}

TEST_F(Commands, ABadGlobalKeepsNoGoodOneBack) {
  EXPECT_EQ(run({"-G", "isns_query=0", "isns_id=x", "Foo=1"}), kRefused);
  EXPECT_EQ(err_,
            "iscsictl: isns_query: wants a number from 1 to 86400, not \"0\"\n"
            "iscsictl: Foo: unknown key\n");
  EXPECT_EQ(run({"-g"}), kDone);
  EXPECT_TRUE(has(out_, "isns_id=x\n"));
}

TEST_F(Commands, WarningsOfTheModuleAreTold) {
  EXPECT_EQ(run({"-G", "iscsi_offload_mode=TOE"}), kDone);
  EXPECT_EQ(err_, "iscsictl: warning: iscsi_offload_mode: TOE means the same as AUTO\n");
}

TEST_F(Commands, GlobalsThatNeedEachOtherAreSetTogether) {
  EXPECT_EQ(run({"-G", "DISC_AuthMethod=CHAP", "DISC_Auth_CHAP_Initiator=\"u\":\"0123456789ab\"",
                 "DISC_Auth_CHAP_Initiator=\"v\":\"0123456789ab\"", "isns_query=0"}),
            kRefused);
  EXPECT_EQ(door_.globals->discovery_auth().initiators.size(), 2u);
  EXPECT_EQ(door_.globals->discovery_auth().methods[0], chiscsi::AuthMethod::kChap);
  EXPECT_EQ(run({"-g"}), kDone);
  EXPECT_FALSE(has(out_, "0123456789ab"));
}

TEST_F(Commands, SessionsAreShownWithTheirConnections) {
  door_.targets[kDisk0].sessions = {
      {{{"session", "0x3"},
        {"initiator", "iqn.x:i"},
        {"isid", "400001370000"},
        {"tsih", "1"},
        {"connections", "1"}}},
      {{{"connection", "0"}, {"state", "full_feature"}, {"offloaded", "No"}}}};
  EXPECT_EQ(run({"-r", string("target=") + kDisk0}), kDone);
  EXPECT_EQ(out_,
            "\nSESSION: handle=0x3, initiator=iqn.x:i, isid=400001370000, tsih=1, connections=1\n"
            "        CONNECTION: cid=0, state=full_feature, offloaded=No\n");
  EXPECT_EQ(run({"-r", string("target=") + kDisk0, "--json"}), kDone);
  EXPECT_TRUE(has(out_, "\"isid\": \"400001370000\""));
  EXPECT_TRUE(has(out_, "\"tsih\": 1"));
  EXPECT_TRUE(has(out_, "\"connection\": 0"));
  EXPECT_EQ(run({"-r", "target=iqn.x:absent"}), kRefused);
  EXPECT_EQ(out_, "iqn.x:absent NOT found\n");
  EXPECT_EQ(run({"-D", "0x3"}), kDone);
  EXPECT_EQ(run({"-D", "0x4"}), kRefused);
  EXPECT_EQ(err_, "iscsictl: session 0x4 is not found\n");
}

TEST_F(Commands, FlushTakesTargetsAndALun) {
  door_.targets[kDisk0];
  EXPECT_EQ(run({"-F"}), kDone);
  EXPECT_EQ(run({"-F", "target=ALL", "-k", "lun=0"}), kDone);
  EXPECT_EQ(run({"-F", string("target=") + kDisk1}), kRefused);
  EXPECT_TRUE(has(err_, "is not found"));
  EXPECT_EQ(run({"-F", string("target=") + kDisk0, "-k", "lun=9"}), kRefused);
}

TEST_F(Commands, StatusCounts) {
  door_.targets[kDisk0].sessions = {
      {{{"session", "0x3"}, {"initiator", "iqn.x:i"}, {"read_commands", "5"}}}};
  EXPECT_EQ(run({"status"}), kDone);
  EXPECT_EQ(out_, string("chiscsi.ko 1.2.3 is loaded\n1 active target, 1 session\n  ") + kDisk0 +
                      ": 1 LUN, 1 session\n");
  EXPECT_EQ(run({"status", "--json"}), kDone);
  EXPECT_TRUE(has(out_, "\"loaded\": true"));
}

// --- No module, no right ---

TEST_F(Commands, WithoutAModuleThereIsNoActiveTarget) {
  constexpr char kNoTargets[] = "{\n  \"targets\": []\n}\n";
  door_.current = Door::State::kNotLoaded;
  const struct {
    std::vector<string> words;
    int status;
    string out, err;
  } rows[] = {
      {{"-c"}, kDone, "no active target\n", ""},
      {{"-c", "target=ALL"}, kDone, "no active target\n", ""},
      {{"-c", "target=x"}, kRefused, "x NOT found\n", ""},
      {{"-c", "--json"}, kDone, kNoTargets, ""},
      {{"-c", "target=x,y", "--json"}, kRefused, kNoTargets, "x NOT found\ny NOT found\n"},
      {{"-s", "target=ALL"}, kDone, "no active target\n", ""},
      {{"-s", "target=x"}, kRefused, "", "iscsictl: x is not found: no active target\n"},
      {{"-s", "target=x", "--if-exists"}, kDone, "no active target\n", ""},
      {{"-F"}, kDone, "no active target\n", ""},
      {{"-F", "target=x"}, kRefused, "", "iscsictl: x is not found: no active target\n"},
      {{"-r", "target=x"}, kRefused, "x NOT found\n", ""},
      {{"-r", "target=x", "--json"}, kRefused, "", "x NOT found\n"},
      {{"-A", "--json"}, kRefused, "", "no active target\n"},
      {{"-g", "--json"}, kRefused, "", "no active target\n"},
      {{"top", "--json"}, kRefused, "", "no active target\n"},
      {{"-g"}, kRefused, "", "no active target\n"},
      {{"-G", "isns_query=1"}, kRefused, "", "no active target\n"},
      {{"-D", "3"}, kRefused, "", "no active target\n"},
      {{"-W", "-f", folder_ + "/x"}, kRefused, "", "no active target\n"},
      {{"top"}, kRefused, "", "no active target\n"},
      {{"status"}, kNotRunning, "chiscsi.ko is not loaded, no active target\n", ""},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(run(row.words), row.status) << testing::PrintToString(row.words);
    EXPECT_EQ(out_, row.out) << testing::PrintToString(row.words);
    EXPECT_EQ(err_, row.err) << testing::PrintToString(row.words);
  }
  EXPECT_EQ(door_.loads, 0u);
  EXPECT_TRUE(door_.asked.empty());
}

TEST_F(Commands, WithoutRootThereIsOneClearLine) {
  door_.current = Door::State::kNotPermitted;
  put(target_block(kDisk0));
  for (const std::vector<string>& words : std::vector<std::vector<string>>{{"-c"},
                                                                           {"-g"},
                                                                           {"-S", "target=ALL"},
                                                                           {"-s", "target=x"},
                                                                           {"-r", "target=x"},
                                                                           {"status"}}) {
    EXPECT_EQ(run(words), kRefused) << testing::PrintToString(words);
    EXPECT_EQ(err_, "iscsictl: only root may open /dev/chiscsi\n");
  }
}

TEST(Records, AreTakenApart) {
  const auto records = parse_records("a=1\nb=x=y\n\nc=\nnonsense\n\n\nd=2");
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].kind(), "a");
  EXPECT_EQ(records[0].get("b"), "x=y");
  EXPECT_TRUE(records[1].has("c"));
  EXPECT_EQ(records[1].get("c"), "");
  EXPECT_EQ(records[2].get("d"), "2");
  EXPECT_TRUE(parse_records("").empty());
  EXPECT_TRUE(parse_records("\n\n").empty());
}

}  // namespace
}  // namespace iscsictl
