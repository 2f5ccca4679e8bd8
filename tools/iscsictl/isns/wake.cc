// SPDX-License-Identifier: GPL-2.0-only
//
// See wake.hh.
#include "isns/wake.hh"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace isns {

namespace {

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

Descriptor datagram_socket() {
  return Descriptor(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

}  // namespace

WakeSocket::WakeSocket(const std::string& path) : socket_(datagram_socket()) {
  const sockaddr_un address = address_of(path);
  unlink(path.c_str());
  // The mode has to be right from the first moment on.
  const mode_t before = umask(0177);
  const int error =
      bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0
          ? 0
          : errno;
  umask(before);
  if (error != 0) throw std::runtime_error(path + ": " + std::strerror(error));
}

void wake(const std::string& path) {
  const Descriptor socket = datagram_socket();
  const sockaddr_un address = address_of(path);
  const char byte = 'w';
  sendto(socket.get(), &byte, sizeof(byte), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address), sizeof(address));
}

}  // namespace isns
