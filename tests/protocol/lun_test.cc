// SPDX-License-Identifier: GPL-2.0-only
//
// LUNs of TargetDevice lines over the wire: each goes to its class, they come and go under I/O, and
// the target answers for the class that leaves that to it.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <random>
#include <thread>

#include "disks_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;  // NOLINT: PDUs and their fields.
using Calls = std::vector<std::string>;

constexpr uint32_t kBlock = FakeDisks::kBlock;
constexpr uint32_t kBlocks = FakeDisks::kBlocks;
constexpr uint8_t kCheckCondition = 2;
constexpr uint8_t kUnitAttention = 6;

class LunProtocol : public DisksTest {
 protected:
  // a is a RAW disk, b a DISK.
  void start(const Lines& devices = {"a,RAW", "b,DISK"}) { DisksTest::start(devices); }
  // Passes over what the unit has to tell of a reload.
  bool is_there(Initiator& initiator, uint64_t lun) {
    Outcome outcome = initiator.no_data(test_unit_ready_cdb(), lun);
    if (outcome.sense_key() == kUnitAttention) {
      expect_sense(outcome, kUnitAttention, 0x3f, 0x0e);
      outcome = initiator.no_data(test_unit_ready_cdb(), lun);
    }
    if (!outcome.good()) expect_sense(outcome, 5, 0x25);
    return outcome.good();
  }
};

// ---- Classes ----

TEST_F(LunProtocol, EachLunGoesToItsClass) {
  start();
  const ByteVector data = pattern(8 * kBlock);
  ASSERT_TRUE(peer->write(write10_cdb(3, 8), data, {}, 0).good());
  ASSERT_TRUE(peer->write(write10_cdb(5, 8), data, {}, 1).good());
  EXPECT_EQ(disks.content("a", 3 * kBlock, data.size()), data);
  EXPECT_EQ(disks.content("b", 5 * kBlock, data.size()), data);
  EXPECT_EQ(disks.count("cdb 2a a"), 1u);
  EXPECT_EQ(disks.count("cdb 2a b"), 1u);
  // RAW sees what the target answers for DISK.
  expect_sense(peer->read(inquiry_cdb(96), 96, 0), 5, 0x20);
  EXPECT_EQ(disks.count("cdb 12 a"), 1u);
  const Outcome inquiry = peer->read(inquiry_cdb(96), 96, 1);
  ASSERT_TRUE(inquiry.good());
  ASSERT_EQ(inquiry.data.size(), 96u);
  EXPECT_EQ(inquiry.data[16], 'b');
  EXPECT_EQ(disks.count("cdb 12 b"), 0u);
  EXPECT_CLEAN(*peer);
}

class PropertyProtocol : public LunProtocol, public testing::WithParamInterface<unsigned> {};

// The bits of RAW and of DISK, without that of passing all commands.
TEST_P(PropertyProtocol, DataMovesInEveryCombination) {
  const unsigned kMulti = 1u << LUN_CLASS_MULTI_PHASE_DATA_BIT;
  const unsigned kQueue = 1u << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  const unsigned bits = ((GetParam() & 1) != 0 ? kMulti : 0) | ((GetParam() & 2) != 0 ? kQueue : 0);
  disks.raw_property = 1u << LUN_CLASS_SCSI_PASS_THRU_BIT | bits;
  disks.disk_property = bits;
  start();
  const ByteVector data = pattern(100 * kBlock, GetParam() + 1);
  for (const uint64_t lun : {0u, 1u}) {
    ASSERT_TRUE(peer->write(write10_cdb(9, 100), data, {4096, 8192, 8192}, lun).good()) << lun;
    const Outcome read = peer->read(read10_cdb(9, 100), 100 * kBlock, lun);
    ASSERT_TRUE(read.good()) << lun;
    EXPECT_EQ(read.data, data) << lun;
  }
  EXPECT_CLEAN(*peer);
}

INSTANTIATE_TEST_SUITE_P(Bits, PropertyProtocol, testing::Range(0u, 4u));

TEST_F(LunProtocol, RefusesAClassWithUnknownProperties) {
  disks.disk_property = 1u << 3;
  ASSERT_EQ(engine_start(&options), 0);
  EXPECT_EQ(disks.start(), -EINVAL);
  EXPECT_EQ(disks.stop(), 0);
  engine_stop();
}

TEST_F(LunProtocol, WithoutLinesTheFirstClassGetsEveryLun) {
  disks.any_disk = "x";
  start({});
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 5).good());
  expect_sense(peer->read(inquiry_cdb(96), 96, 300), 5, 0x20);
  EXPECT_TRUE(disks.wait_for("cleanup", 2));
  EXPECT_EQ(disks.calls(), (Calls{"cdb 00 x", "cleanup x", "cdb 12 x", "cleanup x"}));
}

