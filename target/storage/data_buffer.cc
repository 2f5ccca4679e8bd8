// SPDX-License-Identifier: GPL-2.0-only
//
// See data_buffer.hh.
#include "target/storage/data_buffer.hh"

#include "base/alloc.hh"

namespace chiscsi::storage {

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

Status DataBuffer::charge(uint32_t bytes) {
  CHISCSI_TRY(MemoryShare::charge(share_.get(), bytes));
  charged_ += bytes;
  return Status();
}

// The last chunk may be larger than what is left.
Status DataBuffer::allocate(uint32_t bytes, Ref<MemoryShare> share) {
  share_ = std::move(share);
  Status status = charge(bytes);
  if (status.is_ok()) status = make_room(bytes);
  while (status.is_ok() && size_ < bytes)
    status = add_chunk(bytes - size_);
  if (status.is_ok()) status = charge(size_ - charged_);
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
  MemoryShare::give_back(share_.get(), charged_);
  charged_ = 0;
  share_.reset();
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
