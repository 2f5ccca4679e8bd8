// SPDX-License-Identifier: GPL-2.0-only
//
// LUNs of TargetDevice lines over the wire: each goes to its class, and they come and go under I/O.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <future>
#include <thread>

#include "disks_fixture.hh"

namespace chiscsi::test {
namespace {

using namespace iscsi;  // NOLINT: PDUs and their fields.
using Calls = std::vector<std::string>;

constexpr uint32_t kBlock = FakeDisks::kBlock;
constexpr uint8_t kUnitAttention = 6;

class LunProtocol : public DisksTest {
 protected:
  // a is a RAW disk, b a DISK.
  void start(const Lines& devices = {"a,RAW", "b,DISK"}) { DisksTest::start(devices); }
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
  EXPECT_TRUE(disks.wait_for("cleanup"));
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

}  // namespace
}  // namespace chiscsi::test