// ---- Start, reload, removal ----

TEST_F(LunProtocol, AFailedAttachLeavesNoTarget) {
  start_disks();
  HostLogCapture log;
  disks.fail("attach b");
  EXPECT_EQ(add_target({"a,RAW", "b,DISK"}), -EIO);
  EXPECT_TRUE(log.contains("not attached by LUN class DISK, error 5: no luck"));
  EXPECT_EQ(disks.calls(), (Calls{"parse a", "parse b", "attach a", "attach b", "detach b",
                                  "flush a", "detach a"}));
  EXPECT_FALSE(Initiator(port).connected());
  disks.fail("");
  ASSERT_EQ(add_target({"a,RAW", "b,DISK"}), 0);
  EXPECT_EQ(add_target({"a,RAW"}), -EEXIST);
}

TEST_F(LunProtocol, APortalThatCannotOpenDetachesTheDisks) {
  start_disks();
  HostLogCapture log;
  std::vector<std::string> all = bursting_keys({"a,RAW"});
  all[0] = "PortalGroup=1@198.51.100.7:3260";  // Not an address of this machine.
  EXPECT_LT(disks.add_target(kTargetName, all), 0);
  EXPECT_EQ(disks.calls(), (Calls{"parse a", "attach a", "flush a", "detach a"}));
}

TEST_F(LunProtocol, AFailedReloadChangesNothing) {
  start();
  disks.forget_calls();
  HostLogCapture log;
  disks.fail("attach c");
  EXPECT_EQ(reconfigure({"b,DISK", "c,DISK"}), -EIO);
  EXPECT_EQ(disks.calls(), (Calls{"parse b", "parse c", "attach c", "detach c", "detach b"}));
  EXPECT_TRUE(is_there(*peer, 0) && is_there(*peer, 1));
  disks.forget_calls();
  disks.fail("");
  std::vector<std::string> all = bursting_keys({"b,DISK"});
  all[0] = "PortalGroup=1@198.51.100.7:3260";
  EXPECT_LT(disks.reconfigure_target(kTargetName, all), 0);
  EXPECT_EQ(disks.calls(), (Calls{"parse b", "reattach b", "reattach b", "detach b"}));
  ASSERT_TRUE(peer->read(read10_cdb(0, 1), kBlock, 1).good());
  EXPECT_EQ(disks.count("cdb 28 b"), 1u);
}

TEST_F(LunProtocol, AReloadIsSeenAtOnce) {
  start();
  ASSERT_EQ(reconfigure({"b,DISK", "c,DISK", "d,RAW"}), 0);
  EXPECT_TRUE(is_there(*peer, 2));
  EXPECT_FALSE(is_there(*peer, 3));
  EXPECT_TRUE(is_there(*peer, 0));
  ASSERT_TRUE(peer->read(read10_cdb(0, 1), kBlock, 0).good());
  EXPECT_EQ(disks.count("cdb 28 b"), 1u);
  ASSERT_EQ(reconfigure({"b,DISK"}), 0);
  EXPECT_FALSE(is_there(*peer, 1));
  EXPECT_TRUE(disks.wait_for("detach d"));
}

// By an asynchronous message, and by each unit's next command that may say it: a class that takes
// all commands gets REQUEST SENSE as well, otherwise it returns the condition.
TEST_F(LunProtocol, InitiatorsHearOfAReload) {
  start();
  ASSERT_EQ(reconfigure({"a,RAW", "b,DISK", "c,DISK"}), 0);
  const auto event = peer->receive_opcode(Opcode::kAsyncMessage);
  ASSERT_TRUE(event);
  EXPECT_EQ(event->as<AsyncMessage>().async_event, 0);
  expect_sense(peer->no_data(test_unit_ready_cdb(), 0), kUnitAttention, 0x3f, 0x0e);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 0).good());
  const Outcome sense = peer->read({0x03, 0, 0, 0, 18}, 18, 1);
  ASSERT_TRUE(sense.good());
  EXPECT_EQ(sense.data[2], kUnitAttention);
  EXPECT_EQ(sense.data[12], 0x3f);
  EXPECT_EQ(sense.data[13], 0x0e);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 1).good());
  // Who reads the list knows it, on every unit.
  EXPECT_TRUE(peer->read({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 256, 1).good());
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 2).good());
  // The same lines again are no news.
  ASSERT_EQ(reconfigure({"a,RAW", "b,DISK", "c,DISK"}), 0);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 2).good());
  EXPECT_CLEAN(*peer);
}

