// SPDX-License-Identifier: GPL-2.0-only
//
// Sockets of the POSIX port over the loop-back address: the contract of os/socket.h as the engine
// relies on it, with the peer as a plain blocking descriptor.
#include "os/socket.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "host.hh"
#include "os/thread.h"

namespace {

constexpr uint8_t kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};

struct Notified {
  std::atomic<unsigned> events{0};
  std::atomic<int> calls{0};
  static void callback(void* context, unsigned events) {
    auto* self = static_cast<Notified*>(context);
    self->events |= events;
    ++self->calls;
  }
};

// Polls; the limit only catches hangs.
bool eventually(const std::function<bool()>& condition) {
  for (int i = 0; i < 60000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

size_t append(void* context, const uint8_t* data, size_t size) {
  static_cast<std::string*>(context)->append(reinterpret_cast<const char*>(data), size);
  return size;
}

class OsSocketTest : public testing::Test {
 protected:
  void SetUp() override {
    os_address address = {};
    memcpy(address.ip, kLoopback, 16);
    ASSERT_EQ(os_socket_listen(&address, Notified::callback, &listening_, &listener_), 0);
    sockaddr_in local = {};
    local.sin_family = AF_INET;
    local.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    local.sin_port = htons(port());
    peer_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(connect(peer_, reinterpret_cast<sockaddr*>(&local), sizeof(local)), 0);
    ASSERT_TRUE(eventually([this] { return (listening_.events & OS_SOCKET_READABLE) != 0; }));
    ASSERT_EQ(os_socket_accept(listener_, &socket_), 0);
    os_socket_set_notify(socket_, Notified::callback, &notified_);
  }

  void TearDown() override {
    host_set_read_piece(0);
    host_set_send_limit(0);
    host_set_notice_delay(0);
    if (socket_ != nullptr) os_socket_close(socket_);
    os_socket_close(listener_);
    if (peer_ >= 0) close(peer_);
    EXPECT_EQ(host_open_sockets(), before_);
  }

  uint16_t port() {
    // The contract has no call for the port the host chose; the first free descriptor tells.
    for (int fd = 3; fd < 100; ++fd) {
      int listening = 0;
      socklen_t length = sizeof(listening);
      sockaddr_in address = {};
      socklen_t address_length = sizeof(address);
      if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening != 0 &&
          getsockname(fd, reinterpret_cast<sockaddr*>(&address), &address_length) == 0) {
        return ntohs(address.sin_port);
      }
    }
    return 0;
  }

  void peer_write(const std::string& text) {
    ASSERT_EQ(write(peer_, text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }

  const size_t before_ = host_open_sockets();
  Notified listening_;
  Notified notified_;
  os_socket* listener_ = nullptr;
  os_socket* socket_ = nullptr;
  int more_ = -1;  // Of the last os_socket_read().
  int peer_ = -1;
};

TEST_F(OsSocketTest, ListenerRunsDry) {
  os_socket* none = nullptr;
  EXPECT_EQ(os_socket_accept(listener_, &none), -EAGAIN);
}

TEST_F(OsSocketTest, KnowsBothAddresses) {
  os_address local, peer;
  ASSERT_EQ(os_socket_addresses(socket_, &local, &peer), 0);
  EXPECT_EQ(memcmp(local.ip, kLoopback, 16), 0);
  EXPECT_EQ(local.port, port());
  EXPECT_EQ(local.is_ipv6, 0);
  EXPECT_NE(peer.port, 0);
}

TEST_F(OsSocketTest, AddressInUseIsReported) {
  os_address address = {};
  memcpy(address.ip, kLoopback, 16);
  address.port = port();
  os_socket* second = nullptr;
  EXPECT_EQ(os_socket_listen(&address, Notified::callback, &listening_, &second), -EADDRINUSE);
}

TEST_F(OsSocketTest, ReadsWhatArrives) {
  std::string got;
  EXPECT_EQ(os_socket_read(socket_, append, &got, 1000, &more_), -EAGAIN);
  peer_write("hello");
  ASSERT_TRUE(eventually([this] { return (notified_.events & OS_SOCKET_READABLE) != 0; }));
  EXPECT_EQ(os_socket_read(socket_, append, &got, 1000, &more_), 5);
  EXPECT_EQ(got, "hello");
  EXPECT_EQ(more_, 0);
  EXPECT_EQ(os_socket_read(socket_, append, &got, 1000, &more_), -EAGAIN);
}

TEST_F(OsSocketTest, LimitEndsThePassAndKeepsTheRest) {
  peer_write("abcdef");
  std::string got;
  ASSERT_TRUE(
      eventually([&] { return os_socket_read(socket_, append, &got, 4, &more_) != -EAGAIN; }));
  EXPECT_EQ(got, "abcd");
  EXPECT_EQ(more_, 1);
  EXPECT_EQ(os_socket_read(socket_, append, &got, 4, &more_), 2);
  EXPECT_EQ(got, "abcdef");
}

struct Picky {
  size_t most;
  std::string got;
  static size_t consume(void* context, const uint8_t* data, size_t size) {
    auto* self = static_cast<Picky*>(context);
    const size_t used = std::min(size, self->most - self->got.size());
    self->got.append(reinterpret_cast<const char*>(data), used);
    return used;
  }
};

TEST_F(OsSocketTest, ConsumerMayLeaveBytes) {
  peer_write("abcdef");
  Picky picky{3, {}};
  ASSERT_TRUE(eventually(
      [&] { return os_socket_read(socket_, Picky::consume, &picky, 100, &more_) != -EAGAIN; }));
  EXPECT_EQ(picky.got, "abc");
  EXPECT_EQ(more_, 1);
  EXPECT_EQ(os_socket_read(socket_, Picky::consume, &picky, 100, &more_), 0);
  std::string rest;
  EXPECT_EQ(os_socket_read(socket_, append, &rest, 100, &more_), 3);
  EXPECT_EQ(rest, "def");
}

TEST_F(OsSocketTest, PiecesMayBeMadeSmall) {
  host_set_read_piece(1);
  peer_write("abc");
  struct Pieces {
    std::vector<size_t> sizes;
  } pieces;
  const auto consume = [](void* context, const uint8_t*, size_t size) {
    static_cast<Pieces*>(context)->sizes.push_back(size);
    return size;
  };
  ASSERT_TRUE(eventually([&] {
    os_socket_read(socket_, consume, &pieces, 100, &more_);
    return pieces.sizes.size() == 3;
  }));
  EXPECT_EQ(pieces.sizes, (std::vector<size_t>{1, 1, 1}));
}

TEST_F(OsSocketTest, EndOfStreamComesAfterTheData) {
  peer_write("bye");
  shutdown(peer_, SHUT_WR);
  ASSERT_TRUE(eventually([this] { return (notified_.events & OS_SOCKET_CLOSED) != 0; }));
  std::string got;
  EXPECT_EQ(os_socket_read(socket_, append, &got, 1000, &more_), 3);
  EXPECT_EQ(more_, 1);
  EXPECT_EQ(os_socket_read(socket_, append, &got, 1000, &more_), -EPIPE);
  EXPECT_EQ(os_socket_read(socket_, append, &got, 1000, &more_), -EPIPE);
}

TEST_F(OsSocketTest, ResetIsReportedAndStays) {
  const linger reset = {1, 0};
  setsockopt(peer_, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  close(peer_);
  peer_ = -1;
  ASSERT_TRUE(eventually([this] { return (notified_.events & OS_SOCKET_CLOSED) != 0; }));
  std::string got;
  EXPECT_EQ(os_socket_read(socket_, append, &got, 1000, &more_), -ECONNRESET);
  EXPECT_EQ(os_socket_read(socket_, append, &got, 1000, &more_), -ECONNRESET);
  const os_fragment fragment = {nullptr, "x", 0, 1};
  EXPECT_EQ(os_socket_send(socket_, &fragment, 1, 0, 0, nullptr), -EPIPE);
}

TEST_F(OsSocketTest, SendsAGatheredListFromItsMiddle) {
  void* page = aligned_alloc(4096, 4096);
  memcpy(static_cast<char*>(page) + 100, "page", 4);
  const os_fragment fragments[] = {{nullptr, "xxhead", 2, 4},
                                   {page, nullptr, 100, 4},
                                   {nullptr, "", 0, 0},
                                   {nullptr, "tail", 0, 4}};
  EXPECT_EQ(os_socket_send(socket_, fragments, 4, 2, OS_SEND_MORE, nullptr), 10);
  EXPECT_EQ(os_socket_send(socket_, fragments, 4, 9, 0, nullptr), 3);
  EXPECT_EQ(os_socket_send(socket_, fragments, 4, 12, 0, nullptr), 0);
  char got[14] = {};
  ASSERT_EQ(recv(peer_, got, 13, MSG_WAITALL), 13);
  EXPECT_STREQ(got, "adpagetailail");
  free(page);
}

TEST_F(OsSocketTest, FullSocketBecomesWritableAgain) {
  const std::vector<char> block(1 << 20, 'z');
  const os_fragment fragment = {nullptr, block.data(), 0, static_cast<uint32_t>(block.size())};
  size_t sent = 0;
  for (;;) {
    const long rc = os_socket_send(socket_, &fragment, 1, 0, 0, nullptr);
    if (rc == -EAGAIN) break;
    ASSERT_GT(rc, 0);
    sent += static_cast<size_t>(rc);
  }
  notified_.events = 0;
  std::vector<char> sink(1 << 20);
  for (size_t got = 0; got < sent;) {
    const ssize_t rc = read(peer_, sink.data(), sink.size());
    ASSERT_GT(rc, 0);
    got += static_cast<size_t>(rc);
  }
  EXPECT_TRUE(eventually([this] { return (notified_.events & OS_SOCKET_WRITABLE) != 0; }));
  EXPECT_GT(os_socket_send(socket_, &fragment, 1, 0, 0, nullptr), 0);
}

TEST_F(OsSocketTest, ShortenedSendIsFollowedByWritable) {
  host_set_send_limit(3);
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  notified_.events = 0;
  const os_fragment fragment = {nullptr, "abcdefgh", 0, 8};
  size_t sent = 0;
  while (sent < 8) {
    const long rc = os_socket_send(socket_, &fragment, 1, sent, 0, nullptr);
    ASSERT_GT(rc, 0);
    sent += static_cast<size_t>(rc);
    if (sent < 8) {
      ASSERT_TRUE(eventually([this] { return (notified_.events & OS_SOCKET_WRITABLE) != 0; }));
      notified_.events = 0;
    }
  }
  char got[9] = {};
  ASSERT_EQ(recv(peer_, got, 8, MSG_WAITALL), 8);
  EXPECT_STREQ(got, "abcdefgh");
}

TEST_F(OsSocketTest, NoCallbackRunsAfterItWasRemoved) {
  struct Slow {
    std::atomic<bool> running{false};
    std::atomic<int> calls{0};
    int plain = 0;  // TSan: only safe if the callback has ended when set_notify() returns.
  };
  for (int round = 0; round < 50; ++round) {
    Slow slow;
    os_socket_set_notify(
        socket_,
        [](void* context, unsigned) {
          auto* slow = static_cast<Slow*>(context);
          slow->running = true;
          ++slow->plain;
          std::this_thread::sleep_for(std::chrono::microseconds(200));
          ++slow->calls;
          slow->running = false;
        },
        &slow);
    peer_write("x");
    if (round % 2 == 0) eventually([&] { return slow.running || slow.calls != 0; });
    os_socket_set_notify(socket_, nullptr, nullptr);
    EXPECT_FALSE(slow.running);
    slow.plain = 0;
  }
}

TEST_F(OsSocketTest, CloseSendsWhatWasAccepted) {
  const os_fragment fragment = {nullptr, "last words", 0, 10};
  ASSERT_EQ(os_socket_send(socket_, &fragment, 1, 0, 0, nullptr), 10);
  os_socket_close(socket_);
  socket_ = nullptr;
  char got[16];
  EXPECT_EQ(recv(peer_, got, 16, MSG_WAITALL), 10);
}

TEST_F(OsSocketTest, ShutdownEndsTheStreamOfOneSide) {
  const os_fragment fragment = {nullptr, "last words", 0, 10};
  ASSERT_EQ(os_socket_send(socket_, &fragment, 1, 0, 0, nullptr), 10);
  ASSERT_EQ(os_socket_shutdown(socket_), 0);
  char got[16];
  EXPECT_EQ(recv(peer_, got, 10, MSG_WAITALL), 10);
  EXPECT_EQ(recv(peer_, got, 16, 0), 0);
  peer_write("answer");
  std::string heard;
  const auto hear = [](void* context, const uint8_t* data, size_t size) {
    static_cast<std::string*>(context)->append(reinterpret_cast<const char*>(data), size);
    return size;
  };
  eventually([&] { return os_socket_read(socket_, hear, &heard, 100, &more_) == 6; });
  EXPECT_EQ(heard, "answer");
}

TEST_F(OsSocketTest, AbortResets) {
  os_socket_abort(socket_);
  os_socket_close(socket_);
  socket_ = nullptr;
  char got[16];
  EXPECT_EQ(recv(peer_, got, 16, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
}

TEST_F(OsSocketTest, ShortMemoryIsAnError) {
  os_address address = {};
  memcpy(address.ip, kLoopback, 16);
  os_socket* none = nullptr;
  host_fail_allocation_at(1);
  EXPECT_EQ(os_socket_listen(&address, Notified::callback, &listening_, &none), -ENOMEM);
  host_fail_allocation_at(1);
  EXPECT_EQ(os_socket_accept(listener_, &none), -ENOMEM);
}

struct Counted {
  os_send_notice notice;
  std::atomic<int> released{0};
  static void release(os_send_notice* notice) { ++reinterpret_cast<Counted*>(notice)->released; }
};

TEST_F(OsSocketTest, NoticeIsReleasedOnceByItsLastReference) {
  Counted counted;
  os_send_notice_init(&counted.notice, Counted::release);
  const os_fragment fragment = {nullptr, "data", 0, 4};
  EXPECT_EQ(os_socket_send(socket_, &fragment, 1, 0, 0, &counted.notice), 4);
  EXPECT_EQ(counted.released, 0);
  os_send_notice_put(&counted.notice);
  EXPECT_EQ(counted.released, 1);
}

TEST_F(OsSocketTest, DelayedNoticeIsReleasedLaterInSoftirq) {
  host_set_notice_delay(20);
  Counted counted;
  os_send_notice_init(&counted.notice, Counted::release);
  const os_fragment fragment = {nullptr, "data", 0, 4};
  EXPECT_EQ(os_socket_send(socket_, &fragment, 1, 0, 0, &counted.notice), 4);
  EXPECT_EQ(os_socket_send(socket_, &fragment, 1, 2, 0, &counted.notice), 2);
  os_send_notice_put(&counted.notice);
  EXPECT_TRUE(eventually([&] { return counted.released == 1; }));
}

TEST_F(OsSocketTest, ConsumerCountsAsAtomicContext) {
  peer_write("x");
  const auto sleeps = [](void*, const uint8_t*, size_t size) {
    os_relax();
    return size;
  };
  EXPECT_DEATH(eventually([&] { return os_socket_read(socket_, sleeps, nullptr, 9, &more_) > 0; }),
               "atomic context");
}

}  // namespace
