// SPDX-License-Identifier: GPL-2.0-only
//
// Listening servers: see the header.
#include "offload/server.hh"

#include "base/lock.hh"
#include "os/log.h"

namespace chiscsi {

namespace {

bool is_wildcard(const os_address& address) {
  uint8_t any = 0;
  for (uint32_t i = address.is_ipv6 != 0 ? 0 : 12; i < sizeof(address.ip); ++i)
    any |= address.ip[i];
  return any == 0;
}

}  // namespace

// --- OffloadServer ---

OffloadServer::OffloadServer(Ref<OffloadAdapter> adapter, Ref<OffloadPortal> portal)
    : adapter_(std::move(adapter)), portal_(std::move(portal)), life_(adapter_->life()) {}

OffloadServer::~OffloadServer() {
  if (replied_ != nullptr) os_event_destroy(replied_);
}

bool OffloadServer::needs_clip() const {
  return portal_->local().is_ipv6 != 0 && !is_wildcard(portal_->local());
}

Status OffloadServer::open() {
  const lld_ops& ops = adapter_->ops();
  const os_address& local = portal_->local();
  replied_ = os_event_create();
  if (replied_ == nullptr) return Error::kNoMemory;
  entered_ = adapter_->enter();
  if (!entered_) return Error::kNoDevice;
  const int stid = ops.stid_alloc(adapter_->dev(), local.is_ipv6, this);
  if (stid < 0) {
    end();
    return Status::from_errno(stid);
  }
  stid_ = static_cast<uint32_t>(stid);
  has_stid_ = true;
  Status status;
  if (needs_clip()) status = Status::from_errno(ops.clip_get(adapter_->dev(), &local));
  has_clip_ = needs_clip() && status.is_ok();
  if (status.is_ok()) {
    adapter_->insert(*this);
    status = Status::from_errno(ops.server_create(adapter_->dev(), stid_, &local));
  }
  if (!status.is_ok()) give_back();
  return status;
}

void OffloadServer::give_back() {
  const lld_ops& ops = adapter_->ops();
  const os_address& local = portal_->local();
  adapter_->remove(*this);
  if (has_clip_) ops.clip_release(adapter_->dev(), &local);
  if (has_stid_) ops.stid_free(adapter_->dev(), stid_, local.is_ipv6);
  has_clip_ = has_stid_ = false;
  end();
}

// The last that it does with the device.
void OffloadServer::end() {
  if (std::exchange(entered_, false)) adapter_->leave();
}

int OffloadServer::wait(std::atomic<int>& reply) {
  const uint64_t deadline = os_now_ms() + offload_limits.listen;
  while (reply.load() == kNoReply && !adapter_->is_dead() && !is_stale()) {
    const uint64_t now = os_now_ms();
    if (now >= deadline) break;
    os_event_wait(replied_, static_cast<uint32_t>(deadline - now));
  }
  return reply.load();
}

Status OffloadServer::wait_until_open() {
  const int reply = wait(open_reply_);
  if (reply == 0) return Status();
  if (reply == kNoReply) return Error::kTimedOut;
  os_log(OS_LOG_WARNING, "offload: %s refuses server %u, status %u", adapter_->info().name, stid_,
         static_cast<uint32_t>(reply));
  return Error::kIo;
}

void OffloadServer::close() {
  if (!has_stid_) return;
  if (adapter_->is_dead() || is_stale()) return give_back();
  const int opened = wait(open_reply_);
  if (opened > 0) return give_back();
  const int is_ipv6 = portal_->local().is_ipv6;
  if (opened == 0 && adapter_->ops().server_remove(adapter_->dev(), stid_, is_ipv6) == 0 &&
      wait(close_reply_) != kNoReply) {
    return give_back();
  }
  if (adapter_->is_dead() || is_stale()) return give_back();
  os_log(OS_LOG_WARNING, "offload: %s does not answer about server %u; its index is lost",
         adapter_->info().name, stid_);
  end();
}

// Under the lock of the adapter: nothing is logged here.
void OffloadServer::on_reply(cpl::Opcode opcode, uint8_t status) {
  (opcode == cpl::Opcode::kPassOpenRpl ? open_reply_ : close_reply_).store(status);
  os_event_signal(replied_);
}

// --- OffloadPortal ---

Ref<OffloadPortal> OffloadPortal::create(const os_address& local, chiscsi_listen_port* port) {
  auto portal = Ref<OffloadPortal>::adopt(make<OffloadPortal>(Alloc::kMaySleep, local, port));
  if (!portal) return portal;
  portal->mutex_ = os_mutex_create();
  if (portal->mutex_ == nullptr) portal.reset();
  return portal;
}

OffloadPortal::~OffloadPortal() {
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

Ref<OffloadServer> OffloadPortal::take(OffloadAdapter* adapter, bool stale_only) {
  MutexGuard guard(mutex_);
  OffloadServer* server = servers_.find([&](OffloadServer& candidate) {
    return !candidate.is_awaited && (adapter == nullptr || &candidate.adapter() == adapter) &&
           (!stale_only || candidate.is_stale());
  });
  if (server != nullptr) servers_.remove(*server);
  return Ref<OffloadServer>::adopt(server);
}

Status OffloadPortal::open_on(OffloadAdapter& adapter) {
  return make_server(adapter, false).status();
}

Status OffloadPortal::open_and_wait(OffloadAdapter& adapter) {
  Result<Ref<OffloadServer>> made = make_server(adapter, true);
  CHISCSI_TRY(made.status());
  if (!made.value()) return Status();
  OffloadServer& server = *made.value();
  Status status = server.wait_until_open();
  {
    MutexGuard guard(mutex_);
    server.is_awaited = false;
    // What ends an adapter's servers has left this one to us.
    if (status.is_ok() && (!adapter.is_up() || server.is_stale())) status = Error::kNoDevice;
    if (!status.is_ok()) {
      servers_.remove(server);
      server.unref();
    }
  }
  if (!status.is_ok()) server.close();
  return status;
}

// Whether the adapter is up is looked at under the mutex: a server that is made before
// remove_adapter() comes by is ended by it, and none is made afterwards.
Result<Ref<OffloadServer>> OffloadPortal::make_server(OffloadAdapter& adapter, bool awaited) {
  if (Ref<OffloadServer> stale = take(&adapter, true)) stale->close();
  MutexGuard guard(mutex_);
  if (shut_) return Error::kShutdown;
  if (!adapter.is_up()) return Error::kNoDevice;
  const auto is_there = [&](OffloadServer& server) { return &server.adapter() == &adapter; };
  if (servers_.find(is_there) != nullptr) return Ref<OffloadServer>();
  auto server = Ref<OffloadServer>::adopt(make<OffloadServer>(
      Alloc::kMaySleep, Ref<OffloadAdapter>::share(&adapter), Ref<OffloadPortal>::share(this)));
  if (!server) return Error::kNoMemory;
  CHISCSI_TRY(server->open());
  server->is_awaited = awaited;
  servers_.push_back(*Ref<OffloadServer>(server).release());
  return server;
}

void OffloadPortal::close_on(OffloadAdapter* adapter) {
  while (Ref<OffloadServer> server = take(adapter, false))
    server->close();
}

void OffloadPortal::shut() {
  MutexGuard guard(mutex_);
  shut_ = true;
}

int OffloadPortal::announce(OffloadConn& conn, const chiscsi_tcp_endpoints& endpoints,
                            chiscsi_conn_port** conn_port) {
  MutexGuard guard(mutex_);
  if (shut_) return -static_cast<int>(Error::kShutdown);
  return chiscsi_conn_accepted(port_, &conn, &endpoints, conn_port);
}

}  // namespace chiscsi
