// SPDX-License-Identifier: GPL-2.0-only
//
// What the control device does to targets and tells of them: started, changed, stopped, listed and
// flushed by requests, under initiators that log in meanwhile.
#include "control_fixture.hh"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "target/engine.hh"

namespace chiscsi::test {
namespace {

using Lines = std::vector<std::string>;
constexpr char kOther[] = "iqn.2026-11.org.example:other";

TEST_F(ControlProtocol, SaysItsVersions) {
  start_disks();
  const ControlRecord record = control(CHISCSI_CONTROL_VERSIONS).first();
  EXPECT_EQ(record.value("module"), CHISCSI_API_VERSION_STRING);
  EXPECT_EQ(record.number("api"), unsigned{CHISCSI_API_VERSION});
  EXPECT_EQ(record.number("control"), 1u);
}

// ---- Start and stop ----

TEST_F(ControlProtocol, StartsATargetThatServes) {
  start_disks();
  const ControlAnswer started = start_target(keys());
  ASSERT_EQ(started.error, 0) << started.why;
  EXPECT_EQ(started.text, "result=started\n\n");
  EXPECT_EQ(host_module_holds(), 1);
  peer = log_in();
  EXPECT_TRUE(peer->write(write10_cdb(0, 8), pattern(4096), {}, 1).good());
  peer.reset();
  EXPECT_EQ(stop_target().error, 0);
  EXPECT_EQ(host_module_holds(), 0);
  EXPECT_FALSE(Initiator(port).connected());
  EXPECT_EQ(disks.count("detach"), 2u);
  const ControlAnswer again = stop_target();
  EXPECT_EQ(again.error, -ENOENT);
  EXPECT_EQ(again.why, "no such target");
}

TEST_F(ControlProtocol, ACheckChangesNothing) {
  start_disks();
  EXPECT_EQ(start_target(keys(), CHISCSI_CONTROL_CHECK).text, "result=started\n\n");
  EXPECT_EQ(start_target(keys({"MaxConnections=0"}), CHISCSI_CONTROL_CHECK).error, -EINVAL);
  EXPECT_EQ(disks.calls(), Lines());
  EXPECT_EQ(control(CHISCSI_CONTROL_TARGET_LIST).text, "");
  ASSERT_EQ(start_target(keys()).error, 0);
  EXPECT_EQ(start_target(keys(), CHISCSI_CONTROL_CHECK).text, "result=reloaded\n\n");
  EXPECT_EQ(start_target(keys({"TargetSessionMaxCmd=7"}), CHISCSI_CONTROL_CHECK).error, -EINVAL);
}

TEST_F(ControlProtocol, SaysWhatIsMissingOrWrong) {
  start_disks();
  const std::string name = std::string("TargetName=") + kTargetName;
  const std::string portal = "PortalGroup=1@127.0.0.1:3260";
  const struct {
    Lines lines;
    const char* why;
  } kCases[] = {
      {{}, "TargetName: is missing"},
      {{portal, "TargetDevice=a,RAW"}, "TargetName: is missing"},
      {{name, portal}, "TargetDevice: is missing"},
      {{name, "TargetDevice=a,RAW"}, "PortalGroup: is missing"},
      {{name, portal, "TargetDevice=a,SCST"},
       "TargetDevice: \"a,SCST\": no LUN class \"SCST\" is there"},
      {{name, portal, "TargetDevice=a,RAW", "TargetDevice=b,NONE"},
       "TargetDevice: \"b,NONE\": no LUN class of the target has this name"},
      {{name, portal, "TargetDevice=a,RAW", "Colour=red"}, "Colour: unknown key"},
      {{"TargetName=disk", portal, "TargetDevice=a,RAW"},
       "TargetName: wants a name like iqn.2026-11.org.example:disk, not \"disk\""},
  };
  for (const auto& one : kCases) {
    const ControlAnswer answer = start_target(one.lines);
    EXPECT_EQ(answer.error, -EINVAL) << one.why;
    EXPECT_EQ(answer.why, one.why);
  }
  EXPECT_EQ(host_module_holds(), 0);
}

TEST_F(ControlProtocol, TellsWhatAClassSaysOfItsRefusal) {
  start_disks();
  disks.fail("attach b");
  const ControlAnswer answer = start_target(keys());
  EXPECT_EQ(answer.error, -EIO);
  EXPECT_EQ(answer.why,
            "TargetDevice: \"b,DISK\": not attached by LUN class DISK, error 5: no luck");
  EXPECT_EQ(host_module_holds(), 0);
}

// A device that is in use and a target that is being changed are told apart: only the second one
// passes by itself.
TEST_F(ControlProtocol, TellsADeviceInUseFromATargetThatChanges) {
  start();
  const ControlAnswer in_use =
      start_target({std::string("TargetName=") + kOther, "PortalGroup=1@" + portal_address(),
                    "TargetDevice=a,RAW"});
  EXPECT_EQ(in_use.error, -EBUSY);
  EXPECT_NE(in_use.why.find("the disk is open already"), std::string::npos) << in_use.why;
  peer = log_in();
  disks.hold("b");
  const Pdu held = peer->make_command(read10_cdb(0, 1), 512, iscsi::kCommandRead, 1);
  ASSERT_TRUE(peer->send(held));
  ASSERT_TRUE(disks.wait_for("cdb 28 b"));
  std::thread reload([&] { EXPECT_EQ(start_target(keys({}, {"a,RAW"})).error, 0); });
  while (about(CHISCSI_CONTROL_TARGET_LIST).first().number("luns") != 1)
    std::this_thread::yield();
  EXPECT_EQ(start_target(keys({}, {"a,RAW"})).error, -EINPROGRESS);
  EXPECT_EQ(stop_target().error, -EINPROGRESS);
  EXPECT_EQ(about(CHISCSI_CONTROL_LUN_FLUSH).error, -EINPROGRESS);
  disks.release("b");
  reload.join();
  EXPECT_TRUE(peer->finish(held).good());
}

TEST_F(ControlProtocol, TheWindowOfATargetFromAFileIs64) {
  start();
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_CONFIG).first().number("TargetSessionMaxCmd"), 64u);
}

