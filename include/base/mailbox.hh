// SPDX-License-Identifier: GPL-2.0-only
//
// Mailbox: a lock-free intrusive queue, many producers, one consumer.
//
// push() may be called from any context and tells whether the mailbox was empty before, so that
// the producer wakes the consumer only then. take_all() empties the mailbox and hands the messages
// over in the order in which they were pushed. A message must not be pushed again before it was
// taken; its producer keeps a flag for that where several parties may want to push it.
#pragma once

#include <atomic>

namespace chiscsi {

struct MailboxNode {
  MailboxNode* next = nullptr;
};

class Mailbox {
 public:
  Mailbox() = default;
  Mailbox(const Mailbox&) = delete;
  Mailbox& operator=(const Mailbox&) = delete;

  // Returns true when the mailbox was empty. Context: any.
  bool push(MailboxNode& node) {
    MailboxNode* head = head_.load(std::memory_order_relaxed);
    do {
      node.next = head;
    } while (!head_.compare_exchange_weak(head, &node, std::memory_order_release,
                                          std::memory_order_relaxed));
    return head == nullptr;
  }

  // The messages in the order of their arrival, linked by `next`. Context: the consumer.
  MailboxNode* take_all() {
    MailboxNode* node = head_.exchange(nullptr, std::memory_order_acquire);
    MailboxNode* in_order = nullptr;
    while (node != nullptr) {
      MailboxNode* next = node->next;
      node->next = in_order;
      in_order = node;
      node = next;
    }
    return in_order;
  }

  bool empty() const { return head_.load(std::memory_order_acquire) == nullptr; }

 private:
  std::atomic<MailboxNode*> head_{nullptr};
};

}  // namespace chiscsi
