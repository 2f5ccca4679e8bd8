// SPDX-License-Identifier: GPL-2.0-only
//
// The play that the fuzzers of whole sessions have in common: engine, transport and storage driver
// port on the simulated host, initiators, and events from the input.
//
// Input: six bytes of settings, then events, one byte each with a few bytes of detail: PDUs of an
// initiator, bent in any field, cut anywhere, with wrong digests; what the storage driver says and
// how its hooks answer; time that passes; a network that is slow or keeps memory; connections that
// come, close and break. The logins are valid, so the play starts where login_fuzz ends. Oracles
// beside the sanitizers: Peer and Storage (tests/host/simulation), which check every answer and
// every hook; at the end all commands have ended once and all memory and sockets are back.
#pragma once

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host.hh"
#include "simulation/peer.hh"
#include "simulation/simulation.hh"
#include "simulation/storage.hh"
#include "target/engine.h"

namespace chiscsi::fuzz {

using namespace iscsi;
using namespace simulation;

inline constexpr uint16_t kPort = 3260;
inline constexpr char kTarget[] = "iqn.2026-11.org.example:target";
inline constexpr size_t kMostEvents = 300;
inline constexpr size_t kMostPeers = 4;

inline void require(bool condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "fuzz: %s\n", what);
  abort();
}