TEST_F(ControlProtocol, ReloadsUnderASession) {
  start();
  peer = log_in();
  const ControlAnswer answer = start_target(keys({"MaxBurstLength=131072"}, {"a,RAW"}));
  ASSERT_EQ(answer.error, 0) << answer.why;
  EXPECT_EQ(answer.text, "result=reloaded\n\n");
  EXPECT_EQ(disks.count("detach b"), 1u);
  EXPECT_EQ(host_module_holds(), 1);
  const ControlRecord config = about(CHISCSI_CONTROL_TARGET_CONFIG).first();
  EXPECT_EQ(config.number("MaxBurstLength"), 131072u);
  EXPECT_EQ(config.values("TargetDevice").size(), 1u);
  const ControlAnswer refused = start_target(keys({"ACL_Enable=Yes"}));
  EXPECT_EQ(refused.error, -EINVAL);
  EXPECT_EQ(refused.why, "ACL_Enable: cannot change while the target is active");
}

TEST_F(ControlProtocol, WarnsOfAShortSecret) {
  start_disks();
  EXPECT_EQ(start_target(keys({"Auth_CHAP_Initiator=\"inituser\":\"shortone\""}))
                .first()
                .value("warning"),
            "Auth_CHAP_*: a secret is shorter than 12 bytes");
  EXPECT_EQ(start_target(keys({"Auth_CHAP_Initiator=\"inituser\":\"initsecret123\""})).text,
            "result=reloaded\n\n");
}

// ---- Whose target it is ----

TEST_F(ControlProtocol, LeavesTheTargetsOfADriverAlone) {
  start_disks();
  ASSERT_EQ(disks.add_target(kTargetName, keys()), 0);
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_LIST).first().value("owner"), "driver");
  EXPECT_EQ(stop_target().error, -EPERM);
  EXPECT_EQ(stop_target().why, "the target belongs to a storage driver, class disks");
  EXPECT_EQ(start_target(keys()).error, -EPERM);
  EXPECT_EQ(start_target(keys(), CHISCSI_CONTROL_CHECK).error, -EPERM);
  EXPECT_EQ(host_module_holds(), 0);
  EXPECT_EQ(disks.remove_target(kTargetName), 0);
  ASSERT_EQ(start_target(keys()).error, 0);
  EXPECT_EQ(disks.remove_target(kTargetName), -EPERM);
}

TEST_F(ControlProtocol, ADriverThatGoesTakesTheTargetsOfItsClassAlong) {
  start();
  ASSERT_EQ(start_target({std::string("TargetName=") + kOther, "PortalGroup=1@" + portal_address(),
                          "TargetDevice=c,DISK"})
                .error,
            0);
  peer = log_in();
  EXPECT_EQ(disks.stop(), 0);
  EXPECT_EQ(control(CHISCSI_CONTROL_TARGET_LIST).text, "");
  EXPECT_EQ(host_module_holds(), 0);
  ASSERT_EQ(disks.start(), 0);
}

TEST_F(ControlProtocol, TargetsLeftAtTheEndGoWithTheEngine) {
  start();
  peer = log_in();
  // TearDown() deregisters the class, which removes the target.
}

// ---- What is told ----

