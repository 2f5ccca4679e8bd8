// SPDX-License-Identifier: GPL-2.0-only
//
// The shelves of the bounce pool.
#include "transport/bounce_pool.hh"

namespace chiscsi {

namespace {

template <typename Shelf>
Buffer take_from(Shelf& shelf, uint32_t size) {
  if (shelf.count == 0) return Buffer::allocate(size);
  return std::move(shelf.buffers[--shelf.count]);
}

template <typename Shelf>
bool put_on(Shelf& shelf, Buffer& buffer) {
  if (shelf.count == sizeof(shelf.buffers) / sizeof(shelf.buffers[0])) return false;
  shelf.buffers[shelf.count++] = std::move(buffer);
  return true;
}

}  // namespace

Buffer BouncePool::take(uint32_t size) {
  if (size <= kSmall) return take_from(small_, kSmall);
  if (size <= kLarge) return take_from(large_, kLarge);
  return Buffer::allocate(size);
}

void BouncePool::give_back(Buffer buffer) {
  if (buffer.size() == kSmall && put_on(small_, buffer)) return;
  if (buffer.size() == kLarge) put_on(large_, buffer);
}

}  // namespace chiscsi
