// SPDX-License-Identifier: GPL-2.0-only
//
// Device: one adapter in software.
//
// One Worker is the adapter: it takes the client's messages out of two queues (data and control, in
// an order between them that is random), runs the connections, and gives messages to the client.
// The calls of offload/lld.h come in any context; what they share with the worker is behind a
// spinlock or atomic.
#pragma once

#include <atomic>

#include "base/list.hh"
#include "base/mailbox.hh"
#include "offload/cpl.hh"
#include "offload/sim/bus.hh"
#include "offload/sim/checks.hh"
#include "offload/sim/pods.hh"
#include "offload/sim/sim.h"
#include "offload/sim/tables.hh"
#include "transport/worker.hh"

struct lld_device {};

// The one next hop of an adapter.
struct lld_l2t {
  std::atomic<uint32_t> references{0};
};

// A message of the client, on its way or waiting for its credits to go back. Fragments and header
// lie behind it.
struct lld_buffer : chiscsi::MailboxNode {
  chiscsi::ListNode node;
  lld_device* device = nullptr;
  uint32_t header_size = 0, fragment_room = 0, fragment_count = 0, payload = 0;
  uint32_t queue = 0;
  bool control = false;
  uint64_t order = 0;  // Of sending, in all queues.
  lld_l2t* l2t = nullptr;
  lld_arp_failure failed = nullptr;
  void* context = nullptr;
  // Worker-owned, once it is a connection's.
  chiscsi::Buffer wire;  // What it becomes on the network.
  size_t sent = 0;
  uint32_t units = 0;  // Credits that it has not given back.
  uint32_t payload_crc = 0;
  bool completion = false, fin = false;

  os_fragment* fragments() { return reinterpret_cast<os_fragment*>(this + 1); }
  uint8_t* header() { return reinterpret_cast<uint8_t*>(fragments() + fragment_room); }
  // The view of a message's structure; its size has been checked.
  template <typename T>
  T& as() {
    static_assert(alignof(T) == 1);
    // SAFETY: T is made of bytes, and every caller has compared header_size with its size.
    return *reinterpret_cast<T*>(header());
  }
};

namespace chiscsi::sim {

class Conn;
struct Server;
struct Request;

// Frees a message; null is fine. Context: any.
void free_buffer(lld_buffer* buffer);
using BufferList = List<lld_buffer, &lld_buffer::node>;
void free_all(BufferList& list);
void copy_payload(lld_buffer& buffer, MutableBytes out);
uint32_t crc_of_payload(lld_buffer& buffer);

// Pages that the client holds, of all adapters.
extern std::atomic<uint64_t> client_pages;

// A message to the client.
struct Message {
  static constexpr uint32_t kMostFragments = 17;
  static constexpr uint32_t kMostInline = 48;
  ListNode node;
  uint32_t queue = 0;
  uint32_t size = 0;
  uint8_t bytes[kMostInline] = {};
  uint32_t fragment_count = 0;
  os_fragment fragments[kMostFragments] = {};
};

struct Counters {
  std::atomic<uint64_t> connections{0}, messages{0}, retries{0}, pdus_in{0}, pdus_out{0};
  std::atomic<uint64_t> placed_pdus{0}, placed_bytes{0}, not_placed{0};
  std::atomic<uint64_t> iso_wrs{0}, iso_pdus{0}, digest_errors{0}, pod_writes{0};
  std::atomic<uint64_t> acks{0}, window_stalls{0}, credits{0}, buffers{0}, pods_valid{0};
};

class Device : public lld_device {
 public:
  static OwnPtr<Device> create(const sim_config& config);
  explicit Device(const sim_config& config) : config_(config) {}  // For create().
  ~Device();
  static Device& of(lld_device* dev) { return *static_cast<Device*>(dev); }

  const sim_config& config() const { return config_; }
  bool is_t6() const { return config_.chip >= 6; }

  // ---- Its life. Context: process. ----
  void attach(const lld_client& client, const lld_ops& ops);
  // dev_remove(), and then nothing more is said.
  void detach();
  void set_state(lld_state state);
  void stats(struct sim_stats& out);

  // ---- Calls of the client, see offload/lld.h. ----
  lld_buffer* buffer_alloc(uint32_t header_size, uint32_t fragments);
  int send(lld_buffer* buffer, uint32_t queue, bool control);
  bool owns(const os_address& address) const;
  int stid_alloc(bool is_ipv6);
  void stid_free(uint32_t stid, bool is_ipv6);
  int server_create(uint32_t stid, const os_address& address);
  int server_remove(uint32_t stid);
  int clip_get(const os_address& address);
  void clip_release(const os_address& address);
  void tid_insert(uint32_t tid);
  void tid_remove(uint32_t tid);
  int route_get(const os_address& local, lld_route* route);
  void route_put(lld_route* route);
  uint32_t best_mtu(uint32_t mtu) const;
  int ppods_reserve(uint32_t pages, lld_tag* tag);
  void ppods_release(const lld_tag& tag);
  uint64_t map(const os_fragment& piece);
  void unmap(uint64_t address, uint32_t length);

