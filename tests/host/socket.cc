// SPDX-License-Identifier: GPL-2.0-only
//
// TCP sockets of the POSIX port: non-blocking descriptors and one epoll thread that delivers the
// notify callbacks, as softirq does in the kernel. Edge-triggered, so an engine that does not look
// again hangs here as it would there. The thread starts with the first socket and stays; it also
// runs what tests delay: released notices and the writable event after a shortened send.
#include "os/socket.h"
#include "os/thread.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "host.hh"
#include "internal.hh"
#include "os/digest.h"
#include "os/memory.h"

struct os_socket {
  uint64_t id = 0;
  int fd = -1;
  bool reset_at_close = false;
  int receive_error = 0;  // Reported after the bytes that came before it.

  // Held while the callback runs: set_notify() returns only when it does not.
  std::mutex notify_lock;
  os_socket_notify notify = nullptr;
  void* notify_context = nullptr;

  // Bytes taken from the descriptor that the consumer has left. User's thread only.
  std::vector<uint8_t> received;
  size_t received_begin = 0;
};

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kReceiveSize = 64 * 1024;
constexpr size_t kMostVectors = 1024;  // Of one sendmsg().

std::atomic<size_t> read_piece{0};
std::atomic<size_t> send_limit{0};
std::atomic<uint32_t> notice_delay_ms{0};

// ---- The notice behind the opaque words ----

struct Notice {
  std::atomic<uint64_t> references;
  void (*released)(os_send_notice*);
};
static_assert(sizeof(Notice) <= sizeof(os_send_notice));

Notice* notice_of(os_send_notice* notice) { return reinterpret_cast<Notice*>(notice->opaque); }

void notice_put(os_send_notice* notice) {
  const uint64_t before = notice_of(notice)->references.fetch_sub(1, std::memory_order_acq_rel);
  if (before == 0 || before > 1u << 30) host_contract_broken("send notice put once too often");
  if (before == 1) notice_of(notice)->released(notice);
}

const uint8_t* start_of(const os_fragment& fragment) {
  const void* base = fragment.page != nullptr ? fragment.page : fragment.address;
  return static_cast<const uint8_t*>(base) + fragment.offset;
}

// Memory that a zero-copy send would still refer to.
struct HeldMemory {
  os_send_notice* notice;
  std::vector<iovec> pieces;
  uint32_t crc;

  static uint32_t crc_of(const std::vector<iovec>& pieces) {
    uint32_t crc = ~0u;
    for (const iovec& piece : pieces)
      crc = os_crc32c(crc, piece.iov_base, piece.iov_len);
    return crc;
  }
};

// ---- The epoll thread ----

class Poller {
 public:
  static Poller& instance() {
    static auto* poller = new Poller;  // Never destroyed: its thread runs until the end.
    return *poller;
  }

