// SPDX-License-Identifier: GPL-2.0-only
//
// TransportPlugin: a transport of another module (include/common/chiscsi_transport.h).
//
// It keeps the list of the transport's connections, so that all of them can be ended, and waited
// for, before the module's code goes away. PluginPortal is one listening address of it.
#pragma once

#include <atomic>

#include "base/alloc.hh"
#include "base/list.hh"
#include "base/ref.hh"
#include "base/text.hh"
#include "common/chiscsi_transport.h"
#include "transport/conn.hh"
#include "transport/listener.hh"

namespace chiscsi {

// A connection as its transport's list sees it; the base of PluginPort.
struct PluginMember {
  ListNode plugin_node;  // Guarded by the plugin's mutex.
};

class TransportPlugin : public RefCounted<TransportPlugin> {
 public:
  // Error::kInvalid when `functions` is not complete. Context: process.
  static Result<Ref<TransportPlugin>> create(const chiscsi_transport* functions);
  ~TransportPlugin();

  const chiscsi_transport& functions() const { return *functions_; }
  const char* name() const { return name_.c_str(); }
  ConnCapabilities limits() const;

  // Context of the rest: process.
  void add(PluginMember& port);
  // Nobody finds the connection here any more.
  void remove(PluginMember& port);
  // The last call of the transport's functions for it has returned.
  void port_ended();
  // Asks every connection to end.
  void end_connections();
  // False when connections are left after the limit.
  bool wait_until_unused(uint32_t limit_ms);

  // Both guarded by the owner of the list of transports.
  ListNode node;
  bool withdrawn = false;  // Unregistering: it gets no portal any more.

 private:
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc, Args&&...);
  explicit TransportPlugin(const chiscsi_transport* functions) : functions_(functions) {}

  const chiscsi_transport* const functions_;
  FixedText<CHISCSI_TRANSPORT_NAME_MAX> name_;
  os_mutex* mutex_ = nullptr;
  os_event* port_gone_ = nullptr;
  List<PluginMember, &PluginMember::plugin_node> ports_;  // Guarded by mutex_.
  std::atomic<uint32_t> port_count_{0};                   // Those that have not ended.
};

// An address at which a transport listens. The transport knows it as a chiscsi_listen_port.
class PluginPortal {
 public:
  // Error::kNoDevice when the address is none of the transport's. Context: process.
  static Result<OwnPtr<PluginPortal>> open(Ref<TransportPlugin> plugin, const os_address& address,
                                           Worker& worker, Acceptor& acceptor);
  ~PluginPortal();
  TransportPlugin& plugin() { return *plugin_; }

  static PluginPortal& of(chiscsi_listen_port* port) {
    return *reinterpret_cast<PluginPortal*>(port);
  }
  // The connection goes to the acceptor on its worker. Context: process.
  Status accepted(void* conn, const chiscsi_tcp_endpoints& endpoints,
                  chiscsi_conn_port** conn_port);

  ListNode node;  // In the list of its portal; guarded by the portals' mutex.

 private:
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc, Args&&...);
  PluginPortal(Ref<TransportPlugin> plugin, Worker& worker, Acceptor& acceptor)
      : plugin_(std::move(plugin)), worker_(worker), acceptor_(acceptor) {}

  Ref<TransportPlugin> plugin_;
  Worker& worker_;
  Acceptor& acceptor_;
  void* portal_ = nullptr;
  bool listening_ = false;
};

}  // namespace chiscsi
