// SPDX-License-Identifier: GPL-2.0-only
//
// See memory_transport.hh.
//
// The mutex of a pipe guards its queues and the pointer to the target's end of the connection, so
// that the initiator's thread never uses that after chiscsi_conn_stopped().
#include "memory_transport.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "common/chiscsi_transport.h"
#include "iscsi/bhs.hh"
#include "os/digest.h"
#include "os/memory.h"
#include "placed_tasks.hh"

namespace chiscsi::test {

namespace {

using iscsi::Bhs;
using iscsi::kBhsSize;
using iscsi::kDigestSize;
using iscsi::pad_of;

constexpr size_t kQueueSize = 256 * 1024;
constexpr uint32_t kMaxSegment = 256 * 1024;

void note(const std::string& call) { MemoryTransport::note(call); }

MemoryTransport::Script& script = MemoryTransport::script;

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
    report_sent();
    take_bytes();
    if (placed_.owes_answers()) placed_.answer(port);
    while (step()) {
    }
    forget_used();
    return 0;
  }

  int xmit() {
    report_sent();
    while (has_room()) {
      chiscsi_xmit_pdu pdu = {};
      pdu.max_burst = script.max_burst;
      if (chiscsi_conn_next_pdu(port, &pdu) == 0) {
        if (flushing_ && unreported_.empty() && !script.holds_ends) finish();
        return 0;
      }
      check(pdu);
      if (pdu.landing != nullptr) placed_.offer(port, pdu);
      if (pdu.segment != 0) {
        put_burst(pdu);
      } else {
        put(to_wire(pdu));
      }
      if (script.places) {
        unreported_.push_back(pdu);
        chiscsi_conn_schedule(port);
      } else {
        chiscsi_conn_pdu_sent(port, &pdu);
      }
    }
    return 0;
  }

  int set_param(chiscsi_conn_param param, unsigned int value) {
    note("set_param " + std::to_string(param) + " " + std::to_string(value));
    if (++params_set_[param == CHISCSI_PARAM_HDRDGST_EN ? 0 : 1] > 1) {
      MemoryTransport::violate("a parameter is set twice");
    }
    if (login_is_over_) MemoryTransport::violate("digests after the last Login Response");
    (param == CHISCSI_PARAM_HDRDGST_EN ? header_digest_ : data_digest_) = value != 0;
    return 0;
  }

  static int get_param(chiscsi_conn_param param, unsigned int* value) {
    *value = param == CHISCSI_PARAM_MAX_RECV_DLENGTH ? script.recv_limit : script.xmit_limit;
    return *value != 0 ? 0 : -ENODATA;
  }

  void release(void* task) {
    check_not_stopped();
    if (in_function_) MemoryTransport::violate("release_task() inside of another function");
    placed_.release(port, task);
  }

  // Around each function in which the target is called.
  template <typename Function>
  int in_function(Function function) {
    check_not_stopped();
    in_function_ = true;
    const int result = function();
    in_function_ = false;
    return result;
  }

  void stop(int flag) {
    check_not_stopped();
    if (flag == CHISCSI_STOP_CONN_TERM) return finish();
    flushing_ = true;
    chiscsi_conn_schedule(port);
  }

 private:
  enum class Step { kHeader, kData, kTrailer, kPlaced };

  // After chiscsi_conn_stopped() there is only the last call.
  void check_not_stopped() const {
    if (stopped_) MemoryTransport::violate("a call after the end of the connection");
  }

  // An adapter hears of what was sent by a message, and so in the turn after it.
  void report_sent() {
    for (const chiscsi_xmit_pdu& pdu : std::exchange(unreported_, {}))
      chiscsi_conn_pdu_sent(port, &pdu);
  }

