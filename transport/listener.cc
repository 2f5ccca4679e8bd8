// SPDX-License-Identifier: GPL-2.0-only
//
// Accepting connections, a few per turn of the login worker.
#include "transport/listener.hh"

#include "os/log.h"
#include "transport/tcp_conn.hh"

namespace chiscsi {

namespace {
constexpr int kAcceptBudget = 64;
constexpr uint64_t kAcceptRetryMs = 250;
}  // namespace

Result<Ref<Listener>> Listener::create(const os_address& address, Worker& worker,
                                       Acceptor& acceptor) {
  auto listener = Ref<Listener>::adopt(make<Listener>(Alloc::kMaySleep, address, worker, acceptor));
  if (!listener) return Error::kNoMemory;
  listener->mutex_ = os_mutex_create();
  if (listener->mutex_ == nullptr) return Error::kNoMemory;
  // The lock keeps a turn that starts at once waiting until socket_ is set.
  os_mutex_lock(listener->mutex_);
  const int rc =
      os_socket_listen(&address, &Listener::on_socket_event, listener.get(), &listener->socket_);
  if (rc < 0) listener->socket_ = nullptr;
  os_mutex_unlock(listener->mutex_);
  CHISCSI_TRY(Status::from_errno(rc));
  return listener;
}

Listener::~Listener() {
  if (socket_ != nullptr) os_socket_close(socket_);
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

void Listener::close() {
  os_mutex_lock(mutex_);
  os_socket* socket = std::exchange(socket_, nullptr);
  if (socket != nullptr) os_socket_close(socket);
  os_mutex_unlock(mutex_);
  request_turn();  // Ends a retry.
}

void Listener::on_socket_event(void* self, unsigned int) {
  static_cast<Listener*>(self)->request_turn();
}

void Listener::request_turn() {
  // The reference is that of the message; taken first, because the turn may be over before we are.
  ref();
  if (!ready_.request(worker_)) unref();
}

void Listener::on_ready(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  Listener& listener = container_of(posted, &Listener::ready_);
  listener.end_retry();
  int budget = kAcceptBudget;
  Accepted last = Accepted::kOne;
  while (budget > 0 && (last = listener.accept_one()) == Accepted::kOne)
    --budget;
  if (budget == 0) listener.request_turn();
  if (last == Accepted::kFailed) listener.retry_later();
  listener.unref();
}

Listener::Accepted Listener::accept_one() {
  os_socket* accepted = nullptr;
  os_mutex_lock(mutex_);
  const bool open = socket_ != nullptr;
  const int rc = open ? os_socket_accept(socket_, &accepted) : 0;
  os_mutex_unlock(mutex_);
  if (!open || rc == -static_cast<int>(Error::kAgain)) return Accepted::kNobody;
  if (rc < 0) {
    os_log_limited(OS_LOG_WARNING, "a connection cannot be accepted, error %d: tried again", -rc);
    return Accepted::kFailed;
  }
  Result<OwnPtr<TcpConn>> conn = TcpConn::create(accepted);
  if (conn.is_ok()) acceptor_.on_accept(conn.take());
  return Accepted::kOne;
}

void Listener::retry_later() {
  ref();
  retrying_ = true;
  worker_.arm(retry_, kAcceptRetryMs);
}

void Listener::on_retry(Timer& timer) { container_of(timer, &Listener::retry_).request_turn(); }

// Called with the reference of a message, so this is never the last one.
void Listener::end_retry() {
  if (!std::exchange(retrying_, false)) return;
  retry_.disarm();
  unref();
}

}  // namespace chiscsi
