// SPDX-License-Identifier: GPL-2.0-only
//
// A Stream over TCP, and the choice of the transport.
#include "stream.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "memory_transport.hh"

namespace chiscsi::test {

namespace {

class TcpStream final : public Stream {
 public:
  explicit TcpStream(int fd) : fd_(fd) {}
  ~TcpStream() override { close(false); }

  bool send(const uint8_t* data, size_t size) override {
    while (size != 0) {
      const ssize_t sent = ::send(fd_, data, size, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return false;
      data += sent;
      size -= static_cast<size_t>(sent);
    }
    return true;
  }

  long receive(uint8_t* data, size_t size, unsigned limit_ms) override {
    pollfd wait = {fd_, POLLIN, 0};
    int ready;
    do {
      ready = poll(&wait, 1, static_cast<int>(limit_ms));
    } while (ready < 0 && errno == EINTR);
    if (ready <= 0) return -1;
    const ssize_t got = recv(fd_, data, size, 0);
    return got < 0 ? 0 : got;
  }

  uint16_t local_port() const override {
    sockaddr_in6 address = {};  // The port is in the same place in both families.
    socklen_t size = sizeof(address);
    const bool known = getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size) == 0;
    return known ? ntohs(address.sin6_port) : 0;
  }

  void close(bool reset) override {
    const linger hard = {1, 0};
    if (fd_ >= 0 && reset) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

std::unique_ptr<Stream> connect_by_tcp(uint16_t port, const char* address) {
  sockaddr_in v4 = {};
  sockaddr_in6 v6 = {};
  v4.sin_family = AF_INET;
  v6.sin6_family = AF_INET6;
  v4.sin_port = v6.sin6_port = htons(port);
  const bool is_v6 = inet_pton(AF_INET6, address, &v6.sin6_addr) == 1;
  if (!is_v6 && inet_pton(AF_INET, address, &v4.sin_addr) != 1) return nullptr;
  const int fd = socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto* to = is_v6 ? reinterpret_cast<sockaddr*>(&v6) : reinterpret_cast<sockaddr*>(&v4);
  auto stream = std::make_unique<TcpStream>(fd);
  if (connect(fd, to, is_v6 ? sizeof(v6) : sizeof(v4)) != 0) return nullptr;
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return stream;
}

}  // namespace

std::unique_ptr<Stream> connect_to(uint16_t port, const char* address) {
  return MemoryTransport::chosen() ? MemoryTransport::connect(port) : connect_by_tcp(port, address);
}

}  // namespace chiscsi::test
