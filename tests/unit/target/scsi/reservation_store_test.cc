// SPDX-License-Identifier: GPL-2.0-only
//
// Records of registrations: there and back, damaged in every byte, and a loss of power after each
// step of a change.
#include "target/scsi/reservation_store.hh"

#include <filesystem>
#include <fstream>

#include "host.hh"
#include "reservation_world.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.
namespace fs = std::filesystem;
using Vector = std::vector<uint8_t>;

UnitName unit(const std::string& target = "iqn.2026-11.org.example:t", uint8_t naa = 1) {
  LunIdentity identity;
  identity.naa[0] = 0x30;
  identity.naa[7] = naa;
  identity.serial.assign("serial");
  return unit_name(target.c_str(), identity);
}

Vector bytes_of(const Buffer& buffer) { return {buffer.data(), buffer.data() + buffer.size()}; }

Result<OwnPtr<Reservations>> decode(const Vector& record, const UnitName& of = unit()) {
  return decode_record({record.data(), record.size()}, of);
}

void expect_same(const Reservations& a, const Reservations& b) {
  ASSERT_EQ(a.registrants().size(), b.registrants().size());
  for (size_t i = 0; i < a.registrants().size(); ++i) {
    EXPECT_TRUE(a.registrants()[i].nexus == b.registrants()[i].nexus);
    EXPECT_EQ(a.registrants()[i].key, b.registrants()[i].key);
    EXPECT_EQ(a.registrants()[i].holds, b.registrants()[i].holds);
  }
  EXPECT_EQ(a.type(), b.type());
}

// So many registrants, the first of which holds a reservation.
World many(uint32_t count, uint8_t type) {
  World world;
  for (uint32_t i = 0; i < count; ++i)
    world.join(nexus("n" + std::to_string(i), static_cast<uint16_t>(i + 1)), i + 1);
  if (type != 0) {
    EXPECT_TRUE(world.out(nexus("n0", 1), ReserveOut::kReserve, 1, 0, type).is_good());
  }
  return world;
}

TEST(ReservationRecord, ThereAndBack) {
  for (const uint8_t type : {0, 1, 3, 5, 6, 7, 8}) {
    for (const uint32_t count : {1u, 3u, 40u}) {
      World world = many(count, type);
      auto again = decode(bytes_of(encode_record(*world.state, unit())));
      ASSERT_TRUE(again.is_ok());
      EXPECT_TRUE(again.value()->persists());
      EXPECT_EQ(again.value()->generation(), 0u);
      expect_same(*again.value(), *world.state);
    }
  }
}

TEST(ReservationRecord, LongestFits) {
  World world;
  for (uint32_t i = 0; i < Reservations::kMaxRegistrants; ++i) {
    Nexus who;
    who.initiator.name.assign(std::string(iscsi::kMaxNameLength, 'n').c_str());
    who.initiator.isid[0] = static_cast<uint8_t>(i >> 8);
    who.initiator.isid[1] = static_cast<uint8_t>(i);
    ASSERT_TRUE(world.state->restore_registrant({who, i + 1, false}).is_ok());
  }
  ASSERT_TRUE(world.state->restore(ReservationType::kWriteExclusiveAll, true));
  const std::string name(iscsi::kMaxNameLength, 't');
  const Vector record = bytes_of(encode_record(*world.state, unit(name)));
  EXPECT_LE(record.size(), kMaxRecordSize);
  auto again = decode(record, unit(name));
  ASSERT_TRUE(again.is_ok());
  expect_same(*again.value(), *world.state);
}

TEST(ReservationRecord, DamageIsNoticedInEveryByteAndLength) {
  World world = many(3, 5);
  const Vector good = bytes_of(encode_record(*world.state, unit()));
  for (size_t i = 0; i < good.size(); ++i) {
    for (const uint8_t flip : {0x01, 0x80, 0xff}) {
      Vector bad = good;
      bad[i] ^= flip;
      EXPECT_EQ(decode(bad).error(), Error::kInvalid) << i;
    }
    EXPECT_EQ(decode(Vector(good.begin(), good.begin() + static_cast<long>(i))).error(),
              Error::kInvalid);
  }
  Vector longer = good;
  longer.push_back(0);
  EXPECT_EQ(decode(longer).error(), Error::kInvalid);
}

TEST(ReservationRecord, OfAnotherUnitIsRefused) {
  World world = many(1, 0);
  const Vector record = bytes_of(encode_record(*world.state, unit()));
  EXPECT_EQ(decode(record, unit("iqn.2026-11.org.example:u")).error(), Error::kStale);
  EXPECT_EQ(decode(record, unit("iqn.2026-11.org.example:t", 2)).error(), Error::kStale);
}

class ReservationStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/chiscsi-pr-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    root = name;
    folder = root + "/lib/pr";
    ASSERT_TRUE(store.set_folder(folder.c_str()).is_ok());
  }
  void TearDown() override {
    host_restore_power(false);
    fs::remove_all(root);
  }
  Status save(const World& world) {
    const Buffer record = encode_record(*world.state, unit());
    return store.save(unit(), record.bytes());
  }
  std::string file(const std::string& suffix) const {
    return folder + "/iqn.2026-11.org.example:t.3000000000000001" + suffix;
  }
  // Number of registrants in the file; 0: none, -1: it could not be read.
  int count() {
    auto loaded = store.load(unit());
    if (!loaded.is_ok()) return -1;
    return loaded.value() ? static_cast<int>(loaded.value()->registrants().size()) : 0;
  }
  void spoil(const std::string& content) {
    fs::create_directories(folder);
    std::ofstream(file(".pr")) << content;
  }

  std::string root, folder;
  ReservationStore store;
};

