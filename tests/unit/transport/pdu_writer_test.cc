// SPDX-License-Identifier: GPL-2.0-only
//
// PduWriter over a loop-back connection: whatever the mixture of PDUs, with memory, lists,
// notices and digests, and however few bytes the network takes at a time, the bytes on the wire
// are those of the serialisation in wire.hh, and each PDU is reported once and in order. Host
// memory that a notice still covers is watched by the port (host_set_notice_delay()).
#include "transport/pdu_writer.hh"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <deque>
#include <random>
#include <thread>

#include "host.hh"
#include "wire.hh"

namespace chiscsi::test {
namespace {

constexpr uint8_t kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};
constexpr size_t kNoBudget = ~size_t{0};

// A PDU to be sent with what it takes to live. What the host may look at stays until the notice is
// released; whatever else is spoiled as soon as the PDU was sent.
struct Outgoing {
  WirePdu wire;
  ByteVector memory;
  std::unique_ptr<SgMemory> list;
  uint32_t list_offset = 0;
  os_send_notice notice;
  bool with_notice = false;
  std::atomic<bool> released{false};
  bool sent = false;

  static void on_released(os_send_notice* notice) {
    container_of(*notice, &Outgoing::notice).released = true;
  }
};

class PduWriterTest : public testing::Test, protected IdleUser {
 protected:
  void SetUp() override {
    before_ = host_open_sockets();
    writer_.set_user(this);
    const int probe = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    ASSERT_EQ(bind(probe, reinterpret_cast<sockaddr*>(&address), length), 0);
    ASSERT_EQ(getsockname(probe, reinterpret_cast<sockaddr*>(&address), &length), 0);
    close(probe);
    os_address local = {};
    memcpy(local.ip, kLoopback, 16);
    local.port = ntohs(address.sin_port);
    ASSERT_EQ(os_socket_listen(&local, nullptr, nullptr, &listener_), 0);
    peer_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int small = 4096;
    setsockopt(peer_, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    ASSERT_EQ(connect(peer_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    int rc = -EAGAIN;
    for (int i = 0; i < 60000 && rc == -EAGAIN; ++i) {
      rc = os_socket_accept(listener_, &socket_);
      if (rc == -EAGAIN) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    ASSERT_EQ(rc, 0);
  }

  void TearDown() override {
    host_set_send_limit(0);
    host_set_notice_delay(0);
    host_drain_sockets();
    if (socket_ != nullptr) os_socket_close(socket_);
    if (listener_ != nullptr) os_socket_close(listener_);
    if (peer_ >= 0) close(peer_);
    EXPECT_EQ(host_open_sockets(), before_);
    for (const auto& pdu : pdus_) {
      if (pdu->with_notice) {
        EXPECT_EQ(pdu->released, pdu->sent || !dropped_.empty());
      }
    }
  }

  // ConnUser: what there is to send, and what was sent.
  bool next_pdu(TxPdu* pdu) override {
    if (next_ == pdus_.size() || next_ >= may_pull_) return false;
    Outgoing& out = *pdus_[next_++];
    const ByteVector header = wire_header(out.wire);
    memcpy(&pdu->bhs, header.data(), header.size());
    pdu->bhs.data_segment_length = 0x123456;  // The writer's to fill, as is the other length.
    pdu->bhs.total_ahs_length = 7;
    pdu->data_size = static_cast<uint32_t>(out.wire.data.size());
    if (out.list) {
      pdu->buffers = out.list->list();
      pdu->buffers_offset = out.list_offset;
      if (out.with_notice) {
        os_send_notice_init(&out.notice, &Outgoing::on_released);
        pdu->notice = &out.notice;
      }
    } else {
      pdu->memory = Bytes(out.memory.data(), out.memory.size());
    }
    pdu->item = &out;
    pdu->mark = static_cast<uint32_t>(next_);
    return true;
  }

  void pdu_sent(TxPdu& pdu) override {
    ASSERT_LT(sent_, pdus_.size());
    Outgoing& out = *pdus_[sent_++];
    EXPECT_EQ(pdu.item, &out);
    EXPECT_EQ(pdu.mark, sent_);
    EXPECT_FALSE(out.sent);
    out.sent = true;
    if (out.with_notice) {
      os_send_notice_put(&out.notice);
    } else {
      // The writer is done with this memory.
      std::fill(out.memory.begin(), out.memory.end(), 0xdd);
      out.memory = ByteVector();
      out.list.reset();
    }
    if (on_sent) on_sent();
  }

  void pdu_dropped(TxPdu& pdu) override {
    dropped_.push_back(pdu.mark);
    auto& out = *static_cast<Outgoing*>(pdu.item);
    if (out.with_notice) os_send_notice_put(&out.notice);
  }

  Outgoing& add(size_t size) {
    auto out = std::make_unique<Outgoing>();
    out->wire.opcode = 0x25;
    out->wire.tag = static_cast<uint32_t>(pdus_.size());
    out->wire.data = pattern(size, static_cast<uint8_t>(pdus_.size()));
    pdus_.push_back(std::move(out));
    return *pdus_.back();
  }
  void add_memory(size_t size) {
    Outgoing& out = add(size);
    out.memory = out.wire.data;
  }
  // A list of elements of `piece` bytes, with a part before the payload that is not sent.
  void add_list(size_t size, uint32_t piece, bool pages, bool notice, uint32_t offset = 0) {
    Outgoing& out = add(size);
    out.list = std::make_unique<SgMemory>();
    size_t left = size + offset;
    while (left != 0) {
      const auto here = static_cast<uint32_t>(std::min<size_t>(piece, left));
      if (pages) {
        out.list->add_pages((here * 7) % OS_PAGE_SIZE, here);
      } else {
        out.list->add_address(here);
      }
      left -= here;
    }
    ByteVector content(offset, 0x77);
    append(content, out.wire.data);
    out.list->set_content(content);
    out.list_offset = offset;
    out.with_notice = notice;
  }

  void set_digests(bool header, bool data) {
    writer_.set_digests(header, data);
    header_digest_ = header;
    data_digest_ = data;
  }
  ByteVector expected() const {
    ByteVector all;
    for (const auto& pdu : pdus_)
      append(all, serialise(pdu->wire, header_digest_, data_digest_));
    return all;
  }

  // Takes what has arrived; waits for at least `wanted` bytes in all.
  void receive(size_t wanted) {
    uint8_t bytes[65536];
    while (true) {
      const bool wait = received_.size() < wanted;
      const ssize_t got = recv(peer_, bytes, sizeof(bytes), wait ? 0 : MSG_DONTWAIT);
      if (got <= 0) return;
      received_.insert(received_.end(), bytes, bytes + got);
    }
  }

  // Sends everything, with a limit for each call that `limit` chooses, and compares.
  template <typename Limit>
  void send_all(Limit limit, size_t room = 128, size_t budget = kNoBudget) {
    const ByteVector wire = expected();
    std::vector<os_fragment> scratch(room);
    bool more = true;
    int rc = 0;
    for (int calls = 0; calls < 2'000'000; ++calls) {
      host_set_send_limit(limit());
      rc = writer_.send(socket_, Span<os_fragment>(scratch.data(), room), budget, &more);
      ASSERT_TRUE(rc == 0 || rc == -EAGAIN) << rc;
      receive(0);
      if (rc == 0 && !more) break;
    }
    EXPECT_TRUE(writer_.idle());
    receive(wire.size());
    ASSERT_EQ(received_.size(), wire.size());
    const auto first = std::mismatch(wire.begin(), wire.end(), received_.begin()).first;
    ASSERT_EQ(first, wire.end()) << "differs at byte " << first - wire.begin();
    EXPECT_EQ(sent_, pdus_.size());
  }
  void send_all() {
    send_all([] { return size_t{0}; });
  }

  void start_over() {
    host_drain_sockets();
    pdus_.clear();
    received_.clear();
    next_ = sent_ = 0;
  }

  std::deque<std::unique_ptr<Outgoing>> pdus_;
  size_t next_ = 0;
  size_t may_pull_ = ~size_t{0};
  size_t sent_ = 0;
  std::vector<uint32_t> dropped_;
  std::function<void()> on_sent;
  ByteVector received_;
  PduWriter writer_;
  bool header_digest_ = false;
  bool data_digest_ = false;
  os_socket* socket_ = nullptr;
  os_socket* listener_ = nullptr;
  int peer_ = -1;
  size_t before_ = 0;
};

TEST_F(PduWriterTest, SendsNothingWhenThereIsNothing) {
  send_all();
  EXPECT_EQ(writer_.send_calls(), 0u);
}

TEST_F(PduWriterTest, FillsInLengthsPaddingAndDigests) {
  for (const bool header : {false, true}) {
    for (const bool data : {false, true}) {
      start_over();
      set_digests(header, data);
      for (size_t size = 0; size < 9; ++size) {
        add_memory(size);
        add_list(size, 3, false, false);
        add_list(size, 3, true, false, 5);
      }
      send_all();
    }
  }
}

TEST_F(PduWriterTest, GathersSmallPdusIntoOneSend) {
  for (int i = 0; i < 8; ++i)
    add_memory(100);
  send_all();
  EXPECT_EQ(writer_.send_calls(), 1u);
}

TEST_F(PduWriterTest, SendsListsLongerThanItsRoom) {
  set_digests(true, true);
  for (const size_t room : {2, 3, 5, 8}) {
    start_over();
    for (const bool notice : {false, true}) {
      add_list(1000, 7, true, notice);
      add_memory(10);
      add_list(501, 10, true, notice, 33);
      add_list(64, 1, false, notice);
    }
    send_all([] { return size_t{0}; }, room);
  }
}

// A small PDU behind a large one with a notice once lost its header.
TEST_F(PduWriterTest, KeepsTheHeaderOfASmallPduBehindALargeOneWithANotice) {
  for (const size_t limit : {0, 1, 47, 48, 49, 1000, 4096}) {
    start_over();
    add_list(20000, 4096, true, true);
    add_list(12, 4096, true, false);
    add_memory(3);
    add_list(20000, 4096, true, true);
    add_list(8, 8, true, true);
    add_memory(0);
    send_all([=] { return limit; });
  }
}

TEST_F(PduWriterTest, GoesOnAtAnyByte) {
  for (const bool notice : {false, true}) {
    for (size_t limit = 1; limit < 160; ++limit) {
      start_over();
      set_digests(true, true);
      add_list(41, 20, true, notice, 3);
      add_memory(6);
      add_list(10, 3, false, notice);
      add_memory(0);
      send_all([=] { return limit; });
    }
  }
}

TEST_F(PduWriterTest, SendsAnyMixtureInAnySplit) {
  std::mt19937 random(20261121);
  const auto below = [&](size_t n) { return random() % n; };
  for (int round = 0; round < 60; ++round) {
    start_over();
    set_digests(below(2) != 0, below(2) != 0);
    host_set_notice_delay(below(3) == 0 ? 1 : 0);
    const size_t count = 1 + below(30);
    for (size_t i = 0; i < count; ++i) {
      static const size_t kMost[] = {1, 5, 600, 9000, 70000};
      const size_t size = below(kMost[below(5)]);
      const auto offset = static_cast<uint32_t>(below(2) * below(5000));
      switch (below(3)) {
        case 0:
          add_memory(size);
          break;
        case 1:
          add_list(size, static_cast<uint32_t>(1 + size / 7 + below(5000)), true, below(2) != 0,
                   offset);
          break;
        default:
          add_list(size, static_cast<uint32_t>(1 + size / 7 + below(5000)), false, below(2) != 0,
                   offset);
      }
    }
    const size_t most = below(2) == 0 ? 300 : 60000;
    send_all([&] { return below(4) == 0 ? 0 : 1 + below(most); }, 2 + below(40),
             below(2) == 0 ? kNoBudget : 1 + below(5000));
    if (HasFatalFailure()) FAIL() << "round " << round;
  }
}

TEST_F(PduWriterTest, StopsAtItsBudgetAndSaysSo) {
  for (int i = 0; i < 40; ++i)
    add_memory(1000);
  os_fragment scratch[128];
  bool more = false;
  EXPECT_EQ(writer_.send(socket_, Span<os_fragment>(scratch), 5000, &more), 0);
  EXPECT_TRUE(more);
  EXPECT_LT(sent_, 40u);
  EXPECT_GE(sent_, 4u);
  send_all([] { return size_t{0}; }, 128, 5000);
}

TEST_F(PduWriterTest, SaysThatTheNetworkHasNoRoom) {
  for (int i = 0; i < 200; ++i)
    add_memory(60000);
  os_fragment scratch[128];
  bool more = true;
  EXPECT_EQ(writer_.send(socket_, Span<os_fragment>(scratch), kNoBudget, &more), -EAGAIN);
  EXPECT_FALSE(more);
  EXPECT_FALSE(writer_.idle());
  EXPECT_LT(sent_, 200u);
  send_all();
}

TEST_F(PduWriterTest, PullsWhatTheUserQueuesFromPduSent) {
  may_pull_ = 1;
  on_sent = [this] { ++may_pull_; };
  for (int i = 0; i < 20; ++i)
    add_memory(10);
  send_all();
}

TEST_F(PduWriterTest, AppliesDigestsToPdusThatWereNotPulled) {
  add_memory(9);
  host_set_send_limit(10);
  os_fragment scratch[128];
  bool more = false;
  EXPECT_EQ(writer_.send(socket_, Span<os_fragment>(scratch), kNoBudget, &more), -EAGAIN);
  writer_.set_digests(true, true);
  host_set_send_limit(0);
  add_memory(9);
  EXPECT_EQ(writer_.send(socket_, Span<os_fragment>(scratch), kNoBudget, &more), 0);
  ByteVector wire = serialise(pdus_[0]->wire, false, false);
  append(wire, serialise(pdus_[1]->wire, true, true));
  receive(wire.size());
  EXPECT_EQ(hex(received_), hex(wire));
}

TEST_F(PduWriterTest, GivesBackWhatItHadPulledOnceAndInOrder) {
  for (int i = 0; i < 30; ++i)
    add_memory(10);
  host_set_send_limit(48 + 12 + 5);
  os_fragment scratch[128];
  bool more = false;
  EXPECT_EQ(writer_.send(socket_, Span<os_fragment>(scratch), kNoBudget, &more), -EAGAIN);
  EXPECT_EQ(sent_, 1u);
  writer_.drop_all();
  EXPECT_TRUE(writer_.idle());
  ASSERT_EQ(dropped_.size(), next_ - sent_);
  for (size_t i = 0; i < dropped_.size(); ++i)
    EXPECT_EQ(dropped_[i], sent_ + 1 + i);
  writer_.drop_all();
  EXPECT_EQ(dropped_.size(), next_ - sent_);
}

TEST_F(PduWriterTest, ReportsABrokenConnection) {
  for (int i = 0; i < 200; ++i)
    add_memory(60000);
  const linger reset = {1, 0};
  setsockopt(peer_, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  close(peer_);
  peer_ = -1;
  os_fragment scratch[128];
  bool more = false;
  int rc = 0;
  for (int i = 0; i < 1000 && (rc == 0 || rc == -EAGAIN); ++i) {
    rc = writer_.send(socket_, Span<os_fragment>(scratch), kNoBudget, &more);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  EXPECT_TRUE(rc == -ECONNRESET || rc == -EPIPE) << rc;
}

}  // namespace
}  // namespace chiscsi::test