// With the new devices a session has the condition: nothing goes to another device unannounced,
// however long its worker is busy.
TEST_F(LunProtocol, NoCommandGoesToAnotherDeviceBeforeItsInitiatorHeard) {
  std::promise<void> reloaded;
  std::shared_future<void> is_reloaded = reloaded.get_future().share();
  disks.on_received = [&](const std::string& disk) {
    if (disk == "b") is_reloaded.wait();
  };
  start({"a,DISK", "b,DISK"});
  const Pdu busy = peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, 1);
  const Pdu next = peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, 0);
  ByteVector both = peer->to_wire(busy);  // At once: the worker has them when it gets busy.
  const ByteVector second = peer->to_wire(next);
  both.insert(both.end(), second.begin(), second.end());
  ASSERT_TRUE(peer->send_bytes(both));
  ASSERT_TRUE(disks.wait_for("cdb 28 b"));
  EXPECT_EQ(reconfigure({"b,DISK", "a,DISK"}), 0);
  reloaded.set_value();
  EXPECT_TRUE(peer->finish(busy).good());
  expect_sense(peer->finish(next), kUnitAttention, 0x3f, 0x0e);
  EXPECT_EQ(disks.count("cdb"), 1u);
  EXPECT_TRUE(peer->receive_opcode(Opcode::kAsyncMessage));
  EXPECT_TRUE(peer->write(write10_cdb(0, 1), pattern(kBlock), {kBlock}, 0).good());
  EXPECT_EQ(disks.count("cdb 2a b"), 1u);
  EXPECT_CLEAN(*peer);
}

TEST_F(LunProtocol, ModesAreToldByTheNumberThatTheDeviceHasNow) {
  start({"a,DISK", "b,DISK"});
  auto other = log_in(2);
  const ByteVector modes = {0, 0, 0, 0, 0x0a, 0x0a, 0x20, 0x10, 8, 0, 0, 0, 0xff, 0xff, 0, 0};
  const Pdu select = peer->make_command({0x15, 0x10, 0, 0, 16, 0}, 16, kCommandWrite, 0);
  ASSERT_TRUE(peer->send(select));
  const auto wanted = peer->receive_opcode(Opcode::kR2t);
  ASSERT_TRUE(wanted);
  ASSERT_EQ(reconfigure({"b,DISK", "a,DISK"}), 0);
  const uint32_t tag = wanted->as<R2t>().target_transfer_tag.get();
  ASSERT_TRUE(peer->send(peer->make_data_out(select, tag, 0, 0, modes, true)));
  EXPECT_TRUE(peer->finish(select).good());
  const auto hears_of_modes = [&](uint64_t lun) {
    bool heard = false;
    for (Outcome told; !(told = other->no_data(test_unit_ready_cdb(), lun)).good();) {
      if (told.sense.size() < 14) return false;
      heard |= told.sense[12] == 0x2a && told.sense[13] == 0x01;
    }
    return heard;
  };
  EXPECT_TRUE(hears_of_modes(1));
  EXPECT_FALSE(hears_of_modes(0));
}

TEST_F(LunProtocol, ALunLeavesAfterItsLastCommand) {
  start();
  disks.hold("b");
  const Pdu held = peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, 1);
  ASSERT_TRUE(peer->send(held));
  ASSERT_TRUE(disks.wait_for("cdb 28 b"));
  disks.forget_calls();
  int rc = 1;
  std::thread reload([&] { rc = reconfigure({"a,RAW"}); });
  auto other = log_in(2);
  while (is_there(*other, 1))
    std::this_thread::yield();
  EXPECT_EQ(disks.count("detach b"), 0u);
  disks.release("b");
  EXPECT_TRUE(peer->finish(held).good());
  reload.join();
  EXPECT_EQ(rc, 0);
  const Calls calls = disks.calls();
  const auto at = [&](const std::string& call) {
    return std::find(calls.begin(), calls.end(), call) - calls.begin();
  };
  EXPECT_LT(at("cleanup b"), at("flush b"));
  EXPECT_EQ(at("flush b") + 1, at("detach b"));
  EXPECT_LT(at("detach b"), static_cast<long>(calls.size()));
}

TEST_F(LunProtocol, TheWaitForALunIsBounded) {
  options.abort_timeout_s = 1;
  start();
  disks.hold("b");
  const Pdu held = peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, 1);
  ASSERT_TRUE(peer->send(held));
  ASSERT_TRUE(disks.wait_for("cdb 28 b"));
  {
    HostLogCapture log;
    EXPECT_EQ(reconfigure({"a,RAW"}), 0);
    EXPECT_TRUE(log.contains("detached after the last of them"));
  }
  EXPECT_EQ(disks.count("detach b"), 0u);
  // Its number may have another disk by now, and the class is not gone.
  ASSERT_EQ(reconfigure({"a,RAW", "c,DISK"}), 0);
  EXPECT_TRUE(is_there(*peer, 1));
  disks.release("b");
  EXPECT_TRUE(peer->finish(held).good());
  EXPECT_TRUE(disks.wait_for("detach b"));
}