TEST_F(ReservationStoreTest, SavesLoadsRemoves) {
  EXPECT_EQ(count(), 0);
  ASSERT_TRUE(save(many(2, 1)).is_ok());
  EXPECT_EQ(count(), 2);
  ASSERT_TRUE(save(many(5, 1)).is_ok());
  EXPECT_EQ(count(), 5);
  EXPECT_EQ(fs::status(file(".pr")).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  EXPECT_FALSE(fs::exists(file(".new")));
  ASSERT_TRUE(store.remove(unit()).is_ok());
  ASSERT_TRUE(store.remove(unit()).is_ok());
  EXPECT_EQ(count(), 0);
}

TEST_F(ReservationStoreTest, DamagedFileIsReportedAndPutAside) {
  for (const std::string& content :
       {std::string(), std::string("CHISCSPR"), std::string(kMaxRecordSize + 100, 'x')}) {
    spoil(content);
    HostLogCapture log;
    EXPECT_EQ(store.load(unit()).error(), Error::kInvalid);
    EXPECT_TRUE(log.contains("is damaged"));
    EXPECT_TRUE(fs::exists(file(".bad")));
    EXPECT_EQ(count(), 0);
  }
}

TEST_F(ReservationStoreTest, FileOfAnotherUnitIsPutAside) {
  World world = many(1, 0);
  const Buffer record = encode_record(*world.state, unit("iqn.other"));
  spoil(std::string(reinterpret_cast<const char*>(record.data()), record.size()));
  HostLogCapture log;
  EXPECT_EQ(store.load(unit()).error(), Error::kInvalid);
  EXPECT_TRUE(log.contains("another logical unit"));
}

TEST_F(ReservationStoreTest, NamesAreSafe) {
  const UnitName odd = unit("iqn.x:../../etc/passwd\n");
  World world = many(1, 0);
  ASSERT_TRUE(store.save(odd, encode_record(*world.state, odd).bytes()).is_ok());
  EXPECT_TRUE(fs::exists(folder + "/iqn.x:.._.._etc_passwd_.3000000000000001.pr"));
  const UnitName longest = unit(std::string(iscsi::kMaxNameLength, 'n'));
  EXPECT_TRUE(store.save(longest, encode_record(*world.state, longest).bytes()).is_ok());
  EXPECT_FALSE(ReservationStore().set_folder("relative/path").is_ok());
  EXPECT_FALSE(ReservationStore().set_folder(("/" + std::string(300, 'x')).c_str()).is_ok());
}

TEST_F(ReservationStoreTest, FolderThatCannotBeIsAnError) {
  ReservationStore other;
  HostLogCapture log;
  ASSERT_TRUE(other.set_folder("/proc/nowhere/pr").is_ok());
  EXPECT_FALSE(other.save(unit(), encode_record(*many(1, 0).state, unit()).bytes()).is_ok());
  EXPECT_TRUE(log.contains("cannot be written"));
  EXPECT_TRUE(other.remove(unit()).is_ok());  // There is none.
}

// Power goes at each step, with and without the names that were not safe. What has been answered
// as good is there; what was not is there as a whole or not at all.
TEST_F(ReservationStoreTest, LossOfPowerAtEachStep) {
  for (const bool lose : {false, true}) {
    for (uint64_t step = 1; step <= 5; ++step) {
      ASSERT_TRUE(save(many(2, 1)).is_ok());
      host_restore_power(true);  // All of it was safe: nothing is lost.
      ASSERT_EQ(count(), 2);
      host_cut_power_at(step);
      HostLogCapture log;
      const bool good = save(many(5, 1)).is_ok();
      host_restore_power(lose);
      const int there = count();
      EXPECT_EQ(good, step > 3);
      EXPECT_TRUE(there == 5 || (!good && there == 2)) << step << ": " << there;
    }
  }
}

TEST_F(ReservationStoreTest, LossOfPowerDuringTheFirstSave) {
  for (const bool lose : {false, true}) {
    for (uint64_t step = 1; step <= 4; ++step) {
      ASSERT_TRUE(store.remove(unit()).is_ok());
      fs::remove(file(".new"));
      host_cut_power_at(step);
      HostLogCapture log;
      const bool good = save(many(5, 1)).is_ok();
      host_restore_power(lose);
      const int there = count();
      EXPECT_TRUE(there == 5 || (!good && there == 0)) << step << ": " << there;
    }
  }
}

TEST_F(ReservationStoreTest, LossOfPowerDuringRemoval) {
  for (const bool lose : {false, true}) {
    for (uint64_t step = 1; step <= 3; ++step) {
      ASSERT_TRUE(save(many(2, 1)).is_ok());
      host_cut_power_at(step);
      HostLogCapture log;
      const bool good = store.remove(unit()).is_ok();
      host_restore_power(lose);
      const int there = count();
      EXPECT_TRUE(there == 0 || (!good && there == 2)) << step << ": " << there;
    }
  }
}

}  // namespace
}  // namespace chiscsi::test