// The rest of the input; zeros when it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint8_t byte() {
    if (size_ == 0) return 0;
    --size_;
    return *data_++;
  }
  uint16_t half() {
    const uint8_t high = byte();
    return static_cast<uint16_t>(high << 8 | byte());
  }
  uint32_t word() {
    const uint32_t high = half();
    return high << 16 | half();
  }
  std::string bytes(size_t count) {
    std::string result;
    for (; count != 0 && size_ != 0; --count)
      result.push_back(static_cast<char>(byte()));
    return result;
  }
  // A length around the limits that matter.
  uint32_t length() {
    static constexpr uint32_t kLengths[] = {0,      1,      3,      511,    512,    513,      1024,
                                            4096,   4097,   8192,   16384,  65535,  65536,    65537,
                                            100000, 131072, 200000, 262144, 262145, 1u << 31, ~0u};
    const uint8_t choice = byte();
    return choice < 0xc0 ? kLengths[choice % std::size(kLengths)] : half();
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

class Scene {
 public:
  explicit Scene(Input input) : input_(input) {}
  virtual ~Scene() = default;

  void play() {
    start();
    run();
    end();
  }

 protected:
  // What is below the target, if it is not the host's TCP.
  virtual void adapter_starts() {}
  virtual void adapter_event(uint8_t) {}
  virtual void adapter_before_the_end() {}
  virtual void adapter_ends() {}

  void start() {
    read_settings();
    const engine_options options = {2, 30, 1, 8};
    require(engine_start(&options) == 0, "engine_start()");
    adapter_starts();
    require(storage_.start() == 0, "registration");
    require(storage_.add_target(kTarget, target_keys_) == 0, "chiscsi_target_add()");
    add_peer(1);
  }

  void run() {
    for (size_t i = 0; i < kMostEvents && !input_.empty(); ++i) {
      event(input_.byte());
      if (!reading_) continue;
      for (const auto& peer : peers_)
        peer->collect();
    }
  }

  // Everything ends, whatever it was in the middle of.
  void end() {
    storage_.answer_everything();
    settle();
    set_read_piece(0);
    for (const auto& peer : peers_) {
      peer->link.set_room(SIZE_MAX);
      settle();
      peer->collect();
      peer->link.close();
    }
    release_notices();
    hold_notices(false);
    settle();
    adapter_before_the_end();
    for (int i = 0; i < 20 && storage_.held() != 0; ++i) {
      storage_.answer_everything();
      advance(1000);
      release_notices();
    }
    require(storage_.held() == 0, "a command never ends");
    if (target_there_) require(storage_.remove_target() == 0, "chiscsi_target_remove()");
    require(storage_.counts.sessions == storage_.counts.ended, "a session never ends");
    require(storage_.counts.commands == storage_.counts.cleanups, "cleanups");
    require(storage_.stop() == 0, "deregistration");
    adapter_ends();
    engine_stop();
    release_notices();
    require(open_sockets() == 0, "a socket is left");
  }

  // From here on an adapter may have put anything into memory that is lent.
  void is_hostile() { storage_.takes_any_data = has_adapter_; }

  Input input_;
  Storage storage_;
  bool has_adapter_ = false;
  bool is_honest_ = true;  // The adapter.

 private:
  void read_settings() {
    const uint8_t bits = input_.byte(), bursts = input_.byte(), numbers = input_.byte();
    const uint8_t network = input_.byte(), driver = input_.byte(), more = input_.byte();
    static constexpr uint32_t kBursts[] = {512, 4096, 65536, 262144};
    static constexpr uint32_t kSegments[] = {512, 4096, 65536, 8192};
    static constexpr uint32_t kR2ts[] = {1, 2, 4, 16};
    const uint32_t max_burst = kBursts[bursts & 3];
    const uint32_t first_burst = std::min(kBursts[bursts >> 2 & 3], max_burst);
    login_.target_name = (bits & 0x80) != 0 ? "" : kTarget;
    login_.max_recv_data_segment_length = kSegments[bursts >> 4 & 3];
    login_.cmd_sn = (more & 1) != 0 ? 0xfffffffe : 1;
    login_.keys = {{"HeaderDigest", (bits & 1) != 0 ? "CRC32C" : "None"},
                   {"DataDigest", (bits & 2) != 0 ? "CRC32C" : "None"},
                   {"InitialR2T", (bits & 4) != 0 ? "No" : "Yes"},
                   {"ImmediateData", (bits & 8) != 0 ? "Yes" : "No"},
                   {"MaxBurstLength", std::to_string(max_burst)},
                   {"FirstBurstLength", std::to_string(first_burst)},
                   {"MaxOutstandingR2T", std::to_string(kR2ts[numbers & 3])},
                   {"MaxConnections", "3"}};
    connection_keys_ = {login_.keys[0], login_.keys[1]};
    target_keys_ = {
        "PortalGroup=1@127.0.0.1:3260",
        "HeaderDigest=None,CRC32C",
        "DataDigest=None,CRC32C",
        "InitialR2T=No",
        "ImmediateData=Yes",
        "FirstBurstLength=65536",
        "MaxBurstLength=262144",
        "MaxOutstandingR2T=16",
        (bursts & 0x40) != 0 ? "MaxRecvDataSegmentLength=65536" : "MaxRecvDataSegmentLength=4096"};
    storage_.multi_phase = (bits & 0x10) != 0;
    storage_.with_pages = (bits & 0x20) != 0;
    hold_notices((bits & 0x40) != 0);
    storage_.max_cmd = (numbers >> 2) % 16;
    storage_.on_command = static_cast<Storage::Reply>((driver & 7) % 6);
    storage_.on_abort = static_cast<Storage::AbortReply>((driver >> 3) % 3);
    storage_.on_tmf = static_cast<Storage::TmfReply>(driver >> 5 & 3);
    static constexpr size_t kPieces[] = {0, 1, 7, 48, 49, 1000, 4096, 0};
    set_read_piece(kPieces[network & 7]);
    room_ = (network & 0x10) != 0 ? 3000 : SIZE_MAX;
  }

  void add_peer(uint8_t isid) {
    if (peers_.size() == kMostPeers) peers_.erase(peers_.begin());
    peers_.push_back(std::make_unique<Peer>(kPort));
    peers_.back()->is_lenient = !is_honest_;
    login_.isid = isid;
    log_in(*peers_.back(), login_);
  }
  // Another connection for the session of the current peer.
  void add_connection(uint8_t cid) {
    if (peers_.size() == kMostPeers) return;
    Peer::Login login = login_;
    login.leader = &peer();
    login.keys = connection_keys_;
    login.cid = cid;
    peers_.push_back(std::make_unique<Peer>(kPort));
    peers_.back()->is_lenient = !is_honest_;
    log_in(*peers_.back(), login);
  }
  void log_in(Peer& peer, const Peer::Login& login) {
    settle();
    peer.link.set_room(room_);
    peer.log_in(login);
    peer.collect();
    settle();
  }
  Peer& peer() { return *peers_[current_ % peers_.size()]; }

  // ---- Events ----

  void event(uint8_t code) {
    if (code < 0x90) return initiator_event(code);
    if (code < 0xd0) return driver_event(code);
    if (has_adapter_ && code >= 0xf4) return adapter_event(code);
    world_event(code);
  }

  void initiator_event(uint8_t code) {
    switch (code % 18) {
      case 0:
      case 1:
        return command(kCommandRead);
      case 2:
      case 3:
        return command(kCommandWrite);
      case 4:
        return command(input_.byte() & 0xe0);
      case 5:
        return answer_r2t();
      case 6:
      case 7:
        return data_out();
      case 8:
        return nop_out();
      case 9:
        return task_management();
      case 10:
        return text();
      case 11:
        return logout();
      case 12:
        return any_pdu();
      case 13:
        is_hostile();
        bend_ = input_.byte() % 4;
        return;
      case 14:
        split_ = 1 + input_.byte();
        return;
      case 15:
        is_hostile();
        peer().spoil_data_digest = true;
        return;
      case 16:
        (input_.byte() & 1) != 0 ? skip_number() : write_with_data();
        return;
      default:
        return rare_bytes();
    }
  }

  // Changes some bytes of a header, but not its lengths, so that the stream goes on.
  Bhs bent(Bhs bhs) {
    auto* bytes = reinterpret_cast<uint8_t*>(&bhs);
    for (; bend_ != 0; --bend_) {
      const uint8_t at = input_.byte() % kBhsSize;
      if (at >= 4 && at < 8) continue;
      bytes[at] = input_.byte();
    }
    return bhs;
  }

  void send(const Bhs& bhs, const std::string& data = {}, const std::string& ahs = {}) {
    peer().add(bent(bhs), data, ahs);
    peer().send_all(std::exchange(split_, 0));
  }
  void send_data(const Bhs& bhs, uint32_t size) {
    peer().add_data(bent(bhs), size);
    peer().send_all(std::exchange(split_, 0));
  }

  void command(uint8_t direction) {
    const uint32_t length = input_.length();
    const uint8_t detail = input_.byte();
    Bhs bhs = peer().make_command(direction & (kCommandRead | kCommandWrite), length, detail & 3);
    if ((detail & 0x10) != 0) bhs.flags &= static_cast<uint8_t>(~kFinalBit);
    if ((detail & 0x20) != 0) {
      bhs.opcode_byte |= kImmediateBit;
      --peer().cmd_sn;
    }
    if ((detail & 0xc0) == 0xc0) bhs.initiator_task_tag = peer().last_command_tag;
    if ((detail & 0xc0) == 0x40) return send_data(bhs, input_.length() & 0xffff);
    if ((detail & 0xc8) == 0x88) return send(bhs, {}, std::string(4 * (detail & 7), 'A'));
    send(bhs);
  }

  // As a good initiator writes: immediate data, then an unsolicited burst.
  void write_with_data() {
    const uint32_t length = input_.half(), immediate = std::min<uint32_t>(input_.half(), length);
    Bhs bhs = peer().make_command(kCommandWrite, length, 0);
    const uint32_t tag = bhs.initiator_task_tag.get();
    bhs.flags &= static_cast<uint8_t>(~kFinalBit);
    send_data(bhs, immediate);
    uint32_t data_sn = 0;
    for (uint32_t at = immediate; at < length;) {
      const uint32_t size = std::min<uint32_t>(4096, length - at);
      send_data(peer().make_data_out(tag, kReservedTag, data_sn++, at, at + size == length), size);
      at += size;
    }
  }

  void answer_r2t() {
    peer().answer_r2t(input_.length() & 0x1ffff);
    peer().send_all(std::exchange(split_, 0));
  }

  // Data-Out with this or that wrong.
  void data_out() {
    is_hostile();
    const uint8_t detail = input_.byte();
    uint32_t tag = peer().last_command_tag, transfer_tag = kReservedTag, offset = 0, data_sn = 0;
    if (!peer().r2ts.empty() && (detail & 1) != 0) {
      const Peer::OpenR2t& r2t = peer().r2ts[input_.byte() % peer().r2ts.size()];
      tag = r2t.bhs.initiator_task_tag.get();
      transfer_tag = r2t.bhs.target_transfer_tag.get();
      offset = r2t.bhs.buffer_offset.get() + r2t.sent;
      data_sn = r2t.data_sn;
    }
    if ((detail & 2) != 0) offset += input_.length();
    if ((detail & 4) != 0) data_sn = input_.word();
    if ((detail & 8) != 0) transfer_tag ^= 1u << (input_.byte() & 31);
    if ((detail & 16) != 0) tag = input_.byte();
    const uint32_t size = input_.length() & 0xffff;
    send_data(peer().make_data_out(tag, transfer_tag, data_sn, offset, (detail & 32) != 0), size);
  }

  void nop_out() {
    const uint8_t detail = input_.byte();
    Bhs bhs = peer().make(Opcode::kNopOut, (detail & 1) != 0);
    bhs.as<NopOut>().target_transfer_tag = (detail & 2) != 0 ? input_.word() : kReservedTag;
    if ((detail & 4) != 0) bhs.initiator_task_tag = kReservedTag;
    send(bhs, std::string(input_.half() & 0x1fff, 'n'));
  }

  void task_management() {
    const uint8_t detail = input_.byte();
    Bhs bhs = peer().make(Opcode::kTaskManagementRequest, (detail & 0x80) == 0);
    auto& request = bhs.as<TaskManagementRequest>();
    request.function = kFinalBit | (detail & 0xf);
    request.lun[1] = detail >> 4 & 3;
    request.referenced_task_tag = peer().last_command_tag - (input_.byte() & 7);
    request.ref_cmd_sn = peer().cmd_sn - (input_.byte() & 7);
    send(bhs);
  }

  void text() {
    const uint8_t detail = input_.byte();
    Bhs bhs = peer().make(Opcode::kTextRequest, (detail & 1) != 0);
    auto& request = bhs.as<TextRequest>();
    request.target_transfer_tag = kReservedTag;
    const auto answer = peer().last(Opcode::kTextResponse);
    if (answer && (detail & 2) != 0) {
      request.target_transfer_tag = answer->bhs.as<TextResponse>().target_transfer_tag.get();
      request.initiator_task_tag = answer->bhs.initiator_task_tag.get();
    }
    if ((detail & 4) != 0) request.flags = kTextContinue;
    if ((detail & 8) != 0) request.flags = 0;
    static constexpr const char* kTexts[] = {"SendTargets=All", "SendTargets=", "X-a=b",
                                             "MaxRecvDataSegmentLength=512"};
    std::string data = (detail & 0x80) != 0 ? input_.bytes(input_.byte())
                                            : kTexts[detail >> 4 & 3] + std::string(1, '\0');
    send(bhs, data);
  }

  void logout() {
    Bhs bhs = peer().make(Opcode::kLogoutRequest, (input_.byte() & 1) != 0);
    bhs.as<LogoutRequest>().reason = kFinalBit | (input_.byte() & 3);
    send(bhs);
  }

  void any_pdu() {
    is_hostile();
    Bhs bhs = peer().make(static_cast<Opcode>(input_.byte() & 0x3f), (input_.byte() & 1) != 0);
    const std::string rest = input_.bytes(16);
    std::copy(rest.begin(), rest.end(), reinterpret_cast<uint8_t*>(&bhs) + 32);
    send(bhs, input_.bytes(input_.byte() & 0x3f));
  }

  // The hole is never filled, unless bent numbers do it.
  void skip_number() { ++peer().cmd_sn; }

  void rare_bytes() {
    is_hostile();
    const uint8_t detail = input_.byte();
    switch (detail & 3) {
      case 0:
        peer().spoil_header_digest = true;
        return;
      case 1: {
        // Lengths of its own.
        Bhs bhs = peer().make(static_cast<Opcode>(detail >> 2), true);
        bhs.total_ahs_length = input_.byte();
        bhs.data_segment_length = input_.word() & 0xffffff;
        peer().add_raw(std::string(reinterpret_cast<char*>(&bhs), sizeof(bhs)));
        break;
      }
      default:
        peer().add_raw(input_.bytes(detail >> 2));
    }
    peer().send_all(std::exchange(split_, 0));
  }

  void driver_event(uint8_t code) {
    const size_t which = input_.byte();
    switch (code % 12) {
      case 0:
      case 1:
        storage_.complete(which);
        break;
      case 2:
        storage_.lend(which, 1 + (input_.length() & 0x1ffff));
        break;
      case 3:
        storage_.fail(which, 2, input_.byte());
        break;
      case 4:
        storage_.fail(which, static_cast<uint8_t>(input_.byte()), 0);
        break;
      case 5:
        storage_.abort(which);
        break;
      case 6:
        storage_.answer_abort(which);
        break;
      case 7:
        storage_.call_nonsense(which, input_.byte());
        break;
      case 8:
        storage_.answer_tmf();
        break;
      case 9:
        storage_.on_command = static_cast<Storage::Reply>(which % 6);
        break;
      case 10:
        storage_.on_abort = static_cast<Storage::AbortReply>(which % 3);
        storage_.on_tmf = static_cast<Storage::TmfReply>(which >> 4 & 3);
        break;
      default:
        storage_.refuse_transfers = (which & 1) != 0;
        storage_.go_on = (which & 2) != 0;
    }
    settle();
  }

  void world_event(uint8_t code) {
    switch (code % 12) {
      case 0: {
        static constexpr uint32_t kTimes[] = {1, 100, 501, 1001, 5001, 31000, 61000, 10};
        return advance(kTimes[input_.byte() & 7]);
      }
      case 1:
        return release_notices(), settle();
      case 2:
        reading_ = !reading_;
        return;
      case 3:
        peer().link.set_room(input_.half());
        return settle();
      case 4:
        peer().link.set_room(SIZE_MAX);
        return settle();
      case 5:
        current_ = input_.byte();
        return;
      case 6: {
        const uint8_t which = input_.byte();
        return (which & 4) != 0 ? add_connection(which & 3) : add_peer(which & 3);
      }
      case 7:
        peer().link.close();
        return settle();
      case 8:
        peer().link.reset();
        return settle();
      case 9:
        engine_target_session_abort(storage_.last_session);
        return settle();
      case 10:
        // A connection whose end an adapter does not tell of would be waited for.
        if (input_.byte() != 0x77 || !target_there_ || !is_honest_) return;
        target_there_ = false;
        storage_.on_abort = Storage::AbortReply::kAnswer;
        // A removal waits for the network as well, which lets go in the end.
        hold_notices(false);
        release_notices();
        require(storage_.remove_target() == 0, "chiscsi_target_remove()");
        return;
      default:
        set_read_piece(input_.byte());
    }
  }

  Peer::Login login_;
  Peer::Keys connection_keys_;
  std::vector<std::string> target_keys_;
  std::vector<std::unique_ptr<Peer>> peers_;
  size_t current_ = 0;
  size_t room_ = SIZE_MAX;
  size_t split_ = 0;
  unsigned bend_ = 0;
  bool reading_ = true;
  bool target_there_ = true;
};

}  // namespace chiscsi::fuzz
