// SPDX-License-Identifier: GPL-2.0-only
//
// Sockets of the simulated host: both directions of a connection are queues in memory, and events
// are reported when the test's end of it changes something. See simulation.hh.
#include "os/socket.h"
#include "os/thread.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "host.hh"
#include "internal.hh"
#include "os/digest.h"
#include "os/memory.h"
#include "simulation.hh"

namespace chiscsi::simulation {

struct Link::State {
  std::string to_engine;
  size_t read = 0;  // Of to_engine.
  std::string from_engine;
  size_t room = SIZE_MAX;
  uint16_t port = 0;  // Of the listener.
  bool peer_closed = false;
  bool peer_reset = false;
  bool engine_blocked = false;
  bool engine_closed = false;
  os_socket* socket = nullptr;
};

}  // namespace chiscsi::simulation

using State = chiscsi::simulation::Link::State;

struct os_socket {
  std::shared_ptr<State> state;                // Of a connection.
  uint16_t port = 0;                           // Of a listener.
  std::deque<std::shared_ptr<State>> waiting;  // To be accepted.
  os_socket_notify notify = nullptr;
  void* context = nullptr;
};

namespace {

size_t read_piece = 0;
bool notices_are_held = false;
size_t socket_count = 0;

std::vector<os_socket*>& listeners() {
  static auto* all = new std::vector<os_socket*>;
  return *all;
}

// ---- Notices ----

struct Notice {
  uint64_t references;
  void (*released)(os_send_notice*);
};
static_assert(sizeof(Notice) <= sizeof(os_send_notice));

struct HeldMemory {
  os_send_notice* notice;
  std::vector<std::pair<const uint8_t*, size_t>> pieces;
  uint32_t crc;
};
std::vector<HeldMemory>& held_memory() {
  static auto* all = new std::vector<HeldMemory>;
  return *all;
}

Notice* notice_of(os_send_notice* notice) { return reinterpret_cast<Notice*>(notice->opaque); }

uint32_t crc_of(const HeldMemory& memory) {
  uint32_t crc = ~0u;
  for (const auto& [data, size] : memory.pieces)
    crc = os_crc32c(crc, data, size);
  return crc;
}

void report(os_socket* socket, unsigned events) {
  if (socket == nullptr || socket->notify == nullptr) return;
  HostAtomicSection softirq;
  socket->notify(socket->context, events);
}

os_address loopback(uint16_t port) {
  os_address address = {};
  address.ip[10] = address.ip[11] = 0xff;
  address.ip[12] = 127;
  address.ip[15] = 1;
  address.port = port;
  return address;
}

size_t most_of(const State& state) {
  return state.room > state.from_engine.size() ? state.room - state.from_engine.size() : 0;
}

// The bookkeeping here is C++; this lets the hook that fails allocations reach it.
bool memory_is_short() {
  void* probe = os_alloc(1, OS_ALLOC_SLEEP);
  os_free(probe);
  return probe == nullptr;
}

std::vector<uint8_t> part_of(const std::string& bytes, size_t at, size_t size) {
  const chiscsi::simulation::HostWork own;
  const auto start = bytes.begin() + static_cast<long>(at);
  return std::vector<uint8_t>(start, start + static_cast<long>(size));
}

const uint8_t* start_of(const os_fragment& fragment) {
  const void* base = fragment.page != nullptr ? fragment.page : fragment.address;
  return static_cast<const uint8_t*>(base) + fragment.offset;
}

}  // namespace

// ---- The test's side ----

namespace chiscsi::simulation {

void set_read_piece(size_t bytes) { read_piece = bytes; }
void hold_notices(bool on) { notices_are_held = on; }
size_t open_sockets() { return socket_count; }

void release_notices() {
  for (HeldMemory& memory : std::exchange(held_memory(), {})) {
    if (crc_of(memory) != memory.crc) {
      host_contract_broken("memory changed while the network still refers to it");
    }
    HostAtomicSection softirq;
    os_send_notice_put(memory.notice);
  }
}

Link::Link(uint16_t port) : state_(std::make_shared<State>()) {
  state_->port = port;
  for (os_socket* listener : listeners()) {
    if (listener->port != port) continue;
    listener->waiting.push_back(state_);
    report(listener, OS_SOCKET_READABLE);
    return;
  }
  state_->engine_closed = true;
}

Link::~Link() { close(); }

bool Link::is_open() const { return !state_->engine_closed; }

void Link::send(const std::string& bytes) {
  if (state_->peer_closed || state_->peer_reset) return;
  state_->to_engine += bytes;
  report(state_->socket, OS_SOCKET_READABLE);
}

std::string Link::take() {
  std::string bytes = std::exchange(state_->from_engine, {});
  set_room(state_->room);
  return bytes;
}

void Link::set_room(size_t bytes) {
  state_->room = bytes;
  if (state_->engine_blocked && most_of(*state_) != 0) {
    state_->engine_blocked = false;
    report(state_->socket, OS_SOCKET_WRITABLE);
  }
}

void Link::close() {
  if (std::exchange(state_->peer_closed, true)) return;
  report(state_->socket, OS_SOCKET_READABLE | OS_SOCKET_CLOSED);
}

void Link::reset() {
  state_->peer_reset = true;
  report(state_->socket, OS_SOCKET_READABLE | OS_SOCKET_WRITABLE | OS_SOCKET_CLOSED);
}

}  // namespace chiscsi::simulation

