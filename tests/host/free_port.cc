// SPDX-License-Identifier: GPL-2.0-only
//
// See free_port.hh.
#include "free_port.hh"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

namespace chiscsi::test {

namespace {

// Below the ports that the system gives to clients. Tests run side by side: a process owns a row of
// ports for as long as it lives, by a name that only one socket can have.
constexpr unsigned kFirstPort = 10'000;
constexpr unsigned kRowPorts = 64;
constexpr unsigned kRows = 340;

bool own_row(int fd, unsigned row) {
  sockaddr_un name = {};
  name.sun_family = AF_UNIX;
  const std::string text = "chiscsi-test-ports-" + std::to_string(row);
  memcpy(name.sun_path + 1, text.data(), text.size());  // No file: the name goes with the process.
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + text.size());
  return bind(fd, reinterpret_cast<sockaddr*>(&name), size) == 0;
}

unsigned first_port_of_own_row() {
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto start = static_cast<unsigned>(getpid());
  for (unsigned i = 0; i < kRows; ++i) {
    const unsigned row = (start + i) % kRows;
    if (own_row(fd, row)) return kFirstPort + row * kRowPorts;
  }
  return 0;
}

bool is_free(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const bool good =
      bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0 && listen(fd, 1) == 0;
  close(fd);
  return good;
}

}  // namespace

uint16_t free_port() {
  static const unsigned first = first_port_of_own_row();
  static unsigned next = 0;
  for (unsigned i = 0; first != 0 && i < kRowPorts; ++i) {
    const auto port = static_cast<uint16_t>(first + next++ % kRowPorts);
    if (is_free(port)) return port;
  }
  return 0;
}

}  // namespace chiscsi::test