TEST_F(ControlProtocol, ListsTargetsWithStableNumbers) {
  start();
  const std::string address = "PortalGroup=1@" + portal_address();
  const auto start_named = [&](const std::string& name) {
    return start_target({"TargetName=" + name, address, "TargetDevice=c,DISK"}).error;
  };
  ASSERT_EQ(start_named(kOther), 0);
  const ControlAnswer list = control(CHISCSI_CONTROL_TARGET_LIST);
  const ControlRecord first = list.record("target", kTargetName);
  EXPECT_EQ(first.number("id"), 1u);
  EXPECT_EQ(first.value("class"), "disks");
  EXPECT_EQ(first.value("owner"), "administrator");
  EXPECT_EQ(first.number("sessions"), 0u);
  EXPECT_EQ(first.number("luns"), 2u);
  EXPECT_EQ(list.record("target", kOther).number("id"), 2u);
  EXPECT_EQ(stop_target().error, 0);
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_LIST, kOther).first().number("id"), 2u);
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_LIST).error, -ENOENT);
  ASSERT_EQ(start_target(keys()).error, 0);
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_LIST).first().number("id"), 1u);
}

TEST_F(ControlProtocol, ListsSixteenThousandLuns) {
  constexpr size_t kLuns = 16'384;
  ASSERT_NO_FATAL_FAILURE(start_disks());
  Lines devices;
  for (size_t i = 0; i < kLuns; ++i)
    devices.push_back("ram" + std::to_string(i) + ",MEM,size=1MB");
  const ControlAnswer started = start_target(keys({}, devices));
  ASSERT_EQ(started.error, 0) << started.why;
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_LIST).first().number("luns"), kLuns);
  const ControlAnswer small =
      control(CHISCSI_CONTROL_TARGET_CONFIG, {std::string("target=") + kTargetName}, 0, 4096);
  EXPECT_EQ(small.error, -ENOSPC);
  const ControlAnswer whole =
      control(CHISCSI_CONTROL_TARGET_CONFIG, {std::string("target=") + kTargetName}, 0, small.used);
  EXPECT_EQ(whole.error, 0);
  EXPECT_EQ(whole.used, small.used);
  EXPECT_EQ(whole.first().values("TargetDevice").size(), kLuns);
}

TEST_F(ControlProtocol, ShowsEveryKeyAndNoSecret) {
  const std::string second = portal_address(free_port());
  start({"AuthMethod=CHAP", "Auth_CHAP_Policy=Mutual",
         "Auth_CHAP_Initiator=\"inituser\":\"initsecret123\"",
         "Auth_CHAP_Target=\"tgtuser\":\"tgtsecret4567\"", "HeaderDigest=CRC32C,None",
         "TargetAlias=two words", "PortalGroup=2@" + second + ",timeout=30,[3]",
         "PortalGroup=3@192.0.2.85:3261", "ShadowMode=Yes"});
  const ControlAnswer shown = about(CHISCSI_CONTROL_TARGET_CONFIG);
  const ControlRecord config = shown.first();
  EXPECT_EQ(shown.text.find("secret"), std::string::npos);
  EXPECT_EQ(config.value("Auth_CHAP_Initiator"), "\"inituser\":\"***\"");
  EXPECT_EQ(config.value("Auth_CHAP_Target"), "\"tgtuser\":\"***\"");
  EXPECT_EQ(config.value("HeaderDigest"), "CRC32C,None");
  EXPECT_EQ(config.value("TargetAlias"), "two words");
  EXPECT_EQ(config.value("DataDigest"), "None");
  ASSERT_EQ(config.values("PortalGroup").size(), 3u);
  EXPECT_EQ(config.values("PortalGroup")[1], "2@" + second + ",timeout=30,[3]");
  EXPECT_EQ(config.values("PortalGroup")[2], "3@192.0.2.85:3261,timeout=0");
  EXPECT_EQ(config.value("ErrorRecoveryLevel"), "0");
  const ControlRecord whole =
      control(CHISCSI_CONTROL_TARGET_CONFIG, {std::string("target=") + kTargetName},
              CHISCSI_CONTROL_SECRETS)
          .first();
  EXPECT_EQ(whole.value("Auth_CHAP_Initiator"), "\"inituser\":\"initsecret123\"");
}

