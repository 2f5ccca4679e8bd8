// SPDX-License-Identifier: GPL-2.0-only
//
// A client of the software adapter, written by hand: it calls the table of offload/lld.h directly,
// keeps every message that comes, and lays each byte of its own messages itself, so that nothing of
// the offload code is needed to test the adapter, and every rule can be broken. The peer is a
// socket of the host on the loop-back address.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "free_port.hh"
#include "host.hh"
#include "iscsi/bhs.hh"
#include "offload/cpl.hh"
#include "offload/sim/sim.h"
#include "os/digest.h"
#include "os/memory.h"
#include "sim_complaints.hh"

namespace chiscsi::test {

using namespace std::chrono_literals;
using ByteVector = std::vector<uint8_t>;
using cpl::Opcode;

inline constexpr auto kTestLimit = 10s;

// A message from the adapter, in one piece.
struct Arrived {
  uint32_t queue = 0;
  uint32_t pieces = 0;  // 0: it lay in the response.
  uint32_t first_piece = 0;
  ByteVector bytes;

  template <typename T>
  const T& as() const {
    static const T kNothing{};
    EXPECT_GE(bytes.size(), sizeof(T));
    return bytes.size() < sizeof(T) ? kNothing : *reinterpret_cast<const T*>(bytes.data());
  }
  Opcode opcode() const { return as<cpl::OpcodeTid>().opcode(); }
  ByteVector after(size_t size) const {
    return bytes.size() < size ? ByteVector() : ByteVector(bytes.begin() + size, bytes.end());
  }
};

// What lld_client's functions fill.
class SimInbox {
 public:
  static lld_client functions() {
    lld_client client = {};
    client.dev_add = [](const lld_ops*, lld_device* dev, const lld_device_info* info) -> void* {
      instance()->dev = dev;
      instance()->info = info;
      return instance();
    };
    client.dev_state = [](void* self, lld_state state) {
      static_cast<SimInbox*>(self)->states.push_back(state);
    };
    client.dev_remove = [](void* self) {
      auto* inbox = static_cast<SimInbox*>(self);
      if (inbox->on_remove) inbox->on_remove();
      inbox->dev = nullptr;
    };
    client.dev_gone = [](void* self) {
      auto* inbox = static_cast<SimInbox*>(self);
      inbox->is_gone = true;
      if (inbox->on_gone) inbox->on_gone();
    };
    client.cpl_in = [](void* self, const lld_ingress* message) {
      return static_cast<SimInbox*>(self)->take(*message);
    };
    client.poll_end = [](void* self, uint32_t) { ++static_cast<SimInbox*>(self)->polls; };
    return client;
  }
  static SimInbox*& instance() {
    static SimInbox* one = nullptr;
    return one;
  }

  // The next message; fails the test after a while.
  Arrived next() {
    std::unique_lock guard(lock);
    if (!arrival.wait_for(guard, kTestLimit, [this] { return !messages.empty(); })) {
      ADD_FAILURE() << "no message came";
      return {};
    }
    Arrived message = std::move(messages.front());
    messages.pop_front();
    return message;
  }
  // The first message with this opcode; those before it are dropped.
  Arrived next(Opcode opcode) {
    for (;;) {
      Arrived message = next();
      if (message.bytes.empty() || message.opcode() == opcode) return message;
    }
  }
  bool empty() {
    std::lock_guard guard(lock);
    return messages.empty();
  }

  int take(const lld_ingress& message) {
    std::lock_guard guard(lock);
    if (refusals != 0) {
      --refusals;
      return -1;
    }
    Arrived arrived;
    arrived.queue = message.queue;
    if (message.bytes != nullptr) arrived.bytes.assign(message.bytes, message.bytes + message.size);
    arrived.pieces = message.fragment_count;
    for (uint32_t i = 0; i < message.fragment_count; ++i) {
      const os_fragment& piece = message.fragments[i];
      if (i == 0) arrived.first_piece = piece.length;
      auto* page = static_cast<uint8_t*>(os_page_map(piece.page));
      const uint8_t* start = page + piece.offset;
      arrived.bytes.insert(arrived.bytes.end(), start, start + piece.length);
      os_page_unmap(page);
      keeps_pages ? kept.push_back(piece.page) : sim_backend()->page_put(piece.page);
    }
    messages.push_back(std::move(arrived));
    arrival.notify_all();
    return 0;
  }