TEST_F(LunProtocol, AnOrphanKeepsItsLun) {
  options.abort_timeout_s = 1;
  start();
  disks.hold("b");
  disks.stick();
  ASSERT_TRUE(peer->send(peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, 1)));
  ASSERT_TRUE(disks.wait_for("cdb 28 b"));
  HostLogCapture log;
  remove_target();
  EXPECT_EQ(disks.count("detach a"), 1u);
  EXPECT_EQ(disks.count("flush b"), 0u);
  disks.unstick();
  EXPECT_TRUE(disks.wait_for("detach b"));
  EXPECT_EQ(disks.calls().back(), "detach b");
}

TEST_F(LunProtocol, LunsComeAndGoUnderIo) {
  start({"a,RAW", "b,DISK", "c,DISK"});
  std::atomic<bool> stop{false};
  std::vector<std::thread> users;
  std::atomic<unsigned> done{0};
  for (uint8_t user = 0; user < 3; ++user) {
    users.emplace_back([&, user] {
      auto initiator = log_in(static_cast<uint8_t>(10 + user));
      const ByteVector data = pattern(16 * kBlock, user);
      // Each reload is told by each unit, so most is done in the rounds after the last one.
      for (unsigned i = 0, quiet = 0; quiet < 20; ++i, quiet += stop ? 1 : 0) {
        // b stays, whatever number it has; the others come and go.
        for (uint64_t lun = 0; lun < 3; ++lun) {
          const Outcome outcome =
              i % 2 != 0 ? initiator->write(write10_cdb(user * 16u, 16), data, {4096, 0, 4096}, lun)
                         : initiator->read(read10_cdb(user * 16u, 16), 16 * kBlock, lun);
          if (outcome.good()) {
            ++done;
          } else if (outcome.sense_key() == 7) {
            expect_sense(outcome, 7, 0x27);  // b is read-only for a moment.
          } else if (outcome.sense_key() == kUnitAttention) {
            // Other LUNs, or that b has become read-only or writable.
            const bool modes = outcome.sense[12] == 0x2a;
            expect_sense(outcome, kUnitAttention, modes ? 0x2a : 0x3f, modes ? 0x01 : 0x0e);
          } else {
            expect_sense(outcome, 5, 0x25);
          }
        }
      }
      EXPECT_CLEAN(*initiator);
    });
  }
  for (int round = 0; round < 15; ++round) {
    EXPECT_EQ(reconfigure({"b,DISK"}), 0);
    EXPECT_EQ(reconfigure({"a,RAW", "b,DISK,RO"}), 0);
    disks.fail("attach d");
    HostLogCapture log;
    EXPECT_EQ(reconfigure({"b,DISK", "d,RAW"}), -EIO);
    disks.fail("");
    EXPECT_EQ(reconfigure({"a,RAW", "b,DISK", "c,DISK"}), 0);
  }
  stop = true;
  for (std::thread& user : users)
    user.join();
  EXPECT_GT(done, 100u);
}

TEST_F(LunProtocol, OneChangeOfATargetAtATime) {
  start();
  disks.hold("b");
  const Pdu held = peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, 1);
  ASSERT_TRUE(peer->send(held));
  ASSERT_TRUE(disks.wait_for("cdb 28 b"));
  std::thread reload([&] { EXPECT_EQ(reconfigure({"a,RAW"}), 0); });
  auto other = log_in(2);
  while (is_there(*other, 1))
    std::this_thread::yield();
  EXPECT_EQ(reconfigure({"a,RAW"}), -EBUSY);
  EXPECT_EQ(disks.remove_target(kTargetName), -EBUSY);
  disks.release("b");
  reload.join();
  EXPECT_TRUE(peer->finish(held).good());
}

TEST_F(LunProtocol, StartSurvivesEveryFailedAllocation) {
  start_disks();
  HostLogCapture log;
  uint64_t n = 1;
  for (; n < 500; ++n) {
    host_fail_allocation_at(n);
    const int rc = add_target({"a,RAW", "b,DISK"});
    host_fail_allocation_at(0);
    if (rc == 0) break;
    EXPECT_EQ(disks.count("parse"), disks.count("detach"));
  }
  EXPECT_LT(n, 500u);
  EXPECT_GT(n, 5u);
}

// ---- Task management ----

