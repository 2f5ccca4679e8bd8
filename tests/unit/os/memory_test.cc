// SPDX-License-Identifier: GPL-2.0-only
//
// Memory of the POSIX port: the contract of os/memory.h, the counters, the failing allocation, and
// that use from the wrong context is noticed.
#include "os/memory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "host.hh"

namespace {

TEST(OsMemory, IsZeroedAndAligned) {
  for (size_t size : {size_t{0}, size_t{1}, size_t{17}, size_t{4096}, size_t{1} << 20}) {
    auto* memory = static_cast<unsigned char*>(os_alloc(size, OS_ALLOC_SLEEP));
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory) % 16, 0u);
    for (size_t i = 0; i < size; ++i)
      ASSERT_EQ(memory[i], 0);
    memset(memory, 0xff, size);
    os_free(memory);
  }
  os_free(nullptr);
}

TEST(OsMemory, HugeSizesFailQuietly) { EXPECT_EQ(os_alloc(SIZE_MAX / 4, OS_ALLOC_SLEEP), nullptr); }

TEST(OsMemory, CountsWhatIsAlive) {
  const uint64_t live = host_live_allocations();
  const uint64_t bytes = host_live_bytes();
  void* memory = os_alloc(1000, OS_ALLOC_ATOMIC);
  EXPECT_EQ(host_live_allocations(), live + 1);
  EXPECT_GE(host_live_bytes(), bytes + 1000);
  os_free(memory);
  EXPECT_EQ(host_live_allocations(), live);
  EXPECT_EQ(host_live_bytes(), bytes);
}

TEST(OsMemory, FailsTheChosenAllocationOnce) {
  host_fail_allocation_at(2);
  void* first = os_alloc(8, OS_ALLOC_ATOMIC);
  EXPECT_NE(first, nullptr);
  EXPECT_EQ(os_alloc(8, OS_ALLOC_ATOMIC), nullptr);
  void* third = os_alloc(8, OS_ALLOC_ATOMIC);
  EXPECT_NE(third, nullptr);
  os_free(first);
  os_free(third);
}

TEST(OsMemory, AtomicModeWorksInAtomicContext) {
  const HostAtomicSection atomic;
  os_free(os_alloc(64, OS_ALLOC_ATOMIC));
}

TEST(OsMemoryDeathTest, SleepingAllocationInAtomicContextIsCaught) {
  const HostAtomicSection atomic;
  EXPECT_DEATH(os_free(os_alloc(64, OS_ALLOC_SLEEP)), "atomic context");
}

TEST(OsMemoryDeathTest, LargeAtomicAllocationIsCaught) {
  EXPECT_DEATH(os_free(os_alloc(1 << 20, OS_ALLOC_ATOMIC)), "atomic mode");
}

TEST(OsMemory, WipeOverwrites) {
  char secret[] = "secret";
  os_wipe(secret, sizeof(secret));
  for (char c : secret)
    EXPECT_EQ(c, 0);
}

TEST(OsMemory, ComparesSecrets) {
  EXPECT_EQ(os_equal_secret("same", "same", 4), 1);
  EXPECT_EQ(os_equal_secret("same", "sane", 4), 0);
  EXPECT_EQ(os_equal_secret("samex", "samey", 4), 1);
  EXPECT_EQ(os_equal_secret("a", "b", 0), 1);
}

TEST(OsMemory, PageMapsNestLikeAStack) {
  void* one = aligned_alloc(4096, 4096);
  void* two = aligned_alloc(4096, 4096);
  auto* a = static_cast<char*>(os_page_map(one));
  auto* b = static_cast<char*>(os_page_map(two));
  a[0] = 'a';
  b[4095] = 'b';
  os_page_unmap(b);
  os_page_unmap(a);
  free(one);
  free(two);
}

TEST(OsMemory, PageLivesUntilItsLastReferenceIsPut) {
  const uint64_t before = host_live_allocations();
  void* page = os_page_alloc(OS_ALLOC_SLEEP);
  ASSERT_NE(page, nullptr);
  os_page_get(page);
  os_page_put(page);
  auto* memory = static_cast<char*>(os_page_map(page));
  memory[4095] = 'x';
  os_page_unmap(memory);
  EXPECT_EQ(host_live_allocations(), before + 1);
  os_page_put(page);
  EXPECT_EQ(host_live_allocations(), before);
  host_fail_allocation_at(1);
  EXPECT_EQ(os_page_alloc(OS_ALLOC_ATOMIC), nullptr);
}

TEST(OsMemoryDeathTest, UnmappingOutOfOrderIsCaught) {
  void* one = aligned_alloc(4096, 4096);
  void* two = aligned_alloc(4096, 4096);
  EXPECT_DEATH(
      {
        void* a = os_page_map(one);
        os_page_map(two);
        os_page_unmap(a);
      },
      "does not match");
  free(one);
  free(two);
}

}  // namespace