  lld_device* dev = nullptr;
  const lld_device_info* info = nullptr;
  std::vector<lld_state> states;
  std::function<void()> on_remove, on_gone;
  std::mutex lock;
  std::condition_variable arrival;
  std::deque<Arrived> messages;
  int refusals = 0;
  bool keeps_pages = false;
  std::vector<void*> kept;
  std::atomic<int> polls{0};
  bool is_gone = false;
};

// A connection from both sides.
struct Link {
  int fd = -1;
  uint32_t tid = 0;
  lld_route route = {};
  uint32_t snd_isn = 0, rcv_isn = 0;
};

// What a data work request says, where a test wants it otherwise.
struct TxOptions {
  uint32_t submode = 0;
  bool completion = true;
  uint32_t ulp_mode = cpl::kTxUlpModeIscsi;
  int plen_error = 0;
  int units_error = 0;
  bool as_fragments = false;
  bool no_force = false;
  bool control = false;
  bool by_next_hop = false;
  int32_t tid = -1;
};

class SimTest : public ::testing::Test {
 protected:
  void SetUp() override {
    before_ = host_live_allocations();
    config_.name = "sim-test";
    memset(config_.addresses[0].ip + 10, 0xff, 2);
    config_.addresses[0].ip[12] = 127;
    config_.addresses[0].ip[15] = 1;
    config_.address_count = 1;
    config_.has_iso = 1;
    configure();
    log_ = std::make_unique<HostLogCapture>();
    dev_ = sim_create(&config_);
    ASSERT_NE(dev_, nullptr);
    SimInbox::instance() = &inbox_;
    client_ = SimInbox::functions();
    ASSERT_EQ(ops_->start(&client_), 0);
    ASSERT_EQ(inbox_.dev, dev_);
  }
  // Tests that break rules, or leave something, name it; all others have to be whole.
  void TearDown() override {
    if (dev_ == nullptr) return;
    inbox_.on_remove = [this] { clean_up(); };
    ops_->stop();
    EXPECT_TRUE(inbox_.is_gone);
    EXPECT_EQ(sim_complaints(dev_, broken_), leaves_);
    sim_destroy(dev_);
    log_.reset();
    EXPECT_EQ(host_live_allocations(), before_);
  }
  virtual void configure() {}

  // A rule is broken by now, or soon.
  void expect_broken(const char* name) {
    broken_.insert(name);
    EXPECT_TRUE(eventually([&] { return sim_violations(dev_, name) != 0; })) << name;
    EXPECT_TRUE(log_->contains(std::string("rule ") + name + " broken"));
  }
  template <typename Condition>
  static bool eventually(Condition condition) {
    const auto end = std::chrono::steady_clock::now() + kTestLimit;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > end) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  }
  struct sim_stats stats() {
    struct sim_stats now;
    sim_stats(dev_, &now);
    return now;
  }

  // ---- Servers and connections ----

