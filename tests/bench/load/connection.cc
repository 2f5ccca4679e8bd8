// SPDX-License-Identifier: GPL-2.0-only
//
// Sockets, framing and digests of the load generator.
#include "connection.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "host/crc32c_table.hh"

namespace chiscsi::load {
namespace {

// All connections of the one thread receive here first.
std::array<uint8_t, 256 * 1024> scratch;

// Longer ones are no PDUs: we offer MaxRecvDataSegmentLength 256 KiB.
constexpr uint32_t kLongestSegment = 256 * 1024;

std::string os_error(const char* what, int error) {
  return std::string(what) + ": " + strerror(error);
}

void append(std::vector<uint8_t>& to, const void* data, size_t size) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  to.insert(to.end(), bytes, bytes + size);
}

// The digest goes out least significant byte first.
void append_digest(std::vector<uint8_t>& to, const void* data, size_t size) {
  const uint32_t crc = crc32c(data, size);
  for (unsigned shift = 0; shift < 32; shift += 8)
    to.push_back(static_cast<uint8_t>(crc >> shift));
}

void check_digest(const uint8_t* data, size_t size, const char* what) {
  const uint32_t crc = crc32c(data, size);
  for (unsigned i = 0; i < 4; ++i)
    if (data[size + i] != static_cast<uint8_t>(crc >> (8 * i))) throw SessionError(what);
}

}  // namespace

uint32_t crc32c(const void* data, size_t size) {
  return ~test::crc32c_by_table(0xffffffff, static_cast<const uint8_t*>(data), size);
}

uint64_t now_ns() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
}

bool parse_address(const std::string& text, uint16_t port, Address& address) {
  sockaddr_in v4 = {};
  if (inet_pton(AF_INET, text.c_str(), &v4.sin_addr) == 1) {
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    memcpy(&address.storage, &v4, sizeof(v4));
    address.size = sizeof(v4);
    return true;
  }
  sockaddr_in6 v6 = {};
  if (inet_pton(AF_INET6, text.c_str(), &v6.sin6_addr) != 1) return false;
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  memcpy(&address.storage, &v6, sizeof(v6));
  address.size = sizeof(v6);
  return true;
}

void Connection::open(int poller, void* owner, const Address& to, const Address* from) {
  poller_ = poller;
  owner_ = owner;
  fd_ = socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd_ < 0) throw SessionError(os_error("socket", errno));
  const int on = 1;
  setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  if (from != nullptr) {
    // The port is chosen when the other end is known, so that one port serves several of them.
    setsockopt(fd_, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
    if (bind(fd_, reinterpret_cast<const sockaddr*>(&from->storage), from->size) != 0)
      throw SessionError(os_error("bind", errno));
  }
  if (connect(fd_, reinterpret_cast<const sockaddr*>(&to.storage), to.size) != 0 &&
      errno != EINPROGRESS)
    throw SessionError(os_error("connect", errno));
  asked_ = 0;
  ask_poller(EPOLLOUT);
}

void Connection::finish_open() {
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error != 0) throw SessionError(os_error("connect", error));
  ask_poller(EPOLLIN);
}

void Connection::close() {
  if (fd_ < 0) return;
  ::close(fd_);
  fd_ = -1;
  out_ = {};
  rest_ = {};
  sent_ = 0;
}

void Connection::ask_poller(uint32_t events) {
  if (events == asked_) return;
  epoll_event event = {};
  event.events = events;
  event.data.ptr = owner_;
  if (epoll_ctl(poller_, asked_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd_, &event) != 0)
    throw SessionError(os_error("epoll_ctl", errno));
  asked_ = events;
}

void Connection::add(iscsi::Bhs bhs, const void* data, uint32_t size) {
  static constexpr uint8_t kPadding[4] = {};
  bhs.data_segment_length = size;
  append(out_, &bhs, sizeof(bhs));
  if (header_digest) append_digest(out_, &bhs, sizeof(bhs));
  if (size == 0) return;
  const size_t start = out_.size();
  append(out_, data, size);
  append(out_, kPadding, iscsi::pad_of(size));
  if (data_digest) append_digest(out_, out_.data() + start, out_.size() - start);
}

void Connection::flush() {
  if (fd_ < 0 || out_.empty()) return;
  while (sent_ < out_.size()) {
    const ssize_t count = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      ask_poller(EPOLLIN | EPOLLOUT);
      return;
    }
    if (count < 0) throw SessionError(os_error("send", errno));
    sent_ += static_cast<size_t>(count);
  }
  sent_ = 0;
  out_.clear();
  if (out_.capacity() > 65536) out_.shrink_to_fit();
  ask_poller(EPOLLIN);
}

bool Connection::receive_some() {
  const ssize_t count = ::recv(fd_, scratch.data(), scratch.size(), 0);
  if (count == 0) throw SessionError("the target closed the connection");
  if (count < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return false;
    throw SessionError(os_error("receive", errno));
  }
  next_ = scratch.data();
  left_ = static_cast<size_t>(count);
  if (!rest_.empty()) {
    append(rest_, next_, left_);
    next_ = rest_.data();
    left_ = rest_.size();
  }
  return true;
}

bool Connection::next_pdu(PduView& pdu) {
  if (left_ < iscsi::kBhsSize) return false;
  memcpy(&pdu.bhs, next_, iscsi::kBhsSize);
  const size_t head = iscsi::kBhsSize + size_t{4} * pdu.bhs.total_ahs_length;
  const size_t data = head + (header_digest ? iscsi::kDigestSize : 0);
  pdu.size = pdu.bhs.data_segment_length.get();
  if (pdu.size > kLongestSegment) throw SessionError("a data segment beyond what was agreed");
  const size_t padded = pdu.size + iscsi::pad_of(pdu.size);
  const bool digest = data_digest && pdu.size != 0;
  const size_t whole = data + padded + (digest ? iscsi::kDigestSize : 0);
  if (left_ < whole) return false;
  if (header_digest) check_digest(next_, head, "a header digest is wrong");
  if (digest) check_digest(next_ + data, padded, "a data digest is wrong");
  pdu.data = next_ + data;
  next_ += whole;
  left_ -= whole;
  return true;
}

void Connection::keep_rest() {
  if (fd_ < 0) return;
  if (left_ == 0) {
    rest_ = {};
  } else {
    std::vector<uint8_t>(next_, next_ + left_).swap(rest_);
  }
}

}  // namespace chiscsi::load
