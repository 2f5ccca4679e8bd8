// SPDX-License-Identifier: GPL-2.0-only
//
// OffloadConn: one connection that an adapter holds, from its SYN to the adapter's last word.
//
// It has one owner at a time: the control worker while it opens and after the target has stopped it
// with CHISCSI_STOP_CONN_TERM, in between the target's worker. Everything below "The owner's" is
// the owner's alone. Messages of the adapter come in softirq: they are queued under `lock_`, and
// the owner is woken under it too, so that the target is never asked for a turn after
// chiscsi_conn_stopped(). The device is used until release_device(): from then on the object is
// only what the target still has a pointer to.
//
// Files: connection.cc (inbox, owners, life), connection_open.cc, connection_rx.cc,
// connection_tx.cc and connection_pdu.cc (from PDUs to work requests), connection_close.cc.
#pragma once

#include <atomic>

#include "base/list.hh"
#include "base/ref.hh"
#include "common/chiscsi_transport.h"
#include "offload/adapter.hh"
#include "offload/counters.hh"
#include "offload/ddp_task.hh"
#include "offload/rx_assembler.hh"
#include "offload/tx_credits.hh"
#include "offload/tx_request.hh"
#include "offload/wr.hh"

namespace chiscsi {

// The rows of docs/offload.md, "The end of a connection".
enum class OffloadState : uint8_t {
  kOpening,  // Until CPL_PASS_ESTABLISH.
  kEstablished,
  kClosing,   // One side has sent its FIN.
  kMoribund,  // Both have; what is missing is an answer, or the peer's FIN.
  kAborting,  // CPL_ABORT_RPL_RSS is missing.
  kDead,      // The adapter does not know it any more.
};

class OffloadConn : public RefCounted<OffloadConn> {
 public:
  // A request for a connection. Context: the control worker.
  static void accept(OffloadAdapter& adapter, const OffloadMessage& message);
  OffloadConn(OffloadAdapter& adapter, Ref<OffloadPortal> portal, const wr::AcceptRequest& request,
              uint32_t life);
  ~OffloadConn();

  uint32_t tid() const { return request_.tid; }
  // The adapter knows nothing of it any more: no answer comes. Context: any.
  bool is_forgotten() const { return adapter_->is_dead() || adapter_->life() != life_; }
  uint32_t tx_queue() const { return route_.tx_queue; }  // Constant while it is in the table.

  // Takes the message; false: it is not wanted. Context: any, under the lock of the adapter's
  // table.
  bool receive(OffloadMessage& message);
  // The owner is to look at its limits, and at the adapter's state. Context: as above.
  void wake();
  bool limit_passed(uint64_t now_ms) const;
  // The adapter could not deliver a message to the next hop; `accept`: the reply to the request, so
  // it does not know the connection and is told nothing of it any more. Context: as above.
  void lost_message(bool accept);
  bool is_unknown() const { return accept_lost_.load(); }

  // The functions of struct chiscsi_transport. Context: the target's worker.
  static OffloadConn& of(void* conn) { return *static_cast<OffloadConn*>(conn); }
  void start();
  int recv();
  int xmit();
  int set_param(chiscsi_conn_param param, uint32_t value);
  int get_param(chiscsi_conn_param param, unsigned int* value) const;
  void release_task(DdpTask& task);
  void stop(int flag);
  void destroy_by_target() { unref(); }

  ListNode adapter_node;  // The adapter's table.

 private:
  enum class Owner : uint8_t { kControl, kTarget };
  enum class RxStage : uint8_t { kNone, kHeader, kData, kDone, kClosed };

  // --- connection.cc ---
  bool prepare();
  void notify_locked();
  static void on_control_turn(WorkerMessage& message);
  // Handles what came and what is late. False: the device is gone.
  bool begin_turn();
  OffloadMessage* next_message();
  void handle(const OffloadMessage& message);
  void check_limit();
  void on_limit();
  void check_adapter();
  void set_limit(uint32_t delay_ms);
  void clear_limit() { limit_ms_.store(0); }
  // Something could not be had: look again at the next tick.
  void retry_later() { retry_.store(true); }
  Owner owner();
  void set_owner(Owner owner);
  OffloadAdapter& adapter() const { return *adapter_; }
  const lld_ops& ops() const { return adapter_->ops(); }
  lld_device* dev() const { return adapter_->dev(); }

