// SPDX-License-Identifier: GPL-2.0-only
//
// OffloadAdapter: one adapter that a backend brought; its connections and servers by their index.
//
// cpl_in() ends here, in softirq: a message goes to its connection by the tid, to its server by the
// stid, or, a request for a new connection, to the control worker. A table hands out references, so
// that a message in flight never meets a connection that is gone. The object lives as long as
// anybody has a reference; the device behind it only until wait_until_unused() has returned. What
// that waits for are the connections, and the users: each server until it has given back what it
// had of the device, and whoever looks whether there may be one.
#pragma once

#include <atomic>

#include "base/list.hh"
#include "base/lock.hh"
#include "base/ref.hh"
#include "offload/lld.h"
#include "offload/message.hh"
#include "offload/page_pods.hh"
#include "transport/worker.hh"

namespace chiscsi {

class DdpTask;
class OffloadConn;
class OffloadPortal;
class OffloadServer;

// How long things may take, in milliseconds. Tests shorten them.
struct OffloadLimits {
  uint32_t listen = 10'000;        // The adapter's answer about a server.
  uint32_t open = 30'000;          // From the request to CPL_PASS_ESTABLISH.
  uint32_t set_tcb = 5'000;        // The adapter's answer to a setting.
  uint32_t abort_report = 30'000;  // A missing answer to an abort is said so often.
  uint32_t close = 10'000;         // Our FIN and the peer's, then an abort.
  uint32_t drain = 2'000;          // Pods that were on their way when the peer's reset came.
  uint32_t detach = 10'000;        // Connections of an adapter that goes away.
  uint32_t tick = 500;             // How often limits are looked at.
};
extern OffloadLimits offload_limits;

class OffloadAdapter : public RefCounted<OffloadAdapter> {
 public:
  // What the transport wants to know: adapters that came up, on the control worker.
  using CameUp = void (*)(OffloadAdapter& adapter);

  static Result<Ref<OffloadAdapter>> create(const lld_ops* ops, lld_device* dev,
                                            const lld_device_info* info, Worker& control,
                                            CameUp came_up);
  OffloadAdapter(const lld_ops* ops, lld_device* dev, const lld_device_info* info, Worker& control,
                 CameUp came_up);
  ~OffloadAdapter();

  const lld_ops& ops() const { return *ops_; }
  lld_device* dev() const { return dev_; }
  const lld_device_info& info() const { return info_; }
  Worker& control() const { return control_; }
  const TagFormat& tags() const { return tags_; }
  // The adapter's index of OS_PAGE_SIZE; negative: nothing is placed.
  int page_index() const { return page_index_; }
  // Longest data segment of a PDU, both ways.
  uint32_t max_data_segment() const;
  // Payload pieces of a message.
  uint32_t max_fragments() const { return info_.max_fragments; }

  // Context: any.
  bool is_up() const { return state_.load() == LLD_STATE_UP; }
  // It has lost all that it had, and answers nothing: until it is up again it is not spoken to.
  bool is_lost() const;
  // It answers nothing any more, and touches no memory.
  bool is_dead() const { return is_lost() || is_forsaken(); }
  // Going away for good: who has not ended in time ends without its answer.
  bool is_forsaken() const { return forsaken_.load(); }
  // The backend has said that it goes away; it still answers.
  bool is_leaving() const { return state_.load() == LLD_STATE_DETACH; }
  // How often it came up with nothing: what was before is not known to it any more.
  uint32_t life() const { return life_.load(); }

  // What the backend calls.
  int receive(const lld_ingress& message);  // cpl_in().
  void set_state(lld_state state);
  // It goes away: connections end.
  void begin_leaving();
  void wait_until_unused();
  // Of one that leaves: when its time is over its answers are not waited for any longer.
  void forsake_when_late();
  // A user of the device; false: it must not be used any more. Context: any.
  bool enter();
  void leave();

  // lld_arp_failure, with the adapter as its context.
  static void on_arp_failure(lld_buffer* buffer, void* context);
  // Zeros that the adapter can read, for padding.
  const uint8_t* zeros() const { return zeros_.data(); }

