// SPDX-License-Identifier: GPL-2.0-only
//
// A transport without any network, made of include/common/chiscsi_transport.h alone.
//
// It stands for the transports of other modules: the protocol tests run over it as they run over
// TCP when the environment says CHISCSI_TEST_TRANSPORT=memory. Its portals have the address
// kAddress, which no socket of the host can be bound to. Bytes go through two queues in memory;
// either may be full.
//
// With CHISCSI_TEST_TRANSPORT=placing it does what an adapter can: it places the data of most R2Ts,
// gives several Data-Out PDUs as one where it has them, cuts Data-In sequences into PDUs, and says
// only in the next turn that a PDU was sent.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "stream.hh"

namespace chiscsi::test {

class MemoryTransport {
 public:
  static constexpr char kAddress[] = "192.0.2.1";
  // What it does; a test may change it before the first connection, and some of it at any time.
  struct Script {
    std::atomic<bool> places{false};              // Before start().
    std::atomic<bool> places_some{true};          // Not every R2T that it could.
    std::atomic<bool> merges{true};               // Data-Out PDUs, when it places.
    std::atomic<bool> holds_releases{false};      // Until it is not set any more, and a turn.
    std::atomic<bool> ends_at_incomplete{false};  // A release in the middle of a burst.
    std::atomic<bool> swallows_a_byte{false};     // The last one of the next data segment.
    std::atomic<bool> lies_about_place{false};    // Says once that data is placed, which is not.
    std::atomic<bool> ends_with_pdu{false};  // Says once that the peer has closed behind a PDU.
    std::atomic<bool> holds_ends{false};     // Of what is flushed; until it is not set, and a turn.
    std::atomic<bool> binds{false};          // Has a TCP socket of its own at its portals.
    std::atomic<unsigned> max_burst{0};
    std::atomic<unsigned> recv_limit{0};  // Of get_param(); 0: none.
    std::atomic<unsigned> xmit_limit{0};
  };
  static Script script;
  // What happened since the last reset().
  struct Counts {
    std::atomic<unsigned> r2ts_placed{0};
    std::atomic<unsigned> pdus_placed{0};
    std::atomic<unsigned> pdus_merged{0};  // That others stood for.
    std::atomic<unsigned> bursts{0};
    std::atomic<unsigned> releases_asked{0};
    std::atomic<unsigned> releases_answered{0};
  };
  static Counts counts;
  // Counts, script and calls as at the start of a program.
  static void reset();
  // "set_param N VALUE", "last Login Response", "place", "release_task", "task_released", in order.
  static std::vector<std::string> calls();
  static void note(const std::string& call);
  // False at the (generous) limit.
  static bool wait_for(const std::string& call, long times = 1);
  // What the target did wrong.
  static void violate(const std::string& what);
  static std::vector<std::string> take_violations();

  // Whether this run of the tests uses it.
  static bool chosen();
  static bool placing_chosen();
  // chiscsi_transport_register() and its opposite, with their results. It listens at kAddress, and
  // with `on_loopback` at the loop-back address.
  static int start(bool on_loopback = false);
  static int stop();
  // Null when there is no such portal.
  static std::unique_ptr<Stream> connect(uint16_t port);
};

}  // namespace chiscsi::test
