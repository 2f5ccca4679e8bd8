// SPDX-License-Identifier: GPL-2.0-only
//
// The RAM disk's pages: what it copies, and what it takes from a command in exchange for its own.
#include "target/storage/mem_store.hh"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "host.hh"
#include "target/storage/data_buffer.hh"

namespace chiscsi::test {
namespace {

using storage::DataBuffer;
using storage::MemStore;
using storage::Store;
using Data = std::vector<uint8_t>;

constexpr uint32_t kPage = OS_PAGE_SIZE;
constexpr uint64_t kSize = 4 * 1024 * 1024;  // Two leaves of the store.
constexpr int kNotEnded = 1;

class MemStoreTest : public testing::Test {
 protected:
  void SetUp() override {
    auto made = MemStore::create(kSize);
    ASSERT_TRUE(made.is_ok());
    store_ = std::move(made.value());
    model_.assign(kSize, 0);
  }

  static Data random_data(uint64_t length) {
    static std::mt19937 random(1);
    Data data(length);
    std::generate(data.begin(), data.end(), [&] { return static_cast<uint8_t>(random()); });
    return data;
  }

  static void fill(const DataBuffer& buffer, const Data& data) {
    buffer.copy_in(0, Bytes(data.data(), data.size()));
  }

  int run(os_storage_operation operation, uint64_t offset, uint64_t length, DataBuffer* buffer,
          bool gives_pages = false) {
    struct Request {
      os_storage_request host = {};
      int error = kNotEnded;
    } request;
    request.host.done = [](os_storage_request* ended, int error) {
      reinterpret_cast<Request*>(ended)->error = error;
    };
    request.host.operation = static_cast<uint8_t>(operation);
    request.host.offset = offset;
    request.host.length = length;
    request.host.data = buffer != nullptr ? buffer->elements() : nullptr;
    request.host.data_count = buffer != nullptr ? buffer->count() : 0;
    gives_pages ? store_->submit_pages(request.host, *buffer) : store_->submit(request.host);
    return request.error;
  }

  // A write that gives its pages, of so many bytes; the model knows it as well.
  int give(uint64_t offset, uint32_t length) {
    DataBuffer buffer;
    EXPECT_TRUE(buffer.allocate(length, {}, DataBuffer::Grain::kPages).is_ok());
    EXPECT_TRUE(buffer.has_only_pages());
    const Data data = random_data(length);
    fill(buffer, data);
    const int error = run(OS_STORAGE_WRITE, offset, length, &buffer, true);
    if (error == 0) std::copy(data.begin(), data.end(), model_.begin() + static_cast<long>(offset));
    return error;
  }

  Data content(uint64_t offset, uint32_t length) {
    DataBuffer buffer;
    EXPECT_TRUE(buffer.allocate(length, {}).is_ok());
    EXPECT_EQ(run(OS_STORAGE_READ, offset, length, &buffer), 0);
    Data data(length);
    buffer.copy_out(0, MutableBytes(data.data(), data.size()));
    return data;
  }

  void expect_model() { EXPECT_EQ(content(0, kSize), model_); }