  int add(std::shared_ptr<os_socket> socket) {
    std::lock_guard guard(lock_);
    socket->id = ++last_id_;
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.u64 = socket->id;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, socket->fd, &event) != 0) return -errno;
    sockets_.emplace(socket->id, std::move(socket));
    return 0;
  }

  // Takes the socket out; the epoll thread may hold its own reference for a moment longer.
  std::shared_ptr<os_socket> remove(os_socket* socket) {
    std::lock_guard guard(lock_);
    auto found = sockets_.find(socket->id);
    if (found == sockets_.end()) host_contract_broken("socket closed twice");
    auto owner = std::move(found->second);
    sockets_.erase(found);
    epoll_ctl(epoll_, EPOLL_CTL_DEL, owner->fd, nullptr);
    return owner;
  }

  size_t count() {
    std::lock_guard guard(lock_);
    return sockets_.size();
  }

  void drain() {
    while (unfinished_ != 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }

  void report_writable_soon(const os_socket* socket) {
    later(Clock::now() + std::chrono::milliseconds(1), {socket->id, {}});
  }
  void release_later(HeldMemory memory, uint32_t delay_ms) {
    later(Clock::now() + std::chrono::milliseconds(delay_ms), {0, std::move(memory)});
  }

 private:
  struct Delayed {
    uint64_t writable_id;  // 0: a notice is released.
    HeldMemory memory;
  };

  Poller() : epoll_(epoll_create1(EPOLL_CLOEXEC)), wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (epoll_ < 0 || wake_ < 0) host_contract_broken("no epoll: %s", strerror(errno));
    epoll_event event = {};
    event.events = EPOLLIN | EPOLLET;
    event.data.u64 = 0;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, wake_, &event);
    std::thread([this] { run(); }).detach();
  }

  void later(Clock::time_point due, Delayed what) {
    ++unfinished_;
    {
      std::lock_guard guard(lock_);
      delayed_.emplace_back(due, std::move(what));
    }
    const uint64_t one = 1;
    (void)!write(wake_, &one, sizeof(one));
  }

  void run() {
    pthread_setname_np(pthread_self(), "host-softirq");
    for (;;) {
      epoll_event events[64];
      const int count = epoll_wait(epoll_, events, 64, until_next());
      for (int i = 0; i < count; ++i) {
        if (events[i].data.u64 != 0) deliver(events[i].data.u64, events_of(events[i].events));
      }
      run_delayed();
    }
  }

  int until_next() {
    std::lock_guard guard(lock_);
    if (delayed_.empty()) return -1;
    auto next = delayed_.front().first;
    for (const auto& entry : delayed_)
      next = std::min(next, entry.first);
    const auto wait = std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count();
    return wait < 0 ? 0 : static_cast<int>(wait);
  }

  void run_delayed() {
    std::vector<Delayed> due;
    {
      std::lock_guard guard(lock_);
      const auto now = Clock::now();
      std::erase_if(delayed_, [&](auto& entry) {
        if (entry.first > now) return false;
        due.push_back(std::move(entry.second));
        return true;
      });
    }
    for (Delayed& what : due) {
      if (what.writable_id != 0) {
        deliver(what.writable_id, OS_SOCKET_WRITABLE);
      } else {
        release(what.memory);
      }
      --unfinished_;
    }
  }

  static void release(const HeldMemory& memory) {
    if (HeldMemory::crc_of(memory.pieces) != memory.crc) {
      host_contract_broken("memory changed while the network still refers to it");
    }
    HostAtomicSection softirq;
    notice_put(memory.notice);
  }

  static unsigned events_of(uint32_t epoll_events) {
    unsigned events = 0;
    if ((epoll_events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
      events |= OS_SOCKET_READABLE;
    }
    if ((epoll_events & EPOLLOUT) != 0) events |= OS_SOCKET_WRITABLE;
    if ((epoll_events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) events |= OS_SOCKET_CLOSED;
    return events;
  }

  void deliver(uint64_t id, unsigned events) {
    std::shared_ptr<os_socket> socket;
    {
      std::lock_guard guard(lock_);
      auto found = sockets_.find(id);
      if (found == sockets_.end()) return;
      socket = found->second;
    }
    std::lock_guard guard(socket->notify_lock);
    if (socket->notify == nullptr) return;
    HostAtomicSection softirq;
    socket->notify(socket->notify_context, events);
  }

  const int epoll_;
  const int wake_;
  std::mutex lock_;
  std::atomic<size_t> unfinished_{0};  // Delayed entries whose work has not ended.
  uint64_t last_id_ = 0;
  std::unordered_map<uint64_t, std::shared_ptr<os_socket>> sockets_;
  std::vector<std::pair<Clock::time_point, Delayed>> delayed_;
};

// ---- Addresses ----

constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

socklen_t to_sockaddr(const os_address& address, sockaddr_storage* out) {
  *out = {};
  if (address.is_ipv6 != 0) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(out);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    v6->sin6_scope_id = address.scope;
    memcpy(&v6->sin6_addr, address.ip, 16);
    return sizeof(*v6);
  }
  auto* v4 = reinterpret_cast<sockaddr_in*>(out);
  v4->sin_family = AF_INET;
  v4->sin_port = htons(address.port);
  memcpy(&v4->sin_addr, address.ip + 12, 4);
  return sizeof(*v4);
}

void from_sockaddr(const sockaddr_storage& in, os_address* out) {
  *out = {};
  if (in.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&in);
    out->is_ipv6 = 1;
    out->port = ntohs(v6->sin6_port);
    out->scope = v6->sin6_scope_id;
    memcpy(out->ip, &v6->sin6_addr, 16);
    return;
  }
  const auto* v4 = reinterpret_cast<const sockaddr_in*>(&in);
  out->port = ntohs(v4->sin_port);
  memcpy(out->ip, kMapped, 12);
  memcpy(out->ip + 12, &v4->sin_addr, 4);
}

