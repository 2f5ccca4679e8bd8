// SPDX-License-Identifier: GPL-2.0-only
//
// See memory_transport.hh.
//
// The mutex of a pipe guards its queues and the pointer to the target's end of the connection, so
// that the initiator's thread never uses that after chiscsi_conn_stopped().
#include "memory_transport.hh"

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "common/chiscsi_transport.h"
#include "iscsi/bhs.hh"
#include "os/digest.h"
#include "os/memory.h"

namespace chiscsi::test {

namespace {

using iscsi::Bhs;
using iscsi::kBhsSize;
using iscsi::kDigestSize;
using iscsi::pad_of;

constexpr size_t kQueueSize = 256 * 1024;
constexpr uint32_t kMaxSegment = 256 * 1024;

std::atomic<bool> swallows_a_byte{false};

struct Pipe {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<uint8_t> to_target;
  std::deque<uint8_t> to_initiator;
  bool initiator_closed = false;
  bool target_closed = false;
  bool wants_room = false;            // The target's end waits for room towards the initiator.
  chiscsi_conn_port* port = nullptr;  // Null before the start and from the stop on.
};

uint32_t digest_of(const uint8_t* data, size_t size) { return ~os_crc32c(~0u, data, size); }

void append_digest(std::vector<uint8_t>& bytes, size_t from) {
  const uint32_t crc = digest_of(bytes.data() + from, bytes.size() - from);
  for (int i = 0; i < 4; ++i)
    bytes.push_back(static_cast<uint8_t>(crc >> (8 * i)));
}

bool digest_is_right(const uint8_t* data, size_t size) {
  const uint32_t crc = digest_of(data, size);
  for (int i = 0; i < 4; ++i) {
    if (data[size + static_cast<size_t>(i)] != static_cast<uint8_t>(crc >> (8 * i))) return false;
  }
  return true;
}

// Appends `size` bytes of a storage driver's list, from `offset` on.
void append_list(std::vector<uint8_t>& bytes, const chiscsi_xmit_pdu& pdu) {
  uint64_t skip = pdu.sgl_offset;
  size_t left = pdu.data_size;
  for (unsigned int i = 0; i < pdu.sgcnt && left != 0; ++i) {
    const chiscsi_sgvec& element = pdu.sgl[i];
    if (skip >= element.sg_length) {
      skip -= element.sg_length;
      continue;
    }
    // In this host a page is its memory.
    const uint8_t* start = element.sg_addr != nullptr
                               ? element.sg_addr
                               : static_cast<const uint8_t*>(element.sg_page) + element.sg_offset;
    const size_t size = std::min<size_t>(left, element.sg_length - skip);
    bytes.insert(bytes.end(), start + skip, start + skip + size);
    skip = 0;
    left -= size;
  }
}

// The target's end of a connection. All functions run in its turns.
class MemoryConn {
 public:
  explicit MemoryConn(std::shared_ptr<Pipe> pipe) : pipe_(std::move(pipe)) {}
  chiscsi_conn_port* port = nullptr;

  void start() {
    const std::lock_guard guard(pipe_->mutex);
    pipe_->port = port;
  }

  int recv() {
    take_bytes();
    while (step()) {
    }
    forget_used();
    return 0;
  }

  int xmit() {
    while (has_room()) {
      chiscsi_xmit_pdu pdu;
      if (chiscsi_conn_next_pdu(port, &pdu) == 0) {
        if (flushing_) finish();
        return 0;
      }
      put(to_wire(pdu));
      chiscsi_conn_pdu_sent(port, &pdu);
    }
    return 0;
  }

  int set_param(chiscsi_conn_param param, unsigned int value) {
    (param == CHISCSI_PARAM_HDRDGST_EN ? header_digest_ : data_digest_) = value != 0;
    return 0;
  }

