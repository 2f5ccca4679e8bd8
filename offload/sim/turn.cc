// SPDX-License-Identifier: GPL-2.0-only
//
// The worker's turn: messages of the client, listeners, connections, messages to the client.
#include "base/alloc.hh"
#include "offload/sim/conn.hh"
#include "offload/sim/server.hh"
#include "os/log.h"

namespace chiscsi::sim {

namespace {
constexpr uint32_t kTickMs = 1;  // The wheel rounds up to its own.
constexpr uint32_t kCallLimitMs = 60'000;

// A step that somebody waits for.
struct SimCall : WorkerMessage {
  SimCall(Handle handler, Device* dev, void (Device::*what)())
      : WorkerMessage(handler), device(dev), step(what) {}
  Device* device;
  void (Device::*step)();
  os_event* done = nullptr;
};
}  // namespace

void Device::on_turn(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  container_of(posted, &Device::turn_).turn();
}

void Device::on_tick(Timer& timer) {
  Device& device = container_of(timer, &Device::tick_);
  device.is_tick_ = true;
  device.turn();
  device.is_tick_ = false;
}

void Device::want_tick() {
  if (!tick_.is_armed() && !lost_) worker_->arm(tick_, kTickMs);
}

void Device::on_socket(void* self, unsigned int) {
  auto& device = *static_cast<Device*>(self);
  device.sockets_ready_ = true;
  device.request_turn();
}

void Device::call(void (Device::*step)()) {
  SimCall message(
      [](WorkerMessage& base) {
        auto& self = static_cast<SimCall&>(base);
        (self.device->*self.step)();
        os_event_signal(self.done);
      },
      this, step);
  while ((message.done = os_event_create()) == nullptr)
    os_relax();
  worker_->post(message);
  while (os_event_wait(message.done, kCallLimitMs) == 0)
    os_log(OS_LOG_ERROR, "%s: the adapter does not come back", config_.name);
  os_event_destroy(message.done);
}

uint32_t Device::random() {
  random_state_ ^= random_state_ << 13;
  random_state_ ^= random_state_ >> 7;
  random_state_ ^= random_state_ << 17;
  return static_cast<uint32_t>(random_state_ >> 16);
}

void Device::turn() {
  take_messages();
  if (sockets_ready_.exchange(false)) {
    for (Server* server = servers_; server != nullptr; server = server->next)
      accept_from(*server);
  }
  for (uint32_t i = 0; i < config_.tid_count; ++i) {
    if (conns_[i] != nullptr) conns_[i]->turn();
  }
  deliver();
}

// Requests are taken first and served last: what the client has sent before one is seen before it.
void Device::take_messages() {
  MailboxNode* requests = requests_.take_all();
  MailboxNode* queues[2] = {data_.take_all(), control_.take_all()};
  hop_is_dead_ = false;
  if (is_tick_) end_waiting();
  while (queues[0] != nullptr || queues[1] != nullptr) {
    uint32_t pick = random_below(2);
    if (queues[pick] == nullptr) pick = 1 - pick;
    auto* buffer = static_cast<lld_buffer*>(queues[pick]);
    queues[pick] = buffer->next;
    take_one(buffer);
  }
  while (requests != nullptr) {
    auto* request = static_cast<Request*>(requests);
    requests = request->next;
    serve(request);
  }
}

void Device::take_one(lld_buffer* buffer) {
  if (lost_) return free_buffer(buffer);
  if (buffer->l2t != nullptr && (waits(buffer) || next_hop_fails(buffer))) return;
  egress(buffer);
}

// As with cxgb4: an entry of its table that was resolved once sends at once for as long as it is
// held, also when its neighbour has failed since, and a connection holds its own to the end. So
// what waits is the reply to a request, and what was sent behind that.
bool Device::waits(lld_buffer* buffer) {
  if (buffer->header_size < sizeof(cpl::FlowcWr)) return false;
  // The first 8 bytes are alike in all.
  const uint32_t flow = buffer->as<cpl::FlowcWr>().flowid_len16.get() >> cpl::kWrFlowIdShift;
  if (tables_.tid_state(flow & 0xf'ffff) != TidState::kOffered) return false;
  if (parked_.empty() && !faults_.take(Fault::resolving)) return false;
  parked_.push_back(*buffer);
  want_tick();
  return true;
}

// The next hop has answered, or will not.
void Device::end_waiting() {
  if (parked_.empty()) return;
  const bool fails = faults_.take(Fault::arp_failure);
  BufferList ready;
  ready.splice_back(parked_);
  while (lld_buffer* buffer = ready.pop_front())
    fails ? give_back(buffer) : egress(buffer);
}

// True when the message has been dealt with. What is sent to a next hop that does not answer fails
// together. That also connections which are accepted meet this is more than cxgb4 does.
bool Device::next_hop_fails(lld_buffer* buffer) {
  if (!hop_is_dead_ && !faults_.take(Fault::arp_failure)) return false;
  hop_is_dead_ = true;
  give_back(buffer);
  return true;
}

void Device::give_back(lld_buffer* buffer) {
  if (buffer->failed == nullptr) return free_buffer(buffer);
  os_softirq_begin();
  buffer->l2t = nullptr;
  buffer->failed(buffer, buffer->context);
  os_softirq_end();
}

int Device::request(uint32_t kind, uint32_t id, const os_address* address) {
  OwnPtr<Request> made = make<Request>(Alloc::kAtomic);
  if (!made) return -static_cast<int>(Error::kNoMemory);
  made->kind = kind;
  made->id = id;
  if (address != nullptr) made->address = *address;
  requests_.push(*made.release());
  request_turn();
  return 0;
}

void Device::serve(Request* request) {
  if (request->kind == Request::kRelease) {
    release_tid(request->id);
  } else if (request->kind == Request::kClose) {
    close_server(request->id);
  } else {
    open_server(*request);
  }
  destroy(request);
}

// ---- Servers ----

void Device::open_server(const Request& request) {
  cpl::StatusRpl reply{};
  reply.ot.set(cpl::Opcode::kPassOpenRpl, request.id);
  OwnPtr<Server> server = make<Server>(Alloc::kMaySleep);
  int rc = server ? 0 : -static_cast<int>(Error::kNoMemory);
  if (faults_.take(Fault::open_status)) rc = -static_cast<int>(Error::kExists);
  if (faults_.take(Fault::open_silent)) return;
  if (rc == 0) {
    server->stid = request.id;
    server->address = request.address;
    rc = os_socket_listen(&request.address, &Device::on_socket, this, &server->socket);
  }
  if (rc == 0) {
    server->next = servers_;
    servers_ = server.release();
    sockets_ready_ = true;
    request_turn();
  } else {
    os_log(OS_LOG_WARNING, "%s: server %u cannot listen, error %d", config_.name, request.id, -rc);
    tables_.stid_set_server(request.id, false);
    reply.status = static_cast<uint8_t>(cpl::Status::kConnExist);
  }
  tell(0, {reinterpret_cast<const uint8_t*>(&reply), sizeof(reply)});
}

void Device::close_server(uint32_t stid) {
  cpl::StatusRpl reply{};
  reply.ot.set(cpl::Opcode::kCloseListsrvRpl, stid);
  Server** link = &servers_;
  while (*link != nullptr && (*link)->stid != stid)
    link = &(*link)->next;
  if (Server* server = *link; server != nullptr) {
    *link = server->next;
    os_socket_close(server->socket);
    destroy(server);
  } else {
    reply.status = static_cast<uint8_t>(cpl::Status::kTcamMiss);
  }
  if (faults_.take(Fault::close_listener_silent)) return;
  if (!tables_.stid_set_server(stid, false)) broken(Check::stid, stid);
  tell(0, {reinterpret_cast<const uint8_t*>(&reply), sizeof(reply)});
}

void Device::accept_from(Server& server) {
  for (;;) {
    os_socket* socket = nullptr;
    const int rc = os_socket_accept(server.socket, &socket);
    if (rc == -static_cast<int>(Error::kAgain)) return;
    if (rc < 0) {
      sockets_ready_ = true;
      return want_tick();
    }
    offer(socket, server);
  }
}

void Device::offer(os_socket* socket, Server& server) {
  const uint32_t tid = tables_.tid_take();
  if (tid == Tables::kNoTid) {
    os_log(OS_LOG_WARNING, "%s: no tid for a connection", config_.name);
    os_socket_abort(socket);
    return os_socket_close(socket);
  }
  Conn* conn = Conn::create(*this, tid, socket);
  if (conn == nullptr) return tables_.tid_set(tid, TidState::kFree);
  conns_[tid - config_.tid_base] = conn;
  counters_.connections.fetch_add(1);
  conn->offer(server.stid);
}

// ---- Connections ----

Conn* Device::conn_of(uint32_t tid) {
  const uint32_t index = tid - config_.tid_base;
  return index < config_.tid_count ? conns_[index] : nullptr;
}

// The adapter has lost it, and the client could not know when it sent: it hears of that afterwards.
bool Device::is_of_former_life(uint32_t tid) {
  return conn_of(tid) == nullptr && tables_.tid_state(tid) == TidState::kDead;
}

void Device::release_tid(uint32_t tid) {
  const TidState state = tables_.tid_state(tid);
  if (state == TidState::kFree) return broken(Check::tid_release, tid);
  const bool lives = state == TidState::kLive || state == TidState::kReset;
  if (lives || tables_.tid_is_inserted(tid)) broken(Check::tid_live, tid);
  if (pods_.any_valid([tid](const Pod& pod) { return pod.tid() == tid; })) {
    broken(Check::pods_left, tid);
  }
  const uint32_t index = tid - config_.tid_base;
  destroy(conns_[index]);
  conns_[index] = nullptr;
  tables_.tid_set(tid, TidState::kFree);
}

// The adapter's memory is empty afterwards; what the client holds stays the client's.
void Device::lose_all() {
  take_messages();
  tick_.disarm();
  free_all(parked_);
  while (servers_ != nullptr) {
    Server* server = servers_;
    servers_ = server->next;
    os_socket_close(server->socket);
    tables_.stid_set_server(server->stid, false);
    destroy(server);
  }
  for (uint32_t i = 0; i < config_.tid_count; ++i) {
    destroy(conns_[i]);
    conns_[i] = nullptr;
  }
  tables_.tid_free_all();
  pods_.forget();
  counters_.pods_valid = 0;
  drop_messages();
}

}  // namespace chiscsi::sim
