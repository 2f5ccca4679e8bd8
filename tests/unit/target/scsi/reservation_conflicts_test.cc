// SPDX-License-Identifier: GPL-2.0-only
//
// The table of commands against reservations, command by command, as SPC-5 and SBC-4 have it.
#include "target/scsi/reservation_conflicts.hh"

#include "reservation_world.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

// One line of the tables: allowed for others under write exclusive, exclusive access; for
// registered and unregistered under the types of registrants, write exclusive and exclusive access.
struct Row {
  const char* name;
  std::vector<uint8_t> cdb;
  const char* columns;  // "A" or "C" for: WE, EA, registered, unregistered WE-RR, and EA-RR.
  char locked;          // RESERVE of somebody else.
};

const Row kRows[] = {
    {"TEST UNIT READY", {0x00}, "AAAAA", 'C'},
    {"REQUEST SENSE", {0x03}, "AAAAA", 'A'},
    {"FORMAT UNIT", {0x04}, "CCACC", 'C'},
    {"READ(6)", {0x08}, "ACAAC", 'C'},
    {"WRITE(6)", {0x0a}, "CCACC", 'C'},
    {"INQUIRY", {0x12}, "AAAAA", 'A'},
    {"MODE SELECT(6)", {0x15}, "CCACC", 'C'},
    {"MODE SENSE(6)", {0x1a}, "ACAAC", 'C'},
    {"START STOP UNIT, start", {0x1b, 0, 0, 0, 1}, "AAAAA", 'C'},
    {"START STOP UNIT, stop", {0x1b, 0, 0, 0, 0}, "CCACC", 'C'},
    {"START STOP UNIT, power", {0x1b, 0, 0, 0, 0x11}, "CCACC", 'C'},
    {"RECEIVE DIAGNOSTIC", {0x1c}, "ACAAC", 'C'},
    {"SEND DIAGNOSTIC", {0x1d}, "CCACC", 'C'},
    {"PREVENT", {0x1e, 0, 0, 0, 1}, "CCACC", 'C'},
    {"ALLOW", {0x1e, 0, 0, 0, 0}, "AAAAA", 'A'},
    {"READ CAPACITY(10)", {0x25}, "AAAAA", 'A'},
    {"READ(10)", {0x28}, "ACAAC", 'C'},
    {"WRITE(10)", {0x2a}, "CCACC", 'C'},
    {"WRITE AND VERIFY(10)", {0x2e}, "CCACC", 'C'},
    {"VERIFY(10)", {0x2f}, "ACAAC", 'C'},
    {"PRE-FETCH(10)", {0x34}, "ACAAC", 'C'},
    {"SYNCHRONIZE CACHE(10)", {0x35}, "CCACC", 'C'},
    {"READ DEFECT DATA(10)", {0x37}, "ACAAC", 'C'},
    {"WRITE BUFFER", {0x3b}, "CCACC", 'C'},
    {"READ BUFFER(10)", {0x3c}, "ACAAC", 'C'},
    {"WRITE SAME(10)", {0x41}, "CCACC", 'C'},
    {"UNMAP", {0x42}, "CCACC", 'C'},
    {"LOG SELECT", {0x4c}, "CCACC", 'C'},
    {"LOG SENSE", {0x4d}, "AAAAA", 'A'},
    {"MODE SELECT(10)", {0x55}, "CCACC", 'C'},
    {"MODE SENSE(10)", {0x5a}, "ACAAC", 'C'},
    {"PERSISTENT RESERVE IN", {0x5e}, "AAAAA", 'C'},
    {"READ(32)", {0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x09}, "ACAAC", 'C'},
    {"WRITE(32)", {0x7f, 0, 0, 0, 0, 0, 0, 0x18, 0, 0x0b}, "CCACC", 'C'},
    {"EXTENDED COPY", {0x83}, "CCACC", 'C'},
    {"RECEIVE COPY RESULTS", {0x84}, "ACAAC", 'C'},
    {"READ(16)", {0x88}, "ACAAC", 'C'},
    {"COMPARE AND WRITE", {0x89}, "CCACC", 'C'},
    {"WRITE(16)", {0x8a}, "CCACC", 'C'},
    {"ORWRITE(16)", {0x8b}, "CCACC", 'C'},
    {"VERIFY(16)", {0x8f}, "ACAAC", 'C'},
    {"PRE-FETCH(16)", {0x90}, "ACAAC", 'C'},
    {"SYNCHRONIZE CACHE(16)", {0x91}, "CCACC", 'C'},
    {"WRITE SAME(16)", {0x93}, "CCACC", 'C'},
    {"READ CAPACITY(16)", {0x9e, 0x10}, "AAAAA", 'A'},
    {"GET LBA STATUS", {0x9e, 0x12}, "ACAAC", 'C'},
    {"REPORT LUNS", {0xa0}, "AAAAA", 'A'},
    {"REPORT TARGET PORT GROUPS", {0xa3, 0x0a}, "AAAAA", 'A'},
    {"REPORT SUPPORTED OPERATION CODES", {0xa3, 0x0c}, "ACAAC", 'C'},
    {"REPORT SUPPORTED TMF", {0xa3, 0x0d}, "ACAAC", 'C'},
    {"SET TARGET PORT GROUPS", {0xa4, 0x0a}, "CCACC", 'C'},
    {"READ(12)", {0xa8}, "ACAAC", 'C'},
    {"WRITE(12)", {0xaa}, "CCACC", 'C'},
    {"VERIFY(12)", {0xaf}, "ACAAC", 'C'},
    {"vendor specific", {0xc1}, "CCACC", 'C'},
};

