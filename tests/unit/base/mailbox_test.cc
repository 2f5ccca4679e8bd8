// SPDX-License-Identifier: GPL-2.0-only
//
// Mailbox: order per producer, one wake-up per filling, nothing lost with many producers (TSan).
#include "base/mailbox.hh"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "os/thread.h"

namespace chiscsi {
namespace {

struct Message : MailboxNode {
  int producer = 0;
  int number = 0;
};

TEST(Mailbox, TellsWhenItWasEmpty) {
  Mailbox mailbox;
  Message a, b, c;
  EXPECT_TRUE(mailbox.empty());
  EXPECT_TRUE(mailbox.push(a));
  EXPECT_FALSE(mailbox.empty());
  EXPECT_FALSE(mailbox.push(b));
  EXPECT_NE(mailbox.take_all(), nullptr);
  EXPECT_TRUE(mailbox.empty());
  EXPECT_TRUE(mailbox.push(c));
}

TEST(Mailbox, KeepsOrder) {
  Mailbox mailbox;
  Message messages[5];
  for (Message& message : messages)
    mailbox.push(message);
  MailboxNode* node = mailbox.take_all();
  for (Message& message : messages) {
    EXPECT_EQ(node, &message);
    node = node->next;
  }
  EXPECT_EQ(node, nullptr);
  EXPECT_EQ(mailbox.take_all(), nullptr);
}

TEST(Mailbox, MessageMayBePushedAgainOnceTaken) {
  Mailbox mailbox;
  Message message;
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(mailbox.push(message));
    EXPECT_EQ(mailbox.take_all(), &message);
  }
}

// The pattern of a worker: producers wake it only when push() says that the mailbox was empty. If
// a wake-up were lost, the consumer would run into its limit.
TEST(Mailbox, ManyProducersOneConsumer) {
  constexpr int kProducers = 4;
  constexpr int kMessages = 5000;
  Mailbox mailbox;
  os_event* event = os_event_create();
  ASSERT_NE(event, nullptr);
  std::vector<std::vector<Message>> messages(kProducers, std::vector<Message>(kMessages));
  std::vector<std::thread> producers;
  for (int i = 0; i < kProducers; ++i) {
    producers.emplace_back([&, i] {
      for (int n = 0; n < kMessages; ++n) {
        Message& message = messages[static_cast<size_t>(i)][static_cast<size_t>(n)];
        message.producer = i;  // Plain stores: the push must publish them.
        message.number = n;
        if (mailbox.push(message)) os_event_signal(event);
      }
    });
  }
  int next[kProducers] = {};
  int taken = 0;
  while (taken < kProducers * kMessages) {
    ASSERT_EQ(os_event_wait(event, 60000), 1) << "a wake-up was lost after " << taken;
    for (MailboxNode* node = mailbox.take_all(); node != nullptr;) {
      auto* message = static_cast<Message*>(node);
      node = node->next;
      ASSERT_EQ(message->number, next[message->producer]++);
      message->number = -1;  // Ours now.
      ++taken;
    }
  }
  for (std::thread& producer : producers)
    producer.join();
  EXPECT_TRUE(mailbox.empty());
  os_event_destroy(event);
}

}  // namespace
}  // namespace chiscsi