// What is shown for a file makes the same target again.
TEST_F(ControlProtocol, ShowsKeysThatCanBeReadBack) {
  start({"ACL_Enable=Yes", "ACL=iname=iqn.1994-05.org.example:host1", "MaxConnections=4",
         "TargetDevice=c,DISK,RO,ID=ABCDEF,SN=0123", "TargetDevice=d,DISK,PROD=Two Words,SYNC"});
  const std::string before = about(CHISCSI_CONTROL_TARGET_CONFIG).text;
  Lines lines;
  const Lines name = {std::string("target=") + kTargetName};
  for (const auto& [key, value] :
       control(CHISCSI_CONTROL_TARGET_CONFIG, name, CHISCSI_CONTROL_SECRETS).first().lines)
    lines.push_back(key + "=" + value);
  EXPECT_EQ(stop_target().error, 0);
  const ControlAnswer again = start_target(lines);
  ASSERT_EQ(again.error, 0) << again.why;
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_CONFIG).text, before);
  EXPECT_NE(before.find("\nTargetDevice=c,DISK,RO,PROD="), std::string::npos) << before;
  EXPECT_NE(before.find(",SN=0123,ID=ABCDEF,WWN=3"), std::string::npos) << before;
  // A product that was set stands there once, one that was not set in no file.
  EXPECT_NE(before.find("\nTargetDevice=d,DISK,SYNC,PROD=Two Words,SN="), std::string::npos)
      << before;
  const auto count = std::count_if(lines.begin(), lines.end(), [](const std::string& line) {
    return line.find(",PROD=") != std::string::npos;
  });
  EXPECT_EQ(count, 1);
}

// A class may have a serial number that no SN= may be: it is shown, and a file goes without.
TEST_F(ControlProtocol, WhatAClassHasForASerialNumberIsInNoFile) {
  disks.serial = "0123456789abcdef,0123456789abcdef";
  start({"TargetDevice=c,DISK,SN=0123,WWN=no number,ID=x"});
  const std::string before = about(CHISCSI_CONTROL_TARGET_CONFIG).text;
  EXPECT_NE(before.find(",SN=" + disks.serial + ",ID="), std::string::npos) << before;
  EXPECT_NE(before.find(",SN=0123,ID=x,WWN=3"), std::string::npos) << before;
  Lines lines;
  const Lines name = {std::string("target=") + kTargetName};
  const ControlRecord config =
      control(CHISCSI_CONTROL_TARGET_CONFIG, name, CHISCSI_CONTROL_SECRETS).first();
  EXPECT_EQ(config.values("TargetDevice"),
            Lines({"a,RAW", "b,DISK", "c,DISK,SN=0123,ID=x,WWN=no number"}));
  for (const auto& [key, value] : config.lines)
    lines.push_back(key + "=" + value);
  EXPECT_EQ(stop_target().error, 0);
  const ControlAnswer again = start_target(lines);
  ASSERT_EQ(again.error, 0) << again.why;
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_CONFIG).text, before);
}

// Bytes that a terminal could take for orders, in what an initiator or a file has said.
TEST_F(ControlProtocol, ShowsNothingThatConfusesATerminal) {
  const std::string secret = "initsecret\x9b\xff";
  start({"TargetAlias=a\xc3\xa9\xc2\x9b\x9b\xff\xe2\x82\xacz",
         "Auth_CHAP_Initiator=\"inituser\":\"" + secret + "\""});
  EXPECT_EQ(about(CHISCSI_CONTROL_TARGET_CONFIG).first().value("TargetAlias"),
            "a\xc3\xa9????\xe2\x82\xacz");
  // What is read back is what it was.
  const Lines name = {std::string("target=") + kTargetName};
  EXPECT_EQ(control(CHISCSI_CONTROL_TARGET_CONFIG, name, CHISCSI_CONTROL_SECRETS)
                .first()
                .value("Auth_CHAP_Initiator"),
            "\"inituser\":\"" + secret + "\"");
}

TEST_F(ControlProtocol, SaysHowMuchRoomTheOutputTakes) {
  start();
  const uint32_t size = about(CHISCSI_CONTROL_TARGET_CONFIG).used;
  for (const uint32_t room : {0u, 1u, size - 1}) {
    const ControlAnswer small =
        control(CHISCSI_CONTROL_TARGET_CONFIG, {std::string("target=") + kTargetName}, 0, room);
    EXPECT_EQ(small.error, -ENOSPC);
    EXPECT_EQ(small.used, size);
  }
  EXPECT_EQ(
      control(CHISCSI_CONTROL_TARGET_CONFIG, {std::string("target=") + kTargetName}, 0, size).error,
      0);
}

// What has happened is told: without room for that nothing happens.
TEST_F(ControlProtocol, StartsNothingThatItCouldNotTell) {
  start_disks();
  const ControlAnswer small = control(CHISCSI_CONTROL_TARGET_START, keys(), 0, 8);
  EXPECT_EQ(small.error, -ENOSPC);
  EXPECT_GT(small.used, 8u);
  EXPECT_EQ(control(CHISCSI_CONTROL_TARGET_LIST).text, "");
  EXPECT_EQ(control(CHISCSI_CONTROL_GLOBAL_SET, {"iscsi_HA_mode=Yes"}, 0, 8).error, -ENOSPC);
  EXPECT_EQ(control(CHISCSI_CONTROL_GLOBAL_GET).first().value("iscsi_HA_mode"), "No");
  EXPECT_EQ(control(CHISCSI_CONTROL_TARGET_START, keys(), 0, small.used).error, 0);
}