  // What the header of an item promises; notes the end of the login.
  void check(const chiscsi_xmit_pdu& pdu) {
    Bhs bhs;
    memcpy(static_cast<void*>(&bhs), pdu.bhs, kBhsSize);
    constexpr uint8_t kToFullFeature = 0x83;
    const bool is_last_of_login = bhs.opcode() == iscsi::Opcode::kLoginResponse &&
                                  (bhs.flags & kToFullFeature) == kToFullFeature;
    if (is_last_of_login) {
      note("last Login Response");
      login_is_over_ = true;
    } else if (login_is_over_) {
      in_full_feature_ = true;
    }
    if (pdu.segment == 0) return;
    const bool right = bhs.opcode() == iscsi::Opcode::kDataIn && pdu.segment % 4 == 0 &&
                       pdu.segment < pdu.data_size && pdu.data_size <= pdu.max_burst;
    if (!right) MemoryTransport::violate("a burst that cannot be");
  }

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
      case Step::kPlaced:
        return deliver_placed();
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
    const size_t header_digest = header_digest_ && full_feature_begun() ? kDigestSize : 0;
    if (!have(header + header_digest)) return false;
    if (header_digest != 0 && !digest_is_right(here(), header)) {
      chiscsi_conn_rx_header_digest_error(port);
      return false;
    }
    range_ = placed_.find(bhs);
    if (const size_t whole = mergeable_at(0, range_.get()); whole != 0) return begin_placed(whole);
    data_left_ = bhs.data_segment_length.get();
    trailer_ = pad_of(static_cast<uint32_t>(data_left_));
    has_digest_ = data_digest_ && full_feature_begun() && data_left_ != 0;
    crc_ = ~0u;
    step_ = Step::kData;
    const uint8_t* at = here();
    used_ += header + header_digest;
    const bool too_long = ahs_size > 272;
    placed_.translate(bhs);
    return chiscsi_conn_rx_header(port, &bhs, too_long ? nullptr : at + kBhsSize,
                                  too_long ? 0 : static_cast<unsigned int>(ahs_size),
                                  too_long ? CHISCSI_RX_AHS_TOO_LONG : 0) == CHISCSI_RX_CONTINUE;
  }

  // What is there, and in two pieces.
  bool deliver_data() {
    const size_t size = std::min(data_left_, left());
    const auto first = static_cast<unsigned int>(size / 3);
    deliver_piece(here(), first);
    const bool lies = size == data_left_ && size != 0 && script.swallows_a_byte.exchange(false);
    deliver_piece(here() + first, static_cast<unsigned int>(size) - first - (lies ? 1 : 0));
    crc_ = os_crc32c(crc_, here(), size);
    used_ += size;
    data_left_ -= size;
    if (data_left_ != 0) return have(1);
    step_ = Step::kTrailer;
    return true;
  }

  // It goes where its range says, unless that was taken back in the middle of the PDU.
  void deliver_piece(const uint8_t* data, unsigned int size) {
    if (range_ != nullptr && range_->task == nullptr) range_ = nullptr;
    if (range_ != nullptr) {
      PlacedTasks::write(*range_, data, size);
      chiscsi_conn_rx_placed(port, size);
    } else if (size != 0 && script.lies_about_place.exchange(false)) {
      chiscsi_conn_rx_placed(port, size);
    } else {
      chiscsi_conn_rx_data(port, data, size);
    }
  }

  // ---- Whole PDUs, whose data is placed before the target hears of them ----

  // Bytes of a whole and undamaged Data-Out PDU so far behind what is used, when it continues the
  // range; else 0.
  size_t mergeable_at(size_t skip, const PlacedTasks::Range* range) const {
    if (range == nullptr || !script.merges || left() < skip + kBhsSize) return 0;
    const uint8_t* at = here() + skip;
    Bhs bhs;
    memcpy(static_cast<void*>(&bhs), at, kBhsSize);
    const auto& data_out = bhs.as<iscsi::DataOut>();
    const uint32_t size = bhs.data_segment_length.get();
    const bool continues = bhs.opcode() == iscsi::Opcode::kDataOut && bhs.total_ahs_length == 0 &&
                           size != 0 &&
                           data_out.target_transfer_tag.get() == first_tag_or(data_out) &&
                           bhs.initiator_task_tag.get() == range->task_tag &&
                           data_out.buffer_offset.get() == range->offset + range->done &&
                           size <= range->bytes.size() - range->done;
    if (!continues) return 0;
    const size_t header = kBhsSize + (header_digest_ ? kDigestSize : 0);
    const size_t data = size + pad_of(size);
    const size_t whole = header + data + (data_digest_ ? kDigestSize : 0);
    if (left() < skip + whole) return 0;
    if (header_digest_ && !digest_is_right(at, kBhsSize)) return 0;
    return data_digest_ && !digest_is_right(at + header, data) ? 0 : whole;
  }

  // While PDUs are being merged, the tag and the DataSN that the next one has to have.
  uint32_t first_tag_or(const iscsi::DataOut& data_out) const {
    if (!merging_) return data_out.target_transfer_tag.get();
    const bool in_order = data_out.data_sn.get() == merged_sn_ + 1;
    return in_order ? merged_tag_ : ~data_out.target_transfer_tag.get();
  }

  // The first PDU is of so many bytes; those behind it that continue it go with it.
  bool begin_placed(size_t whole) {
    Bhs first;
    memcpy(static_cast<void*>(&first), here(), kBhsSize);
    Bhs told = first;
    placed_.translate(told);
    const size_t header = kBhsSize + (header_digest_ ? kDigestSize : 0);
    const uint32_t from = range_->done;
    uint32_t pdus = 0;
    merging_ = true;
    merged_tag_ = first.as<iscsi::DataOut>().target_transfer_tag.get();
    do {
      Bhs bhs;
      memcpy(static_cast<void*>(&bhs), here(), kBhsSize);
      merged_sn_ = bhs.as<iscsi::DataOut>().data_sn.get();
      PlacedTasks::write(*range_, here() + header, bhs.data_segment_length.get());
      told.flags = bhs.flags;
      used_ += whole;
      ++pdus;
      whole = told.final() ? 0 : mergeable_at(0, range_.get());
    } while (whole != 0);
    merging_ = false;
    range_->merged_away += pdus - 1;
    told.data_segment_length = range_->done - from;
    data_left_ = range_->done - from;
    MemoryTransport::counts.pdus_placed += 1;
    MemoryTransport::counts.pdus_merged += pdus - 1;
    step_ = Step::kPlaced;
    return chiscsi_conn_rx_header(port, &told, nullptr, 0, pdus > 1 ? CHISCSI_RX_MERGED : 0) ==
           CHISCSI_RX_CONTINUE;
  }

  bool deliver_placed() {
    const auto first = static_cast<unsigned int>(data_left_ / 2);
    chiscsi_conn_rx_placed(port, first);
    chiscsi_conn_rx_placed(port, static_cast<unsigned int>(data_left_) - first);
    step_ = Step::kHeader;
    return chiscsi_conn_rx_done(port, 0) == CHISCSI_RX_CONTINUE;
  }

  bool deliver_end() {
    if (!have(trailer_ + (has_digest_ ? kDigestSize : 0))) return false;
    crc_ = ~os_crc32c(crc_, here(), trailer_);
    bool wrong = false;
    for (size_t i = 0; has_digest_ && i < kDigestSize; ++i)
      wrong |= here()[trailer_ + i] != static_cast<uint8_t>(crc_ >> (8 * i));
    used_ += trailer_ + (has_digest_ ? kDigestSize : 0);
    step_ = Step::kHeader;
    const int answer = chiscsi_conn_rx_done(port, wrong ? CHISCSI_RX_DATA_DIGEST_ERROR : 0);
    if (script.ends_with_pdu.exchange(false)) chiscsi_conn_failed(port, 0);
    return answer == CHISCSI_RX_CONTINUE;
  }

  bool has_room() {
    const std::lock_guard guard(pipe_->mutex);
    pipe_->wants_room = pipe_->to_initiator.size() >= kQueueSize;
    return !pipe_->wants_room;
  }

  // Digests are told before the last PDU without them.
  bool full_feature_begun() const { return login_is_over_; }

  // The PDUs of a Data-In sequence that the target has left to us to cut.
  void put_burst(const chiscsi_xmit_pdu& burst) {
    ++MemoryTransport::counts.bursts;
    for (uint32_t from = 0, i = 0; from < burst.data_size; from += burst.segment, ++i) {
      chiscsi_xmit_pdu pdu = burst;
      pdu.data_size = std::min(burst.segment, burst.data_size - from);
      pdu.sgl_offset += from;
      Bhs bhs;
      memcpy(static_cast<void*>(&bhs), pdu.bhs, kBhsSize);
      auto& data_in = bhs.as<iscsi::DataIn>();
      data_in.data_sn = data_in.data_sn.get() + i;
      data_in.buffer_offset = data_in.buffer_offset.get() + from;
      bhs.data_segment_length = pdu.data_size;
      if (from + pdu.data_size < burst.data_size) {
        data_in.flags = data_in.status = 0;
        data_in.residual_count = 0;
        bhs.as<iscsi::ResponseNumbers>().stat_sn = 0;
      }
      memcpy(pdu.bhs, static_cast<const void*>(&bhs), kBhsSize);
      put(to_wire(pdu));
    }
  }

  std::vector<uint8_t> to_wire(const chiscsi_xmit_pdu& pdu) const {
    std::vector<uint8_t> bytes(pdu.bhs, pdu.bhs + CHISCSI_BHS_SIZE);
    if (header_digest_ && in_full_feature_) append_digest(bytes, 0);
    const size_t data_at = bytes.size();
    const auto* memory = static_cast<const uint8_t*>(pdu.memory);
    if (memory != nullptr) bytes.insert(bytes.end(), memory, memory + pdu.data_size);
    if (memory == nullptr) append_list(bytes, pdu);
    bytes.resize(bytes.size() + pad_of(pdu.data_size));
    if (data_digest_ && in_full_feature_ && pdu.data_size != 0) append_digest(bytes, data_at);
    return bytes;
  }

  void put(const std::vector<uint8_t>& bytes) {
    const std::lock_guard guard(pipe_->mutex);
    pipe_->to_initiator.insert(pipe_->to_initiator.end(), bytes.begin(), bytes.end());
    pipe_->changed.notify_all();
  }

  void finish() {
    report_sent();
    placed_.drop_all();
    {
      const std::lock_guard guard(pipe_->mutex);
      pipe_->port = nullptr;
      pipe_->target_closed = true;
      pipe_->changed.notify_all();
    }
    flushing_ = false;
    stopped_ = true;
    // A turn may have been asked for just before.
    chiscsi_conn_schedule(port);
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
  bool login_is_over_ = false;    // Its last response was pulled.
  bool in_full_feature_ = false;  // So was a PDU after it.
  bool in_function_ = false;
  bool stopped_ = false;  // chiscsi_conn_stopped() was called.
  unsigned params_set_[2] = {};
  std::vector<chiscsi_xmit_pdu> unreported_;
  PlacedTasks placed_;
  std::shared_ptr<PlacedTasks::Range> range_;  // Of the PDU that is being delivered.
  bool merging_ = false;
  uint32_t merged_tag_ = 0;
  uint32_t merged_sn_ = 0;
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
  int socket;  // -1: none.
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

// A listening socket at the loop-back address, or a negative error.
int bind_socket(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 && listen(fd, 1) == 0) {
    return fd;
  }
  const int error = -errno;
  close(fd);
  return error;
}

