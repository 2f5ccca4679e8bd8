// SPDX-License-Identifier: GPL-2.0-only
//
// A scripted adapter for tests: it records every message that the offload code sends, and brings
// those that the test makes. It does nothing by itself. All functions may be called by any thread.
#pragma once

#include <condition_variable>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "offload/cpl.hh"
#include "offload/lld.h"

namespace chiscsi::test {

// How long a test waits for something that has to come.
inline constexpr auto kSurely = std::chrono::seconds(10);
// How long it waits for something that must not come.
inline constexpr auto kAMoment = std::chrono::milliseconds(200);

// A message that was sent.
struct Sent {
  std::vector<uint8_t> header;
  std::vector<uint8_t> payload;  // The pieces, as they were when it was sent.
  uint32_t pieces = 0;
  uint32_t queue = 0;
  bool control = false;
  size_t tids = 0;  // Inserted when it was sent.

  uint8_t fw_opcode() const { return header[0]; }
  bool completion() const { return (header[1] & 0x20) != 0; }
  uint32_t flow_id() const { return mid() >> 8; }
  // What it costs, as its own header says.
  uint32_t length16() const { return mid() & 0xff; }
  // Of FW_TP_WR.
  cpl::Opcode opcode() const {
    return fw_opcode() == cpl::fw::kTp ? static_cast<cpl::Opcode>(header[16]) : cpl::Opcode{};
  }
  template <typename T>
  const T& as(size_t at = 0) const {
    if (header.size() < at + sizeof(T)) throw std::runtime_error("message too short");
    return *reinterpret_cast<const T*>(header.data() + at);
  }
  uint32_t mid() const { return as<cpl::WrHeader>().mid.get(); }
  bool is_data() const {
    return fw_opcode() == cpl::fw::kOfldTxData || fw_opcode() == cpl::fw::kIscsiTxData;
  }
  // Of a data WR: BHS and data as they follow the headers.
  std::vector<uint8_t> pdu() const {
    const size_t skip = fw_opcode() == cpl::fw::kIscsiTxData ? 48 : 16;
    std::vector<uint8_t> all(header.begin() + static_cast<long>(skip), header.end());
    all.insert(all.end(), payload.begin(), payload.end());
    return all;
  }
};

class FakeLld {
 public:
  // One at a time. It is the backend of the transport while it lives.
  explicit FakeLld(uint32_t chip = 5);
  ~FakeLld();
  lld_device_info info = {};
  const lld_ops* ops() const;

  // Announces the adapter, and says that it is up.
  void add();
  void set_state(lld_state state);
  void remove();

  // --- What was sent ---
  // The next message that was not taken yet, or nothing when none comes in time.
  std::optional<Sent> next();
  // Takes the next one that suits; others before it stay.
  std::optional<Sent> next(const std::function<bool(const Sent&)>& suits);
  std::optional<Sent> next_cpl(cpl::Opcode opcode);
  std::optional<Sent> next_fw(uint8_t opcode);
  // Nothing is there now.
  bool is_quiet();
  size_t waiting();

  // --- What it says ---
  template <typename T>
  int say(const T& message) {
    return say_bytes(&message, sizeof(message));
  }
  int say_bytes(const void* bytes, size_t size);
  // In pages, cut at each of `cuts`.
  int say_pages(const std::vector<uint8_t>& bytes, const std::vector<size_t>& cuts = {});

  // --- What holds now ---
  std::set<uint32_t> tids, stids;
  int clips = 0, routes = 0, pages = 0, buffers = 0, mappings = 0, pod_runs = 0;
  uint32_t last_stid = 100;
  bool answers_servers = true;  // Says that a server is open, or closed, at once.
  uint8_t open_status = 0;
  int fail_allocations = 0;  // So many messages cannot be had.
  int fail_adds = 0;         // So many pieces cannot be added.
  int fail_sends = 0;        // So many sends fail.
  int failures_left();
  // Called once, by the thread that asks, before the answer.
  std::function<void()> when_asked_for_address, when_server_is_removed;
  bool is_there = false;  // dev_remove() has not returned.
  int late_calls = 0;     // About servers, when it was not.
  bool waits_gone();      // A moment; true when dev_remove() returns in it.
  bool owns = true;
  bool has_pods = true;
  uint64_t bus_shift = 0;  // From memory to bus addresses.
  std::set<uint64_t> mapped;
  bool wait(const std::function<bool()>& holds);  // Under the mutex.
  bool pods_released() {
    return wait([this] { return pod_runs == 0; });
  }
  bool let_go();  // Waits until nothing of connections is left.

  std::mutex mutex;
  std::condition_variable changed;
  void* handle = nullptr;
  const lld_client* client = nullptr;
  std::vector<Sent> sent;
  lld_arp_failure last_failed = nullptr;
  bool hop_is_dead = false;  // For one message of a data queue.
  void* last_context = nullptr;
  bool holds_accept = false;  // The next hop is not known: the reply to a request is kept.
  lld_buffer* held = nullptr;
  // The same for all that has to go there, in order.
  struct Waiting {
    lld_buffer* buffer;
    uint32_t queue;
    int control;
  };
  bool hop_is_unknown = false;
  std::vector<Waiting> waiting_for_hop;
  void hop_is_found();   // All is sent.
  void hop_is_silent();  // None is.
};

}  // namespace chiscsi::test