  OwnPtr<Store> store_;
  Data model_;
};

TEST_F(MemStoreTest, WholePagesAreTakenAndNotCopied) {
  DataBuffer buffer;
  ASSERT_TRUE(buffer.allocate(2 * kPage, {}, DataBuffer::Grain::kPages).is_ok());
  const uint8_t* first = buffer.page(0);
  const uint8_t* second = buffer.page(1);
  fill(buffer, random_data(2 * kPage));
  ASSERT_EQ(run(OS_STORAGE_WRITE, 0, 2 * kPage, &buffer, true), 0);
  EXPECT_EQ(store_->used(), 2 * kPage);
  // There was nothing to be had in exchange.
  EXPECT_EQ(buffer.page(0), nullptr);
  EXPECT_EQ(buffer.page(1), nullptr);
  buffer.reset();

  ASSERT_TRUE(buffer.allocate(2 * kPage, {}, DataBuffer::Grain::kPages).is_ok());
  fill(buffer, random_data(2 * kPage));
  ASSERT_EQ(run(OS_STORAGE_WRITE, 0, 2 * kPage, &buffer, true), 0);
  EXPECT_EQ(buffer.page(0), first);
  EXPECT_EQ(buffer.page(1), second);
  EXPECT_EQ(store_->used(), 2 * kPage);
}

TEST_F(MemStoreTest, OfALastPageThatIsNotFullThePartIsCopied) {
  ASSERT_EQ(give(0, 3 * kPage), 0);
  ASSERT_EQ(give(0, 2 * kPage + 512), 0);
  EXPECT_EQ(store_->used(), 3 * kPage);
  ASSERT_EQ(give(8 * kPage, 512), 0);
  ASSERT_EQ(give(16 * kPage, kPage + 3584), 0);
  EXPECT_EQ(store_->used(), 6 * kPage);
  expect_model();  // Zeros behind the parts: the rest of a command's page is not the disk's.
}

TEST_F(MemStoreTest, WritesOfAnyShapeReadBackAsTheyWere) {
  std::mt19937 random(2);
  for (int i = 0; i < 300; ++i) {
    const uint64_t page = random() % (kSize / kPage);
    const auto most = static_cast<uint32_t>(std::min<uint64_t>(kSize - page * kPage, 40 * kPage));
    const uint32_t length = (1 + static_cast<uint32_t>(random()) % (most / 512)) * 512;
    switch (random() % 4) {
      case 0:
        ASSERT_EQ(run(OS_STORAGE_DISCARD, page * kPage, length, nullptr), 0);
        std::fill_n(model_.begin() + static_cast<long>(page * kPage), length, 0);
        break;
      default:
        ASSERT_EQ(give(page * kPage, length), 0);
    }
  }
  expect_model();
}

// The reserve, or memory that comes in large pieces: then data is copied as before.
TEST_F(MemStoreTest, ABufferThatGotNoPageHasNoneToGive) {
  host_fail_allocation_at(1);
  DataBuffer buffer;
  ASSERT_TRUE(buffer.allocate(4 * kPage, {}, DataBuffer::Grain::kPages).is_ok());
  host_fail_allocation_at(0);
  EXPECT_FALSE(buffer.has_only_pages());
  EXPECT_GE(buffer.size(), 4 * kPage);
}

TEST_F(MemStoreTest, WithoutMemoryForTheDiskNothingIsWritten) {
  const uint64_t border = kSize / 2 - kPage;  // The last page of one leaf and the first of another.
  ASSERT_EQ(give(border, kPage), 0);
  DataBuffer buffer;
  ASSERT_TRUE(buffer.allocate(2 * kPage, {}, DataBuffer::Grain::kPages).is_ok());
  fill(buffer, random_data(2 * kPage));
  host_fail_allocation_at(1);
  EXPECT_LT(run(OS_STORAGE_WRITE, border, 2 * kPage, &buffer, true), 0);
  host_fail_allocation_at(0);
  EXPECT_NE(buffer.page(0), nullptr);
  EXPECT_NE(buffer.page(1), nullptr);
  expect_model();
}

// Each page belongs to the disk or to a command, whoever comes between: none is lost, none is
// two's.
TEST_F(MemStoreTest, WritersOfPagesAndOfPartsAndWhoClearsGetAlong) {
  constexpr uint32_t kRounds = 20000;
  std::thread parts([this] {
    DataBuffer buffer;
    ASSERT_TRUE(buffer.allocate(512, {}).is_ok());
    buffer.fill(0, 512, 0x11);
    for (uint32_t i = 0; i < kRounds; ++i)
      EXPECT_EQ(run(OS_STORAGE_WRITE, 512, 512, &buffer), 0);
  });
  std::thread clears([this] {
    for (uint32_t i = 0; i < kRounds; ++i)
      EXPECT_EQ(run(OS_STORAGE_DISCARD, 0, 2 * kPage, nullptr), 0);
  });
  for (uint32_t i = 0; i < kRounds; ++i) {
    DataBuffer buffer;
    ASSERT_TRUE(buffer.allocate(2 * kPage, {}, DataBuffer::Grain::kPages).is_ok());
    ASSERT_EQ(run(OS_STORAGE_WRITE, 0, 2 * kPage, &buffer, true), 0);
  }
  parts.join();
  clears.join();
  ASSERT_EQ(give(0, 2 * kPage), 0);
  EXPECT_EQ(store_->used(), 2 * kPage);
  expect_model();
}

TEST_F(MemStoreTest, NothingIsTakenBehindTheEnd) {
  EXPECT_LT(give(kSize - kPage, 2 * kPage), 0);
  EXPECT_LT(give(~uint64_t{0} / kPage * kPage, kPage), 0);
  EXPECT_EQ(store_->used(), 0u);
}

}  // namespace
}  // namespace chiscsi::test
