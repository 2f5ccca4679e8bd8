// SPDX-License-Identifier: GPL-2.0-only
//
// What a unit tells the target of its disk, when that changes while it is told: the newest value in
// the end, and no thread is kept by it. The disk is one whose numbers the test makes up.
#include "target/storage/unit.hh"

#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/alloc.hh"
#include "host.hh"
#include "target/engine.hh"

namespace chiscsi::test {
namespace {

using storage::ClassKind;
using storage::Disk;
using storage::Store;
using storage::Unit;

constexpr uint64_t kDiskSize = 64 << 20;
constexpr uint32_t kBlock = 512;
// So many looks at a value, and more, are no end of it.
constexpr uint32_t kForEver = 1000;

class MovingStore : public Store {
 public:
  MovingStore() {
    facts_.block_size = kBlock;
    facts_.physical_size = OS_PAGE_SIZE;
    facts_.discard_granularity = OS_PAGE_SIZE;
    facts_.flags = OS_STORAGE_CAN_DISCARD | OS_STORAGE_DISCARD_ZEROS;
  }
  void submit(os_storage_request& request) override { request.done(&request, 0); }
  uint64_t size() const override {
    if (on_size) on_size();
    return bytes;
  }
  uint32_t flags() const override { return 0; }
  uint64_t used() const override {
    if (on_used) on_used();
    return taken;
  }

  std::function<void()> on_size, on_used;  // Before it is looked at.
  std::atomic<uint64_t> bytes{kDiskSize}, taken{0};
};

// The engine has no type information, which the sanitizer would ask for.
__attribute__((no_sanitize("vptr"))) HandleTable<Lun>& lun_handles() {
  return Engine::instance().lun_handles();
}

class UnitNews : public testing::Test {
 protected:
  void SetUp() override {
    allocations_before_ = host_live_allocations();
    const engine_options options = {1, 30, 30, 8};
    ASSERT_EQ(engine_start(&options), 0);
    target_class_ = Ref<TargetClass>::adopt(make<TargetClass>(Alloc::kMaySleep));
    lun_class_.class_name = class_name_;
    target_class_->lun_classes[0] = &lun_class_;
    target_class_->lun_class_count = 1;
    Result<Ref<Lun>> made =
        Lun::create(lun_handles(), target_class_, 0, "iqn.2026-11.org.example:target", kLine);
    ASSERT_TRUE(made.is_ok());
    lun = made.take();
    make_unit();
  }
  void make_unit() {
    storage::Reason reason;
    Result<OwnPtr<Unit>> made = Unit::create(lun->handle.value, ClassKind::kMem, kLine, &reason);
    ASSERT_TRUE(made.is_ok()) << reason.c_str();
    unit = made.take();
    OwnPtr<MovingStore> moving = make<MovingStore>(Alloc::kMaySleep);
    store = moving.get();
    Result<Ref<Disk>> disk = Disk::create(OwnPtr<Store>(std::move(moving)), [](Disk&) {});
    ASSERT_TRUE(disk.is_ok());
    ASSERT_TRUE(unit->begin(disk.take(), &reason).is_ok()) << reason.c_str();
  }
  void TearDown() override {
    unit.reset();
    lun->release();
    lun.reset();
    engine_stop();
    target_class_.reset();
    EXPECT_EQ(host_live_allocations(), allocations_before_);
  }

  static constexpr char kLine[] = "ram,MEM,THIN";
  MovingStore* store = nullptr;
  OwnPtr<Unit> unit;
  Ref<Lun> lun;

 private:
  uint64_t allocations_before_ = 0;
  char class_name_[4] = "MEM";
  chiscsi_target_lun_class lun_class_ = {};
  Ref<TargetClass> target_class_;
};

TEST_F(UnitNews, ItTellsWhatIsUsedAndHowLargeItIs) {
  store->taken = 5 * kBlock;
  unit->look_at_usage();
  EXPECT_EQ(lun->usage().used, 5u);
  EXPECT_EQ(lun->usage().available, kDiskSize / kBlock - 5);
  store->bytes = kDiskSize / 2;
  EXPECT_EQ(unit->blocks(), kDiskSize / 2 / kBlock);
  EXPECT_EQ(lun->blocks(), kDiskSize / 2 / kBlock);
  // Nobody can be told of a disk without blocks.
  store->bytes = 0;
  EXPECT_EQ(unit->blocks(), 0u);
  EXPECT_EQ(lun->blocks(), kDiskSize / 2 / kBlock);
}

TEST_F(UnitNews, UsageThatAlwaysChangesKeepsNobody) {
  uint32_t looks = 0;
  store->on_used = [&] {
    if (++looks < kForEver) store->taken += kBlock;
  };
  unit->look_at_usage();
  EXPECT_LT(looks, 50u);
  // What was left is told by the next look.
  store->on_used = nullptr;
  unit->look_at_usage();
  EXPECT_EQ(lun->usage().used, store->taken / kBlock);
}

TEST_F(UnitNews, ASizeThatAlwaysChangesKeepsNobody) {
  uint32_t looks = 0;
  bool nested = false;
  store->bytes += kBlock;
  // When this one has seen that, somebody else comes and sees yet another size whenever it looks.
  store->on_size = [&] {
    if (nested || ++looks == 1 || looks >= kForEver) return;
    nested = true;
    store->bytes += kBlock;
    unit->blocks();
    nested = false;
  };
  unit->blocks();
  EXPECT_LT(looks, 50u);
  store->on_size = nullptr;
  EXPECT_EQ(unit->blocks(), store->bytes / kBlock);
  EXPECT_EQ(lun->blocks(), store->bytes / kBlock);
}

TEST_F(UnitNews, OneWhoComesMeanwhileIsToldFor) {
  bool comes = true;
  store->taken = 7 * kBlock;
  // After the first one has looked, and before it tells.
  store->on_size = [&] {
    if (!std::exchange(comes, false)) return;
    store->taken = 9 * kBlock;
    unit->look_at_usage();
  };
  unit->look_at_usage();
  EXPECT_FALSE(comes);
  EXPECT_EQ(lun->usage().used, 9u);
}

TEST_F(UnitNews, TheNewestIsToldOfWhatManyChange) {
  constexpr int kThreads = 4, kChanges = 2000;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < kChanges; ++n) {
        store->taken += kBlock;
        unit->look_at_usage();
        store->bytes += kBlock;
        unit->blocks();
        // Back and forth, so that a value comes again.
        if (i % 2 == 0) store->taken -= kBlock;
        unit->look_at_usage();
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
  // As the watch does it now and then.
  unit->look_at_usage();
  unit->blocks();
  EXPECT_EQ(lun->usage().used, uint64_t{kThreads / 2 * kChanges});
  EXPECT_EQ(lun->blocks(), kDiskSize / kBlock + uint64_t{kThreads * kChanges});
}

}  // namespace
}  // namespace chiscsi::test