// ---- Sessions ----

TEST_F(ControlProtocol, ListsSessionsAndDropsOne) {
  start();
  peer = log_in(1);
  auto other = log_in(2, "iqn.2026-11.org.example:other-initiator");
  ASSERT_TRUE(peer->read(read10_cdb(0, 8), 4096, 0).good());
  // A login is answered before its session is on its worker.
  ASSERT_TRUE(other->no_data(test_unit_ready_cdb(), 0).good());
  const ControlAnswer list = about(CHISCSI_CONTROL_SESSION_LIST);
  const auto records = list.records();
  ASSERT_EQ(records.size(), 4u) << list.text;
  const ControlRecord &session = records[0], &connection = records[1];
  EXPECT_EQ(session.lines[0].first, "session");
  EXPECT_EQ(session.value("initiator"), "iqn.2026-11.org.example:initiator");
  EXPECT_EQ(session.value("isid"), "801234560001");
  EXPECT_EQ(session.value("type"), "normal");
  EXPECT_NE(session.number("tsih"), 0u);
  EXPECT_EQ(session.number("read_commands"), 1u);
  EXPECT_EQ(session.number("read_bytes"), 4096u);
  EXPECT_EQ(connection.lines[0].first, "connection");
  EXPECT_EQ(connection.value("state"), "full_feature");
  EXPECT_EQ(connection.value("header_digest"), "None");
  EXPECT_EQ(connection.value("target_address"), portal_address());
  const Lines only = {std::string("target=") + kTargetName,
                      "initiator=iqn.2026-11.org.example:other-initiator"};
  EXPECT_EQ(control(CHISCSI_CONTROL_SESSION_LIST, only).records().size(), 2u);
  const auto all = control(CHISCSI_CONTROL_SESSION_LIST).records();
  ASSERT_EQ(all.size(), 5u);
  EXPECT_EQ(all[0].lines, (decltype(all[0].lines){{"target", kTargetName}}));
  EXPECT_EQ(all[1].value("session"), session.value("session"));

  const std::string handle = session.value("session");
  EXPECT_EQ(control(CHISCSI_CONTROL_SESSION_DROP, {"session=" + handle}).error, 0);
  EXPECT_TRUE(peer->closed_by_target());
  EXPECT_TRUE(other->no_data(test_unit_ready_cdb(), 0).good());
  EXPECT_EQ(control(CHISCSI_CONTROL_SESSION_DROP, {"session=ffff"}).error, -ENOENT);
  EXPECT_EQ(control(CHISCSI_CONTROL_SESSION_DROP, {"session=0"}).error, -EINVAL);
  EXPECT_EQ(control(CHISCSI_CONTROL_SESSION_DROP, {"session=12g"}).error, -EINVAL);
  EXPECT_EQ(control(CHISCSI_CONTROL_SESSION_DROP, {"session=11112222333344445"}).error, -EINVAL);
}

// ---- Access states ----

TEST_F(ControlProtocol, SetsTheStateOfAPortalGroup) {
  start();
  const std::string target = std::string("target=") + kTargetName;
  const auto set = [&](const std::string& group, const std::string& state) {
    return control(CHISCSI_CONTROL_ALUA_SET, {target, "group=" + group, "state=" + state}).error;
  };
  EXPECT_EQ(set("1", "standby"), 0);
  EXPECT_EQ(set("1", "optimized"), 0);
  EXPECT_EQ(set("9", "standby"), -ENOENT);
  EXPECT_EQ(set("x", "standby"), -EINVAL);
  EXPECT_EQ(set("1", "offline"), -EINVAL);
  EXPECT_EQ(
      control(CHISCSI_CONTROL_ALUA_SET, {"target=iqn.none", "group=1", "state=standby"}).error,
      -ENOENT);
}

// ---- Flush ----