  os_address portal() const {
    os_address address = config_.addresses[0];
    address.port = port_;
    return address;
  }
  void open_server() {
    port_ = free_port();
    stid_ = static_cast<uint32_t>(ops_->stid_alloc(dev_, 0, nullptr));
    const os_address address = portal();
    ASSERT_EQ(ops_->server_create(dev_, stid_, &address), 0);
    const Arrived reply = inbox_.next(Opcode::kPassOpenRpl);
    ASSERT_EQ(reply.as<cpl::StatusRpl>().status, 0);
    EXPECT_EQ(reply.as<cpl::StatusRpl>().ot.tid(), stid_);
    has_server_ = true;
  }
  void close_server() {
    has_server_ = false;
    ASSERT_EQ(ops_->server_remove(dev_, stid_, 0), 0);
    inbox_.next(Opcode::kCloseListsrvRpl);
    ops_->stid_free(dev_, stid_, 0);
  }
  int connect_peer() {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const timeval limit = {10, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    fds_.push_back(fd);
    return fd;
  }
  void hang_up(int fd, bool reset = false) {
    std::erase(fds_, fd);
    const linger now = {1, 0};
    if (reset) setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
  }
  // Up to PASS_ACCEPT_REQ.
  Link offered() {
    if (!has_server_) open_server();
    Link link;
    link.fd = connect_peer();
    const Arrived request = inbox_.next(Opcode::kPassAcceptReq);
    link.tid = request.as<cpl::PassAcceptReq>().ot.tid();
    request_ = request;
    const os_address local = portal();
    EXPECT_EQ(ops_->route_get(dev_, &local, &local, 0, &link.route), 0);
    ops_->tid_insert(dev_, this, link.tid, 0);
    links_.push_back(link);
    return link;
  }
  cpl::PassAcceptRpl accept_message(const Link& link) const {
    cpl::PassAcceptRpl message = {};
    fill_tp(message, Opcode::kPassAcceptRpl, link.tid);
    message.opt0 = uint64_t{cpl::kTxUlpModeIscsi} << cpl::kOpt0UlpModeShift |
                   uint64_t{window_kib_} << cpl::kOpt0RcvBufferShift |
                   uint64_t{link.route.smac_index} << cpl::kOpt0SmacShift |
                   uint64_t{link.route.l2t_index} << cpl::kOpt0L2tShift |
                   7ull << cpl::kOpt0WindowScaleShift | 8ull << cpl::kOpt0MssIndexShift;
    message.opt2 = link.route.rx_queue_id | cpl::kOpt2RssQueueValid | cpl::kOpt2Iss |
                   cpl::kOpt2Valid | cpl::kOpt2WindowScale | cpl::kOpt2Sack |
                   (config_.chip == 5 ? 0 : cpl::kOpt2RxFlowControlOff);
    message.iss = 0xffff'fff7;
    return message;
  }
  Link established(bool with_flowc = true) {
    const Link link = offered();
    send_message(accept_message(link), true);
    return now_established(link, with_flowc);
  }
  // PASS_ACCEPT_RPL has gone out.
  Link now_established(Link link, bool with_flowc = true) {
    const Arrived reply = inbox_.next(Opcode::kPassEstablish);
    EXPECT_EQ(reply.as<cpl::PassEstablish>().ot.tid(), link.tid);
    link.snd_isn = reply.as<cpl::PassEstablish>().snd_isn.get();
    link.rcv_isn = reply.as<cpl::PassEstablish>().rcv_isn.get();
    for (Link& known : links_) {
      if (known.tid == link.tid) known = link;
    }
    if (with_flowc) send_flowc(link);
    return link;
  }

  // ---- Messages ----

  template <typename T>
  static void fill_tp(T& message, Opcode opcode, uint32_t tid) {
    message.wr.hi = uint32_t{cpl::fw::kTp} << cpl::kWrOpcodeShift |
                    static_cast<uint32_t>(sizeof(T) - sizeof(cpl::WrHeader));
    message.wr.mid = tid << cpl::kWrFlowIdShift | static_cast<uint32_t>((sizeof(T) + 15) / 16);
    message.ot.set(opcode, tid);
  }
  template <typename T>
  static T tp(Opcode opcode, uint32_t tid) {
    T message = {};
    fill_tp(message, opcode, tid);
    return message;
  }
  void send_bytes(const void* bytes, size_t size, bool control) {
    lld_buffer* buffer = ops_->buffer_alloc(dev_, static_cast<uint32_t>(size), 0);
    ASSERT_NE(buffer, nullptr);
    memcpy(ops_->buffer_header(buffer), bytes, size);
    ASSERT_EQ(ops_->send(dev_, buffer, 0, control ? 1 : 0), 0);
  }
  template <typename T>
  void send_message(const T& message, bool control) {
    send_bytes(&message, sizeof(message), control);
  }

  static std::vector<cpl::FlowcParam> flowc_params(const Link& link) {
    std::vector<cpl::FlowcParam> params;
    const auto add = [&](cpl::Flowc mnemonic, uint32_t value) {
      params.push_back({static_cast<uint8_t>(mnemonic), {}, value});
    };
    add(cpl::Flowc::kPfnVfn, 4 << 8);
    add(cpl::Flowc::kCh, 0);
    add(cpl::Flowc::kPort, 0);
    add(cpl::Flowc::kIqId, link.route.rx_queue_id);
    add(cpl::Flowc::kSndNxt, link.snd_isn);
    add(cpl::Flowc::kRcvNxt, link.rcv_isn);
    add(cpl::Flowc::kSndBuf, 512 << 10);
    add(cpl::Flowc::kMss, 1448);
    add(cpl::Flowc::kTxDataPlenMax, 16384);
    return params;
  }
  void send_flowc(const Link& link) { send_flowc(link, flowc_params(link)); }
  void send_flowc(const Link& link, const std::vector<cpl::FlowcParam>& params) {
    const size_t used = sizeof(cpl::FlowcWr) + params.size() * sizeof(cpl::FlowcParam);
    ByteVector bytes((used + 15) / 16 * 16);
    cpl::FlowcWr wr;
    wr.op_to_nparams =
        uint32_t{cpl::fw::kFlowc} << cpl::kWrOpcodeShift | static_cast<uint32_t>(params.size());
    wr.flowid_len16 = link.tid << cpl::kWrFlowIdShift | static_cast<uint32_t>(bytes.size() / 16);
    memcpy(bytes.data(), &wr, sizeof(wr));
    for (size_t i = 0; i < params.size(); ++i)
      memcpy(&bytes[sizeof(wr) + i * sizeof(params[i])], &params[i], sizeof(params[i]));
    send_bytes(bytes.data(), bytes.size(), false);
  }

  static iscsi::Bhs bhs_of(iscsi::Opcode opcode, uint32_t data_size, bool final = true) {
    iscsi::Bhs bhs;
    bhs.opcode_byte = static_cast<uint8_t>(opcode);
    bhs.flags = final ? iscsi::kFinalBit : 0;
    bhs.data_segment_length = data_size;
    bhs.initiator_task_tag = 0x1234;
    return bhs;
  }
  static ByteVector pattern(size_t size, uint32_t seed = 1) {
    ByteVector data(size);
    for (size_t i = 0; i < size; ++i)
      data[i] = static_cast<uint8_t>((i * 7 + i / 256 + seed * 31) & 0xff);
    return data;
  }
  static ByteVector bytes_of(const iscsi::Bhs& bhs) {
    const auto* start = reinterpret_cast<const uint8_t*>(&bhs);
    return {start, start + sizeof(bhs)};
  }
  static void append_digest(ByteVector& out, const uint8_t* data, size_t size) {
    const uint32_t crc = ~os_crc32c(~0u, data, size);
    for (int i = 0; i < 4; ++i)
      out.push_back(static_cast<uint8_t>(crc >> (8 * i)));
  }
  // A PDU as it is on the wire.
  static ByteVector wire_of(const iscsi::Bhs& bhs, const ByteVector& data, uint32_t digests) {
    ByteVector out = bytes_of(bhs);
    if ((digests & 1) != 0) append_digest(out, out.data(), out.size());
    ByteVector padded = data;
    padded.resize((data.size() + 3) / 4 * 4);
    out.insert(out.end(), padded.begin(), padded.end());
    if ((digests & 2) != 0 && !data.empty()) append_digest(out, padded.data(), padded.size());
    return out;
  }

  static uint32_t units_of(uint32_t after_wr, uint32_t fragments, uint32_t iso) {
    if (after_wr + 16 <= 0xff + 16) return (after_wr + 15) / 16 + 1;
    const uint32_t n = fragments + 1;
    return (8 * (3 * (n - 1) / 2 + ((n - 1) & 1) + 2) + iso + 15) / 16 + 1;
  }
  uint32_t force(uint32_t submode) const {
    if (config_.chip == 5) return submode == 0 ? cpl::kTxForceT5 : 0;
    return cpl::kTxForceT6;
  }
  // A plain PDU; `data` has to stay until its credits are back when sent as fragments.
  void send_pdu(const Link& link, const iscsi::Bhs& bhs, const ByteVector& data,
                const TxOptions& options = {}) {
    ByteVector padded = data;
    padded.resize((data.size() + 3) / 4 * 4);
    const auto in_header = static_cast<uint32_t>(options.as_fragments ? 0 : padded.size());
    const uint32_t after_wr = 48 + static_cast<uint32_t>(padded.size());
    const uint32_t units = units_of(after_wr, options.as_fragments ? 1 : 0, 0);
    const bool immediate = after_wr <= 0xff;
    uint32_t digests = (options.submode & 1) != 0 ? 4 : 0;
    if ((options.submode & 2) != 0 && !data.empty()) digests += 4;
    const uint32_t tid = options.tid < 0 ? link.tid : static_cast<uint32_t>(options.tid);
    cpl::TxDataWr wr;
    wr.op_to_immdlen = uint32_t{cpl::fw::kOfldTxData} << cpl::kWrOpcodeShift |
                       (options.completion ? cpl::kWrCompletion : 0) | (immediate ? after_wr : 0);
    wr.flowid_len16 =
        tid << cpl::kWrFlowIdShift | (units + static_cast<uint32_t>(options.units_error));
    wr.plen = after_wr + digests + static_cast<uint32_t>(options.plen_error);
    wr.tunnel_to_proxy = options.ulp_mode << cpl::kTxUlpModeShift |
                         options.submode << cpl::kTxUlpSubmodeShift | cpl::kTxShove |
                         (options.no_force ? 0 : force(options.submode));
    lld_buffer* buffer =
        ops_->buffer_alloc(dev_, 16 + 48 + in_header, options.as_fragments ? 1 : 0);
    ASSERT_NE(buffer, nullptr);
    uint8_t* header = ops_->buffer_header(buffer);
    memcpy(header, &wr, sizeof(wr));
    memcpy(header + 16, &bhs, sizeof(bhs));
    if (options.as_fragments) {
      const os_fragment piece = {nullptr, data.data(), 0, static_cast<uint32_t>(data.size())};
      ASSERT_EQ(ops_->buffer_add(buffer, &piece), 0);
    } else {
      std::copy(padded.begin(), padded.end(), header + 64);
    }
    const uint32_t queue = link.route.tx_queue;
    const int control = options.control ? 1 : 0;
    ASSERT_EQ(options.by_next_hop
                  ? ops_->send_l2t(dev_, buffer, queue, control, link.route.l2t, nullptr, nullptr)
                  : ops_->send(dev_, buffer, queue, control),
              0);
  }

  // A sequence of Data-In PDUs in one work request.
  struct IsoOptions {
    uint32_t submode = 0;
    uint32_t most = 1024;
    bool last = true;
    uint32_t burst_error = 0;
  };
  void send_iso(const Link& link, iscsi::Bhs bhs, const ByteVector& data,
                const IsoOptions& options) {
    const uint32_t count = (static_cast<uint32_t>(data.size()) + options.most - 1) / options.most;
    const uint32_t digests =
        ((options.submode & 1) != 0 ? 4 : 0) + ((options.submode & 2) != 0 ? 4 : 0);
    const auto size = static_cast<uint32_t>(data.size());
    cpl::TxDataIso iso = {};
    iso.op_to_scsi = 0x1fu << 24 | cpl::kIsoFirst | (options.last ? cpl::kIsoLast : 0) |
                     ((options.submode & 1) != 0 ? cpl::kIsoHeaderCrc : 0) |
                     ((options.submode & 2) != 0 ? cpl::kIsoPayloadCrc : 0) | 2u << 16;
    iso.mpdu = static_cast<uint16_t>(options.most / 4);
    iso.burst_size = count * options.most / 4 + options.burst_error;
    iso.len = 48 + size;
    cpl::TxDataWr wr;
    wr.op_to_immdlen =
        uint32_t{cpl::fw::kIscsiTxData} << cpl::kWrOpcodeShift | cpl::kWrCompletion | 32;
    wr.flowid_len16 = link.tid << cpl::kWrFlowIdShift | units_of(80 + size, 1, 32);
    wr.plen = size + count * (48 + digests);
    wr.tunnel_to_proxy = cpl::kTxUlpModeIscsi << cpl::kTxUlpModeShift |
                         (options.submode | 8) << cpl::kTxUlpSubmodeShift | cpl::kTxShove |
                         force(options.submode);
    lld_buffer* buffer = ops_->buffer_alloc(dev_, 16 + 32 + 48, 1);
    ASSERT_NE(buffer, nullptr);
    uint8_t* header = ops_->buffer_header(buffer);
    memcpy(header, &wr, sizeof(wr));
    memcpy(header + 16, &iso, sizeof(iso));
    memcpy(header + 48, &bhs, sizeof(bhs));
    const os_fragment piece = {nullptr, data.data(), 0, size};
    ASSERT_EQ(ops_->buffer_add(buffer, &piece), 0);
    ASSERT_EQ(ops_->send(dev_, buffer, 0, 0), 0);
  }
  static iscsi::Bhs data_in(uint32_t size) {
    iscsi::Bhs bhs = bhs_of(iscsi::Opcode::kDataIn, size);
    auto& pdu = bhs.as<iscsi::DataIn>();
    pdu.flags = 0x83;  // F, S and underflow.
    pdu.status = 2;
    pdu.stat_sn = 77;
    pdu.data_sn = 5;
    pdu.buffer_offset = 4096;
    pdu.residual_count = 9;
    return bhs;
  }

  ByteVector peer_read(int fd, size_t size) {
    ByteVector got(size);
    const ssize_t count = recv(fd, got.data(), size, MSG_WAITALL);
    got.resize(count < 0 ? 0 : static_cast<size_t>(count));
    return got;
  }
  void peer_write(int fd, const ByteVector& bytes) {
    ASSERT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  void set_tcb(const Link& link, uint32_t shift, uint64_t value) {
    auto message = tp<cpl::SetTcbField>(Opcode::kSetTcbField, link.tid);
    message.reply_ctrl = static_cast<uint16_t>(link.route.rx_queue_id);
    message.mask = 3ull << shift;
    message.value = value << shift;
    send_message(message, true);
    inbox_.next(Opcode::kSetTcbRpl);
  }
  void abort_connection(const Link& link) {
    auto message = tp<cpl::AbortReq>(Opcode::kAbortReq, link.tid);
    send_message(message, false);
  }
  void answer_abort(const Link& link) {
    auto message = tp<cpl::AbortReq>(Opcode::kAbortRpl, link.tid);
    message.cmd = cpl::kAbortNoRst;
    send_message(message, false);
  }
  // The tid and the route go back.
  void release(const Link& link) {
    ops_->tid_remove(dev_, link.tid, 0, 0);
    for (size_t i = 0; i < links_.size(); ++i) {
      if (links_[i].tid != link.tid) continue;
      ops_->route_put(dev_, &links_[i].route);
      links_.erase(links_.begin() + static_cast<ptrdiff_t>(i));
      return;
    }
  }
  // Also answers an abort of the peer that crosses ours.
  void abort_and_release(const Link& link) {
    abort_connection(link);
    for (;;) {
      const Arrived message = inbox_.next();
      if (message.bytes.empty()) break;
      if (message.as<cpl::OpcodeTid>().tid() != link.tid) continue;
      if (message.opcode() == Opcode::kAbortReqRss) answer_abort(link);
      if (message.opcode() == Opcode::kAbortRplRss) break;
    }
    release(link);
  }
  virtual void clean_up() {
    for (int fd : fds_)
      close(fd);
    fds_.clear();
    while (!links_.empty()) {
      const Link link = links_.back();
      link.snd_isn == 0 ? release(link) : abort_and_release(link);
    }
    if (has_server_) close_server();
  }

  const lld_ops* ops_ = sim_backend();
  sim_config config_ = {};
  lld_device* dev_ = nullptr;
  lld_client client_ = {};
  SimInbox inbox_;
  std::unique_ptr<HostLogCapture> log_;
  std::set<std::string> broken_;
  std::vector<std::string> leaves_;
  std::vector<Link> links_;
  std::vector<int> fds_;
  Arrived request_;
  uint32_t stid_ = 0;
  uint16_t port_ = 0;
  uint32_t window_kib_ = 256;
  bool has_server_ = false;
  uint64_t before_ = 0;
};

}  // namespace chiscsi::test