int on_listen(const tcp_endpoint* local, int, chiscsi_listen_port* port, void** portal) {
  if (!is_ours(local->ip)) return -ENODEV;
  const std::lock_guard guard(portals_mutex);
  const auto number = static_cast<uint16_t>(local->port);
  if (portals.count(number) != 0) return -EADDRINUSE;
  const int socket = script.binds ? bind_socket(number) : -1;
  if (script.binds && socket < 0) return socket;
  portals.emplace(number, Portal{port, *local, socket});
  *portal = reinterpret_cast<void*>(static_cast<uintptr_t>(number));
  return 0;
}

void on_unlisten(void* portal) {
  const std::lock_guard guard(portals_mutex);
  const auto found = portals.find(static_cast<uint16_t>(reinterpret_cast<uintptr_t>(portal)));
  if (found->second.socket >= 0) close(found->second.socket);
  portals.erase(found);
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
  transport.recv_pdus = [](void* conn) {
    return of(conn).in_function([&] { return of(conn).recv(); });
  };
  transport.xmit_pdus = [](void* conn) {
    return of(conn).in_function([&] { return of(conn).xmit(); });
  };
  transport.get_param = [](void*, chiscsi_conn_param param, unsigned int* value) {
    return MemoryConn::get_param(param, value);
  };
  transport.release_task = [](void* conn, void* task) { of(conn).release(task); };
  transport.set_param = [](void* conn, chiscsi_conn_param param, unsigned int value) {
    return of(conn).set_param(param, value);
  };
  transport.stop_conn = [](void* conn, int flag) { of(conn).stop(flag); };
  transport.destroy_conn = [](void* conn) { delete &of(conn); };
  return transport;
}

chiscsi_transport the_transport = make_transport();

}  // namespace

int MemoryTransport::start(bool on_loopback) {
  takes_loopback = on_loopback;
  the_transport.caps = script.places ? CHISCSI_TRANSPORT_PLACES : 0;
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
