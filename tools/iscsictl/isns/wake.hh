// SPDX-License-Identifier: GPL-2.0-only
//
// How iscsictl tells a running chisns that targets have come, gone or changed: a datagram to a
// socket that only root can write to. Nobody waits for an answer, and no chisns is fine.
#pragma once

#include <string>

#include "isns/descriptor.hh"

namespace isns {

inline constexpr char kWakeSocket[] = "/run/chisns.socket";

class WakeSocket {
 public:
  // Takes the path over from a chisns that has ended, and leaves it to the next one: what stands
  // there at the end could be another's already. Throws std::runtime_error.
  explicit WakeSocket(const std::string& path = kWakeSocket);
  WakeSocket(const WakeSocket&) = delete;
  WakeSocket& operator=(const WakeSocket&) = delete;
  int fd() const { return socket_.get(); }

 private:
  Descriptor socket_;
};

// Context: any process of root.
void wake(const std::string& path = kWakeSocket);

}  // namespace isns
