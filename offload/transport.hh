// SPDX-License-Identifier: GPL-2.0-only
//
// OffloadTransport: the transport "cxgb4" of the target: its backends, their adapters, the target's
// portals, and the control worker.
//
// One object, from offload_start() to offload_stop(). It makes itself known to the target when the
// first adapter is up, so that all portals that are open then are offered to it. A portal at an
// address that no adapter has is not taken; one at a wildcard is, and later adapters serve it too.
// When another adapter comes up it asks for those that were not taken.
#pragma once

#include "common/chiscsi_transport.h"
#include "offload/adapter.hh"
#include "offload/server.hh"

namespace chiscsi {

class OffloadTransport {
 public:
  static Result<OwnPtr<OffloadTransport>> create();
  OffloadTransport() = default;
  ~OffloadTransport();
  // Null when it is not started.
  static OffloadTransport* instance();

  // Context of all: process.
  int add_backend(const lld_ops* ops);
  void remove_backend(const lld_ops* ops);
  void stop();

  // What backends say.
  OffloadAdapter* add_adapter(const lld_ops* ops, lld_device* dev, const lld_device_info* info);
  // Waits until its connections are gone; dev_gone() then gives up the reference of the list.
  void remove_adapter(OffloadAdapter& adapter);
  void forget_adapter(OffloadAdapter& adapter);

  // What the target says.
  int listen(const os_address& local, chiscsi_listen_port* port, OffloadPortal** portal);
  void unlisten(OffloadPortal& portal);

 private:
  static constexpr uint32_t kMaxBackends = 4;

  bool prepare();
  static void came_up(OffloadAdapter& adapter);
  static void on_start(WorkerMessage& message);
  static void on_end(WorkerMessage& message);
  static void on_tick(Timer& timer);
  void tick();
  void wait_for_control();
  bool make_known();
  void ask_for_portals();
  Ref<OffloadAdapter> next_adapter(uint32_t after);
  Ref<OffloadPortal> next_portal(uint32_t after);
  bool serves(OffloadAdapter& adapter, const os_address& local);
  void open_portals(OffloadAdapter& adapter);
  int open_servers(OffloadPortal& portal);

  struct Message : WorkerMessage {
    Message(Handle handler, OffloadTransport* transport)
        : WorkerMessage(handler), owner(transport) {}
    OffloadTransport* owner;
  };

  OwnPtr<Worker> control_;
  Message start_message_{&OffloadTransport::on_start, this};
  Message end_message_{&OffloadTransport::on_end, this};
  Timer tick_{&OffloadTransport::on_tick};

  os_mutex* mutex_ = nullptr;  // Guards the lists; held for a moment only.
  List<OffloadAdapter, &OffloadAdapter::node> adapters_;  // With a reference each.
  List<OffloadPortal, &OffloadPortal::node> portals_;     // The same.
  uint32_t last_id_ = 0;

  os_mutex* backend_mutex_ = nullptr;  // One change of the backends at a time.
  const lld_ops* backends_[kMaxBackends] = {};

  os_mutex* passed_mutex_ = nullptr;  // One wait for the control worker at a time,
  os_event* passed_event_ = nullptr;  // which must not need memory.

  os_mutex* known_mutex_ = nullptr;  // Guards the two.
  bool is_known_ = false;            // The target knows the transport.
  bool is_stopping_ = false;
};

}  // namespace chiscsi
