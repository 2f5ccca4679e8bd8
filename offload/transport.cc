// SPDX-License-Identifier: GPL-2.0-only
//
// The transport: see the header; and the C functions that others call.
#include "offload/transport.hh"

#include "offload/connection.hh"
#include "offload/counters.hh"
#include "os/log.h"

namespace chiscsi {

OffloadCounters offload_stats;

namespace {

constexpr int kNoDevice = -static_cast<int>(Error::kNoDevice);
constexpr int kExists = -static_cast<int>(Error::kExists);
constexpr int kOutOfMemory = -static_cast<int>(Error::kNoMemory);
constexpr uint32_t kLargestSegment = 16384;
constexpr uint32_t kPassedStepMs = 1'000;

OffloadTransport* the_offload = nullptr;

bool is_any_address(const os_address& address) {
  uint8_t any = 0;
  for (uint32_t i = address.is_ipv6 != 0 ? 0 : 12; i < sizeof(address.ip); ++i)
    any |= address.ip[i];
  return any == 0;
}

// --- The table of the target ---

int offload_listen(const tcp_endpoint* local, int is_ipv6, chiscsi_listen_port* port,
                   void** portal) {
  os_address address = {};
  __builtin_memcpy(address.ip, local->ip, sizeof(address.ip));
  address.port = static_cast<uint16_t>(local->port);
  address.is_ipv6 = is_ipv6 != 0 ? 1 : 0;
  OffloadPortal* own = nullptr;
  const int rc = OffloadTransport::instance()->listen(address, port, &own);
  *portal = own;
  return rc;
}

void offload_unlisten(void* portal) {
  OffloadTransport::instance()->unlisten(*static_cast<OffloadPortal*>(portal));
}

void offload_start_conn(void* conn) { OffloadConn::of(conn).start(); }
int offload_recv_pdus(void* conn) { return OffloadConn::of(conn).recv(); }
int offload_xmit_pdus(void* conn) { return OffloadConn::of(conn).xmit(); }
int offload_set_param(void* conn, chiscsi_conn_param param, unsigned int value) {
  return OffloadConn::of(conn).set_param(param, value);
}
int offload_get_param(void* conn, chiscsi_conn_param param, unsigned int* value) {
  return OffloadConn::of(conn).get_param(param, value);
}
void offload_release_task(void* conn, void* task) {
  OffloadConn::of(conn).release_task(*static_cast<DdpTask*>(task));
}
void offload_stop_conn(void* conn, int flag) { OffloadConn::of(conn).stop(flag); }
void offload_destroy_conn(void* conn) { OffloadConn::of(conn).destroy_by_target(); }

constexpr chiscsi_transport offload_table() {
  chiscsi_transport table = {};
  table.name = "cxgb4";
  table.version = CHISCSI_TRANSPORT_VERSION;
  table.caps = CHISCSI_TRANSPORT_OFFLOADED | CHISCSI_TRANSPORT_PLACES;
  table.max_recv_data_segment = kLargestSegment;
  table.max_xmit_data_segment = kLargestSegment;
  table.listen = &offload_listen;
  table.unlisten = &offload_unlisten;
  table.start_conn = &offload_start_conn;
  table.recv_pdus = &offload_recv_pdus;
  table.xmit_pdus = &offload_xmit_pdus;
  table.set_param = &offload_set_param;
  table.get_param = &offload_get_param;
  table.release_task = &offload_release_task;
  table.stop_conn = &offload_stop_conn;
  table.destroy_conn = &offload_destroy_conn;
  return table;
}

constinit chiscsi_transport the_table = offload_table();

// --- The client of the backends ---

void* client_dev_add(const lld_ops* ops, lld_device* dev, const lld_device_info* info) {
  return OffloadTransport::instance()->add_adapter(ops, dev, info);
}
void client_dev_state(void* handle, lld_state state) {
  static_cast<OffloadAdapter*>(handle)->set_state(state);
}
void client_dev_remove(void* handle) {
  OffloadTransport::instance()->remove_adapter(*static_cast<OffloadAdapter*>(handle));
}
int client_cpl_in(void* handle, const lld_ingress* message) {
  return static_cast<OffloadAdapter*>(handle)->receive(*message);
}
void client_poll_end(void*, uint32_t) {}
void client_dev_gone(void* handle) {
  OffloadTransport::instance()->forget_adapter(*static_cast<OffloadAdapter*>(handle));
}

constexpr lld_client the_client = {&client_dev_add, &client_dev_state, &client_dev_remove,
                                   &client_cpl_in,  &client_poll_end,  &client_dev_gone};

}  // namespace

// --- Life ---

OffloadTransport* OffloadTransport::instance() { return the_offload; }

Result<OwnPtr<OffloadTransport>> OffloadTransport::create() {
  OwnPtr<OffloadTransport> transport = make<OffloadTransport>(Alloc::kMaySleep);
  if (!transport || !transport->prepare()) return Error::kNoMemory;
  Result<OwnPtr<Worker>> worker = Worker::create("chiscsi_offload", OS_ANY_CPU);
  if (!worker.is_ok()) return worker.error();
  transport->control_ = worker.take();
  transport->control_->post(transport->start_message_);
  return transport;
}

bool OffloadTransport::prepare() {
  mutex_ = os_mutex_create();
  backend_mutex_ = os_mutex_create();
  known_mutex_ = os_mutex_create();
  passed_mutex_ = os_mutex_create();
  passed_event_ = os_event_create();
  return mutex_ != nullptr && backend_mutex_ != nullptr && known_mutex_ != nullptr &&
         passed_mutex_ != nullptr && passed_event_ != nullptr;
}

// The worker ends first: what is in its mailbox is handled, and holds the last references.
OffloadTransport::~OffloadTransport() {
  if (control_) {
    control_->post(end_message_);
    // Known to the end, as a tick that is under way arms the next one.
    destroy(control_.get());
    static_cast<void>(control_.release());
  }
  for (os_mutex* mutex : {mutex_, backend_mutex_, known_mutex_, passed_mutex_}) {
    if (mutex != nullptr) os_mutex_destroy(mutex);
  }
  if (passed_event_ != nullptr) os_event_destroy(passed_event_);
}

void OffloadTransport::stop() {
  bool was_known;
  {
    MutexGuard guard(known_mutex_);
    is_stopping_ = true;
    was_known = is_known_;
  }
  while (was_known && chiscsi_transport_unregister(&the_table) == -static_cast<int>(Error::kBusy)) {
    os_log(OS_LOG_WARNING, "offload: waiting for connections to end");
    for (uint32_t id = 0;;) {
      Ref<OffloadAdapter> adapter = next_adapter(id);
      if (!adapter) break;
      id = adapter->id;
      adapter->begin_leaving();
      adapter->forsake_when_late();
    }
  }
  for (uint32_t i = 0; i < kMaxBackends; ++i) {
    if (backends_[i] != nullptr) remove_backend(backends_[i]);
  }
}

// --- The control worker ---

void OffloadTransport::on_start(WorkerMessage& message) {
  static_cast<Message&>(message).owner->tick();
}

void OffloadTransport::on_end(WorkerMessage& message) {
  static_cast<Message&>(message).owner->tick_.disarm();
}

void OffloadTransport::on_tick(Timer& timer) {
  container_of(timer, &OffloadTransport::tick_).tick();
}

void OffloadTransport::tick() {
  const uint64_t now = os_now_ms();
  for (uint32_t id = 0;;) {
    Ref<OffloadAdapter> adapter = next_adapter(id);
    if (!adapter) break;
    id = adapter->id;
    adapter->wake_conns(now, false);
    adapter->release_retired();
  }
  control_->arm(tick_, offload_limits.tick);
}

void OffloadTransport::came_up(OffloadAdapter& adapter) {
  OffloadTransport& self = *instance();
  const bool were_offered = self.make_known();
  self.open_portals(adapter);
  if (!were_offered) self.ask_for_portals();
}

// The target offers all open portals from inside this call. True when that was now.
bool OffloadTransport::make_known() {
  MutexGuard guard(known_mutex_);
  if (is_known_ || is_stopping_) return false;
  const int rc = chiscsi_transport_register(&the_table);
  is_known_ = rc == 0;
  if (rc != 0) os_log(OS_LOG_ERROR, "offload: cannot be registered: %d", rc);
  return is_known_;
}

// What was not taken may be at an address of an adapter that has just come up.
void OffloadTransport::ask_for_portals() {
  MutexGuard guard(known_mutex_);
  if (is_known_ && !is_stopping_) static_cast<void>(chiscsi_transport_offer(&the_table));
}

// --- Backends and adapters ---

// When it returns the target knows of the transport, if an adapter came up from inside start().
int OffloadTransport::add_backend(const lld_ops* ops) {
  int rc = kOutOfMemory;
  {
    MutexGuard guard(backend_mutex_);
    const lld_ops** free_place = nullptr;
    for (const lld_ops*& backend : backends_) {
      if (backend == ops) return kExists;
      if (backend == nullptr && free_place == nullptr) free_place = &backend;
    }
    if (free_place == nullptr) return rc;
    *free_place = ops;
    rc = ops->start(&the_client);
    if (rc != 0) *free_place = nullptr;
  }
  if (rc == 0) wait_for_control();
  return rc;
}

void OffloadTransport::remove_backend(const lld_ops* ops) {
  MutexGuard guard(backend_mutex_);
  for (const lld_ops*& backend : backends_) {
    if (backend != ops) continue;
    ops->stop();
    backend = nullptr;
  }
}

OffloadAdapter* OffloadTransport::add_adapter(const lld_ops* ops, lld_device* dev,
                                              const lld_device_info* info) {
  Result<Ref<OffloadAdapter>> made = OffloadAdapter::create(ops, dev, info, *control_, &came_up);
  if (!made.is_ok()) {
    os_log(OS_LOG_WARNING, "offload: %s cannot be used: %d", info->name,
           static_cast<int>(made.error()));
    return nullptr;
  }
  OffloadAdapter* adapter = made.take().release();
  MutexGuard guard(mutex_);
  adapter->id = ++last_id_;
  adapters_.push_back(*adapter);
  offload_stats.add(OffloadCount::kAdapters);
  return adapter;
}

void OffloadTransport::remove_adapter(OffloadAdapter& adapter) {
  {
    MutexGuard guard(mutex_);
    adapters_.remove(adapter);
  }
  adapter.begin_leaving();
  for (uint32_t id = 0;;) {
    Ref<OffloadPortal> portal = next_portal(id);
    if (!portal) break;
    id = portal->id;
    portal->close_on(&adapter);
  }
  adapter.wait_until_unused();
  offload_stats.subtract(OffloadCount::kAdapters);
}

// What the control worker has of it uses the backend's functions.
void OffloadTransport::forget_adapter(OffloadAdapter& adapter) {
  wait_for_control();
  adapter.unref();
}

void OffloadTransport::wait_for_control() {
  struct Passed : WorkerMessage {
    explicit Passed(os_event* signal)
        : WorkerMessage([](WorkerMessage& m) { os_event_signal(static_cast<Passed&>(m).event); }),
          event(signal) {}
    os_event* event;
  };
  MutexGuard guard(passed_mutex_);
  Passed passed(passed_event_);
  control_->post(passed);
  while (os_event_wait(passed_event_, kPassedStepMs) == 0) {
  }
}

// In the order of their numbers, each looked for anew: the list may change in between.
Ref<OffloadAdapter> OffloadTransport::next_adapter(uint32_t after) {
  MutexGuard guard(mutex_);
  return Ref<OffloadAdapter>::share(
      adapters_.find([after](OffloadAdapter& adapter) { return adapter.id > after; }));
}

Ref<OffloadPortal> OffloadTransport::next_portal(uint32_t after) {
  MutexGuard guard(mutex_);
  return Ref<OffloadPortal>::share(
      portals_.find([after](OffloadPortal& portal) { return portal.id > after; }));
}

// --- Portals ---

bool OffloadTransport::serves(OffloadAdapter& adapter, const os_address& local) {
  return adapter.is_up() && adapter.ops().owns_address(adapter.dev(), &local) == 1;
}

// Nobody waits for the answers: those that say no are in the log.
void OffloadTransport::open_portals(OffloadAdapter& adapter) {
  for (uint32_t id = 0;;) {
    Ref<OffloadPortal> portal = next_portal(id);
    if (!portal) return;
    id = portal->id;
    const AdapterUse use(adapter);
    if (!use) return;
    if (!serves(adapter, portal->local())) continue;
    const Status status = portal->open_on(adapter);
    if (!status.is_ok()) {
      os_log(OS_LOG_WARNING, "offload: %s: no server for port %u: %d", adapter.info().name,
             portal->local().port, status.to_errno());
    }
  }
}

int OffloadTransport::listen(const os_address& local, chiscsi_listen_port* port,
                             OffloadPortal** result) {
  Ref<OffloadPortal> portal = OffloadPortal::create(local, port);
  if (!portal) return kOutOfMemory;
  {
    MutexGuard guard(mutex_);
    portal->id = ++last_id_;
    portals_.push_back(*Ref<OffloadPortal>(portal).release());
  }
  const int rc = open_servers(*portal);
  if (rc == 0) {
    *result = portal.get();
  } else {
    unlisten(*portal);
  }
  return rc;
}

// One server is enough. A wildcard is taken also when no adapter is there yet.
int OffloadTransport::open_servers(OffloadPortal& portal) {
  int rc = kNoDevice;
  bool opened = false;
  for (uint32_t id = 0;;) {
    Ref<OffloadAdapter> adapter = next_adapter(id);
    if (!adapter) break;
    id = adapter->id;
    const AdapterUse use(*adapter);
    if (!use || !serves(*adapter, portal.local())) continue;
    const Status status = portal.open_and_wait(*adapter);
    opened |= status.is_ok();
    if (!status.is_ok()) rc = status.to_errno();
  }
  return opened || (rc == kNoDevice && is_any_address(portal.local())) ? 0 : rc;
}

void OffloadTransport::unlisten(OffloadPortal& portal) {
  {
    MutexGuard guard(mutex_);
    portals_.remove(portal);
  }
  portal.shut();
  portal.close_on(nullptr);
  portal.unref();
}

}  // namespace chiscsi

// --- For the module and its backends ---

using namespace chiscsi;  // NOLINT: this file has the C interface.

extern "C" {

int offload_start(void) {
  if (the_offload != nullptr) return kExists;
  Result<OwnPtr<OffloadTransport>> made = OffloadTransport::create();
  if (!made.is_ok()) return made.status().to_errno();
  the_offload = made.take().release();
  return 0;
}

void offload_stop(void) {
  if (the_offload == nullptr) return;
  the_offload->stop();
  destroy(the_offload);
  the_offload = nullptr;
}

int offload_add_backend(const lld_ops* ops) {
  return the_offload == nullptr ? kNoDevice : the_offload->add_backend(ops);
}

void offload_remove_backend(const lld_ops* ops) {
  if (the_offload != nullptr) the_offload->remove_backend(ops);
}

void offload_read_counters(offload_counters* result) {
  auto* values = reinterpret_cast<uint64_t*>(result);
  for (uint32_t i = 0; i < kOffloadCountEnd; ++i)
    values[i] = offload_stats.get(static_cast<OffloadCount>(i));
}

}  // extern "C"
