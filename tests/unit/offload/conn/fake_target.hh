// SPDX-License-Identifier: GPL-2.0-only
//
// The target's side of chiscsi_transport.h for tests: what it is told it writes down, and what it
// is to answer and to send the test says. It has no threads: turns are the test's.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "common/chiscsi_transport.h"
#include "iscsi/bhs.hh"

namespace chiscsi::test {

struct FakePdu {
  iscsi::Bhs bhs;
  std::vector<uint8_t> memory;
  std::vector<chiscsi_sgvec> sgl;
  uint32_t data_size = 0;
  uint64_t sgl_offset = 0;
  uint32_t segment = 0;
  std::optional<chiscsi_rx_landing> landing;
  int id = 0;
};

struct ReceivedPdu {
  iscsi::Bhs bhs;
  std::vector<uint8_t> ahs;
  unsigned int flags = 0;
  std::vector<uint8_t> data;
  uint32_t placed = 0;
  bool done = false;
  unsigned int done_flags = 0;
};

class FakeTarget {
 public:
  FakeTarget();
  ~FakeTarget();

  // --- Portals ---
  int listen(uint16_t port, bool wildcard = true, bool ipv6 = false);
  void unlisten();
  bool is_registered();
  bool wait_registered();

  // --- The one connection ---
  bool wait_accepted();
  void start() { transport->start_conn(conn); }
  // Turns until nobody asks for one; those that are asked for by other threads meanwhile too.
  void turns();
  // Turns until `done`, at most so long as a test waits.
  bool turns_until(const std::function<bool()>& done);
  void stop(chiscsi_stop_conn flag) {
    receives = false;
    terminated |= flag == CHISCSI_STOP_CONN_TERM;
    transport->stop_conn(conn, flag);
  }
  bool wait_stopped();
  void destroy();
  int send(FakePdu pdu);  // Its id.

  // What came.
  std::vector<ReceivedPdu> received;
  std::vector<int> sent, dropped;
  std::vector<void*> placed, released;
  std::vector<uint32_t> placed_tags;  // The target's.
  std::optional<int> failure;
  bool header_digest_error = false;
  bool stopped = false;
  // What it answers, the front one first; nothing: go on.
  std::deque<int> answers;

  chiscsi_transport* transport = nullptr;
  void* conn = nullptr;
  chiscsi_tcp_endpoints endpoints = {};
  bool refuses = false;  // Takes no connection.
  std::function<void()> while_refusing;
  std::function<bool()> is_busy;  // The transport cannot be unregistered yet.
  chiscsi_transport* transport_of_late = nullptr;
  bool receives = true;  // Calls recv_pdus().
  bool terminated = false;
  std::deque<FakePdu> to_send;
  std::list<FakePdu> out;
  uint32_t last_max_burst = 0;

  std::mutex mutex;
  std::condition_variable changed;
  bool turn_wanted = false;
  void* portal = nullptr;
  struct Portal {
    tcp_endpoint local;
    int ipv6;
  };
  std::mutex portal_mutex;            // As the target has one while it opens and closes.
  std::optional<Portal> open_portal;  // Taken or not.
};

}  // namespace chiscsi::test