TEST_F(ControlProtocol, FlushesOneLunOrAll) {
  start();
  EXPECT_EQ(about(CHISCSI_CONTROL_LUN_FLUSH).error, 0);
  EXPECT_EQ(disks.count("flush a"), 1u);
  EXPECT_EQ(disks.count("flush b"), 1u);
  const std::string target = std::string("target=") + kTargetName;
  EXPECT_EQ(control(CHISCSI_CONTROL_LUN_FLUSH, {target, "lun=1"}).error, 0);
  EXPECT_EQ(disks.count("flush b"), 2u);
  EXPECT_EQ(control(CHISCSI_CONTROL_LUN_FLUSH, {target, "lun=2"}).error, -ENOENT);
  EXPECT_EQ(control(CHISCSI_CONTROL_LUN_FLUSH, {target, "lun=x"}).error, -EINVAL);
  disks.fail("flush a");
  const ControlAnswer failed = about(CHISCSI_CONTROL_LUN_FLUSH);
  EXPECT_EQ(failed.error, -EIO);
  EXPECT_EQ(failed.why, std::string("LUN 0 of ") + kTargetName + ": flush failed, error 5");
  EXPECT_EQ(disks.count("flush b"), 3u);
  disks.fail("");
}

// Whose LUNs nobody knows has nothing to be flushed, and nobody is kept from it by the question.
TEST_F(ControlProtocol, RefusesToFlushLunsThatAreNotListedAtOnce) {
  disks.any_disk = "x";
  start_disks();
  ASSERT_EQ(disks.add_target(kTargetName, {"PortalGroup=1@" + portal_address()}), 0);
  const Ref<Target> target = Engine::instance().registry().find_target(kTargetName);
  ASSERT_TRUE(target->begin_control());
  const ControlAnswer answer = about(CHISCSI_CONTROL_LUN_FLUSH);
  target->end_control();
  EXPECT_EQ(answer.error, -EOPNOTSUPP);
  EXPECT_EQ(answer.why, "the LUNs of this target are known to its storage driver alone");
  EXPECT_EQ(disks.remove_target(kTargetName), 0);
}

// ---- Bad requests ----

TEST_F(ControlProtocol, RefusesBadInput) {
  start();
  const struct {
    std::string input;
    const char* why;
  } kCases[] = {
      {"", "\"target\": is missing"},
      {"target=x", "the input does not end with a NUL"},
      {std::string("target\0", 7), "\"target\": has no value"},
      {std::string("target=\0", 8), "\"target\": has no value"},
      {std::string("target=x\0target=y\0", 18), "\"target\": is given twice"},
      {std::string("lun=1\0", 6), "\"lun\": is no key of this request"},
      {std::string("\xff\n=1\0", 5), "\"??\": is no key of this request"},
  };
  for (const auto& one : kCases) {
    const ControlAnswer answer = control_raw(CHISCSI_CONTROL_TARGET_STOP, one.input);
    EXPECT_EQ(answer.error, -EINVAL) << one.why;
    EXPECT_EQ(answer.why, one.why);
  }
  EXPECT_EQ(control_raw(99, "").error, -EOPNOTSUPP);
  EXPECT_EQ(control(CHISCSI_CONTROL_VERSIONS, {}, CHISCSI_CONTROL_CHECK).error, -EINVAL);
}

TEST(ControlEnvelope, IsCheckedWhole) {
  chiscsi_control good = {};
  good.size = sizeof(good);
  good.version = CHISCSI_CONTROL_VERSION;
  good.in_size = CHISCSI_CONTROL_MAX_INPUT;
  good.out_size = ~0u;
  EXPECT_EQ(engine_control_check(&good), 0);
  const auto with = [&](auto change) {
    chiscsi_control bad = good;
    memset(bad.error, 'x', sizeof(bad.error));
    change(bad);
    const int error = engine_control_check(&bad);
    EXPECT_EQ(bad.out_used, 0u);
    EXPECT_EQ(bad.error[sizeof(bad.error) - 1], '\0');
    return error;
  };
  EXPECT_EQ(with([](chiscsi_control& c) { --c.size; }), -EINVAL);
  EXPECT_EQ(with([](chiscsi_control& c) { ++c.version; }), -EINVAL);
  EXPECT_EQ(with([](chiscsi_control& c) { c.op = CHISCSI_CONTROL_OPS; }), -EOPNOTSUPP);
  EXPECT_EQ(with([](chiscsi_control& c) { c.op = ~0u; }), -EOPNOTSUPP);
  EXPECT_EQ(with([](chiscsi_control& c) { c.flags = 8; }), -EINVAL);
  EXPECT_EQ(with([](chiscsi_control& c) { c.reserved = 1; }), -EINVAL);
  EXPECT_EQ(with([](chiscsi_control& c) { ++c.in_size; }), -E2BIG);
}

// ---- Statistics ----

uint64_t latencies(const ControlRecord& record) {
  uint64_t sum = 0;
  const std::string text = record.value("latency_us");
  for (size_t at = text.find(':'); at != std::string::npos; at = text.find(':', at + 1))
    sum += std::stoull(text.substr(at + 1));
  return sum;
}

