// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture of the tests of the built-in LUN classes: an engine with one target of class
// "chiscsi", an initiator, files for it, and CDBs with 64-bit block addresses. Checks at the end
// that everything was given back.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "common/chiscsi.h"
#include "engine_fixture.hh"
#include "os/storage.h"

namespace chiscsi::test {

class StorageTest : public EngineTest {
 protected:
  static constexpr uint32_t kBlock = 512;

  void TearDown() override {
    host_fail_allocation_at(0);
    host_fail_storage(-1, 0);
    host_hold_storage(false);
    host_set_storage_delay(0);
    host_end_hang();
    host_change_storage(0, 0);
    peer.reset();
    if (added_) remove();
    stop_engine();
    for (const std::string& file : files_)
      unlink(file.c_str());
    EngineTest::TearDown();
  }

  // A sparse file of that many bytes.
  std::string make_file(uint64_t size) {
    char name[] = "/tmp/chiscsi-storage-XXXXXX";
    const int fd = mkstemp(name);
    EXPECT_GE(fd, 0);
    EXPECT_EQ(ftruncate(fd, static_cast<off_t>(size)), 0);
    close(fd);
    files_.push_back(name);
    return name;
  }
  std::string keys(const std::vector<std::string>& devices) const {
    std::string text;
    for (const std::string& key : bursting_keys(devices))
      text.append(key).push_back('\0');
    return text;
  }
  int add(const std::vector<std::string>& devices) {
    std::string text = keys(devices), name = kTargetName, of_class = "chiscsi";
    const int rc = chiscsi_target_add(this, name.data(), of_class.data(), text.data(),
                                      static_cast<int>(text.size()));
    added_ = rc == 0;
    return rc;
  }
  int reconfigure(const std::vector<std::string>& devices) {
    std::string text = keys(devices), name = kTargetName, of_class = "chiscsi";
    return chiscsi_target_reconfig(this, name.data(), of_class.data(), text.data(),
                                   static_cast<int>(text.size()));
  }
  void remove() {
    std::string name = kTargetName;
    added_ = false;
    EXPECT_EQ(chiscsi_target_remove(this, name.data()), 0);
  }
  std::unique_ptr<Initiator> log_in(uint8_t isid = 1) const {
    return EngineTest::log_in(bursting_port(isid), port);
  }
  void start(const std::vector<std::string>& devices) {
    start_engine();
    ASSERT_EQ(add(devices), 0);
    peer = log_in();
  }

  static ByteVector cdb16(uint8_t opcode, uint64_t first, uint32_t count, uint8_t options = 0) {
    ByteVector cdb(16);
    cdb[0] = opcode;
    cdb[1] = options;
    for (size_t i = 0; i < 8; ++i)
      cdb[2 + i] = static_cast<uint8_t>(first >> (56 - 8 * i));
    for (size_t i = 0; i < 4; ++i)
      cdb[10 + i] = static_cast<uint8_t>(count >> (24 - 8 * i));
    return cdb;
  }
  static ByteVector cdb10(uint8_t opcode, uint32_t first, uint16_t count, uint8_t options = 0) {
    ByteVector cdb(16);
    cdb[0] = opcode;
    cdb[1] = options;
    for (size_t i = 0; i < 4; ++i)
      cdb[2 + i] = static_cast<uint8_t>(first >> (24 - 8 * i));
    cdb[7] = static_cast<uint8_t>(count >> 8);
    cdb[8] = static_cast<uint8_t>(count);
    return cdb;
  }

  // ILLEGAL REQUEST with a pointer to the CDB, or to the parameter list; bit -1: a whole byte.
  static void expect_pointer(const Outcome& outcome, uint16_t byte, int bit = -1,
                             uint8_t asc = 0x24) {
    expect_sense(outcome, 5, asc);
    ASSERT_GE(outcome.sense.size(), 18u);
    EXPECT_EQ(outcome.sense[15], (asc == 0x24 ? 0xc0 : 0x80) | (bit < 0 ? 0 : 0x08 | bit));
    EXPECT_EQ(outcome.sense[16] << 8 | outcome.sense[17], byte);
  }
  static void expect_wrong_parameter(const Outcome& outcome, uint16_t byte) {
    expect_pointer(outcome, byte, -1, 0x26);
  }

  Outcome write(uint64_t first, const ByteVector& data, uint64_t lun = 0) {
    return peer->write(cdb16(0x8a, first, static_cast<uint32_t>(data.size() / kBlock)), data, {},
                       lun);
  }
  ByteVector read(uint64_t first, uint32_t blocks, uint64_t lun = 0) {
    const Outcome outcome = peer->read(cdb16(0x88, first, blocks), blocks * kBlock, lun);
    EXPECT_TRUE(outcome.good());
    return outcome.data;
  }
  static ByteVector join(const ByteVector& a, const ByteVector& b) {
    ByteVector both = a;
    both.insert(both.end(), b.begin(), b.end());
    return both;
  }

  std::unique_ptr<Initiator> peer;

 private:
  std::vector<std::string> files_;
  bool added_ = false;
};

// One unit, over memory, over a file, by the page cache and past it (DIRECT), and over what stands
// in for a block device.
class StorageOfEachKind : public StorageTest, public testing::WithParamInterface<const char*> {
 protected:
  static constexpr uint64_t kSize = 16 << 20;
  std::string line(const std::string& options = "", uint64_t size = kSize) {
    const std::string kind = GetParam();
    const std::string name =
        kind == "MEM" ? "ram,MEM,size=" + std::to_string(size >> 20) + "MB" : make_file(size);
    if (kind == "DIRECT") return name + ",FILE,DIRECT" + options;
    return name + (kind == "BLK" ? ",BLK" : kind == "FILE" ? ",FILE" : "") + options;
  }
  void start_one(const std::string& options = "") { start({line(options)}); }
};

}  // namespace chiscsi::test
