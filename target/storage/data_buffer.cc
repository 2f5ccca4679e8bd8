// SPDX-License-Identifier: GPL-2.0-only
//
// See data_buffer.hh.
#include "target/storage/data_buffer.hh"

#include "base/alloc.hh"

namespace chiscsi::storage {

namespace {
constexpr uint32_t kPagesAtOnce = 16;
}  // namespace

void DataBuffer::free_list() {
  if (elements_ != inline_) os_free(elements_);
  elements_ = inline_;
  capacity_ = kInlineElements;
}

// Elements for the case that every page comes alone.
Status DataBuffer::make_room(uint32_t bytes) {
  const uint32_t pages = (bytes + (OS_PAGE_SIZE - 1)) / OS_PAGE_SIZE;
  if (pages <= capacity_) return Status();
  auto* more = static_cast<chiscsi_sgvec*>(
      chiscsi::allocate(size_t{pages} * sizeof(chiscsi_sgvec), Alloc::kMaySleep));
  if (more == nullptr) return Error::kNoMemory;
  free_list();
  elements_ = more;
  capacity_ = pages;
  return Status();
}

Status DataBuffer::add_chunk(uint32_t wanted) {
  os_chunk chunk;
  const int rc = os_chunk_alloc(wanted, &chunk);
  if (rc < 0) return Status::from_errno(rc);
  add(chunk);
  return Status();
}

// False: there are no more, or there is nothing left to do.
bool DataBuffer::add_pages(uint32_t bytes) {
  os_chunk pages[kPagesAtOnce];
  const uint32_t missing = (bytes - size_ + (OS_PAGE_SIZE - 1)) / OS_PAGE_SIZE;
  const uint32_t wanted = missing < kPagesAtOnce ? missing : kPagesAtOnce;
  const uint32_t got = os_pages_alloc_kept(wanted, pages);
  for (uint32_t i = 0; i < got; ++i)
    add(pages[i]);
  pages_ += got;
  return got == wanted && wanted != 0;
}

void DataBuffer::add(const os_chunk& chunk) {
  chiscsi_sgvec& element = elements_[count_++];
  element = {};
  element.sg_page = chunk.page;
  element.sg_addr = static_cast<unsigned char*>(chunk.address);
  element.sg_length = chunk.size;
  size_ += chunk.size;
}

void DataBuffer::set_page(uint32_t index, uint8_t* other) {
  elements_[index].sg_addr = other;
  elements_[index].sg_page = nullptr;
}

Status DataBuffer::charge(uint32_t bytes) {
  CHISCSI_TRY(MemoryShare::charge(share_.get(), bytes));
  charged_ += bytes;
  return Status();
}

// The last chunk may be larger than what is left.
Status DataBuffer::allocate(uint32_t bytes, Ref<MemoryShare> share, Grain grain) {
  share_ = std::move(share);
  Status status = charge(bytes);
  if (status.is_ok()) status = make_room(bytes);
  while (grain == Grain::kPages && status.is_ok() && size_ < bytes && add_pages(bytes)) {
  }
  while (status.is_ok() && size_ < bytes)
    status = add_chunk(bytes - size_);
  if (status.is_ok()) status = charge(size_ - charged_);
  if (!status.is_ok()) reset();
  return status;
}

// A store may have taken some of them and left nothing.
void DataBuffer::free_pages() {
  void* gone[kPagesAtOnce];
  uint32_t filled = 0;
  for (uint32_t i = 0; i < pages_; ++i) {
    if (elements_[i].sg_addr == nullptr) continue;
    gone[filled++] = elements_[i].sg_addr;
    if (filled < kPagesAtOnce) continue;
    os_pages_free(gone, filled);
    filled = 0;
  }
  os_pages_free(gone, filled);
}

// Pages come before chunks.
void DataBuffer::reset() {
  free_pages();
  for (uint32_t i = pages_; i < count_; ++i)
    os_chunk_free(elements_[i].sg_addr, elements_[i].sg_length);
  if (capacity_ > kKeptElements) free_list();
  count_ = pages_ = size_ = 0;
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
