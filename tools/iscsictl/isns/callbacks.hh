// SPDX-License-Identifier: GPL-2.0-only
//
// The port on which the iSNS server reaches us: its status inquiries (ESI) are answered, and its
// notifications (SCN) make the next query come at once (RFC 4171 sections 5.6.5.8 and 5.6.5.13).
//
// Anybody can connect here. Whoever does gets answers of fixed shape to these two messages and
// nothing else, and what an SCN says is not believed: it only makes us ask the server.
#pragma once

#include <poll.h>

#include <list>
#include <vector>

#include "isns/stream.hh"

namespace isns {

class Callbacks {
 public:
  // Listens on a port of the system's choice. Throws NetworkError.
  Callbacks();
  uint16_t port() const { return port_; }
  // Adds what serve() wants to wait for.
  void add_waits(std::vector<pollfd>* waits) const;
  // Serves whatever is ready, without waiting. True when there was a notification.
  bool serve();
  // When the next silent connection is to be closed; nothing when there is none.
  std::optional<Clock::time_point> next_deadline() const;

 private:
  struct Peer {
    Stream stream;
    Clock::time_point deadline;
  };
  void accept_all();
  // False when the peer is to be closed.
  bool serve_peer(Peer& peer, bool* notified);

  Descriptor listener_;
  uint16_t port_ = 0;
  std::list<Peer> peers_;
};

// The answer to a message of the server, or nothing when it is none that is answered.
std::optional<Message> answer_callback(const Message& request);

}  // namespace isns