  void stop(int flag) {
    if (flag == CHISCSI_STOP_CONN_TERM) return finish();
    flushing_ = true;
    chiscsi_conn_schedule(port);
  }

 private:
  enum class Step { kHeader, kData, kTrailer };

  void take_bytes() {
    const std::lock_guard guard(pipe_->mutex);
    received_.insert(received_.end(), pipe_->to_target.begin(), pipe_->to_target.end());
    pipe_->to_target.clear();
    pipe_->changed.notify_all();
    ended_ = pipe_->initiator_closed;
  }

  void forget_used() {
    received_.erase(received_.begin(), received_.begin() + static_cast<long>(used_));
    used_ = 0;
  }

  const uint8_t* here() const { return received_.data() + used_; }
  size_t left() const { return received_.size() - used_; }

  // One call to the target; false when there is nothing to deliver, or it is to stop.
  bool step() {
    switch (step_) {
      case Step::kHeader:
        return deliver_header();
      case Step::kData:
        return deliver_data();
      default:
        return deliver_end();
    }
  }

  // True when so many bytes have arrived.
  bool have(size_t size) {
    if (left() >= size) return true;
    if (ended_) chiscsi_conn_failed(port, 0);
    return false;
  }

  bool deliver_header() {
    if (!have(kBhsSize)) return false;
    Bhs bhs;
    memcpy(&bhs, here(), kBhsSize);
    const size_t ahs_size = bhs.total_ahs_length * 4u;
    const size_t header = kBhsSize + ahs_size;
    if (!have(header + (header_digest_ ? kDigestSize : 0))) return false;
    if (header_digest_ && !digest_is_right(here(), header)) {
      chiscsi_conn_rx_header_digest_error(port);
      return false;
    }
    data_left_ = bhs.data_segment_length.get();
    trailer_ = pad_of(static_cast<uint32_t>(data_left_));
    has_digest_ = data_digest_ && data_left_ != 0;
    crc_ = ~0u;
    step_ = Step::kData;
    const uint8_t* at = here();
    used_ += header + (header_digest_ ? kDigestSize : 0);
    const bool too_long = ahs_size > 272;
    return chiscsi_conn_rx_header(port, at, too_long ? nullptr : at + kBhsSize,
                                  too_long ? 0 : static_cast<unsigned int>(ahs_size),
                                  too_long ? CHISCSI_RX_AHS_TOO_LONG : 0) == CHISCSI_RX_CONTINUE;
  }

  // What is there, and in two pieces.
  bool deliver_data() {
    const size_t size = std::min(data_left_, left());
    const auto first = static_cast<unsigned int>(size / 3);
    chiscsi_conn_rx_data(port, here(), first);
    const bool lies = size == data_left_ && size != 0 && swallows_a_byte.exchange(false);
    chiscsi_conn_rx_data(port, here() + first,
                         static_cast<unsigned int>(size) - first - (lies ? 1 : 0));
    crc_ = os_crc32c(crc_, here(), size);
    used_ += size;
    data_left_ -= size;
    if (data_left_ != 0) return have(1);
    step_ = Step::kTrailer;
    return true;
  }

  bool deliver_end() {
    if (!have(trailer_ + (has_digest_ ? kDigestSize : 0))) return false;
    crc_ = ~os_crc32c(crc_, here(), trailer_);
    bool wrong = false;
    for (size_t i = 0; has_digest_ && i < kDigestSize; ++i)
      wrong |= here()[trailer_ + i] != static_cast<uint8_t>(crc_ >> (8 * i));
    used_ += trailer_ + (has_digest_ ? kDigestSize : 0);
    step_ = Step::kHeader;
    return chiscsi_conn_rx_done(port, wrong ? CHISCSI_RX_DATA_DIGEST_ERROR : 0) ==
           CHISCSI_RX_CONTINUE;
  }

  bool has_room() {
    const std::lock_guard guard(pipe_->mutex);
    pipe_->wants_room = pipe_->to_initiator.size() >= kQueueSize;
    return !pipe_->wants_room;
  }

