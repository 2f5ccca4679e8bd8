// SPDX-License-Identifier: GPL-2.0-only
//
// A transport without any network, made of include/common/chiscsi_transport.h alone.
//
// It stands for the transports of other modules: the protocol tests run over it as they run over
// TCP when the environment says CHISCSI_TEST_TRANSPORT=memory. Its portals have the address
// kAddress, which no socket of the host can be bound to. Bytes go through two queues in memory;
// either may be full.
#pragma once

#include <memory>

#include "stream.hh"

namespace chiscsi::test {

class MemoryTransport {
 public:
  static constexpr char kAddress[] = "192.0.2.1";
  // Whether this run of the tests uses it.
  static bool chosen();
  // chiscsi_transport_register() and its opposite, with their results. It listens at kAddress, and
  // with `on_loopback` at the loop-back address.
  static int start(bool on_loopback = false);
  static int stop();
  // The last byte of the next data segment never reaches the target.
  static void swallow_a_byte();
  // Null when there is no such portal.
  static std::unique_ptr<Stream> connect(uint16_t port);
};

}  // namespace chiscsi::test