// Owns `fd` from here on, also when it fails.
int adopt(int fd, os_socket_notify notify, void* context, os_socket** socket) {
  auto made = std::make_shared<os_socket>();
  made->fd = fd;
  made->notify = notify;
  made->notify_context = context;
  const int rc = Poller::instance().add(made);
  if (rc != 0) {
    close(fd);
    return rc;
  }
  *socket = made.get();
  return 0;
}

// The port's own bookkeeping is C++; this lets the hook that fails allocations reach it.
bool memory_is_short() {
  void* probe = os_alloc(1, OS_ALLOC_SLEEP);
  os_free(probe);
  return probe == nullptr;
}

// Fills `vectors` from the list without its first `skip` bytes; returns how many.
size_t gather(const os_fragment* fragments, size_t count, size_t skip, size_t limit,
              std::vector<iovec>& vectors) {
  for (size_t i = 0; i < count && vectors.size() < kMostVectors && limit != 0; ++i) {
    const size_t length = fragments[i].length;
    if (skip >= length) {
      skip -= length;
      continue;
    }
    const size_t use = std::min(length - skip, limit);
    vectors.push_back({const_cast<uint8_t*>(start_of(fragments[i])) + skip, use});
    limit -= use;
    skip = 0;
  }
  return vectors.size();
}

void cut_to(std::vector<iovec>& vectors, size_t bytes) {
  for (size_t i = 0; i < vectors.size(); ++i) {
    if (vectors[i].iov_len >= bytes) {
      vectors[i].iov_len = bytes;
      vectors.resize(i + 1);
      return;
    }
    bytes -= vectors[i].iov_len;
  }
}

size_t size_of(const os_fragment* fragments, size_t count) {
  size_t size = 0;
  for (size_t i = 0; i < count; ++i)
    size += fragments[i].length;
  return size;
}

size_t size_of(const std::vector<iovec>& vectors) {
  size_t size = 0;
  for (const iovec& vector : vectors)
    size += vector.iov_len;
  return size;
}

