// SPDX-License-Identifier: GPL-2.0-only
//
// Server: a listening socket of the adapter. Request: what the client asks of the worker besides
// its messages.
#pragma once

#include "base/mailbox.hh"
#include "os/socket.h"

namespace chiscsi::sim {

struct Server {
  Server* next = nullptr;
  uint32_t stid = 0;
  os_address address{};
  os_socket* socket = nullptr;
};

struct Request : MailboxNode {
  enum Kind : uint32_t { kOpen, kClose, kRelease };
  uint32_t kind = kOpen;
  uint32_t id = 0;  // stid or tid.
  os_address address{};
};

}  // namespace chiscsi::sim