  // --- connection_open.cc ---
  Status open();
  bool allocate_buffers();
  Status send_accept_reply();
  void guess_flowc(const uint8_t* accept_reply, uint32_t mtu);
  void on_establish(const OffloadMessage& message);
  bool fill_flowc(const cpl::PassEstablish& established);
  void hand_over();
  chiscsi_tcp_endpoints endpoints() const;

  // --- connection_rx.cc ---
  bool may_receive() const;
  bool next_pdu_is_here();
  void pdu_arrived();
  void begin_pdu();
  void translate_data_out();
  void note_silent_data();
  bool claim_silent_data(uint32_t offset, uint32_t expected);
  bool deliver_header();
  void deliver_data();
  bool deliver_end();
  void finish_pdu();
  void return_rx_credits();
  void drop_rx();

  // --- connection_tx.cc ---
  enum class Pulled : uint8_t { kPdu, kNone, kNotNow };
  bool may_send() const;
  bool may_pull();
  Pulled pull();
  TxRequest* take_request(uint32_t header_size, uint32_t fragments);
  void free_request(TxRequest& request);
  void queue_request(TxRequest& request, uint32_t cost);
  void push(bool all);
  bool send_request(TxRequest& request, uint32_t cost, bool last);
  int send_to_peer(lld_buffer* buffer);
  wr::FlowcValues flowc_values() const;
  uint32_t flowc_cost() const;
  bool send_flowc();
  int send_behind_flowc(lld_buffer* buffer);
  void on_ack(const cpl::Fw4Ack& ack);
  void request_done(TxRequest& request);
  void report_sent();
  void give_back_pdus();
  void drop_backlog();
  void drop_tx();
  bool begin_digest_switch();
  void on_set_tcb_reply(const cpl::SetTcbRpl& reply);

  // --- connection_pdu.cc: of the PDU that is being built ---
  bool has_header_digest() const;
  bool has_data_digest() const;
  bool build();
  uint32_t count_pieces(uint32_t from, uint32_t size) const;
  uint32_t slice_size(uint32_t from) const;
  iscsi::Bhs header_of(uint32_t from, uint32_t size) const;
  bool build_request(uint32_t from, uint32_t size);
  bool copy_data(MutableBytes room, uint32_t from) const;
  bool add_pieces(lld_buffer* buffer, uint32_t from, uint32_t size) const;
  void finish_request(TxRequest& request, uint32_t from, uint32_t size, uint32_t pieces);
  void prepare_r2t();
  bool place(const chiscsi_rx_landing& landing, uint32_t tag);
  void count_refusal(DdpRefusal refusal);
  uint32_t bucket_of(uint32_t tag) const;
  DdpTask* find_task(uint32_t tag);
  bool write_pods_of(DdpTask& task, DdpTask* released);
  bool invalidate_tasks();
  void free_task(DdpTask& task);
  bool revoke(DdpTask& task);
  bool revoke_tasks();

  // --- connection_close.cc ---
  void fail(int error);
  void tell_failed(int error);
  void close_in_order();
  void abort();
  void send_abort();
  void send_abort_reply();
  void on_peer_close();
  void on_close_reply();
  void on_abort_request(uint8_t status);
  void on_abort_reply();
  void closed_a_half();
  void die(int error);
  void end();
  bool is_drained();
  void take_late_credits();
  bool release_device();
  void drop_messages();
  void stop_now();
  bool is_flushed();
  void let_go();
  bool is_closed_by_peer_only();
  bool has_tasks();

  // Constant.
  const Ref<OffloadAdapter> adapter_;
  const Ref<OffloadPortal> portal_;
  const wr::AcceptRequest request_;
  const uint32_t life_;  // The adapter's when it was asked for.
  os_spinlock* lock_ = nullptr;