// Takes bytes from the descriptor. 0, or what os_socket_read() returns when there are none.
long refill(os_socket* socket) {
  if (socket->receive_error != 0) return socket->receive_error;
  socket->received.resize(kReceiveSize);
  ssize_t got = 0;
  do {
    got = recv(socket->fd, socket->received.data(), kReceiveSize, MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  const int error = errno;
  socket->received.resize(got > 0 ? static_cast<size_t>(got) : 0);
  socket->received_begin = 0;
  if (got > 0) return 0;
  if (got == 0) return socket->receive_error = -EPIPE;
  if (error == EAGAIN) return -EAGAIN;
  return socket->receive_error = -error;
}

// Gives the consumer a copy of exactly `size` bytes, so that a sanitizer sees a look beyond them
// and a pointer kept beyond the call.
size_t feed(os_socket_consume consume, void* context, const uint8_t* data, size_t size) {
  auto piece = std::make_unique<uint8_t[]>(size);
  memcpy(piece.get(), data, size);
  HostAtomicSection socket_lock;
  const size_t used = consume(context, piece.get(), size);
  if (used > size) host_contract_broken("consumer used %zu of %zu bytes", used, size);
  return used;
}

}  // namespace

void host_set_read_piece(size_t bytes) { read_piece = bytes; }
void host_set_send_limit(size_t bytes) { send_limit = bytes; }
void host_set_notice_delay(uint32_t milliseconds) { notice_delay_ms = milliseconds; }
void host_drain_sockets() { Poller::instance().drain(); }
size_t host_open_sockets() { return Poller::instance().count(); }

int os_socket_listen(const os_address* address, os_socket_notify notify, void* context,
                     os_socket** socket) {
  host_might_sleep("os_socket_listen()");
  if (memory_is_short()) return -ENOMEM;
  const int family = address->is_ipv6 != 0 ? AF_INET6 : AF_INET;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
  sockaddr_storage storage;
  const socklen_t length = to_sockaddr(*address, &storage);
  if (bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0 || ::listen(fd, 256) != 0) {
    const int error = errno;
    close(fd);
    return -error;
  }
  return adopt(fd, notify, context, socket);
}

int os_socket_accept(os_socket* listener, os_socket** socket) {
  host_might_sleep("os_socket_accept()");
  if (memory_is_short()) return -ENOMEM;
  int fd = -1;
  do {
    fd = accept4(listener->fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
  if (fd < 0) return -errno;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return adopt(fd, nullptr, nullptr, socket);
}

void os_socket_set_notify(os_socket* socket, os_socket_notify notify, void* context) {
  host_might_sleep("os_socket_set_notify()");
  std::lock_guard guard(socket->notify_lock);
  socket->notify = notify;
  socket->notify_context = context;
}

int os_socket_cpu(os_socket* socket) {
  int cpu = OS_ANY_CPU;
  socklen_t length = sizeof(cpu);
  getsockopt(socket->fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &length);
  return cpu;
}

int os_socket_addresses(os_socket* socket, os_address* local, os_address* peer) {
  sockaddr_storage storage = {};
  socklen_t length = sizeof(storage);
  if (getsockname(socket->fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return -errno;
  from_sockaddr(storage, local);
  length = sizeof(storage);
  if (getpeername(socket->fd, reinterpret_cast<sockaddr*>(&storage), &length) != 0) return -errno;
  from_sockaddr(storage, peer);
  return 0;
}

long os_socket_read(os_socket* socket, os_socket_consume consume, void* context, size_t limit,
                    int* more) {
  host_might_sleep("os_socket_read()");
  size_t total = 0;
  int unused;
  if (more == nullptr) more = &unused;
  *more = 1;
  while (total < limit) {
    if (socket->received_begin == socket->received.size()) {
      const long rc = refill(socket);
      // The poller's events are edges: it tells of what comes after this.
      if (rc == -EAGAIN) *more = 0;
      if (rc != 0) return total != 0 ? static_cast<long>(total) : rc;
    }
    size_t size = std::min(socket->received.size() - socket->received_begin, limit - total);
    const size_t most = read_piece;
    if (most != 0) size = std::min(size, most);
    const uint8_t* data = socket->received.data() + socket->received_begin;
    const size_t used = feed(consume, context, data, size);
    socket->received_begin += used;
    total += used;
    if (used < size) break;
  }
  return static_cast<long>(total);
}

void os_send_notice_init(os_send_notice* notice, void (*released)(os_send_notice*)) {
  new (notice->opaque) Notice{{1}, released};
}

void os_send_notice_put(os_send_notice* notice) { notice_put(notice); }

long os_socket_send(os_socket* socket, const os_fragment* fragments, size_t count, size_t skip,
                    unsigned int flags, os_send_notice* notice) {
  host_might_sleep("os_socket_send()");
  const size_t most = send_limit;
  const size_t limit = most == 0 ? SIZE_MAX : most;
  std::vector<iovec> vectors;
  vectors.reserve(std::min(count, kMostVectors));
  if (gather(fragments, count, skip, limit, vectors) == 0) return 0;

  msghdr message = {};
  message.msg_iov = vectors.data();
  message.msg_iovlen = vectors.size();
  const int send_flags = MSG_DONTWAIT | MSG_NOSIGNAL | ((flags & OS_SEND_MORE) != 0 ? MSG_MORE : 0);
  ssize_t sent = 0;
  do {
    sent = sendmsg(socket->fd, &message, send_flags);
  } while (sent < 0 && errno == EINTR);
  if (sent < 0) return -errno;

  const auto accepted = static_cast<size_t>(sent);
  // All that was offered to the kernel fits, but it was not the whole list: no event of its own
  // will say that there is room for more.
  if (accepted == size_of(vectors) && skip + accepted < size_of(fragments, count)) {
    Poller::instance().report_writable_soon(socket);
  }
  const uint32_t delay_ms = notice_delay_ms;
  if (notice != nullptr && delay_ms != 0) {
    cut_to(vectors, accepted);
    const uint32_t crc = HeldMemory::crc_of(vectors);
    notice_of(notice)->references.fetch_add(1, std::memory_order_relaxed);
    Poller::instance().release_later({notice, std::move(vectors), crc}, delay_ms);
  }
  return sent;
}

int os_socket_shutdown(os_socket* socket) {
  host_might_sleep("os_socket_shutdown()");
  return shutdown(socket->fd, SHUT_WR) == 0 ? 0 : -errno;
}

void os_socket_abort(os_socket* socket) { socket->reset_at_close = true; }

void os_socket_close(os_socket* socket) {
  host_might_sleep("os_socket_close()");
  auto owner = Poller::instance().remove(socket);
  os_socket_set_notify(socket, nullptr, nullptr);
  if (owner->reset_at_close) {
    const linger reset = {1, 0};
    setsockopt(owner->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
  }
  close(owner->fd);
}
