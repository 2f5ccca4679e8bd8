// SPDX-License-Identifier: GPL-2.0-only
//
// Stream: the bytes between a raw initiator and the target, whatever carries them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace chiscsi::test {

class Stream {
 public:
  virtual ~Stream() = default;
  // Blocks until all is sent; false when the connection is dead.
  virtual bool send(const uint8_t* data, size_t size) = 0;
  // Bytes received, 0 at the end of the stream, or a negative value when the limit is over.
  virtual long receive(uint8_t* data, size_t size, unsigned limit_ms) = 0;
  // The initiator's TCP port, or what stands for it.
  virtual uint16_t local_port() const = 0;
  // Ends the connection; with `reset` what is on the way is lost. The last call.
  virtual void close(bool reset) = 0;
};

// A connection to the target's portal with this port, on the transport that the test has chosen.
// `address`: IPv4 or IPv6 without brackets, for TCP alone. Null when nobody listens.
std::unique_ptr<Stream> connect_to(uint16_t port, const char* address = "127.0.0.1");

}  // namespace chiscsi::test