struct Bytes16 {
  uint8_t bytes[kCdbSize] = {};
  explicit Bytes16(const std::vector<uint8_t>& cdb) { std::copy(cdb.begin(), cdb.end(), bytes); }
};

TEST(ReservationConflicts, EveryCommandEveryTypeEveryNexus) {
  const Nexus holder = nexus("h"), registered = nexus("rr"), other = nexus("ooo");
  for (const uint8_t type : kAllTypes) {
    World world;
    world.join(holder, 1);
    world.join(registered, 2);
    ASSERT_TRUE(world.out(holder, ReserveOut::kReserve, 1, 0, type).is_good());
    const bool of_registrants = type >= 5;
    const bool exclusive = type == 3 || type == 6 || type == 8;
    for (const Row& row : kRows) {
      const Bytes16 raw(row.cdb);
      const Cdb cdb(raw.bytes);
      const char alone = row.columns[exclusive ? 1 : 0];
      const char member = of_registrants ? row.columns[2] : alone;
      const char stranger = of_registrants ? row.columns[exclusive ? 4 : 3] : alone;
      EXPECT_FALSE(conflicts(*world.state, holder, cdb)) << row.name;
      EXPECT_EQ(conflicts(*world.state, registered, cdb), member == 'C') << row.name << +type;
      EXPECT_EQ(conflicts(*world.state, other, cdb), stranger == 'C') << row.name << +type;
    }
  }
}

TEST(ReservationConflicts, LockOfReserve) {
  World world;
  ASSERT_TRUE(world.state->lock_unit(nexus("h")));
  for (const Row& row : kRows) {
    const Bytes16 raw(row.cdb);
    const Cdb cdb(raw.bytes);
    EXPECT_EQ(conflicts(*world.state, nexus("ooo"), cdb), row.locked == 'C') << row.name;
    const bool of_holder = row.cdb[0] == 0x5e;  // PERSISTENT RESERVE IN and RESERVE do not mix.
    EXPECT_EQ(conflicts(*world.state, nexus("h"), cdb), of_holder) << row.name;
  }
}

TEST(ReservationConflicts, NothingIsKeptAwayWithoutReservation) {
  World world;
  world.join(nexus("h"), 1);
  for (const Row& row : kRows) {
    const Bytes16 raw(row.cdb);
    EXPECT_FALSE(conflicts(*world.state, nexus("ooo"), Cdb(raw.bytes))) << row.name;
  }
}

TEST(ReservationConflicts, ReservingCommandsDecideForThemselves) {
  World world;
  world.join(nexus("h"), 1);
  ASSERT_TRUE(world.out(nexus("h"), ReserveOut::kReserve, 1, 0, 3).is_good());
  for (const uint8_t opcode : {0x16, 0x17, 0x56, 0x57, 0x5f}) {
    const Bytes16 raw({opcode});
    EXPECT_FALSE(conflicts(*world.state, nexus("ooo"), Cdb(raw.bytes)));
  }
}

}  // namespace
}  // namespace chiscsi::test
