// SPDX-License-Identifier: GPL-2.0-only
//
// Messages to the client: in the response when they are short, else in pages that follow one
// another without regard to messages, so that two may share one; given out a few at a time, and
// once more when the client had no memory.
#include "base/alloc.hh"
#include "offload/sim/device.hh"
#include "os/log.h"

namespace chiscsi::sim {

namespace {
constexpr uint32_t kPageTries = 3;  // Of an allocation that has no way to fail.
constexpr uint32_t kMostInARound = 8;
constexpr uint32_t kRefusalsAtOnce = 4;
// Room for a message without cut headers: the rest of a page that has less is left empty.
constexpr uint32_t kAlignment = 64;
}  // namespace

Message* Device::new_message(uint32_t queue) {
  for (uint32_t i = 0; i < kPageTries; ++i) {
    if (OwnPtr<Message> made = make<Message>(Alloc::kMaySleep); made) {
      made->queue = queue;
      return made.release();
    }
  }
  os_log(OS_LOG_ERROR, "%s: no memory for a message to the client", config_.name);
  return nullptr;
}

void Device::tell(uint32_t queue, Bytes bytes) {
  if (config_.pages_only != 0 || bytes.size() > Message::kMostInline) {
    return tell_pages(queue, bytes, {});
  }
  Message* message = lost_ ? nullptr : new_message(queue);
  if (message == nullptr) return;
  message->size = static_cast<uint32_t>(copy_bytes(message->bytes, bytes));
  messages_.push_back(*message);
  ++message_count_;
}

void Device::tell_pages(uint32_t queue, Bytes head, Bytes payload) {
  Message* message = lost_ ? nullptr : new_message(queue);
  if (message == nullptr) return;
  add_fragments(*message, head, payload);
  messages_.push_back(*message);
  ++message_count_;
}

void Device::add_fragments(Message& message, Bytes head, Bytes payload) {
  const auto total = static_cast<uint32_t>(head.size() + payload.size());
  // Each page that ends cuts a piece in two, and the head may be cut off.
  const uint32_t cuts = total / OS_PAGE_SIZE + 3;
  uint32_t most = total / (Message::kMostFragments - cuts) + 1;
  if (most < config_.fragment_size) most = config_.fragment_size;
  uint32_t wanted = most < head.size() ? static_cast<uint32_t>(head.size()) : most;
  uint32_t least = static_cast<uint32_t>(head.size());
  if (config_.cut_headers != 0 && head.size() > 1) {
    wanted = 1 + random_below(static_cast<uint32_t>(head.size()) - 1);
    least = 1;
  }
  page_used_ = (page_used_ + kAlignment - 1) / kAlignment * kAlignment;
  for (uint32_t at = 0; at < total && message.fragment_count < Message::kMostFragments;) {
    if (page_ != nullptr && page_used_ + least > OS_PAGE_SIZE) {
      os_page_put(page_);
      page_ = nullptr;
    }
    for (uint32_t i = 0; page_ == nullptr && i < kPageTries; ++i) {
      page_ = os_page_alloc(OS_ALLOC_SLEEP);
      page_used_ = 0;
    }
    if (page_ == nullptr) {
      os_log(OS_LOG_ERROR, "%s: no page for a message to the client", config_.name);
      return;
    }
    const uint32_t room = OS_PAGE_SIZE - page_used_;
    uint32_t count = wanted < room ? wanted : room;
    if (count > total - at) count = total - at;
    auto* memory = static_cast<uint8_t*>(os_page_map(page_));
    const MutableBytes out(memory + page_used_, count);
    const size_t from_head = copy_bytes(out, head.skip(at));
    copy_bytes(out.skip(from_head), payload.skip(at + from_head - head.size()));
    os_page_unmap(memory);
    os_page_get(page_);
    client_pages.fetch_add(1, std::memory_order_relaxed);
    message.fragments[message.fragment_count++] = {page_, nullptr, page_used_, count};
    page_used_ += count;
    at += count;
    wanted = most;
    least = 1;
  }
}

void Device::release_pages(Message& message) {
  for (uint32_t i = 0; i < message.fragment_count; ++i) {
    client_pages.fetch_sub(1, std::memory_order_relaxed);
    os_page_put(message.fragments[i].page);
  }
}

void Device::drop_messages() {
  while (Message* message = messages_.pop_front()) {
    release_pages(*message);
    destroy(message);
  }
  message_count_ = 0;
}

bool Device::deliver_one(Message& message) {
  lld_ingress ingress{};
  ingress.queue = message.queue;
  if (message.fragment_count == 0) {
    ingress.bytes = message.bytes;
    ingress.size = message.size;
  } else {
    ingress.fragments = message.fragments;
    ingress.fragment_count = message.fragment_count;
  }
  return client_.cpl_in(handle_, &ingress) == 0;
}

void Device::end_poll(uint32_t queues) {
  for (uint32_t queue = 0; queue < config_.rx_queues; ++queue) {
    if ((queues & 1u << queue) != 0) client_.poll_end(handle_, queue);
  }
}

void Device::deliver() {
  if (handle_.load() == nullptr) return;
  while (!messages_.empty()) {
    uint32_t queues = 0;
    bool refused = false;
    os_softirq_begin();
    for (uint32_t left = 1 + random_below(kMostInARound); left != 0 && !refused; --left) {
      Message* message = messages_.front();
      if (message == nullptr) break;
      queues |= 1u << message->queue;
      refused = !deliver_one(*message);
      if (refused) break;
      messages_.pop_front();
      --message_count_;
      counters_.messages.fetch_add(1, std::memory_order_relaxed);
      destroy(message);
    }
    end_poll(queues);
    os_softirq_end();
    if (!refused) {
      refusals_ = 0;
      continue;
    }
    counters_.retries.fetch_add(1, std::memory_order_relaxed);
    return ++refusals_ < kRefusalsAtOnce ? request_turn() : want_tick();
  }
  // Connections may have waited for the client.
  if (std::exchange(was_backed_up_, false)) request_turn();
}

}  // namespace chiscsi::sim
