// SPDX-License-Identifier: GPL-2.0-only
//
// Thin units over the wire: what LOG SENSE says of their use, the threshold by configuration and by
// MODE SELECT, and the unit attention for each nexus when it is reached.
#include <chrono>

#include "storage_fixture.hh"

namespace chiscsi::test {
namespace {

constexpr uint32_t kMebibyte = 1 << 20;

class Provisioning : public StorageTest {
 protected:
  ByteVector log(uint8_t page, Initiator& of, uint8_t subpage = 0) {
    ByteVector cdb(10);
    cdb[0] = 0x4d;
    cdb[2] = 0x40 | page;
    cdb[3] = subpage;
    cdb[7] = 2;
    const Outcome outcome = of.read(cdb, 512);
    EXPECT_TRUE(outcome.good());
    return outcome.data;
  }
  static uint32_t number(const ByteVector& data, size_t at) {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i)
      value = value << 8 | data[at + i];
    return value;
  }
  // MiB that are used, as log page 0Ch of a RAM disk says.
  uint32_t used() {
    const ByteVector page = log(0x0c, *peer);
    return page.size() == 28 ? number(page, 20) : ~0u;
  }
  void fill(uint32_t first_mb, uint32_t mb) {
    for (uint32_t at = first_mb; at < first_mb + mb; ++at)
      ASSERT_TRUE(write(uint64_t{at} * kMebibyte / kBlock, pattern(kMebibyte)).good());
  }
  bool unmap(uint32_t first_mb, uint32_t mb) {
    ByteVector cdb =
        cdb16(0x93, uint64_t{first_mb} * kMebibyte / kBlock, mb * kMebibyte / kBlock, 8);
    return peer->write(cdb, ByteVector(kBlock)).good();
  }
  // The news go by way of a worker of the target: they come soon.
  static bool hears(Initiator& of, uint8_t asc, uint8_t ascq) {
    const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (std::chrono::steady_clock::now() < limit) {
      const Outcome outcome = of.no_data(ByteVector(6));
      if (!outcome.answered) return false;
      if (outcome.good()) continue;
      expect_sense(outcome, 6, asc, ascq);
      return true;
    }
    return false;
  }
  static bool hears_of_threshold(Initiator& of) { return hears(of, 0x38, 0x07); }
  static bool hears_of_reload(Initiator& of) { return hears(of, 0x3f, 0x0e); }
  // In so many commands it would have come.
  static bool hears_nothing(Initiator& of) {
    for (int i = 0; i < 100; ++i) {
      const Outcome outcome = of.no_data(ByteVector(6));
      if (outcome.good()) continue;
      ADD_FAILURE() << "sense " << testing::PrintToString(outcome.sense);
      return false;
    }
    return true;
  }
  Outcome select(const ByteVector& pages) {
    ByteVector list(4);
    list.insert(list.end(), pages.begin(), pages.end());
    return peer->write({0x15, 0x10, 0, 0, static_cast<uint8_t>(list.size()), 0}, list);
  }
  static ByteVector threshold_page(bool enabled, uint32_t count) {
    ByteVector page(24);
    page[0] = 0x5c;
    page[1] = 2;
    page[3] = 20;
    page[16] = enabled ? 0x81 : 0x01;
    page[17] = 2;
    page[22] = static_cast<uint8_t>(count >> 8);
    page[23] = static_cast<uint8_t>(count);
    return page;
  }
  static ByteVector recovery_page(bool reports) {
    return {0x01, 0x0a, 0, 0, 0, 0, 0, static_cast<uint8_t>(reports ? 0x80 : 0), 0, 0, 0, 0};
  }
  bool has_threshold() {
    const Outcome vpd = peer->read({0x12, 1, 0xb2, 0, 64, 0}, 64);
    return vpd.good() && vpd.data.size() == 8 && vpd.data[4] != 0;
  }
};

TEST_F(Provisioning, ARamDiskCountsAtOnce) {
  start({"ram,MEM,size=16MB,THIN"});
  EXPECT_TRUE(has_threshold());
  EXPECT_EQ(used(), 0u);
  fill(0, 3);
  EXPECT_EQ(used(), 3u);
  EXPECT_EQ(number(log(0x0c, *peer), 8), 13u);
  fill(1, 2);
  EXPECT_EQ(used(), 3u);
  ASSERT_TRUE(write(5 * kMebibyte / kBlock, pattern(kBlock)).good());
  EXPECT_EQ(used(), 4u);
  EXPECT_TRUE(unmap(0, 3));
  EXPECT_EQ(used(), 1u);
  EXPECT_TRUE(unmap(0, 16));
  EXPECT_EQ(used(), 0u);
}

// The command that begins it has ended long before.
TEST_F(Provisioning, ARamDiskIsLookedAtNowAndThen) {
  start({"ram,MEM,size=16MB,THIN"});
  const ByteVector list = {1, 0, 0, 1, 0x5a};
  ASSERT_TRUE(peer->write({0x48, 0x81, 0, 0, 0, 0, 0, 0, 5, 0}, list).good());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!peer->no_data(ByteVector(6)).good())
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
  while (used() < 16)
    ASSERT_LT(std::chrono::steady_clock::now(), limit);
}

