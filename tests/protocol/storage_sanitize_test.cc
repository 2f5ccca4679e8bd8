// SPDX-License-Identifier: GPL-2.0-only
//
// SANITIZE over each kind of the built-in classes: what it leaves behind; that its operation
// belongs to the unit and not to the command or the session; what other commands are told
// meanwhile, and after a failure.
#include <chrono>
#include <thread>

#include "storage_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr uint8_t kOverwrite = 0x01, kBlockErase = 0x02, kExitFailureMode = 0x1f;
constexpr uint8_t kImmed = 0x80, kAuse = 0x20;

class Sanitize : public StorageOfEachKind {
 protected:
  static ByteVector cdb(uint8_t options, uint16_t length = 0) {
    return {0x48,
            options,
            0,
            0,
            0,
            0,
            0,
            static_cast<uint8_t>(length >> 8),
            static_cast<uint8_t>(length),
            0};
  }
  static Outcome overwrite(Initiator& from, uint8_t options, const ByteVector& list) {
    return from.write(cdb(kOverwrite | options, static_cast<uint16_t>(list.size())), list);
  }
  Outcome overwrite(uint8_t options, const ByteVector& list = {1, 0, 0, 1, 0x5a}) {
    return overwrite(*peer, options, list);
  }
  Outcome exit_failure_mode() { return peer->no_data(cdb(kExitFailureMode)); }
  // Without what was to be said of a reset or a reload.
  Outcome ready(uint64_t lun = 0) {
    Outcome outcome;
    do {
      outcome = peer->no_data(test_unit_ready_cdb(), lun);
    } while (outcome.answered && outcome.sense_key() == 6);
    return outcome;
  }

