// SPDX-License-Identifier: GPL-2.0-only
//
// Notices: what the control plane wants an initiator to hear, on its way to the session's worker.
//
// A notice is one bit, so that any number of reloads in a row are told once. Initiators hear of it
// by Asynchronous Messages. The unit attention of a change of logical units does not come this way:
// it has to be there before the first command for another device (Target::replace()).
#pragma once

#include <atomic>
#include <cstdint>

#include "transport/worker.hh"

namespace chiscsi {

class Connection;
class Session;
class TargetSettings;

enum class Notice : uint32_t {
  kLunsChanged = 1,     // Logical units have come or gone.
  kPortalsChanged = 2,  // The target's portal groups may be others.
};

class Notices {
 public:
  explicit Notices(Session& session);

  // Context: any.
  void post(Notice notice);
  // Tells the initiator what is pending, once the session has its connection. On its worker, as is
  // the rest.
  void deliver();
  // The connection has arrived: its target may have been reloaded since its login began.
  void arrived(Connection& connection);
  // Ends the connections that were asked to log out and have not done so in time. True while the
  // wait goes on.
  bool watch(uint64_t now_ms);

 private:
  static void on_message(WorkerMessage& message);
  Connection* any_connection();
  void follow_portal_group(Connection& connection, const TargetSettings& settings);

  Session& session_;
  std::atomic<uint32_t> pending_{0};
  PostedOnce message_;
};

}  // namespace chiscsi
