// SPDX-License-Identifier: GPL-2.0-only
//
// The shelves of the bounce pool.
#include "transport/bounce_pool.hh"

namespace chiscsi {

namespace {

template <typename Shelf>
Buffer take_from(Shelf& shelf) {
  if (shelf.count == 0) return Buffer();
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
  if (size <= kSmall) return take_from(small_);
  if (size <= kLarge) return take_from(large_);
  if (size <= kHuge) return take_from(huge_);
  return Buffer();
}

Buffer BouncePool::take_or_allocate(uint32_t size) {
  if (Buffer kept = take(size)) return kept;
  if (size <= kSmall) return Buffer::allocate(kSmall);
  if (size <= kLarge) return Buffer::allocate(kLarge);
  return Buffer::allocate(size <= kHuge ? kHuge : size);
}

void BouncePool::give_back(Buffer buffer) {
  if (buffer.size() == kSmall && put_on(small_, buffer)) return;
  if (buffer.size() == kLarge && put_on(large_, buffer)) return;
  if (buffer.size() == kHuge) put_on(huge_, buffer);
}

}  // namespace chiscsi
