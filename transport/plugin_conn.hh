// SPDX-License-Identifier: GPL-2.0-only
//
// PluginConn and PluginPort: the Conn on a transport of another module.
//
// PluginPort is what the transport knows as its chiscsi_conn_port. It lives until the transport has
// let go of it, which may be later than the engine's connection. PluginConn is the engine's end:
// who owns it owns the connection. Like any Conn it belongs to one worker; a turn asked for on
// another one, because the connection has moved meanwhile, is passed on.
#pragma once

#include <atomic>

#include "transport/plugin.hh"

namespace chiscsi {

class PluginConn;

class PluginPort : public RefCounted<PluginPort>, public PluginMember {
 public:
  PluginPort(Ref<TransportPlugin> plugin, void* conn, Worker& worker, Acceptor& acceptor);
  static PluginPort& of(chiscsi_conn_port* port) { return *reinterpret_cast<PluginPort*>(port); }
  chiscsi_conn_port* handle() { return reinterpret_cast<chiscsi_conn_port*>(this); }

  // What the transport calls. Context: any.
  void schedule() { request_turn(); }
  void failed(int error);
  void stopped();

  // The same, in a turn.
  int rx_header(Bytes bhs, Bytes ahs, unsigned int flags);
  void rx_data(Bytes data);
  void rx_placed(uint32_t size);
  int rx_done(bool data_digest_error);
  void rx_header_digest_error();
  bool next_pdu(chiscsi_xmit_pdu* pdu);
  void pdu_sent(const chiscsi_xmit_pdu& pdu);
  void pdu_dropped(const chiscsi_xmit_pdu& pdu);
  void place(void* task);
  void task_released(void* task);

  // For PluginConn: see Conn.
  void start(Worker& worker, ConnUser& user);
  void move_to(Worker& worker);
  void set_digests(bool header, bool data);
  void kick_tx();
  void resume_rx() { request_turn(); }
  void discard_rest();
  void release(PlacedTask& task);
  void close(CloseReason reason, bool flush);
  // The engine has let go of the connection.
  void orphan();

  // Hands the new connection to the acceptor, on its worker.
  void announce(OwnPtr<PluginConn> conn);
  ConnCapabilities limits() const { return limits_; }

  os_address local{};
  os_address peer{};

 private:
  enum class Question : uint8_t { kNone, kHeader, kComplete };
  enum class Stop : uint8_t { kNone, kFlush, kTerminate };

  static void on_accepted(WorkerMessage& message);
  static void on_ready(WorkerMessage& message);
  static void on_stopped(WorkerMessage& message);
  static void on_stop_timeout(Timer& timer);

  void request_turn() { ready_.request(*worker_.load(std::memory_order_acquire)); }
  void turn();
  bool receive_pass();
  bool send_pass();
  RxAction ask(Question question);
  void note_failure();
  void finish_move();
  void arrive();
  void stop();
  void stop_time_is_up();
  void finish_if_quiet();
  void apply(chiscsi_conn_param param, bool on);
  void ask_limit(chiscsi_conn_param param, uint32_t* limit);
  void tell_releases();
  void forget_placed();
  void misuse(const char* what);

  struct Message : WorkerMessage {
    Message(Handle handler, PluginPort* owner) : WorkerMessage(handler), port(owner) {}
    PluginPort* port;
  };

  Ref<TransportPlugin> plugin_;
  const chiscsi_transport& functions_;
  void* const conn_;
  Acceptor& acceptor_;
  std::atomic<Worker*> worker_;
  PostedOnce ready_{&PluginPort::on_ready};
  Message accepted_message_{&PluginPort::on_accepted, this};
  Message stopped_message_{&PluginPort::on_stopped, this};
  std::atomic<bool> stop_told_{false};  // chiscsi_conn_stopped() was called.
  std::atomic<int> failure_{kNoFailure};
  static constexpr int kNoFailure = 1;

  // The worker's.
  OwnPtr<PluginConn> announced_;
  ConnUser* user_ = nullptr;
  Worker* moving_to_ = nullptr;
  Timer stop_timer_{&PluginPort::on_stop_timeout};
  RxPdu rx_pdu_;
  Placement placement_;
  uint32_t placed_ = 0;
  ConnCapabilities limits_;
  Landing landing_;                    // Of the PDU just pulled.
  chiscsi_rx_landing told_landing_{};  // The same as the transport sees it.
  using PlacedTasks = List<PlacedTask, &PlacedTask::node>;
  PlacedTasks to_release_;               // The transport has not been asked yet.
  PlacedTasks releasing_;                // It has been.
  Question question_ = Question::kNone;  // Answered with a pause, to be asked again.
  CloseReason close_reason_ = CloseReason::kNone;
  Stop stop_asked_ = Stop::kNone;
  bool rx_closed_ = false;
  bool tx_wanted_ = false;
  bool flushing_ = false;
  bool in_turn_ = false;
  bool arriving_ = false;
  bool stopped_ = false;
};

class PluginConn final : public Conn {
 public:
  explicit PluginConn(Ref<PluginPort> port) : port_(std::move(port)) {}
  ~PluginConn() override { port_->orphan(); }

  ConnCapabilities limits() const override { return port_->limits(); }
  const os_address& local_address() const override { return port_->local; }
  const os_address& peer_address() const override { return port_->peer; }
  void start(Worker& worker, ConnUser& user) override { port_->start(worker, user); }
  void move_to(Worker& worker) override { port_->move_to(worker); }
  void set_digests(bool header, bool data) override { port_->set_digests(header, data); }
  void kick_tx() override { port_->kick_tx(); }
  void resume_rx() override { port_->resume_rx(); }
  void discard_rest() override { port_->discard_rest(); }
  void release(PlacedTask& task) override { port_->release(task); }
  void close(CloseReason reason, bool flush) override { port_->close(reason, flush); }

 private:
  Ref<PluginPort> port_;
};

}  // namespace chiscsi
