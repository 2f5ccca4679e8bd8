// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of what the software adapter reads from its client: work requests and messages of any
// bytes, on either queue, for connections that live, end or are not there, and the calls of
// offload/lld.h in any order. The adapter counts broken rules and goes on; it must not fall over,
// write outside of what is mapped, or lose memory.
//
// Input: two bytes of what adapter it is, then events, one byte each with detail. A message is
// either bytes of the input or one of the right shape with some bytes bent.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "host.hh"
#include "offload/cpl.hh"
#include "offload/lld.h"
#include "offload/sim/sim.h"
#include "os/memory.h"
#include "simulation/simulation.hh"

namespace {

using namespace chiscsi;

constexpr size_t kMostSteps = 200;
constexpr size_t kMostLinks = 3;
constexpr size_t kPage = 4096;
constexpr uint16_t kPort = 3260;

void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "work_request_fuzz: %s\n", what);
  abort();
}

const os_address kHere = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, kPort, 0, 0};

class Client {
 public:
  Client(const uint8_t* data, size_t size) : data_(data), size_(size) {
    sim_config config = {};
    const uint8_t bits = byte(), more = byte();
    config.name = "sim0";
    config.chip = (bits & 1) != 0 ? 5 : 6;
    config.completion_moderation = bits >> 1 & 1;
    config.bounce = bits >> 2 & 1;
    config.cut_headers = bits >> 3 & 1;
    config.pages_only = bits >> 4 & 1;
    config.has_iso = bits >> 5 & 1;
    config.ack_policy = static_cast<sim_ack_policy>((bits >> 6) % 3);
    config.tid_count = 4;
    config.ppod_size = 4096;
    config.seed = more + 1u;
    config.address_count = 1;
    config.addresses[0] = kHere;
    device_ = sim_create(&config);
    require(device_ != nullptr, "no adapter");
    lld_client client = {};
    client.dev_add = [](const lld_ops*, lld_device*, const lld_device_info*) -> void* {
      return &client_handle;
    };
    client.dev_state = [](void*, lld_state) {};
    client.dev_remove = [](void*) {};
    client.cpl_in = [](void*, const lld_ingress* message) {
      for (uint32_t i = 0; i < message->fragment_count; ++i)
        sim_backend()->page_put(message->fragments[i].page);
      return 0;
    };
    client.poll_end = [](void*, uint32_t) {};
    require(ops_->start(&client) == 0, "start()");
    server_ = static_cast<uint32_t>(ops_->stid_alloc(device_, 0, nullptr));
    ops_->server_create(device_, server_, &kHere);
    simulation::settle();
  }
  ~Client() {
    links_.clear();
    simulation::settle();
    ops_->stop();
    sim_destroy(device_);
    for (uint8_t* page : pages_)
      free(page);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void run() {
    for (size_t i = 0; i < kMostSteps && size_ != 0; ++i) {
      step(byte());
      simulation::settle();
    }
  }

 private:
  uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  uint32_t half() {
    const uint32_t high = byte();
    return high << 8 | byte();
  }
  uint32_t tid() { return byte() % 6; }

  void step(uint8_t code) {
    switch (code % 16) {
      case 0:
        return connect();
      case 1:
        return raw();
      case 2:
        return accept();
      case 3:
        return flowc();
      case 4:
      case 5:
        return data();
      case 6:
        return burst();
      case 7:
      case 8:
        return pods();
      case 9:
      case 10:
        return control();
      case 11:
        return calls();
      case 12:
        return lend();
      case 13:
      case 14:
        return peer();
      default:
        return simulation::advance(byte());
    }
  }

  // ---- Messages ----

  void send(std::vector<uint8_t> bytes, bool is_control, uint32_t payload = 0) {
    const uint8_t how = byte();
    for (uint8_t bends = how & 3; bends != 0 && !bytes.empty(); --bends) {
      const size_t at = byte() % bytes.size();
      bytes[at] = byte();
    }
    if ((how & 4) != 0) bytes.resize(byte() % (bytes.size() + 1));
    if ((how & 8) != 0) is_control = !is_control;
    const auto size = static_cast<uint32_t>(bytes.size());
    lld_buffer* buffer = ops_->buffer_alloc(device_, size, payload != 0 ? 1 : 0);
    if (buffer == nullptr) return;
    std::copy(bytes.begin(), bytes.end(), ops_->buffer_header(buffer));
    if (payload != 0) {
      const os_fragment piece = {nullptr, page(), 0, payload};
      ops_->buffer_add(buffer, &piece);
    }
    const uint32_t queue = (how & 0x10) != 0 ? byte() : 0;
    if ((how & 0x20) == 0) {
      ops_->send(device_, buffer, queue, is_control ? 1 : 0);
      return;
    }
    ops_->send_l2t(
        device_, buffer, queue, is_control ? 1 : 0, route_.l2t,
        [](lld_buffer* failed, void*) { sim_backend()->buffer_free(failed); }, nullptr);
  }
  template <typename T>
  void send(const T& message, bool is_control) {
    const auto* start = reinterpret_cast<const uint8_t*>(&message);
    send(std::vector<uint8_t>(start, start + sizeof(message)), is_control);
  }
  void raw() {
    std::vector<uint8_t> bytes(half() % 400);
    for (size_t i = 0; i < bytes.size() && i < 64; ++i)
      bytes[i] = byte();
    send(bytes, (byte() & 1) != 0);
  }
  template <typename T>
  static T tp(cpl::Opcode opcode, uint32_t tid) {
    T message = {};
    message.wr.hi = uint32_t{cpl::fw::kTp} << cpl::kWrOpcodeShift |
                    static_cast<uint32_t>(sizeof(T) - sizeof(cpl::WrHeader));
    message.wr.mid = tid << cpl::kWrFlowIdShift | static_cast<uint32_t>((sizeof(T) + 15) / 16);
    message.ot.set(opcode, tid);
    return message;
  }
  void accept() {
    auto message = tp<cpl::PassAcceptRpl>(cpl::Opcode::kPassAcceptRpl, tid());
    message.opt0 = uint64_t{cpl::kTxUlpModeIscsi} << cpl::kOpt0UlpModeShift |
                   4ull << cpl::kOpt0RcvBufferShift | 3ull << cpl::kOpt0SmacShift |
                   5ull << cpl::kOpt0L2tShift;
    message.opt2 = 32 | cpl::kOpt2RssQueueValid | cpl::kOpt2Iss | cpl::kOpt2Valid;
    message.iss = 0xffff'fff0;
    send(message, true);
  }
  void flowc() {
    struct {
      cpl::FlowcWr wr;
      cpl::FlowcParam params[9];
    } message = {};
    static_assert(sizeof(message) == 80);
    message.wr.op_to_nparams = uint32_t{cpl::fw::kFlowc} << cpl::kWrOpcodeShift | 9;
    message.wr.flowid_len16 = tid() << cpl::kWrFlowIdShift | 5;
    for (uint8_t i = 0; i < 9; ++i)
      message.params[i].mnemonic = i;
    send(message, false);
  }
  // A PDU with `extra` bytes in the header, or with payload.
  void data() {
    const uint8_t opcode = byte() & 0x3f;
    const uint32_t size = half() % 5000;
    const bool in_header = size < 200;
    const uint32_t padded = (size + 3) & ~3u;
    std::vector<uint8_t> bytes(16 + 48 + (in_header ? padded : 0));
    cpl::TxDataWr wr;
    const uint32_t after = 48 + padded;
    const bool immediate = after <= 0xff;
    const uint32_t units = immediate ? (after + 15) / 16 + 1 : in_header ? 2 : 4;
    wr.op_to_immdlen = uint32_t{cpl::fw::kOfldTxData} << cpl::kWrOpcodeShift | cpl::kWrCompletion |
                       (immediate ? after : 0);
    wr.flowid_len16 = tid() << cpl::kWrFlowIdShift | units;
    wr.plen = after;
    wr.tunnel_to_proxy = cpl::kTxUlpModeIscsi << cpl::kTxUlpModeShift | cpl::kTxForceT6;
    memcpy(bytes.data(), &wr, sizeof(wr));
    bytes[16] = opcode;
    bytes[16 + 6] = static_cast<uint8_t>(size >> 8);
    bytes[16 + 7] = static_cast<uint8_t>(size);
    for (size_t i = 0; i < 12; ++i)
      bytes[16 + 20 + i] = opcode == 0x31 ? byte() : 0;  // What an R2T asks for.
    send(bytes, false, in_header ? 0 : padded);
  }
  void burst() {
    const uint32_t size = (half() % 4096 + 4) & ~3u, most = 4 + (half() & 0xffc);
    const uint32_t count = (size + most - 1) / most;
    std::vector<uint8_t> bytes(16 + 32 + 48);
    cpl::TxDataIso iso = {};
    iso.op_to_scsi = 0x1fu << 24 | cpl::kIsoFirst | cpl::kIsoLast | 2u << 16;
    iso.mpdu = static_cast<uint16_t>(most / 4);
    iso.burst_size = count * most / 4;
    iso.len = 48 + size;
    cpl::TxDataWr wr;
    wr.op_to_immdlen =
        uint32_t{cpl::fw::kIscsiTxData} << cpl::kWrOpcodeShift | cpl::kWrCompletion | 32;
    wr.flowid_len16 = tid() << cpl::kWrFlowIdShift | 6;
    wr.plen = size + count * 48;
    wr.tunnel_to_proxy = cpl::kTxUlpModeIscsi << cpl::kTxUlpModeShift |
                         8u << cpl::kTxUlpSubmodeShift | cpl::kTxForceT6;
    memcpy(bytes.data(), &wr, sizeof(wr));
    memcpy(&bytes[16], &iso, sizeof(iso));
    bytes[48] = 0x25;
    send(bytes, false, size);
  }
  void pods() {
    const uint32_t count = 1 + byte() % 3, first = byte() % 70, flow = tid();
    std::vector<uint8_t> bytes((sizeof(cpl::UlpMemWrite) + count * 64 + 15) / 16 * 16);
    const auto length = static_cast<uint32_t>(bytes.size());
    cpl::UlpMemWrite write = {};
    write.wr.hi = uint32_t{cpl::fw::kUlptx} << cpl::kWrOpcodeShift | cpl::kWrCompletion;
    write.wr.mid = flow << cpl::kWrFlowIdShift | length / 16;
    write.cmd = cpl::kUlpMemWrite | cpl::kUlpMemImmediate | cpl::kUlpMemOrder;
    write.len16 = length / 16 - 1;
    write.dlen = count * 2;
    write.lock_addr = first * 2;
    write.idata_cmd = cpl::kUlpScImmediate;
    write.idata_len = count * 64;
    memcpy(bytes.data(), &write, sizeof(write));
    const uint32_t valid = (byte() & 1u) << 24;
    for (uint32_t i = 0; i < count; ++i) {
      uint8_t* pod = &bytes[sizeof(write) + i * 64];
      const Be32 words[4] = {Be32(valid | flow), Be32(tag_.tag), Be32(0x10000), Be32(byte() * 8u)};
      memcpy(pod, words, sizeof(words));
      for (size_t k = 0; k < 5; ++k) {
        const Be64 address(addresses_.empty() ? 0 : addresses_[k % addresses_.size()]);
        memcpy(pod + 24 + k * 8, &address, sizeof(address));
      }
    }
    send(bytes, false);
  }
  void control() {
    const uint32_t whose = tid();
    switch (byte() % 6) {
      case 0: {
        auto message = tp<cpl::SetTcbField>(cpl::Opcode::kSetTcbField, whose);
        message.reply_ctrl = 32;
        message.mask = 3ull << cpl::kTcbUlpDigestShift;
        message.value = uint64_t{byte() & 3u} << cpl::kTcbUlpDigestShift;
        return send(message, true);
      }
      case 1: {
        auto message = tp<cpl::RxDataAck>(cpl::Opcode::kRxDataAck, whose);
        message.credit_dack = half();
        return send(message, true);
      }
      case 2:
        return send(tp<cpl::TidReq>(cpl::Opcode::kTidRelease, whose), true);
      case 3:
        return send(tp<cpl::TidReq>(cpl::Opcode::kCloseConReq, whose), false);
      case 4:
        return send(tp<cpl::AbortReq>(cpl::Opcode::kAbortReq, whose), false);
      default: {
        auto message = tp<cpl::AbortReq>(cpl::Opcode::kAbortRpl, whose);
        message.cmd = cpl::kAbortNoRst;
        return send(message, false);
      }
    }
  }

  // ---- Calls ----

  void calls() {
    static constexpr const char* kFaults[] = {"arp_failure",  "resolving",  "lost_ack",
                                              "abort_silent", "tcb_silent", "colour",
                                              "pad",          "peer_reset"};
    static constexpr lld_state kStates[] = {LLD_STATE_DOWN, LLD_STATE_RECOVERY, LLD_STATE_FATAL};
    const uint8_t what = byte();
    switch (what % 14) {
      case 0:
        return ops_->tid_insert(device_, this, tid(), 0);
      case 1:
        return ops_->tid_remove(device_, tid(), 0, 0);
      case 2:
        ops_->route_get(device_, &kHere, &kHere, 0, &route_);
        return;
      case 3:
        return ops_->route_put(device_, &route_);
      case 4:
        ops_->server_remove(device_, server_, 0);
        return;
      case 5:
        ops_->server_create(device_, server_, &kHere);
        return;
      case 6:
        return ops_->stid_free(device_, 0x800u + byte(), what >> 7);
      case 7:
        server_ = static_cast<uint32_t>(ops_->stid_alloc(device_, what >> 7, nullptr));
        return;
      case 8:
        ops_->clip_get(device_, &kHere);
        return;
      case 9:
        return ops_->clip_release(device_, &kHere);
      case 10:
        ops_->ppods_reserve(device_, byte(), tid(), &tag_);
        return;
      case 11:
        return ops_->ppods_release(device_, &tag_);
      case 12:
        sim_fault(device_, kFaults[byte() % std::size(kFaults)], 1);
        return;
      default:
        sim_state(device_, kStates[byte() % 3]);
        return sim_state(device_, LLD_STATE_UP);
    }
  }
  uint8_t* page() {
    pages_.push_back(static_cast<uint8_t*>(aligned_alloc(kPage, 2 * kPage)));
    return pages_.back();
  }
  void lend() {
    if (!addresses_.empty() && (byte() & 1) != 0) {
      ops_->unmap(device_, addresses_.back(), kPage);
      addresses_.pop_back();
      return;
    }
    if (addresses_.size() == 20) return;
    // The end of the piece is the end of its memory.
    const os_fragment piece = {nullptr, page() + kPage, 0, kPage};
    const uint64_t address = ops_->map(device_, &piece);
    if (address != 0) addresses_.push_back(address);
  }

  // ---- The other side ----

  void connect() {
    if (links_.size() == kMostLinks) links_.erase(links_.begin());
    links_.push_back(std::make_unique<simulation::Link>(kPort));
  }
  void peer() {
    if (links_.empty()) return connect();
    const uint8_t how = byte();
    simulation::Link& link = *links_[how % links_.size()];
    switch (how >> 4) {
      case 0:
        return link.close();
      case 1:
        return link.reset();
      case 2:
        return link.set_room(half());
      case 3:
        link.take();
        return link.set_room(SIZE_MAX);
      default: {
        const uint32_t size = (how & 0x80) != 0 ? half() % 5000 : 0;
        std::string pdu(48 + ((size + 3) & ~3u), '\0');
        pdu[0] = (how & 0x80) != 0 ? 5 : 0;
        pdu[1] = static_cast<char>(0x80);
        pdu[4] = static_cast<char>((how & 0x40) != 0 ? byte() : 0);
        pdu[6] = static_cast<char>(size >> 8);
        pdu[7] = static_cast<char>(size);
        const Be32 words[2] = {Be32(tag_.tag ^ (byte() & 1u)), Be32(half())};
        memcpy(&pdu[20], &words[0], 4);
        memcpy(&pdu[40], &words[1], 4);
        return link.send(pdu);
      }
    }
  }

  static inline char client_handle;

  const uint8_t* data_;
  size_t size_;
  const lld_ops* ops_ = sim_backend();
  lld_device* device_ = nullptr;
  uint32_t server_ = 0;
  lld_route route_ = {};
  lld_tag tag_ = {};
  std::vector<uint64_t> addresses_;
  std::vector<uint8_t*> pages_;
  std::vector<std::unique_ptr<simulation::Link>> links_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint64_t before = host_live_allocations();
  {
    Client client(data, size);
    client.run();
  }
  require(host_live_allocations() == before, "memory is left");
  require(simulation::open_sockets() == 0, "a socket is left");
  return 0;
}