// What the workers have counted when the last command's end has been noticed.
ControlRecord settled_statistics(const std::string& key, const std::string& value,
                                 uint64_t commands) {
  for (int round = 0; round < 6000; ++round) {
    const ControlAnswer answer =
        control(CHISCSI_CONTROL_STATISTICS, {std::string("target=") + kTargetName});
    EXPECT_EQ(answer.error, 0);
    const ControlRecord record = answer.record(key, value);
    if (record.number("commands") >= commands) return record;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return {};
}

TEST_F(ControlProtocol, CountsCommandsWhereTheyBelong) {
  start();
  peer = log_in(1);
  auto other = log_in(2);
  ASSERT_TRUE(peer->write(write10_cdb(0, 8), pattern(4096), {}, 1).good());
  ASSERT_TRUE(peer->read(read10_cdb(0, 16), 8192, 1).good());
  ASSERT_TRUE(other->read(read10_cdb(0, 8), 4096, 0).good());
  EXPECT_FALSE(other->no_data(test_unit_ready_cdb(), 7).good());

  const ControlRecord target = settled_statistics("target", kTargetName, 4);
  EXPECT_EQ(target.number("commands"), 4u);
  EXPECT_EQ(target.number("reads"), 2u);
  EXPECT_EQ(target.number("writes"), 1u);
  EXPECT_EQ(target.number("read_bytes"), 12288u);
  EXPECT_EQ(target.number("write_bytes"), 4096u);
  EXPECT_EQ(target.number("errors"), 1u);
  EXPECT_EQ(target.number("aborts"), 0u);
  EXPECT_EQ(latencies(target), 4u);
  EXPECT_NE(target.value("latency_total_us"), "");
  const ControlRecord lun = settled_statistics("lun", "1", 2);
  EXPECT_EQ(lun.value("device"), "b");
  EXPECT_EQ(lun.number("commands"), 2u);
  EXPECT_EQ(lun.number("write_bytes"), 4096u);
  EXPECT_EQ(settled_statistics("lun", "0", 1).number("commands"), 1u);

  const ControlAnswer all = control(CHISCSI_CONTROL_STATISTICS);
  const ControlRecord portal = all.record("portal", portal_address());
  EXPECT_EQ(portal.number("connections"), 2u);
  EXPECT_EQ(portal.number("reads"), 2u);
  EXPECT_EQ(portal.number("commands"), 4u);
  EXPECT_EQ(portal.number("errors"), 1u);
  EXPECT_EQ(portal.number("aborts"), 0u);
  EXPECT_EQ(latencies(portal), 4u);
  uint64_t of_sessions = 0;
  for (const ControlRecord& record : all.records()) {
    if (record.lines[0].first == "session") of_sessions += record.number("commands");
  }
  EXPECT_EQ(of_sessions, 4u);

  // What an ended session has done stays in its target's sum.
  EXPECT_TRUE(other->logout().has_value());
  EXPECT_TRUE(other->closed_by_target());
  other.reset();
  ASSERT_TRUE(peer->read(read10_cdb(0, 8), 4096, 1).good());
  EXPECT_EQ(settled_statistics("target", kTargetName, 5).number("commands"), 5u);
}

TEST_F(ControlProtocol, CountsAborts) {
  start();
  peer = log_in();
  disks.hold("b");
  const Pdu command = peer->make_command(read10_cdb(0, 8), 4096, 0xc0, 1);
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(disks.wait_for("cdb 28 b"));
  EXPECT_EQ(peer->task_management(1, command.task_tag(), 1), 0);
  disks.release("b");
  const ControlRecord lun = settled_statistics("lun", "1", 1);
  EXPECT_EQ(lun.number("aborts"), 1u);
  EXPECT_EQ(lun.number("reads"), 0u);
  EXPECT_EQ(lun.value("latency_us"), "");
}

// ---- Several at once ----

// Whatever the order, each call succeeds or says why not, and at the end nothing is left.
TEST_F(ControlProtocol, StartsStopsAndReadsAtOnce) {
  start_disks();
  std::atomic<uint32_t> started{0}, stopped{0}, reloaded{0};
  const auto expect_one_of = [](int error, std::initializer_list<int> allowed) {
    EXPECT_TRUE(std::find(allowed.begin(), allowed.end(), error) != allowed.end()) << error;
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 40; ++round) {
        const ControlAnswer answer = start_target(keys());
        expect_one_of(answer.error, {0, -EINPROGRESS, -ENOENT});
        EXPECT_EQ(answer.error != 0, !answer.why.empty());
        if (answer.error == 0) ++(answer.text == "result=started\n\n" ? started : reloaded);
      }
    });
    threads.emplace_back([&] {
      for (int round = 0; round < 40; ++round) {
        const ControlAnswer answer = stop_target();
        expect_one_of(answer.error, {0, -EINPROGRESS, -ENOENT});
        EXPECT_EQ(answer.error != 0, !answer.why.empty());
        if (answer.error == 0) ++stopped;
      }
    });
  }
  threads.emplace_back([&] {
    for (int round = 0; round < 100; ++round) {
      expect_one_of(about(CHISCSI_CONTROL_TARGET_CONFIG).error, {0, -ENOENT});
      expect_one_of(about(CHISCSI_CONTROL_SESSION_LIST).error, {0, -ENOENT});
      expect_one_of(about(CHISCSI_CONTROL_LUN_FLUSH).error, {0, -EINPROGRESS, -ENOENT});
      expect_one_of(about(CHISCSI_CONTROL_TARGET_STATE).error, {0, -ENOENT});
      EXPECT_EQ(control(CHISCSI_CONTROL_TARGET_LIST).error, 0);
      EXPECT_EQ(control(CHISCSI_CONTROL_SESSION_LIST).error, 0);
      EXPECT_EQ(control(CHISCSI_CONTROL_STATISTICS).error, 0);
    }
  });
  for (unsigned long holder = 1; holder <= 2; ++holder) {
    threads.emplace_back([&, holder] {
      for (int round = 0; round < 100; ++round) {
        const Lines list = {std::string("target=") + kTargetName,
                            "version=" + std::to_string(round + 1), "initiator=iqn.x:a"};
        expect_one_of(control(CHISCSI_CONTROL_ISNS_ALLOW, list, 0, 1 << 20, holder).error,
                      {0, -ENOENT, -EBUSY});
        engine_control_gone(holder);
      }
    });
  }
  threads.emplace_back([&] {
    for (int round = 0; round < 20; ++round) {
      Initiator initiator(port);
      if (initiator.connected()) initiator.login({});
    }
  });
  for (std::thread& thread : threads)
    thread.join();
  if (stop_target().error == 0) ++stopped;
  EXPECT_EQ(started.load(), stopped.load());
  EXPECT_EQ(host_module_holds(), 0);
}