// ---- The engine's side ----

int os_socket_listen(const os_address* address, os_socket_notify notify, void* context,
                     os_socket** socket) {
  host_might_sleep("os_socket_listen()");
  if (memory_is_short()) return -ENOMEM;
  auto* listener = new os_socket;
  listener->port = address->port;
  listener->notify = notify;
  listener->context = context;
  listeners().push_back(listener);
  ++socket_count;
  *socket = listener;
  return 0;
}

int os_socket_accept(os_socket* listener, os_socket** socket) {
  host_might_sleep("os_socket_accept()");
  if (listener->waiting.empty()) return -EAGAIN;
  if (memory_is_short()) {
    listener->waiting.front()->engine_closed = true;
    listener->waiting.pop_front();
    return -ENOMEM;
  }
  *socket = new os_socket;
  (*socket)->state = std::move(listener->waiting.front());
  listener->waiting.pop_front();
  (*socket)->state->socket = *socket;
  ++socket_count;
  return 0;
}

void os_socket_set_notify(os_socket* socket, os_socket_notify notify, void* context) {
  host_might_sleep("os_socket_set_notify()");
  socket->notify = notify;
  socket->context = context;
}

int os_socket_cpu(os_socket*) { return OS_ANY_CPU; }

int os_socket_addresses(os_socket* socket, os_address* local, os_address* peer) {
  *local = loopback(socket->state->port);
  *peer = loopback(40000);
  return 0;
}

long os_socket_read(os_socket* socket, os_socket_consume consume, void* context, size_t limit,
                    int* more) {
  host_might_sleep("os_socket_read()");
  ++chiscsi::simulation::counts().receive_calls;
  State& state = *socket->state;
  int unused;
  if (more == nullptr) more = &unused;
  *more = 1;
  if (state.peer_reset) return -ECONNRESET;
  size_t total = 0;
  while (total < limit && state.read < state.to_engine.size()) {
    size_t size = std::min(state.to_engine.size() - state.read, limit - total);
    if (read_piece != 0) size = std::min(size, read_piece);
    // Memory of its own, so that a sanitizer sees a step beyond the piece.
    const std::vector<uint8_t> piece = part_of(state.to_engine, state.read, size);
    size_t used;
    {
      HostAtomicSection socket_lock;
      used = consume(context, piece.data(), size);
    }
    state.read += used;
    total += used;
    if (used < size) return static_cast<long>(total);
  }
  if (state.read == state.to_engine.size()) {
    state.to_engine.clear();
    state.read = 0;
    *more = state.peer_closed ? 1 : 0;
  }
  if (total != 0) return static_cast<long>(total);
  return state.peer_closed ? -EPIPE : -EAGAIN;
}

void os_send_notice_init(os_send_notice* notice, void (*released)(os_send_notice*)) {
  *notice_of(notice) = Notice{1, released};
}

void os_send_notice_put(os_send_notice* notice) {
  if (notice_of(notice)->references == 0) host_contract_broken("send notice put once too often");
  if (--notice_of(notice)->references == 0) notice_of(notice)->released(notice);
}

long os_socket_send(os_socket* socket, const os_fragment* fragments, size_t count, size_t skip,
                    unsigned int, os_send_notice* notice) {
  host_might_sleep("os_socket_send()");
  ++chiscsi::simulation::counts().send_calls;
  const chiscsi::simulation::HostWork own;
  State& state = *socket->state;
  if (state.peer_reset || state.peer_closed) return -EPIPE;
  const size_t before = state.from_engine.size();
  HeldMemory memory{notice, {}, 0};
  size_t room = most_of(state);
  for (size_t i = 0; i < count; ++i) {
    if (skip >= fragments[i].length) {
      skip -= fragments[i].length;
      continue;
    }
    const uint8_t* data = start_of(fragments[i]) + skip;
    const size_t size = std::min<size_t>(fragments[i].length - skip, room);
    skip = 0;
    state.from_engine.append(reinterpret_cast<const char*>(data), size);
    memory.pieces.emplace_back(data, size);
    room -= size;
    if (room == 0) {
      state.engine_blocked = true;
      break;
    }
  }
  const size_t sent = state.from_engine.size() - before;
  if (sent == 0) return count == 0 ? 0 : -EAGAIN;
  if (notice != nullptr && notices_are_held) {
    memory.crc = crc_of(memory);
    ++notice_of(notice)->references;
    held_memory().push_back(std::move(memory));
  }
  return static_cast<long>(sent);
}

int os_socket_shutdown(os_socket* socket) {
  host_might_sleep("os_socket_shutdown()");
  socket->state->engine_closed = true;
  return 0;
}

void os_socket_abort(os_socket*) {}

void os_socket_close(os_socket* socket) {
  host_might_sleep("os_socket_close()");
  std::erase(listeners(), socket);
  for (const auto& state : socket->waiting)
    state->engine_closed = true;
  if (socket->state) {
    socket->state->socket = nullptr;
    socket->state->engine_closed = true;
  }
  --socket_count;
  delete socket;
}
