// SPDX-License-Identifier: GPL-2.0-only
//
// OffloadServer: a listening server of one adapter. OffloadPortal: a portal of the target, with its
// server on each adapter that owns the address.
//
// A server's index (stid) and its entry in the adapter's table of local addresses are given back
// only when the adapter has said that it no longer uses them: after a missing answer they are lost
// on purpose. While it has any of them it is a user of the adapter's device.
#pragma once

#include <atomic>

#include "base/list.hh"
#include "base/ref.hh"
#include "common/chiscsi_transport.h"
#include "offload/adapter.hh"

namespace chiscsi {

class OffloadServer : public RefCounted<OffloadServer> {
 public:
  OffloadServer(Ref<OffloadAdapter> adapter, Ref<OffloadPortal> portal);
  ~OffloadServer();

  // Sends the request. Context: process.
  Status open();
  // The adapter's answer to it. Context: process, sleeps up to the limit.
  Status wait_until_open();
  // Ends it, with or without an answer. Once, and nobody waits for it to open. Context: as above.
  void close();
  // Who waits is to look at the adapter's state. Context: any.
  void wake() { os_event_signal(replied_); }

  // CPL_PASS_OPEN_RPL and CPL_CLOSE_LISTSRV_RPL. Context: any.
  void on_reply(cpl::Opcode opcode, uint8_t status);

  uint32_t stid() const { return stid_; }
  OffloadAdapter& adapter() const { return *adapter_; }
  const Ref<OffloadPortal>& portal() const { return portal_; }
  bool is_stale() const { return life_ != adapter_->life(); }

  bool is_awaited = false;  // The portal's lock: somebody waits for it to open, and ends it.
  ListNode portal_node;     // The portal's lock.
  ListNode adapter_node;    // The adapter's lock.

 private:
  static constexpr int kNoReply = -1;
  bool needs_clip() const;
  void give_back();
  void end();
  int wait(std::atomic<int>& reply);

  const Ref<OffloadAdapter> adapter_;
  const Ref<OffloadPortal> portal_;
  const uint32_t life_;
  os_event* replied_ = nullptr;  // One waits: who opens it, then who closes it.
  uint32_t stid_ = 0;
  bool has_stid_ = false;
  bool has_clip_ = false;
  bool entered_ = false;  // Counted among the adapter's users.
  std::atomic<int> open_reply_{kNoReply};
  std::atomic<int> close_reply_{kNoReply};
};

class OffloadPortal : public RefCounted<OffloadPortal> {
 public:
  static Ref<OffloadPortal> create(const os_address& local, chiscsi_listen_port* port);
  OffloadPortal(const os_address& local, chiscsi_listen_port* port) : local_(local), port_(port) {}
  ~OffloadPortal();

  const os_address& local() const { return local_; }

  // Starts a server there, if there is none. Context of all: process, with an AdapterUse.
  Status open_on(OffloadAdapter& adapter);
  // The same, and the answer is waited for. A server without one is ended.
  Status open_and_wait(OffloadAdapter& adapter);
  // Ends the one there, or with null all of them, but for those that somebody waits for. Sleeps.
  void close_on(OffloadAdapter* adapter);
  // No connection is announced from here on. Sleeps until none is.
  void shut();
  // Gives a connection to the target; `conn` keeps itself.
  int announce(OffloadConn& conn, const chiscsi_tcp_endpoints& endpoints,
               chiscsi_conn_port** conn_port);

  ListNode node;  // The transport's lock.
  uint32_t id = 0;

 private:
  Ref<OffloadServer> take(OffloadAdapter* adapter, bool stale_only);
  // The server, when this call made it, else null.
  Result<Ref<OffloadServer>> make_server(OffloadAdapter& adapter, bool awaited);

  const os_address local_;
  chiscsi_listen_port* const port_;
  os_mutex* mutex_ = nullptr;                                 // Guards the rest.
  List<OffloadServer, &OffloadServer::portal_node> servers_;  // With a reference each.
  bool shut_ = false;
};

}  // namespace chiscsi
