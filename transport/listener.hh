// SPDX-License-Identifier: GPL-2.0-only
//
// Listener: a portal's listening socket, served by the login worker.
//
// Each established connection becomes a TcpConn and is handed to the acceptor. A limited number is
// accepted per turn. When the host is short of something, a timer tries again: the connections that
// wait would not announce themselves a second time. The control plane opens and closes a listener;
// a turn that is still in the worker's mailbox then keeps the object alive by a reference of its
// own.
#pragma once

#include "base/alloc.hh"
#include "base/ref.hh"
#include "transport/conn.hh"

namespace chiscsi {

class Acceptor {
 public:
  // Runs on the login worker.
  virtual void on_accept(OwnPtr<Conn> conn) = 0;

 protected:
  ~Acceptor() = default;
};

class Listener : public RefCounted<Listener> {
 public:
  // Opens the socket and starts to accept on `worker`. Context: process.
  static Result<Ref<Listener>> create(const os_address& address, Worker& worker,
                                      Acceptor& acceptor);
  ~Listener();
  const os_address& address() const { return address_; }
  // Closes the socket: when it returns, the address is free and nothing more is accepted.
  // Context: process.
  void close();

 private:
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc, Args&&...);
  Listener(const os_address& address, Worker& worker, Acceptor& acceptor)
      : address_(address), worker_(worker), acceptor_(acceptor) {}

  static void on_socket_event(void* self, unsigned int events);
  static void on_ready(WorkerMessage& message);
  void request_turn();
  // What became of one try.
  enum class Accepted { kOne, kNobody, kFailed };
  Accepted accept_one();
  static void on_retry(Timer& timer);
  void retry_later();
  void end_retry();

  const os_address address_;
  Worker& worker_;
  Acceptor& acceptor_;
  os_mutex* mutex_ = nullptr;
  os_socket* socket_ = nullptr;  // Guarded by mutex_; null when closed.
  PostedOnce ready_{&Listener::on_ready};
  // Worker-owned; armed with a reference.
  Timer retry_{&Listener::on_retry};
  bool retrying_ = false;
};

}  // namespace chiscsi