  // Sends what has no connection, or no need for credits; takes the buffer. False: it is lost.
  bool send_control(lld_buffer* buffer, uint32_t control_queue);
  // Tells the adapter that a tid is not wanted. Context: process.
  void refuse(uint32_t tid, uint32_t control_queue, bool is_ipv6);

  // Connections; the table has a reference of its own. Context: any.
  // False: the tid is in use, or none of the adapter's, or that is not up.
  bool insert(OffloadConn& conn);
  void remove(OffloadConn& conn);
  Ref<OffloadConn> find(uint32_t tid);  // Context: process.
  // Wakes those whose limit has passed; with `all` everyone.
  void wake_conns(uint64_t now_ms, bool all);
  // Takes a task that has ended, with its pods overwritten by a message on a control queue. Other
  // connections write theirs on other queues, so they get the pods only later. Context: process.
  void retire(DdpTask& task);
  // At each tick of the control worker.
  void release_retired() { free_retired(false); }
  // The last that a connection does with the device.
  void conn_ended();

  // Servers; the list has a reference of its own. Context: any.
  void insert(OffloadServer& server);
  void remove(OffloadServer& server);
  Ref<OffloadServer> find_server(uint32_t stid);  // Context: process.

  // The transport's.
  ListNode node;
  uint32_t id = 0;

 private:
  static constexpr uint32_t kShards = 16;
  struct Shard;
  struct Servers;
  struct Retired;

  bool prepare();
  OffloadConn*& slot_of(uint32_t tid) { return slots_[tid - info_.tid_base]; }
  bool has_tid(uint32_t tid) const { return tid - info_.tid_base < info_.tid_count; }
  Shard& shard_of(uint32_t tid) { return *shards_[tid % kShards]; }
  bool take_to_conn(const lld_ingress& message, cpl::Opcode opcode, uint32_t tid);
  bool take_request(const lld_ingress& message);
  void server_reply(const lld_ingress& message, cpl::Opcode opcode);
  void drop_pages(const lld_ingress& message);
  static void on_requests(WorkerMessage& message);
  static void on_up(WorkerMessage& message);
  void accept_requests();
  bool close_door();
  void wake_servers();
  void forget_servers();
  void free_retired(bool all);
  OffloadServer* find_server_locked(uint32_t stid);

  const lld_ops* const ops_;
  lld_device* const dev_;
  lld_device_info info_;
  Worker& control_;
  const CameUp came_up_;
  TagFormat tags_;
  int page_index_ = -1;
  std::atomic<int> state_{LLD_STATE_DOWN};
  std::atomic<bool> forsaken_{false};
  uint64_t leaving_since_ms_ = 0;  // Of who removes it, after who stops the transport.
  std::atomic<uint32_t> life_{0};

  OwnPtr<Shard> shards_[kShards];
  Buffer zeros_;
  OffloadConn** slots_ = nullptr;  // By tid; each guarded by the lock of its shard.
  std::atomic<uint32_t> conn_count_{0};
  os_event* unused_ = nullptr;  // For wait_until_unused(): look again.

  os_spinlock* lock_ = nullptr;  // Guards what follows.
  uint32_t users_ = 0;
  bool closed_ = false;  // No more users.
  OffloadMessages requests_;
  OwnPtr<Servers> servers_;
  OwnPtr<Retired> retired_;
  os_mutex* retired_mutex_ = nullptr;  // Held while they are freed.
  PostedOnce requests_posted_{&OffloadAdapter::on_requests};
  PostedOnce up_posted_{&OffloadAdapter::on_up};
};

// One user, for a scope; with `wanted` false it is none.
class AdapterUse {
 public:
  explicit AdapterUse(OffloadAdapter& adapter, bool wanted = true)
      : adapter_(adapter), entered_(wanted && adapter.enter()) {}
  ~AdapterUse() {
    if (entered_) adapter_.leave();
  }
  AdapterUse(const AdapterUse&) = delete;
  AdapterUse& operator=(const AdapterUse&) = delete;
  explicit operator bool() const { return entered_; }

 private:
  OffloadAdapter& adapter_;
  const bool entered_;
};

}  // namespace chiscsi