TEST_F(LunProtocol, AFunctionGoesToTheClassOfItsLun) {
  start({"a,RAW", "b,DISK", "c,DISK"});
  disks.hold("b");
  const Pdu held = peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, 1);
  ASSERT_TRUE(peer->send(held));
  ASSERT_TRUE(disks.wait_for("cdb 28 b"));
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, held.task_tag(), 1), 0);
  EXPECT_EQ(disks.count("tmf DISK 1 1"), 1u);
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0xffffffff, 0), 0);
  EXPECT_EQ(disks.count("tmf RAW 5 0"), 1u);
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_ABORT_TASK_SET, 0xffffffff, 2), 0);
  EXPECT_EQ(disks.count("tmf DISK 2 2"), 1u);
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET, 0xffffffff, 3),
            ISCSI_RESPONSE_TMF_INVALID_LUN);
  EXPECT_EQ(disks.count("tmf"), 3u);
  EXPECT_TRUE(is_there(*peer, 1));
}

TEST_F(LunProtocol, ATargetResetGoesToEachClassOnce) {
  start({"a,RAW", "b,DISK", "c,DISK", "d,RAW"});
  for (const char* disk : {"a", "c"})
    disks.hold(disk);
  for (const uint64_t lun : {0u, 2u}) {
    ASSERT_TRUE(peer->send(peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, lun)));
  }
  ASSERT_TRUE(disks.wait_for("cdb", 2));
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_TARGET_WARM_RESET), 0);
  EXPECT_EQ(disks.count("tmf RAW 6"), 1u);
  EXPECT_EQ(disks.count("tmf DISK 6"), 1u);
  EXPECT_TRUE(disks.wait_for("cleanup", 2));
  disks.release("a");
  EXPECT_TRUE(is_there(*peer, 0));
}

// More of them than conditions of single units have places; and only where the target speaks.
TEST_F(LunProtocol, WhoResetsTheTargetHearsOfItFromEachUnitOfOurs) {
  constexpr uint64_t kLuns = 24, kFirstRaw = 5, kLastRaw = 20;
  Lines devices;
  for (uint64_t lun = 0; lun < kLuns; ++lun) {
    const bool is_raw = lun == kFirstRaw || lun == kLastRaw;
    devices.push_back("d" + std::to_string(lun) + (is_raw ? ",RAW" : ",DISK"));
  }
  start(devices);
  LoginOptions login = bursting_port(1);
  login.keys.emplace_back("iSCSIProtocolLevel", "2");
  peer = EngineTest::log_in(login, port);
  auto other = log_in(2);
  const auto hears = [](Initiator& who, uint64_t lun) {
    expect_sense(who.no_data(test_unit_ready_cdb(), lun), kUnitAttention, 0x29, 0x03);
    EXPECT_TRUE(who.no_data(test_unit_ready_cdb(), lun).good()) << lun;
  };
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_TARGET_WARM_RESET), 0);
  for (uint64_t lun = 0; lun < kLuns; ++lun) {
    SCOPED_TRACE(lun);
    hears(*other, lun);
    if (lun != kFirstRaw && lun != kLastRaw) {
      hears(*peer, lun);
    } else {
      EXPECT_EQ(peer->task_management(kTmfQueryAsyncEvent, 0xffffffff, lun), 0);
      EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), lun).good());
    }
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(LunProtocol, ABadAnswerOfOneClassIsTheAnswer) {
  disks.raw_tmf_response = ISCSI_RESPONSE_TMF_AUTH_FAILED;
  start({"a,RAW", "b,DISK"});
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_TARGET_WARM_RESET),
            ISCSI_RESPONSE_TMF_AUTH_FAILED);
  EXPECT_EQ(disks.count("tmf DISK 6"), 1u);
}

TEST_F(LunProtocol, ClassesThatTakeNoPartLoseTheirCommandsOneByOne) {
  disks.with_tmf = false;
  start();
  for (const char* disk : {"a", "b"})
    disks.hold(disk);
  for (const uint64_t lun : {0u, 1u}) {
    ASSERT_TRUE(peer->send(peer->make_command(read10_cdb(0, 1), kBlock, kCommandRead, lun)));
  }
  ASSERT_TRUE(disks.wait_for("cdb", 2));
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_TARGET_WARM_RESET), 0);
  EXPECT_EQ(disks.count("abort a"), 1u);
  EXPECT_EQ(disks.count("abort b"), 1u);
}

// ---- The target's own answers ----

