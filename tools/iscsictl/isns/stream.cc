// SPDX-License-Identifier: GPL-2.0-only
//
// Sockets of the iSNS client. See stream.hh.
#include "isns/stream.hh"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace isns {

namespace {

[[noreturn]] void fail(const std::string& what) {
  throw NetworkError(what + ": " + std::strerror(errno));
}

// HOST:PORT with the port, or only HOST; an IPv6 address with a port stands in brackets.
std::pair<std::string, std::string> split_host(const std::string& text, uint16_t default_port) {
  const std::string port = std::to_string(default_port);
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == std::string::npos) throw NetworkError(text + ": no closing bracket");
    const std::string rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') throw NetworkError(text + ": wants [address]:port");
    return {text.substr(1, end - 1), rest.empty() ? port : rest.substr(1)};
  }
  const size_t colon = text.find(':');
  if (colon == std::string::npos || text.find(':', colon + 1) != std::string::npos)
    return {text, port};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

}  // namespace

std::string Endpoint::text() const {
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  if (getnameinfo(generic, size, host.data(), host.size(), port.data(), port.size(),
                  NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
    return "?";
  }
  const bool six = address.ss_family == AF_INET6;
  return (six ? "[" : "") + std::string(host.data()) + (six ? "]:" : ":") + port.data();
}

Endpoint resolve(const std::string& text, uint16_t default_port) {
  const auto [host, port] = split_host(text, default_port);
  const bool digits =
      !port.empty() && port.size() <= 5 &&
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (host.empty() || !digits || std::stoul(port) == 0 || std::stoul(port) > 65535) {
    throw NetworkError("'" + text + "': wants an address and a port from 1 to 65535");
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (error != 0) throw NetworkError("'" + text + "': " + gai_strerror(error));
  Endpoint endpoint;
  endpoint.size = found->ai_addrlen;
  std::memcpy(&endpoint.address, found->ai_addr, found->ai_addrlen);
  freeaddrinfo(found);
  return endpoint;
}

Stream::Stream(Descriptor socket) : socket_(std::move(socket)) {
  const int flags = fcntl(socket_.get(), F_GETFL);
  if (flags < 0 || fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK) < 0) fail("socket");
  const int on = 1;
  setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

Stream Stream::connect(const Endpoint& server, Clock::time_point deadline) {
  Descriptor socket(::socket(server.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) fail("socket");
  Stream stream(std::move(socket));
  if (::connect(stream.fd(), reinterpret_cast<const sockaddr*>(&server.address), server.size) ==
      0) {
    return stream;
  }
  if (errno != EINPROGRESS) fail(server.text());
  stream.wait(POLLOUT, deadline);
  int error = 0;
  socklen_t size = sizeof(error);
  getsockopt(stream.fd(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0) return stream;
  errno = error;
  fail(server.text());
}

void Stream::wait(short events, Clock::time_point deadline) {
  while (true) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) throw NetworkError("the server does not answer");
    pollfd entry{socket_.get(), events, 0};
    const int ready =
        poll(&entry, 1, static_cast<int>(std::min<int64_t>(left.count() + 1, 60'000)));
    if (ready > 0) return;
    if (ready < 0 && errno != EINTR) fail("poll");
  }
}

void Stream::send(std::span<const uint8_t> bytes, Clock::time_point deadline) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes = bytes.subspan(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      wait(POLLOUT, deadline);
    } else if (errno != EINTR) {
      fail("send");
    }
  }
}

bool Stream::read_some() {
  std::array<uint8_t, 16384> buffer;
  const ssize_t got = recv(socket_.get(), buffer.data(), buffer.size(), 0);
  if (got > 0) assembler_.feed(std::span(buffer).first(static_cast<size_t>(got)));
  if (got >= 0) return got > 0;
  if (errno == EAGAIN || errno == EINTR) return true;
  fail("receive");
}

Message Stream::receive(Clock::time_point deadline) {
  while (true) {
    if (std::optional<Message> message = next()) return std::move(*message);
    wait(POLLIN, deadline);
    if (!read_some()) throw NetworkError("the server has closed the connection");
  }
}

}  // namespace isns
