// SPDX-License-Identifier: GPL-2.0-only
//
// The walk over a driver's buffers: see the header for what it guarantees.
#include "transport/sg_cursor.hh"

#include "os/digest.h"
#include "os/memory.h"

namespace chiscsi {

void SgCursor::seek(uint64_t offset) {
  while (index_ < list_.count && offset >= list_.elements[index_].sg_length) {
    offset -= list_.elements[index_].sg_length;
    ++index_;
  }
  within_ = static_cast<uint32_t>(offset);
  if (index_ >= list_.count) left_ = 0;
}

void SgCursor::advance(size_t count) {
  left_ -= count;
  within_ += static_cast<uint32_t>(count);
  while (index_ < list_.count && within_ >= list_.elements[index_].sg_length) {
    within_ -= list_.elements[index_].sg_length;
    ++index_;
  }
  if (index_ >= list_.count) left_ = 0;
}

SgCursor::Piece SgCursor::map(size_t most) {
  if (left_ == 0 || index_ >= list_.count) return {};
  const chiscsi_sgvec& element = list_.elements[index_];
  size_t size = element.sg_length - within_;
  if (size > left_) size = static_cast<size_t>(left_);
  if (size > most) size = most;
  if (element.sg_addr != nullptr) return {element.sg_addr + within_, size, nullptr};
  if (element.sg_page == nullptr) return {};

  const uint64_t position = static_cast<uint64_t>(element.sg_offset) + within_;
  const auto in_page = static_cast<uint32_t>(position % OS_PAGE_SIZE);
  if (size > OS_PAGE_SIZE - in_page) size = OS_PAGE_SIZE - in_page;
  void* page = os_page_nth(element.sg_page, static_cast<uint32_t>(position / OS_PAGE_SIZE));
  void* mapping = os_page_map(page);
  return {static_cast<uint8_t*>(mapping) + in_page, size, mapping};
}

void SgCursor::unmap(const Piece& piece) {
  if (piece.mapping != nullptr) os_page_unmap(piece.mapping);
}

void SgCursor::skip(uint64_t count) {
  while (count != 0 && left_ != 0) {
    const uint64_t rest = list_.elements[index_].sg_length - within_;
    const uint64_t part = rest < count ? rest : count;
    advance(static_cast<size_t>(part < left_ ? part : left_));
    count -= part;
  }
}

size_t SgCursor::copy_in(Bytes source) {
  size_t done = 0;
  while (done < source.size()) {
    const Piece piece = map(source.size() - done);
    if (piece.size == 0) break;
    __builtin_memcpy(piece.address, source.data() + done, piece.size);
    unmap(piece);
    advance(piece.size);
    done += piece.size;
  }
  return done;
}

size_t SgCursor::copy_out(MutableBytes destination) {
  size_t done = 0;
  while (done < destination.size()) {
    const Piece piece = map(destination.size() - done);
    if (piece.size == 0) break;
    __builtin_memcpy(destination.data() + done, piece.address, piece.size);
    unmap(piece);
    advance(piece.size);
    done += piece.size;
  }
  return done;
}

uint32_t SgCursor::crc32c_rest(uint32_t crc) {
  while (true) {
    const Piece piece = map(~size_t{0});
    if (piece.size == 0) return crc;
    crc = os_crc32c(crc, piece.address, piece.size);
    unmap(piece);
    advance(piece.size);
  }
}

bool SgCursor::next_fragment(os_fragment* fragment) {
  if (left_ == 0 || index_ >= list_.count) return false;
  const chiscsi_sgvec& element = list_.elements[index_];
  uint64_t size = element.sg_length - within_;
  if (size > left_) size = left_;
  if (element.sg_page != nullptr) {
    *fragment = {element.sg_page, nullptr, element.sg_offset + within_,
                 static_cast<uint32_t>(size)};
  } else if (element.sg_addr != nullptr) {
    *fragment = {nullptr, element.sg_addr, within_, static_cast<uint32_t>(size)};
  } else {
    return false;
  }
  advance(static_cast<size_t>(size));
  return true;
}

}  // namespace chiscsi
