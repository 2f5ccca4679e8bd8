// SPDX-License-Identifier: GPL-2.0-only
//
// Which commands change a medium: those of SBC-4 and SPC-5 by their codes, and what must not be
// among them.
#include "target/scsi/write_commands.hh"

#include <gtest/gtest.h>

#include <vector>

#include "target/scsi/command_table.hh"

namespace chiscsi::scsi {
namespace {

bool changes(std::vector<uint8_t> cdb) {
  if (cdb.size() < 16) cdb.resize(16);
  return changes_medium({cdb.data(), cdb.size()});
}

std::vector<uint8_t> long_cdb(uint16_t action) {
  std::vector<uint8_t> cdb(32);
  cdb[0] = 0x7f;
  cdb[7] = 0x18;
  cdb[8] = static_cast<uint8_t>(action >> 8);
  cdb[9] = static_cast<uint8_t>(action);
  return cdb;
}

TEST(WriteCommands, AreKnownByTheirCodes) {
  for (const int opcode : {0x04, 0x07, 0x0a, 0x2a, 0x2e, 0x3f, 0x41, 0x42, 0x48, 0x53, 0x89, 0x8a,
                           0x8b, 0x8e, 0x93, 0x9a, 0x9c, 0xaa, 0xae}) {
    EXPECT_TRUE(changes({static_cast<uint8_t>(opcode)})) << std::hex << opcode;
  }
  EXPECT_TRUE(changes({0x9f, 0x11}));
  EXPECT_TRUE(changes({0x9f, 0x12}));
  EXPECT_TRUE(changes({0x83, 0x00}));
  for (const uint16_t action : {0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x11})
    EXPECT_TRUE(changes(long_cdb(action))) << action;
}

TEST(WriteCommands, AreNotWhatReads) {
  for (const int opcode : {0x00, 0x03, 0x08, 0x12, 0x1a, 0x1b, 0x25, 0x28, 0x2f, 0x34, 0x35, 0x3c,
                           0x4d, 0x5a, 0x5e, 0x88, 0x8f, 0x90, 0x91, 0xa0, 0xa3, 0xa8, 0xaf}) {
    EXPECT_FALSE(changes({static_cast<uint8_t>(opcode)})) << std::hex << opcode;
  }
  EXPECT_FALSE(changes({0x9e, 0x10}));
  EXPECT_FALSE(changes({0x83, 0x10}));
  EXPECT_FALSE(changes(long_cdb(0x09)));
  EXPECT_FALSE(changes(long_cdb(0x010b)));
}

TEST(WriteCommands, ShortBytesAreNoCommand) {
  EXPECT_FALSE(changes_medium({}));
  const uint8_t one[] = {0x2a};
  EXPECT_FALSE(changes_medium(one));
  const uint8_t cut[] = {0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0};
  EXPECT_FALSE(changes_medium(cut));
}

// The rows that the target runs itself say the same of their commands.
TEST(WriteCommands, AgreeWithTheCommandTable) {
  for (const Span<const CommandInfo> table :
       {medium_commands(), target_commands(), copy_commands()}) {
    for (const CommandInfo& info : table) {
      std::vector<uint8_t> cdb(16);
      cdb[0] = static_cast<uint8_t>(info.opcode);
      if (info.service_action != kNoServiceAction) cdb[1] = info.service_action;
      const bool copies = info.opcode == Opcode::kThirdPartyCopyOut;  // By writes of its own.
      const bool expected = copies || (info.medium != nullptr && info.medium->changes_medium);
      EXPECT_EQ(changes(cdb), expected) << std::hex << int{cdb[0]};
    }
  }
}

}  // namespace
}  // namespace chiscsi::scsi
