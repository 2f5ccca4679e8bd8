// SPDX-License-Identifier: GPL-2.0-only
//
// Transports of other modules: what was registered, where it listens, and its connections.
#include "transport/plugin.hh"

#include "base/lock.hh"
#include "transport/plugin_conn.hh"

namespace chiscsi {

namespace {

constexpr uint32_t kWaitStepMs = 100;
constexpr uint32_t kMinDataSegment = 512;  // RFC 7143 section 13.12.

bool is_complete(const chiscsi_transport& t) {
  return t.listen != nullptr && t.unlisten != nullptr && t.start_conn != nullptr &&
         t.recv_pdus != nullptr && t.xmit_pdus != nullptr && t.set_param != nullptr &&
         t.stop_conn != nullptr && t.destroy_conn != nullptr;
}

bool may_have_caps(const chiscsi_transport& t) {
  return (t.caps & CHISCSI_TRANSPORT_PLACES) == 0 || t.release_task != nullptr;
}

bool is_good(const chiscsi_transport* t) {
  return t != nullptr && t->version == CHISCSI_TRANSPORT_VERSION && t->name != nullptr &&
         t->name[0] != '\0' && is_complete(*t) && may_have_caps(*t) &&
         t->max_recv_data_segment >= kMinDataSegment && t->max_xmit_data_segment >= kMinDataSegment;
}

os_address address_of(const tcp_endpoint& end, bool is_ipv6) {
  os_address address{};
  __builtin_memcpy(address.ip, end.ip, sizeof(address.ip));
  address.port = static_cast<uint16_t>(end.port);
  address.is_ipv6 = is_ipv6;
  return address;
}

}  // namespace

// --- TransportPlugin ---

Result<Ref<TransportPlugin>> TransportPlugin::create(const chiscsi_transport* functions) {
  if (!is_good(functions)) return Error::kInvalid;
  auto plugin = Ref<TransportPlugin>::adopt(make<TransportPlugin>(Alloc::kMaySleep, functions));
  if (!plugin) return Error::kNoMemory;
  if (!plugin->name_.assign(functions->name)) return Error::kInvalid;
  plugin->mutex_ = os_mutex_create();
  plugin->port_gone_ = os_event_create();
  if (plugin->mutex_ == nullptr || plugin->port_gone_ == nullptr) return Error::kNoMemory;
  return plugin;
}

TransportPlugin::~TransportPlugin() {
  if (port_gone_ != nullptr) os_event_destroy(port_gone_);
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

ConnCapabilities TransportPlugin::limits() const {
  return {functions_->max_recv_data_segment, functions_->max_xmit_data_segment,
          (functions_->caps & CHISCSI_TRANSPORT_OFFLOADED) != 0};
}

void TransportPlugin::add(PluginMember& port) {
  MutexGuard guard(mutex_);
  port_count_.fetch_add(1);
  ports_.push_back(port);
}

void TransportPlugin::remove(PluginMember& port) {
  MutexGuard guard(mutex_);
  ports_.remove(port);
}

void TransportPlugin::port_ended() {
  port_count_.fetch_sub(1);
  os_event_signal(port_gone_);
}

void TransportPlugin::end_connections() {
  MutexGuard guard(mutex_);
  ports_.for_each([](PluginMember& member) {
    static_cast<PluginPort&>(member).failed(-static_cast<int>(Error::kShutdown));
  });
}

bool TransportPlugin::wait_until_unused(uint32_t limit_ms) {
  const uint64_t deadline = os_now_ms() + limit_ms;
  while (port_count_.load() != 0) {
    if (os_now_ms() >= deadline) return false;
    os_event_wait(port_gone_, kWaitStepMs);
  }
  return true;
}

// --- PluginPortal ---

Result<OwnPtr<PluginPortal>> PluginPortal::open(Ref<TransportPlugin> plugin,
                                                const os_address& address, Worker& worker,
                                                Acceptor& acceptor) {
  const chiscsi_transport& functions = plugin->functions();
  OwnPtr<PluginPortal> portal =
      make<PluginPortal>(Alloc::kMaySleep, std::move(plugin), worker, acceptor);
  if (!portal) return Error::kNoMemory;
  tcp_endpoint local{};
  __builtin_memcpy(local.ip, address.ip, sizeof(local.ip));
  local.port = address.port;
  const int rc =
      functions.listen(&local, address.is_ipv6,
                       reinterpret_cast<chiscsi_listen_port*>(portal.get()), &portal->portal_);
  CHISCSI_TRY(Status::from_errno(rc));
  portal->listening_ = true;
  return portal;
}

PluginPortal::~PluginPortal() {
  if (listening_) plugin_->functions().unlisten(portal_);
}

Status PluginPortal::accepted(void* conn, const chiscsi_tcp_endpoints& endpoints,
                              chiscsi_conn_port** conn_port) {
  auto port =
      Ref<PluginPort>::adopt(make<PluginPort>(Alloc::kMaySleep, plugin_, conn, worker_, acceptor_));
  if (!port) return Error::kNoMemory;
  OwnPtr<PluginConn> end = make<PluginConn>(Alloc::kMaySleep, port);
  if (!end) return Error::kNoMemory;
  port->local = address_of(endpoints.taddr, endpoints.f_ipv6);
  port->peer = address_of(endpoints.iaddr, endpoints.f_ipv6);
  plugin_->add(*port);
  *conn_port = port->handle();
  // From here on the transport has the first reference; it ends with the connection.
  port.release()->announce(std::move(end));
  return Status();
}

}  // namespace chiscsi