TEST_F(Provisioning, AFileIsLookedAtNowAndThen) {
  start({make_file(16 << 20) + ",FILE,THIN"});
  EXPECT_TRUE(has_threshold());
  fill(0, 3);
  ASSERT_TRUE(peer->no_data(cdb10(0x35, 0, 0)).good());
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  ByteVector page;
  do {
    page = log(0x0c, *peer);  // The used count alone: nobody knows what the file system has left.
    ASSERT_EQ(page.size(), 16u);
    ASSERT_EQ(page[5], 2);
  } while (number(page, 8) < 3 && std::chrono::steady_clock::now() < limit);
  EXPECT_GE(number(page, 8), 3u);
  EXPECT_LE(number(page, 8), 4u);
}

TEST_F(Provisioning, WhereNobodyKnowsNothingIsSaid) {
  start({make_file(16 << 20) + ",BLK,THIN", "thick,MEM,size=16MB"});
  EXPECT_FALSE(has_threshold());
  for (const uint64_t lun : {0u, 1u}) {
    const Outcome pages = peer->read({0x4d, 0, 0, 0, 0, 0, 0, 0, 64, 0}, 64, lun);
    EXPECT_EQ(pages.data, (ByteVector{0, 0, 0, 3, 0x00, 0x19, 0x2f}));
    expect_sense(peer->read({0x4d, 0, 0x4c, 0, 0, 0, 0, 0, 64, 0}, 64, lun), 5, 0x24);
    expect_sense(peer->read({0x1a, 8, 0x1c, 2, 64, 0}, 64, lun), 5, 0x24);
  }
  peer.reset();
  remove();
  EXPECT_NE(add({make_file(16 << 20) + ",BLK,THIN,THRESHOLD=50"}), 0);
  EXPECT_NE(add({"ram,MEM,THRESHOLD=50"}), 0);
  EXPECT_NE(add({"ram,MEM,THIN,THRESHOLD=100"}), 0);
  EXPECT_NE(add({"ram,MEM,THIN,THRESHOLD=0"}), 0);
}

TEST_F(Provisioning, EveryNexusHearsOnceAndAgainAfterItWasArmed) {
  start({"ram,MEM,size=16MB,THIN,THRESHOLD=25", "other,MEM,size=16MB,THIN"});
  auto second = log_in(2);
  fill(0, 4);
  EXPECT_TRUE(hears_nothing(*peer));
  fill(4, 1);
  EXPECT_TRUE(hears_of_threshold(*peer));
  EXPECT_TRUE(hears_of_threshold(*second));
  fill(5, 3);
  EXPECT_TRUE(hears_nothing(*peer));
  EXPECT_TRUE(hears_nothing(*second));
  EXPECT_TRUE(peer->no_data(ByteVector(6), 1).good()) << "it is not the other unit's";
  EXPECT_TRUE(unmap(3, 13));
  fill(3, 2);
  EXPECT_TRUE(hears_of_threshold(*second));
  EXPECT_TRUE(hears_of_threshold(*peer));
  EXPECT_CLEAN(*peer);
}

