// SPDX-License-Identifier: GPL-2.0-only
//
// Messages of an adapter: see the header.
#include "offload/message.hh"

#include <new>

namespace chiscsi {

namespace {

// More pieces than any adapter makes of one message.
constexpr uint32_t kMaxMessageFragments = 64;

size_t peek_fragment(const os_fragment& fragment, MutableBytes out) {
  size_t done = 0;
  while (done < out.size() && done < fragment.length) {
    const uint64_t position = static_cast<uint64_t>(fragment.offset) + done;
    const auto in_page = static_cast<uint32_t>(position % OS_PAGE_SIZE);
    size_t size = OS_PAGE_SIZE - in_page;
    if (size > fragment.length - done) size = fragment.length - done;
    void* page = os_page_nth(fragment.page, static_cast<uint32_t>(position / OS_PAGE_SIZE));
    void* mapping = os_page_map(page);
    done += copy_bytes(out.skip(done), {static_cast<uint8_t*>(mapping) + in_page, size});
    os_page_unmap(mapping);
  }
  return done;
}

}  // namespace

size_t peek_ingress(const lld_ingress& message, MutableBytes out) {
  if (message.bytes != nullptr) return copy_bytes(out, {message.bytes, message.size});
  size_t done = 0;
  for (uint32_t i = 0; i < message.fragment_count && done < out.size(); ++i)
    done += peek_fragment(message.fragments[i], out.skip(done));
  return done;
}

OffloadMessage* OffloadMessage::copy(const lld_ingress& message, cpl::Opcode opcode) {
  const uint32_t fragments = message.bytes == nullptr ? message.fragment_count : 0;
  const uint32_t size = message.bytes == nullptr ? 0 : message.size;
  if (fragments > kMaxMessageFragments) return nullptr;
  void* memory =
      allocate(sizeof(OffloadMessage) + fragments * sizeof(os_fragment) + size, Alloc::kAtomic);
  if (memory == nullptr) return nullptr;
  auto* own = ::new (memory) OffloadMessage();
  own->queue_ = message.queue;
  own->size_ = own->total_ = size;
  own->fragment_count_ = fragments;
  own->opcode_ = opcode;
  for (uint32_t i = 0; i < fragments; ++i) {
    own->fragments()[i] = message.fragments[i];
    own->total_ += message.fragments[i].length;
  }
  if (size != 0) __builtin_memcpy(own->bytes(), message.bytes, size);
  return own;
}

lld_ingress OffloadMessage::ingress() const {
  lld_ingress message = {};
  message.queue = queue_;
  message.bytes = fragment_count_ == 0 ? bytes() : nullptr;
  message.size = size_;
  message.fragments = fragment_count_ == 0 ? nullptr : fragments();
  message.fragment_count = fragment_count_;
  return message;
}

void OffloadMessage::drop(OffloadMessage* message, void (*page_put)(void*)) {
  for (uint32_t i = 0; i < message->fragment_count_; ++i)
    page_put(message->fragments()[i].page);
  os_free(message);
}

}  // namespace chiscsi