  // The unit says that it is being sanitized, by the field that tells how far it is.
  static void expect_in_progress(const Outcome& outcome) {
    expect_sense(outcome, 2, 0x04, 0x1b);
    ASSERT_GE(outcome.sense.size(), 18u);
    EXPECT_EQ(outcome.sense[15], 0x80);
  }
  // Only limits: a beginning and an end are seen as soon as they are there.
  template <typename Condition>
  static bool comes(Condition condition) {
    for (int tries = 0; tries < 6000; ++tries) {
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  bool begins() {
    return comes([this] { return ready().sense_key() == 2; });
  }
  bool ends() {
    return comes([this] { return ready().good(); });
  }
  void expect_filled(uint8_t value) {
    for (const uint64_t at : {uint64_t{0}, uint64_t{77}, kSize / kBlock - 1})
      EXPECT_EQ(read(at, 1), ByteVector(kBlock, value)) << at;
  }
};
INSTANTIATE_TEST_SUITE_P(, Sanitize, testing::Values("MEM", "FILE", "DIRECT", "BLK"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(Sanitize, OverwritesOrErasesAll) {
  start_one(",THIN");
  ASSERT_TRUE(write(0, pattern(3000 * kBlock)).good());
  // Two passes, the first one inverted.
  EXPECT_TRUE(overwrite(0, {0x82, 0, 0, 3, 1, 2, 3}).good());
  ByteVector block(kBlock);
  for (size_t i = 0; i < kBlock; ++i)
    block[i] = static_cast<uint8_t>(1 + i % 3);
  for (const uint64_t at : {uint64_t{0}, uint64_t{2999}, kSize / kBlock - 1})
    EXPECT_EQ(read(at, 1), block) << at;
  EXPECT_TRUE(peer->no_data(cdb(kBlockErase)).good());
  EXPECT_EQ(read(0, 3000), ByteVector(3000 * kBlock));
}

TEST_P(Sanitize, RefusesWhatItDoesNotKnow) {
  start_one();
  expect_sense(overwrite(0, {0, 0, 0, 1, 1}), 5, 0x26);     // No pass.
  expect_sense(overwrite(0, {0x41, 0, 0, 1, 1}), 5, 0x26);  // A test.
  expect_sense(overwrite(0, {1, 0, 0, 2, 1}), 5, 0x26);     // Less pattern than it says.
  expect_sense(overwrite(0, {1, 0, 0, 0}), 5, 0x24);        // None at all.
  ByteVector list(kBlock + 5);
  list[0] = 1;
  list[2] = 2;
  list[3] = 1;
  expect_sense(overwrite(0, list), 5, 0x24);
  expect_sense(peer->no_data(cdb(0x03)), 5, 0x24);         // Cryptographic erase.
  expect_sense(peer->no_data(cdb(kBlockErase)), 5, 0x24);  // Of a unit without THIN.
  expect_sense(peer->write(cdb(kExitFailureMode, 8), ByteVector(8)), 5, 0x24);
  EXPECT_TRUE(exit_failure_mode().good());
  EXPECT_TRUE(ready().good());
}

TEST_P(Sanitize, AnImmediateOneIsAnsweredBeforeItEnds) {
  start_one();
  EXPECT_TRUE(overwrite(kImmed).good());
  EXPECT_TRUE(ends());
  expect_filled(0x5a);
}

TEST_P(Sanitize, EndsWithTheLastLun) {
  start_one();
  EXPECT_TRUE(overwrite(kImmed, {0x1f, 0, 0, 1, 1}).good());
  peer.reset();
  remove();
}

// ---- A device that is slow, or fails ----

class SanitizeOfAFile : public Sanitize {
 protected:
  // Held: the operation begins and gets no further.
  void start_held(const std::string& options = "") {
    start_one(options);
    host_hold_storage(true);
  }
};
INSTANTIATE_TEST_SUITE_P(, SanitizeOfAFile, testing::Values("FILE", "BLK"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(SanitizeOfAFile, TheUnitIsNotReadyMeanwhile) {
  start_held(",REMOVABLE");
  ASSERT_TRUE(overwrite(kImmed).good());
  expect_in_progress(ready());
  expect_in_progress(peer->read(cdb16(0x88, 0, 1), kBlock));
  expect_in_progress(write(0, pattern(kBlock)));
  expect_in_progress(peer->no_data({0x1b, 0, 0, 0, 2, 0}));
  expect_in_progress(peer->no_data({0x1e, 0, 0, 0, 1, 0}));
  expect_in_progress(peer->read({0x1a, 0, 0x3f, 0, 252, 0}, 252));
  expect_in_progress(overwrite(0));
  expect_in_progress(exit_failure_mode());
  const Outcome sense = peer->read({0x03, 0, 0, 0, 252, 0}, 252);
  ASSERT_TRUE(sense.good());
  ASSERT_EQ(sense.data.size(), 18u);
  EXPECT_EQ(sense.data[2], 2);
  EXPECT_EQ((ByteVector{sense.data[12], sense.data[13], sense.data[15]}),
            (ByteVector{0x04, 0x1b, 0x80}));
  EXPECT_TRUE(peer->read(inquiry_cdb(96), 96).good());
  EXPECT_TRUE(peer->read({0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}, 256).good());
  EXPECT_TRUE(peer->read({0xa3, 0x0c, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0}, 1024).good());
  host_hold_storage(false);
  EXPECT_TRUE(ends());
  expect_filled(0x5a);
}

TEST_P(SanitizeOfAFile, GoesOnWithoutItsCommandItsSessionAndThroughAReset) {
  start_held();
  const ByteVector list = {1, 0, 0, 1, 0x5a};
  Pdu command = peer->make_command(cdb(kOverwrite, 5), 5, iscsi::kCommandWrite);
  command.data = list;
  ASSERT_TRUE(peer->send(command));
  ASSERT_TRUE(begins());
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_ABORT_TASK, command.task_tag()), 0);
  expect_in_progress(ready());
  EXPECT_EQ(peer->task_management(ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET), 0);
  peer = log_in(2);
  expect_in_progress(ready());
  host_hold_storage(false);
  EXPECT_TRUE(ends());
  expect_filled(0x5a);
}

TEST_P(SanitizeOfAFile, AWriteThatCameBeforeItIsNotDoneAfterIt) {
  start_one();
  // Its data is still to come when the operation begins.
  const ByteVector data(8 * kBlock, 0x11);
  const Pdu late = peer->make_command(cdb16(0x8a, 0, 8), static_cast<uint32_t>(data.size()),
                                      iscsi::kCommandWrite);
  ASSERT_TRUE(peer->send(late));
  const auto r2t = peer->receive_opcode(iscsi::Opcode::kR2t);
  ASSERT_TRUE(r2t.has_value());
  host_hold_storage(true);
  auto other = log_in(2);
  ASSERT_TRUE(overwrite(*other, kImmed, {1, 0, 0, 1, 0x5a}).good());
  const auto& fields = r2t->as<iscsi::R2t>();
  ASSERT_TRUE(
      peer->send(peer->make_data_out(late, fields.target_transfer_tag.get(), 0, 0, data, true)));
  expect_in_progress(peer->finish(late));
  host_hold_storage(false);
  EXPECT_TRUE(ends());
  expect_filled(0x5a);
}

TEST_P(SanitizeOfAFile, OneWhoseDeviceIsGoneWhenItsDataComesIsRefused) {
  const std::string file = make_file(kSize);
  start({file + "," + GetParam()});
  const ByteVector list = {1, 0, 0, 1, 0x5a};
  const Pdu late = peer->make_command(cdb(kOverwrite, 5), 5, iscsi::kCommandWrite);
  ASSERT_TRUE(peer->send(late));
  const auto r2t = peer->receive_opcode(iscsi::Opcode::kR2t);
  ASSERT_TRUE(r2t.has_value());
  ASSERT_EQ(truncate(file.c_str(), 0), 0);
  const auto& fields = r2t->as<iscsi::R2t>();
  ASSERT_TRUE(
      peer->send(peer->make_data_out(late, fields.target_transfer_tag.get(), 0, 0, list, true)));
  expect_sense(peer->finish(late), 2, 0x04, 0x00);
  // Nothing has begun, and nothing has failed.
  ASSERT_EQ(truncate(file.c_str(), kSize), 0);
  // A medium command finds the blocks; the target is told of them a moment later.
  EXPECT_TRUE(peer->read(cdb16(0x88, 0, 1), kBlock).good());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!ready().good())
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
  EXPECT_TRUE(overwrite(0).good());
  expect_filled(0x5a);
}

TEST_P(SanitizeOfAFile, AFailureStaysUntilASuccess) {
  start_one();
  host_fail_storage(OS_STORAGE_WRITE, -EIO);
  expect_sense(overwrite(0), 3, 0x31, 0x03);
  expect_sense(ready(), 3, 0x31, 0x03);
  expect_sense(peer->read(cdb16(0x88, 0, 1), kBlock), 3, 0x31, 0x03);
  EXPECT_EQ(peer->read({0x03, 0, 0, 0, 252, 0}, 252).data[12], 0x31);
  EXPECT_TRUE(peer->read(inquiry_cdb(96), 96).good());
  host_fail_storage(-1, 0);
  expect_sense(exit_failure_mode(), 5, 0x24);
  expect_sense(overwrite(kAuse), 5, 0x24);
  expect_sense(ready(), 3, 0x31, 0x03);
  EXPECT_TRUE(overwrite(0).good());
  EXPECT_TRUE(ready().good());
  expect_filled(0x5a);
}

TEST_P(SanitizeOfAFile, AFailureMayBeLeftWhereItsCommandAllowedIt) {
  start_one();
  host_fail_storage(OS_STORAGE_FLUSH, -EIO);
  EXPECT_TRUE(overwrite(kImmed | kAuse).good());
  EXPECT_TRUE(comes([this] { return ready().sense_key() == 3; }));
  expect_sense(ready(), 3, 0x31, 0x03);
  EXPECT_TRUE(exit_failure_mode().good());
  EXPECT_TRUE(ready().good());
  host_fail_storage(-1, 0);
}

class SanitizeOfTwo : public Sanitize {};
INSTANTIATE_TEST_SUITE_P(, SanitizeOfTwo, testing::Values("FILE"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(SanitizeOfTwo, BothLunsOfAFileAreTold) {
  const std::string file = make_file(kSize);
  start({file, file});
  host_set_storage_delay(10);
  ASSERT_TRUE(overwrite(kImmed, {31, 0, 0, 1, 0x5a}).good());
  expect_in_progress(ready(1));
  // A reload that takes one of them away, and moves the other: it goes on.
  ASSERT_EQ(reconfigure({file}), 0);
  expect_in_progress(ready());
  host_set_storage_delay(0);
  EXPECT_TRUE(ends());
  expect_filled(0x5a);
}

}  // namespace
}  // namespace chiscsi::test