  std::vector<uint8_t> to_wire(const chiscsi_xmit_pdu& pdu) const {
    std::vector<uint8_t> bytes(pdu.bhs, pdu.bhs + CHISCSI_BHS_SIZE);
    if (header_digest_) append_digest(bytes, 0);
    const size_t data_at = bytes.size();
    const auto* memory = static_cast<const uint8_t*>(pdu.memory);
    if (memory != nullptr) bytes.insert(bytes.end(), memory, memory + pdu.data_size);
    if (memory == nullptr) append_list(bytes, pdu);
    bytes.resize(bytes.size() + pad_of(pdu.data_size));
    if (data_digest_ && pdu.data_size != 0) append_digest(bytes, data_at);
    return bytes;
  }

  void put(const std::vector<uint8_t>& bytes) {
    const std::lock_guard guard(pipe_->mutex);
    pipe_->to_initiator.insert(pipe_->to_initiator.end(), bytes.begin(), bytes.end());
    pipe_->changed.notify_all();
  }

  void finish() {
    {
      const std::lock_guard guard(pipe_->mutex);
      pipe_->port = nullptr;
      pipe_->target_closed = true;
      pipe_->changed.notify_all();
    }
    flushing_ = false;
    chiscsi_conn_stopped(port);
  }

  const std::shared_ptr<Pipe> pipe_;
  std::vector<uint8_t> received_;
  size_t used_ = 0;
  Step step_ = Step::kHeader;
  // Of the PDU that is being delivered.
  size_t data_left_ = 0;
  size_t trailer_ = 0;
  uint32_t crc_ = 0;
  bool has_digest_ = false;
  bool ended_ = false;
  bool header_digest_ = false;
  bool data_digest_ = false;
  bool flushing_ = false;
};

// The initiator's end.
class MemoryStream final : public Stream {
 public:
  MemoryStream(std::shared_ptr<Pipe> pipe, uint16_t local_port)
      : pipe_(std::move(pipe)), local_port_(local_port) {}
  ~MemoryStream() override { close(false); }

  bool send(const uint8_t* data, size_t size) override {
    std::unique_lock lock(pipe_->mutex);
    while (size != 0) {
      pipe_->changed.wait(
          lock, [&] { return pipe_->target_closed || pipe_->to_target.size() < kQueueSize; });
      if (pipe_->target_closed) return false;
      const size_t part = std::min(size, kQueueSize - pipe_->to_target.size());
      pipe_->to_target.insert(pipe_->to_target.end(), data, data + part);
      data += part;
      size -= part;
      ask_for_turn();
    }
    return true;
  }

  long receive(uint8_t* data, size_t size, unsigned limit_ms) override {
    std::unique_lock lock(pipe_->mutex);
    const auto ready = [&] { return pipe_->target_closed || !pipe_->to_initiator.empty(); };
    if (!pipe_->changed.wait_for(lock, std::chrono::milliseconds(limit_ms), ready)) return -1;
    const size_t part = std::min(size, pipe_->to_initiator.size());
    const auto end = pipe_->to_initiator.begin() + static_cast<long>(part);
    std::copy(pipe_->to_initiator.begin(), end, data);
    pipe_->to_initiator.erase(pipe_->to_initiator.begin(), end);
    if (pipe_->wants_room) ask_for_turn();
    return static_cast<long>(part);
  }

  uint16_t local_port() const override { return local_port_; }

  void close(bool reset) override {
    const std::lock_guard guard(pipe_->mutex);
    if (pipe_->initiator_closed) return;
    pipe_->initiator_closed = true;
    if (pipe_->port != nullptr && reset) chiscsi_conn_failed(pipe_->port, -ECONNRESET);
    ask_for_turn();
  }

 private:
  void ask_for_turn() {
    if (pipe_->port != nullptr) chiscsi_conn_schedule(pipe_->port);
  }

