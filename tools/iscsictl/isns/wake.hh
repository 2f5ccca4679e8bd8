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
  // Takes the path over from a chisns that has died. Throws std::runtime_error.
  explicit WakeSocket(std::string path = kWakeSocket);
  WakeSocket(const WakeSocket&) = delete;
  WakeSocket& operator=(const WakeSocket&) = delete;
  ~WakeSocket();
  int fd() const { return socket_.get(); }

 private:
  std::string path_;
  Descriptor socket_;
};

// Context: any process of root.
void wake(const std::string& path = kWakeSocket);

}  // namespace isns
