// SPDX-License-Identifier: GPL-2.0-only
//
// TcpConn: the Conn on a socket of the host.
//
// The socket's callback, which runs in softirq, only notes what happened and posts one message to
// the worker. The worker then makes one receive pass and one send pass, each within a budget, and
// posts itself again when there is more; so connections of one worker take turns.
#pragma once

#include <atomic>

#include "base/alloc.hh"
#include "transport/conn.hh"
#include "transport/pdu_reader.hh"
#include "transport/pdu_writer.hh"

namespace chiscsi {

class TcpConn final : public Conn {
 public:
  // Takes the socket over in any case. Context: process.
  static Result<OwnPtr<TcpConn>> create(os_socket* socket);
  ~TcpConn() override;

  ConnCapabilities limits() const override;
  const os_address& local_address() const override { return local_; }
  int arrival_cpu() const override { return os_socket_cpu(socket_); }
  const os_address& peer_address() const override { return peer_; }
  void start(Worker& worker, ConnUser& user) override;
  void move_to(Worker& worker) override;
  void set_digests(bool header, bool data) override;
  void release(PlacedTask&) override {}  // It places nothing.
  void kick_tx() override;
  void resume_rx() override;
  void discard_rest() override { reader_.discard_rest(); }
  void close(CloseReason reason, bool flush) override;

 private:
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc, Args&&...);
  explicit TcpConn(os_socket* socket);

  static void on_socket_event(void* self, unsigned int events);
  static void on_ready(WorkerMessage& message);
  static void on_flush_timeout(Timer& timer);
  static size_t on_bytes(void* self, const uint8_t* data, size_t size);

  void turn();
  void receive_pass();
  void send_pass();
  void attach();
  void finish_move();
  void arrive();
  void finish_close();
  void request_turn() { ready_.request(*worker_); }

  os_socket* socket_;
  Worker* worker_ = nullptr;
  ConnUser* user_ = nullptr;
  Worker* moving_to_ = nullptr;
  os_address local_{};
  os_address peer_{};
  RxPdu rx_pdu_;
  PduReader reader_{&rx_pdu_};
  PduWriter writer_;
  PostedOnce ready_{&TcpConn::on_ready};
  Timer flush_timer_{&TcpConn::on_flush_timeout};
  std::atomic<unsigned int> events_{0};
  CloseReason close_reason_ = CloseReason::kNone;
  bool rx_wanted_ = false;   // Bytes may be waiting in the socket.
  bool tx_wanted_ = false;   // The user may have PDUs.
  bool tx_blocked_ = false;  // The socket had no room.
  bool flushing_ = false;    // Closing, but queued PDUs go out first.
  bool in_turn_ = false;
  bool header_digest_ = false;  // From the move on.
  bool data_digest_ = false;
  bool arriving_ = false;  // Moved, and not yet seen by the new worker.
};

}  // namespace chiscsi
