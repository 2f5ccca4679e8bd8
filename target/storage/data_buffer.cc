// SPDX-License-Identifier: GPL-2.0-only
//
// See data_buffer.hh.
#include "target/storage/data_buffer.hh"

#include <atomic>

#include "base/alloc.hh"

namespace chiscsi::storage {

namespace {

// Bytes of all buffers that were asked for.
std::atomic<uint64_t> bytes_in_use{0};

bool charge(uint32_t bytes) {
  const uint64_t before = bytes_in_use.fetch_add(bytes, std::memory_order_relaxed);
  if (before + bytes <= os_chunk_limit()) return true;
  bytes_in_use.fetch_sub(bytes, std::memory_order_relaxed);
  return false;
}

}  // namespace

// Elements for the case that every page comes alone.
Status DataBuffer::make_room(uint32_t bytes) {
  const uint32_t pages = (bytes + (OS_PAGE_SIZE - 1)) / OS_PAGE_SIZE;
  if (pages <= capacity_) return Status();
  auto* more = static_cast<chiscsi_sgvec*>(
      chiscsi::allocate(size_t{pages} * sizeof(chiscsi_sgvec), Alloc::kMaySleep));
  if (more == nullptr) return Error::kNoMemory;
  elements_ = more;
  capacity_ = pages;
  return Status();
}

Status DataBuffer::add_chunk(uint32_t wanted) {
  os_chunk chunk;
  const int rc = os_chunk_alloc(wanted, &chunk);
  if (rc < 0) return Status::from_errno(rc);
  chiscsi_sgvec& element = elements_[count_++];
  element = {};
  element.sg_page = chunk.page;
  element.sg_addr = static_cast<unsigned char*>(chunk.address);
  element.sg_length = chunk.size;
  size_ += chunk.size;
  return Status();
}

Status DataBuffer::allocate(uint32_t bytes) {
  if (!charge(bytes)) return Error::kNoMemory;
  charged_ = bytes;
  Status status = make_room(bytes);
  while (status.is_ok() && size_ < bytes)
    status = add_chunk(bytes - size_);
  if (!status.is_ok()) reset();
  return status;
}

void DataBuffer::reset() {
  for (uint32_t i = 0; i < count_; ++i)
    os_chunk_free(elements_[i].sg_addr, elements_[i].sg_length);
  if (elements_ != inline_) os_free(elements_);
  elements_ = inline_;
  capacity_ = kInlineElements;
  count_ = size_ = 0;
  bytes_in_use.fetch_sub(charged_, std::memory_order_relaxed);
  charged_ = 0;
}

void DataBuffer::copy_out(uint32_t offset, MutableBytes destination) const {
  uint8_t* to = destination.data();
  for_each_piece(offset, static_cast<uint32_t>(destination.size()),
                 [&](const uint8_t* from, uint32_t bytes) {
                   __builtin_memcpy(to, from, bytes);
                   to += bytes;
                   return true;
                 });
}

void DataBuffer::copy_in(uint32_t offset, Bytes source) const {
  const uint8_t* from = source.data();
  for_each_piece(offset, static_cast<uint32_t>(source.size()), [&](uint8_t* to, uint32_t bytes) {
    __builtin_memcpy(to, from, bytes);
    from += bytes;
    return true;
  });
}

void DataBuffer::fill(uint32_t offset, uint32_t length, uint8_t value) const {
  for_each_piece(offset, length, [&](uint8_t* to, uint32_t bytes) {
    __builtin_memset(to, value, bytes);
    return true;
  });
}

}  // namespace chiscsi::storage