  const std::shared_ptr<Pipe> pipe_;
  const uint16_t local_port_;
};

// --- The transport's functions ---

struct Portal {
  chiscsi_listen_port* port;
  tcp_endpoint local;
};
std::mutex portals_mutex;
std::map<uint16_t, Portal> portals;
uint16_t last_local_port = 40000;

bool takes_loopback = false;

constexpr unsigned char kIp[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
constexpr unsigned char kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1};

bool is_ours(const unsigned char* ip) {
  return memcmp(ip, kIp, sizeof(kIp)) == 0 ||
         (takes_loopback && memcmp(ip, kLoopback, sizeof(kLoopback)) == 0);
}

int on_listen(const tcp_endpoint* local, int, chiscsi_listen_port* port, void** portal) {
  if (!is_ours(local->ip)) return -ENODEV;
  const std::lock_guard guard(portals_mutex);
  const auto number = static_cast<uint16_t>(local->port);
  if (!portals.emplace(number, Portal{port, *local}).second) return -EADDRINUSE;
  *portal = reinterpret_cast<void*>(static_cast<uintptr_t>(number));
  return 0;
}

void on_unlisten(void* portal) {
  const std::lock_guard guard(portals_mutex);
  portals.erase(static_cast<uint16_t>(reinterpret_cast<uintptr_t>(portal)));
}

MemoryConn& of(void* conn) { return *static_cast<MemoryConn*>(conn); }

chiscsi_transport make_transport() {
  chiscsi_transport transport = {};
  transport.name = "memory";
  transport.version = CHISCSI_TRANSPORT_VERSION;
  transport.max_recv_data_segment = kMaxSegment;
  transport.max_xmit_data_segment = kMaxSegment;
  transport.listen = &on_listen;
  transport.unlisten = &on_unlisten;
  transport.start_conn = [](void* conn) { of(conn).start(); };
  transport.recv_pdus = [](void* conn) { return of(conn).recv(); };
  transport.xmit_pdus = [](void* conn) { return of(conn).xmit(); };
  transport.set_param = [](void* conn, chiscsi_conn_param param, unsigned int value) {
    return of(conn).set_param(param, value);
  };
  transport.stop_conn = [](void* conn, int flag) { of(conn).stop(flag); };
  transport.destroy_conn = [](void* conn) { delete &of(conn); };
  return transport;
}

chiscsi_transport the_transport = make_transport();

}  // namespace

void MemoryTransport::swallow_a_byte() { swallows_a_byte = true; }

bool MemoryTransport::chosen() {
  const char* name = std::getenv("CHISCSI_TEST_TRANSPORT");
  return name != nullptr && std::string(name) == "memory";
}

int MemoryTransport::start(bool on_loopback) {
  takes_loopback = on_loopback;
  return chiscsi_transport_register(&the_transport);
}

int MemoryTransport::stop() { return chiscsi_transport_unregister(&the_transport); }

std::unique_ptr<Stream> MemoryTransport::connect(uint16_t port) {
  const std::lock_guard guard(portals_mutex);
  const auto portal = portals.find(port);
  if (portal == portals.end()) return nullptr;
  auto pipe = std::make_shared<Pipe>();
  auto conn = std::make_unique<MemoryConn>(pipe);
  chiscsi_tcp_endpoints endpoints = {};
  endpoints.taddr = portal->second.local;
  endpoints.iaddr = portal->second.local;
  endpoints.iaddr.port = ++last_local_port;
  MemoryConn* raw = conn.get();
  if (chiscsi_conn_accepted(portal->second.port, raw, &endpoints, &raw->port) != 0) return nullptr;
  static_cast<void>(conn.release());
  return std::make_unique<MemoryStream>(pipe, static_cast<uint16_t>(endpoints.iaddr.port));
}

}  // namespace chiscsi::test