TEST_F(LunProtocol, AnAbsentLunSaysSo) {
  start();
  expect_sense(peer->no_data(test_unit_ready_cdb(), 2), 5, 0x25);
  expect_sense(peer->read(read10_cdb(0, 1), kBlock, 2), 5, 0x25);
  expect_sense(peer->write(write10_cdb(0, 8), pattern(8 * kBlock), {512, 1024, 512}, 2), 5, 0x25);
  const Outcome inquiry = peer->read(inquiry_cdb(96), 96, 2);
  ASSERT_TRUE(inquiry.good());
  EXPECT_EQ(inquiry.data[0], 0x7f);
  const Outcome luns = peer->read({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0}, 256, 2);
  ASSERT_TRUE(luns.good());
  ASSERT_EQ(luns.data.size(), 24u);
  EXPECT_EQ(luns.data[3], 16);
  EXPECT_EQ(luns.flags, kResponseUnderflow);
  EXPECT_EQ(luns.residual, 232u);
  const Outcome sense = peer->read({0x03, 0, 0, 0, 18}, 18, 2);
  ASSERT_TRUE(sense.good());
  EXPECT_EQ(sense.data[12], 0x25);
  EXPECT_EQ(disks.count("cdb"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(LunProtocol, EveryWayToWriteALunFindsTheRightOneOrNone) {
  start();
  const struct {
    uint8_t lun[8];
    bool there;
  } kForms[] = {
      {{0, 1}, true},           // Peripheral.
      {{0x40, 1}, true},        // Flat.
      {{0xd2, 0, 0, 1}, true},  // Extended flat.
      {{0, 255}, false},
      {{0x41, 0}, false},
      {{0x7f, 0xff}, false},
      {{0x80, 1}, false},     // Logical unit addressing.
      {{0xc1, 1}, false},     // Well known: REPORT LUNS.
      {{1, 1}, false},        // Another bus.
      {{0, 1, 0, 1}, false},  // Second level.
      {{0, 1, 0, 0, 0, 0, 0, 1}, false},
      {{0xe2, 0, 0, 0, 0, 1}, false},
      {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, false},
      {{0x40, 0, 0, 0, 0, 0, 0, 0}, true},  // LUN 0.
  };
  for (const auto& form : kForms) {
    Pdu command = peer->make_command(test_unit_ready_cdb(), 0, 0);
    std::copy(form.lun, form.lun + 8, command.bhs.lun);
    ASSERT_TRUE(peer->send(command));
    const Outcome outcome = peer->finish(command);
    if (form.there) {
      EXPECT_TRUE(outcome.good()) << +form.lun[0];
    } else {
      expect_sense(outcome, 5, 0x25);
    }
  }
}

// CDB with its allocation length put into the right place.
ByteVector with_allocation(ByteVector cdb, size_t at, size_t bytes, uint32_t length) {
  cdb.resize(16);
  for (size_t i = 0; i < bytes; ++i)
    cdb[at + i] = static_cast<uint8_t>(length >> (8 * (bytes - 1 - i)));
  return cdb;
}

TEST_F(LunProtocol, AnswersKeepToEveryAllocationLength) {
  start();
  const struct {
    ByteVector cdb;
    size_t at, bytes;
  } kQuestions[] = {
      {{0x12}, 3, 2},          {{0x12, 1, 0}, 3, 2},    {{0x12, 1, 0x80}, 3, 2},
      {{0x12, 1, 0x83}, 3, 2}, {{0x12, 1, 0xb0}, 3, 2}, {{0x12, 1, 0xb1}, 3, 2},
      {{0xa0}, 6, 4},          {{0x03}, 4, 1},          {{0x9e, 0x10}, 10, 4},
      {{0x1a, 0, 0x3f}, 4, 1}, {{0x5a, 0, 0x3f}, 7, 2}, {{0xa3, 0x0c}, 6, 4},
  };
  for (const auto& question : kQuestions) {
    const uint32_t most = question.bytes == 4 ? 0xffffffff : question.bytes == 2 ? 0xffff : 0xff;
    const auto cdb = [&](uint32_t length) {
      return with_allocation(question.cdb, question.at, question.bytes, length);
    };
    const Outcome full = peer->read(cdb(most), 8192, 1);
    ASSERT_TRUE(full.good()) << +question.cdb[0];
    const auto size = static_cast<uint32_t>(full.data.size());
    ASSERT_GT(size, 4u);
    ASSERT_LT(size, 8192u);
    EXPECT_EQ(full.flags, kResponseUnderflow);
    EXPECT_EQ(full.residual, 8192u - size);
    for (const uint32_t length : {0u, 1u, size - 1, size, size + 1}) {
      const uint32_t expected = std::min(length, size);
      const ByteVector wanted(full.data.begin(), full.data.begin() + expected);
      // As much as it asks for, more, and less.
      for (const uint32_t claimed : {length, length + 7, length / 2}) {
        const Outcome outcome = peer->read(cdb(length), claimed, 1);
        ASSERT_TRUE(outcome.good()) << +question.cdb[0] << " " << length << " " << claimed;
        const uint32_t moved = std::min(expected, claimed);
        EXPECT_EQ(outcome.data, ByteVector(wanted.begin(), wanted.begin() + moved));
        const uint8_t flag = expected > claimed   ? kResponseOverflow
                             : expected < claimed ? kResponseUnderflow
                                                  : 0;
        EXPECT_EQ(outcome.flags, flag);
        EXPECT_EQ(outcome.residual, expected > claimed ? expected - claimed : claimed - expected);
      }
    }
  }
  EXPECT_EQ(disks.count("cdb"), 0u);
  EXPECT_CLEAN(*peer);
}

TEST_F(LunProtocol, TheClassSeesMediumAccessOfBlocksThatExist) {
  start({"a,RAW", "b,DISK", "c,DISK,RO"});
  expect_sense(peer->read(read10_cdb(kBlocks, 1), kBlock, 1), 5, 0x21);
  expect_sense(peer->read(read10_cdb(kBlocks - 1, 2), 2 * kBlock, 1), 5, 0x21);
  expect_sense(peer->read(read10_cdb(0xffffffff, 0xffff), kBlock, 1), 5, 0x21);
  expect_sense(peer->write(write10_cdb(kBlocks, 8), pattern(8 * kBlock), {512, 1024, 512}, 1), 5,
               0x21);
  expect_sense(peer->write(write10_cdb(0, 8), pattern(8 * kBlock), {512, 1024, 512}, 2), 7, 0x27);
  expect_sense(peer->read({0xee}, kBlock, 1), 5, 0x20);
  expect_sense(peer->read(write10_cdb(0, 1), kBlock, 1), 5, 0x0e, 3);
  // What a command brings has no room where the initiator expects to send.
  for (const ByteVector& cdb : {inquiry_cdb(96), read10_cdb(0, 1)}) {
    const Outcome nothing = peer->write(cdb, pattern(96), {}, 1);
    EXPECT_TRUE(nothing.good());
    EXPECT_EQ(nothing.flags, kResponseUnderflow);
    EXPECT_EQ(nothing.residual, 96u);
  }
  expect_sense(peer->write(read10_cdb(kBlocks, 1), pattern(96), {}, 1), 5, 0x21);
  expect_sense(peer->no_data({0x00, 0, 0, 0, 0, 0x04}, 1), 5, 0x24);  // NACA.
  EXPECT_TRUE(peer->no_data(read10_cdb(0, 0), 1).good());
  EXPECT_EQ(disks.count("cdb"), 0u);
  EXPECT_TRUE(peer->read(read10_cdb(kBlocks - 1, 1), kBlock, 1).good());
  EXPECT_TRUE(peer->no_data({0x35}, 1).good());
  EXPECT_EQ(disks.count("cdb"), 2u);
  // For nothing, it is an overflow of the whole.
  const Outcome overflow = peer->no_data(inquiry_cdb(96), 1);
  EXPECT_TRUE(overflow.good());
  EXPECT_EQ(overflow.flags, kResponseOverflow);
  EXPECT_EQ(overflow.residual, 96u);
  EXPECT_CLEAN(*peer);
}

TEST_F(LunProtocol, ADeviceWithoutGeometryIsNotReady) {
  disks.silence("b");
  start();
  expect_sense(peer->no_data(test_unit_ready_cdb(), 1), 2, 0x04, 1);
  expect_sense(peer->read(read10_cdb(0, 1), kBlock, 1), 2, 0x04, 1);
  expect_sense(peer->read({0x25}, 8, 1), 2, 0x04, 1);
  EXPECT_TRUE(peer->read(inquiry_cdb(96), 96, 1).good());
  ASSERT_EQ(disks.resize("b", 100), 0);
  EXPECT_EQ(peer->read({0x25}, 8, 1).data, (ByteVector{0, 0, 0, 99, 0, 0, 2, 0}));
  EXPECT_TRUE(peer->read(read10_cdb(99, 1), kBlock, 1).good());
  HostLogCapture log;
  ASSERT_EQ(disks.resize("b", 50), 0);
  // A login goes over the worker that tells of it.
  std::unique_ptr<Initiator> later = log_in(2);
  const Outcome told = peer->no_data(test_unit_ready_cdb(), 1);
  expect_sense(told, kUnitAttention, 0x2a, 9);
  EXPECT_EQ(told.sense[13], 9);
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 0).good());
  EXPECT_TRUE(later->no_data(test_unit_ready_cdb(), 1).good()) << "it knows the new size only";
  expect_sense(peer->read(read10_cdb(99, 1), kBlock, 1), 5, 0x21);
  EXPECT_EQ(disks.resize("b", 0), -EINVAL);
  EXPECT_EQ(chiscsi_lun_set_private(999999, nullptr), -ESTALE);
}

// CAPACITY DATA HAS CHANGED: each session hears of it once, by a command for that LUN.
TEST_F(LunProtocol, AChangeOfSizeIsToldToEachSession) {
  start();
  const auto other = log_in(7);
  HostLogCapture log;
  ASSERT_EQ(disks.resize("b", 50), 0);
  ASSERT_EQ(disks.resize("b", 60), 0);
  const auto late = log_in(8);  // It has not seen another size.
  for (Initiator* initiator : {peer.get(), other.get()}) {
    EXPECT_TRUE(initiator->no_data(test_unit_ready_cdb(), 0).good());
    EXPECT_TRUE(initiator->read(inquiry_cdb(96), 96, 1).good());
    const Outcome told = initiator->no_data(test_unit_ready_cdb(), 1);
    expect_sense(told, 6, 0x2a, 9);
    EXPECT_EQ(told.sense[13], 0x09);
    EXPECT_TRUE(initiator->no_data(test_unit_ready_cdb(), 1).good());
    EXPECT_EQ(initiator->read({0x25}, 8, 1).data, (ByteVector{0, 0, 0, 59, 0, 0, 2, 0}));
  }
  EXPECT_TRUE(late->no_data(test_unit_ready_cdb(), 1).good());
  ASSERT_EQ(disks.resize("b", 60), 0);  // No change.
  EXPECT_TRUE(peer->no_data(test_unit_ready_cdb(), 1).good());
}

TEST_F(LunProtocol, WithoutMemoryForAnAnswerTheTargetIsBusy) {
  start();
  // The end of the first command asks for memory to count it in, once its response has left; it is
  // over when the next one is answered.
  ASSERT_TRUE(peer->read(inquiry_cdb(96), 96, 1).good());
  for (int i = 0; i < 3; ++i) {
    // From here on the only memory that is asked for is that of the answer.
    ASSERT_TRUE(peer->read(inquiry_cdb(96), 96, 1).good());
    host_fail_allocation_at(1);
    const Outcome outcome = peer->read(inquiry_cdb(96), 96, 1);
    host_fail_allocation_at(0);
    ASSERT_TRUE(outcome.answered);
    EXPECT_EQ(outcome.status, 8);
    EXPECT_EQ(outcome.residual, 96u);
  }
}

TEST_F(LunProtocol, AnyCdbIsAnswered) {
  start();
  std::mt19937 random(1234);
  const uint8_t kKnown[] = {0x00, 0x03, 0x08, 0x0a, 0x12, 0x1a, 0x25, 0x28, 0x2a,
                            0x2e, 0x2f, 0x34, 0x35, 0x5a, 0x83, 0x84, 0x88, 0x8a,
                            0x8f, 0x90, 0x91, 0x9e, 0xa0, 0xa3, 0xa8, 0xaf};
  for (int i = 0; i < 3000; ++i) {
    ByteVector cdb(16);
    for (uint8_t& byte : cdb)
      byte = static_cast<uint8_t>(random());
    if (i % 2 == 0) cdb[0] = kKnown[random() % sizeof(kKnown)];
    const uint64_t lun = 1 + random() % 2;
    const uint32_t length = random() % 3 == 0 ? 0 : random() % 3000;
    const Outcome outcome = peer->read(cdb, length, lun);
    ASSERT_TRUE(outcome.answered) << i;
    ASSERT_TRUE(outcome.status == 0 || outcome.status == kCheckCondition) << i;
    ASSERT_LE(outcome.data.size(), length);
  }
  EXPECT_CLEAN(*peer);
}

TEST_F(LunProtocol, AnAnswerOnTheWayDiesWithItsConnection) {
  start();
  for (int i = 0; i < 20; ++i) {
    auto victim = log_in(static_cast<uint8_t>(50 + i));
    for (int j = 0; j < 10; ++j)
      victim->send(victim->make_command({0x12, 1, 0x83, 0x10, 0}, 4096, kCommandRead, 1));
    victim->disconnect_with_reset();
  }
  EXPECT_TRUE(is_there(*peer, 1));
}

// A class without SCSI of its own knows 16 bytes, and one with it gets what was sent.
TEST_F(LunProtocol, AClassGetsALongCommandAsAShortOne) {
  start();
  ByteVector cdb(32);
  cdb[0] = 0x7f;
  cdb[7] = 0x18;
  cdb[9] = 0x09;  // READ(32)
  cdb[31] = 1;
  EXPECT_TRUE(peer->read(cdb, kBlock, 0).answered);
  EXPECT_TRUE(peer->read(cdb, kBlock, 1).answered);
  EXPECT_EQ(disks.count("cdb 7f a"), 1u);
  EXPECT_EQ(disks.count("cdb 88 b"), 1u);
  EXPECT_EQ(disks.count("cdb 7f b"), 0u);
}

}  // namespace
}  // namespace chiscsi::test