// A driver may be unloaded when its classes are gone, whatever requests are under way.
TEST_F(ControlProtocol, ReadsNothingOfADriverThatHasGone) {
  constexpr int kDevices = 32, kReaders = 2, kRounds = 16;
  start_engine();
  Lines lines = {"PortalGroup=1@" + portal_address()};
  for (int i = 0; i < kDevices; ++i)
    lines.push_back("TargetDevice=d" + std::to_string(i) + ",DISK");
  std::atomic<bool> done{false};
  std::atomic<uint32_t> shown{0};
  std::vector<std::thread> readers;
  for (int i = 0; i < kReaders; ++i) {
    readers.emplace_back([&] {
      while (!done.load()) {
        if (about(CHISCSI_CONTROL_TARGET_CONFIG).error == 0) ++shown;
      }
    });
  }
  for (int round = 0; round < kRounds; ++round) {
    auto driver = std::make_unique<FakeDisks>();
    EXPECT_EQ(driver->start(), 0);
    EXPECT_EQ(driver->add_target(kTargetName, lines), 0);
    const uint32_t before = shown.load();
    while (shown.load() == before)
      std::this_thread::yield();
    EXPECT_EQ(driver->remove_target(kTargetName), 0);
    EXPECT_EQ(driver->stop(), 0);
    EXPECT_EQ(driver->violations(), Lines());
  }
  done.store(true);
  for (std::thread& reader : readers)
    reader.join();
}

TEST_F(ControlProtocol, SurvivesEveryFailedAllocation) {
  start_disks();
  for (uint64_t n = 1;; ++n) {
    const uint64_t before = host_allocation_count();
    host_fail_allocation_at(n);
    const int started = start_target(keys()).error;
    const int shown = started == 0 ? about(CHISCSI_CONTROL_TARGET_CONFIG).error : 0;
    host_fail_allocation_at(0);
    const bool all_done = host_allocation_count() - before < n;
    // Where only the transport could listen, what is left when it cannot is the host's refusal.
    const bool not_heard = MemoryTransport::chosen() && started == -EADDRNOTAVAIL;
    EXPECT_TRUE(started == 0 || started == -ENOMEM || not_heard) << started;
    EXPECT_TRUE(shown == 0 || shown == -ENOMEM) << shown;
    if (started == 0) {
      EXPECT_EQ(stop_target().error, 0);
    }
    EXPECT_EQ(host_module_holds(), 0);
    if (all_done) break;
  }
}

}  // namespace
}  // namespace chiscsi::test