TEST_F(Provisioning, AnInitiatorSetsItByModeSelect) {
  start({"ram,MEM,size=16MB,THIN"});
  fill(0, 8);
  EXPECT_TRUE(hears_nothing(*peer)) << "by default nothing is told";
  ASSERT_TRUE(select(threshold_page(true, 10)).good());
  ASSERT_TRUE(select(recovery_page(true)).good());
  const Outcome page = peer->read({0x1a, 8, 0x1c, 2, 64, 0}, 64);
  ASSERT_EQ(page.data.size(), 28u);
  EXPECT_EQ(ByteVector(page.data.begin() + 4, page.data.end()), threshold_page(true, 10));
  fill(8, 3);
  EXPECT_TRUE(hears_of_threshold(*peer));
  // One that is below what is used.
  ASSERT_TRUE(select(threshold_page(false, 10)).good());
  ASSERT_TRUE(select(threshold_page(true, 2)).good());
  EXPECT_TRUE(hears_of_threshold(*peer));
  ASSERT_TRUE(select(recovery_page(false)).good());
  ASSERT_TRUE(unmap(0, 16));
  fill(0, 8);
  EXPECT_TRUE(hears_nothing(*peer));
}

TEST_F(Provisioning, AReloadKeepsWhatWasHeard) {
  start({"ram,MEM,size=16MB,THIN,THRESHOLD=25"});
  fill(0, 5);
  EXPECT_TRUE(hears_of_threshold(*peer));
  ASSERT_EQ(reconfigure({"ram,MEM,size=16MB,THIN,THRESHOLD=25,PROD=other"}), 0);
  EXPECT_TRUE(hears_of_reload(*peer));
  EXPECT_TRUE(hears_nothing(*peer));
  EXPECT_EQ(used(), 5u);
  fill(5, 1);
  EXPECT_TRUE(hears_nothing(*peer));
  ASSERT_EQ(reconfigure({"ram,MEM,size=16MB,THIN,THRESHOLD=50"}), 0);
  EXPECT_TRUE(hears_of_reload(*peer));
  fill(6, 3);
  EXPECT_TRUE(hears_of_threshold(*peer));
}

// What came before a reload goes on at the Lun that it came to.
TEST_F(Provisioning, ACommandUnderWayReachesItAfterAReload) {
  start({"ram,MEM,size=16MB,THIN,THRESHOLD=25"});
  fill(0, 4);
  const ByteVector data = pattern(kMebibyte);
  const Pdu under_way =
      peer->make_command(cdb16(0x8a, 4 * kMebibyte / kBlock, kMebibyte / kBlock), kMebibyte, 0xa0);
  ASSERT_TRUE(peer->send(under_way));
  ASSERT_TRUE(peer->ping()) << "the command is at its Lun";
  ASSERT_EQ(reconfigure({"ram,MEM,size=16MB,THIN,THRESHOLD=25,PROD=other"}), 0);
  // Logins are done by the worker that has told before them what the reload left to tell.
  auto second = log_in(2);
  ASSERT_TRUE(peer->finish(under_way, &data).good());
  EXPECT_TRUE(hears_of_threshold(*second));
  EXPECT_TRUE(hears_nothing(*second));
}

TEST_F(Provisioning, StatisticsCountCommandsAndBlocks) {
  start({"ram,MEM,size=16MB"});
  fill(0, 2);
  read(0, 16);
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  ByteVector page;
  // A command is counted when its last PDU has been sent.
  do {
    page = log(0x19, *peer);
    ASSERT_EQ(page.size(), 96u);
  } while ((number(page, 28) != 2 * kMebibyte / kBlock || number(page, 36) < 16) &&
           std::chrono::steady_clock::now() < limit);
  EXPECT_EQ(number(page, 20), 2u);
  EXPECT_EQ(number(page, 28), 2 * kMebibyte / kBlock);
  EXPECT_GE(number(page, 36), 16u);
  EXPECT_GE(number(page, 12), 1u);
}

}  // namespace
}  // namespace chiscsi::test