  // ---- For the parts of the adapter. ----
  // Context of these: any.
  void broken(Check check, uint32_t tid, uint64_t detail = 0) {
    checks_.broken(config_.name, check, tid, detail);
  }
  void request_turn() { turn_.request(*worker_); }
  Faults& faults() { return faults_; }
  const Checks& checks() const { return checks_; }
  Counters& counters() { return counters_; }

  // Context of the rest: the worker.
  uint32_t random();
  uint32_t random_below(uint32_t limit) { return limit == 0 ? 0 : random() % limit; }
  // Queues a message for the client: in the response, or in pages as `head` and `payload`.
  void tell(uint32_t queue, Bytes message);
  void tell_pages(uint32_t queue, Bytes head, Bytes payload);
  // The client lags behind: nothing more is read from the network.
  bool is_backed_up() {
    const bool is_full = message_count_ > kMostWaiting;
    was_backed_up_ = was_backed_up_ || is_full;
    return is_full;
  }
  // Some 64 ms from now there is a turn with is_tick().
  void want_tick();
  bool is_tick() const { return is_tick_; }
  bool is_queue_id(uint32_t id) const { return id - kFirstQueueId < config_.rx_queues; }
  uint32_t queue_of_id(uint32_t id) const { return id - kFirstQueueId; }
  const lld_device_info& info() const { return info_; }
  Pods& pods() { return pods_; }
  Bus& bus() { return bus_; }
  Tables& tables() { return tables_; }
  lld_l2t* l2t() { return &l2t_; }
  // The connection, or null.
  Conn* conn_of(uint32_t tid);
  bool is_of_former_life(uint32_t tid);
  void release_tid(uint32_t tid);
  bool pods_of_write(lld_buffer& buffer, Bytes* data);

  static constexpr uint32_t kFirstQueueId = 32;
  static constexpr uint32_t kMostWaiting = 64;  // Messages to the client.

 private:
  bool init();
  void fill_info();

  // turn.cc
  static void on_turn(WorkerMessage& message);
  static void on_tick(Timer& timer);
  static void on_socket(void* self, unsigned int events);
  void turn();
  void take_messages();
  void take_one(lld_buffer* buffer);
  bool waits(lld_buffer* buffer);
  void end_waiting();
  bool next_hop_fails(lld_buffer* buffer);
  void give_back(lld_buffer* buffer);
  void serve(Request* request);
  void open_server(const Request& request);
  void close_server(uint32_t stid);
  void accept_from(Server& server);
  void offer(os_socket* socket, Server& server);
  void deliver();
  bool deliver_one(Message& message);
  void end_poll(uint32_t queues);
  void drop_messages();
  int request(uint32_t kind, uint32_t id, const os_address* address);
  // Runs `step` on the worker and waits for it.
  void call(void (Device::*step)());
  void lose_all();
  void check_left_over();

  // egress.cc
  void egress(lld_buffer* buffer);
  void egress_tp(lld_buffer* buffer);
  void control_pods(lld_buffer* buffer, uint32_t tid);
  void control_message(lld_buffer* buffer, uint32_t opcode, Conn* conn);

  // delivery.cc
  Message* new_message(uint32_t queue);
  void add_fragments(Message& message, Bytes head, Bytes payload);
  void release_pages(Message& message);

  sim_config config_;
  lld_device_info info_{};
  Checks checks_;
  Faults faults_;
  Counters counters_;
  Tables tables_;
  Pods pods_;
  Bus bus_;
  lld_l2t l2t_;
  os_mutex* attach_mutex_ = nullptr;  // attach(), detach() and set_state() one at a time.
  lld_client client_{};
  std::atomic<void*> handle_{nullptr};
  std::atomic<bool> lost_{false};

  Mailbox data_;
  Mailbox control_;
  std::atomic<uint64_t> sent_{0};  // Messages to both.
  Mailbox requests_;
  PostedOnce turn_{&Device::on_turn};
  std::atomic<bool> sockets_ready_{false};

  // Worker-owned.
  Timer tick_{&Device::on_tick};
  bool is_tick_ = false;
  uint64_t random_state_ = 1;
  BufferList parked_;         // Wait for the next hop.
  bool hop_is_dead_ = false;  // For all that was sent until now.
  List<Message, &Message::node> messages_;
  uint32_t message_count_ = 0;
  bool was_backed_up_ = false;
  uint32_t refusals_ = 0;
  void* page_ = nullptr;  // The one that is being filled.
  uint32_t page_used_ = 0;
  Buffer conn_memory_;
  Conn** conns_ = nullptr;
  Server* servers_ = nullptr;
  OwnPtr<Worker> worker_;  // The last one: its thread ends first.
};

}  // namespace chiscsi::sim
