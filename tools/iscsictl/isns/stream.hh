// SPDX-License-Identifier: GPL-2.0-only
//
// TCP connections that carry iSNS messages, each wait with a limit.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "isns/descriptor.hh"
#include "isns/message.hh"

namespace isns {

using Clock = std::chrono::steady_clock;

// The network, or the other side's silence.
struct NetworkError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Endpoint {
  sockaddr_storage address{};
  socklen_t size = 0;
  std::string text() const;  // As 192.0.2.1:3205 or [2001:db8::1]:3205.
};

// Parses IP, IP:PORT, [IP] and [IP]:PORT, or a host name in the place of the IP. Throws
// NetworkError.
Endpoint resolve(const std::string& text, uint16_t default_port);

class Stream {
 public:
  // Takes a connected socket.
  explicit Stream(Descriptor socket);
  // Throws NetworkError.
  static Stream connect(const Endpoint& server, Clock::time_point deadline);

  int fd() const { return socket_.get(); }
  // Throw NetworkError.
  void send(std::span<const uint8_t> bytes, Clock::time_point deadline);
  // Reads what is there. False at the end of the stream. Throws NetworkError.
  bool read_some();
  // Throws ProtocolError.
  std::optional<Message> next() { return assembler_.next(); }
  // Waits for a whole message. Throws NetworkError, ProtocolError.
  Message receive(Clock::time_point deadline);

 private:
  void wait(short events, Clock::time_point deadline);
  Descriptor socket_;
  Assembler assembler_;
};

}  // namespace isns