  // Any thread.
  std::atomic<uint64_t> limit_ms_{0};  // When the owner has to look; 0: never.
  std::atomic<bool> retry_{false};
  std::atomic<bool> lost_{false};
  std::atomic<bool> accept_lost_{false};

  // Guarded by lock_.
  OffloadMessages control_;  // What changes the state, and credits.
  OffloadMessages data_;
  uint64_t queued_bytes_ = 0;
  Owner owner_ = Owner::kControl;
  bool started_ = false;   // The target's pointer may be used.
  bool discards_ = false;  // Nobody reads any more.
  bool discards_data_ = false;
  bool overflow_ = false;
  PostedOnce control_posted_{&OffloadConn::on_control_turn};

  // The owner's.
  OffloadState state_ = OffloadState::kOpening;
  bool with_target_ = false;  // The owner is the target.
  bool on_device_ = false;    // Known to the adapter's tables.
  bool has_clip_ = false;
  bool has_route_ = false;
  bool fin_sent_ = false, fin_acked_ = false, peer_fin_ = false;
  bool reply_owed_ = false;       // CPL_ABORT_RPL could not be sent yet.
  uint64_t drains_until_ms_ = 0;  // The peer has reset it: how long pods may be on their way.
  bool failed_told_ = false;
  bool flushing_ = false;    // Stopped by CHISCSI_STOP_CONN_FLUSH.
  bool stop_asked_ = false;  // By either flag.
  bool stop_told_ = false;
  chiscsi_conn_port* port_ = nullptr;
  lld_route route_ = {};
  uint32_t receive_window_ = 0;
  wr::FlowcValues flowc_;
  lld_buffer* flowc_buffer_ = nullptr;
  lld_buffer* abort_buffer_ = nullptr;
  lld_buffer* abort_reply_buffer_ = nullptr;
  lld_buffer* close_buffer_ = nullptr;

  // Receiving.
  RxAssembler assembler_;
  OffloadMessages rx_messages_;
  RxStage rx_stage_ = RxStage::kNone;
  iscsi::Bhs rx_bhs_;     // As the target is to see it.
  uint32_t rx_size_ = 0;  // Of its data segment.
  uint32_t rx_flags_ = 0;
  bool rx_placed_ = false;
  bool rx_again_ = false;  // The PDU of the assembler comes after this one.
  bool rx_again_pending_ = false;
  DdpTask* rx_task_ = nullptr;  // That its data belongs to.
  DdpR2t* rx_r2t_ = nullptr;
  uint32_t rx_told_to_ = 0;     // Of the stream, before the first message of this PDU.
  uint64_t silent_bytes_ = 0;   // T6: of the stream, that came without a message.
  uint64_t claimed_bytes_ = 0;  // Of them: that headers behind them have accounted for.
  uint32_t rx_credits_ = 0;

  // Sending.
  TxCredits credits_;
  uint32_t dearest_ = 0;
  List<TxRequest, &TxRequest::node> backlog_;
  List<TxRequest, &TxRequest::node> spare_requests_;
  List<TxSlot, &TxSlot::node> pulled_;  // In the order in which they were pulled.
  List<TxSlot, &TxSlot::node> spare_slots_;
  TxSlot* building_ = nullptr;  // The last of `pulled_`, not yet made into requests.
  TxRequest close_request_;
  bool is_accepted_ = false;  // The adapter has spoken of it: the reply is there.
  bool flowc_sent_ = false;
  bool flowc_waits_ = false;  // Behind the reply, for the next hop.
  bool header_digest_ = false, data_digest_ = false;
  bool tcb_wanted_ = false;   // The digests are others than the adapter's.
  bool tcb_waiting_ = false;  // It was told; nothing is pulled until it has answered.
  uint32_t tcb_value_ = 0;    // What it was told last.

  // Placement.
  static constexpr uint32_t kTaskBuckets = 32;
  List<DdpTask, &DdpTask::node> tasks_[kTaskBuckets];
  DdpTask* writing_ = nullptr;  // Its pods are being written, ahead of its R2T.
  List<DdpTask, &DdpTask::release_node> releasing_;
};

}  // namespace chiscsi
