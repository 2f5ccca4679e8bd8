// SPDX-License-Identifier: GPL-2.0-only
//
// See fake_target.hh. Its functions stand in for those of target/transport_calls.cc.
#include "fake_target.hh"

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>

#include "fake_lld.hh"
#include "host.hh"

namespace chiscsi::test {

namespace {
FakeTarget* target = nullptr;
FakeTarget& of(chiscsi_conn_port* port) {
  if (target == nullptr || reinterpret_cast<void*>(port) != target || target->stopped) abort();
  return *target;
}
}  // namespace

FakeTarget::FakeTarget() { target = this; }
FakeTarget::~FakeTarget() { target = nullptr; }

int FakeTarget::listen(uint16_t port, bool wildcard, bool ipv6) {
  Portal wanted = {};
  wanted.ipv6 = ipv6 ? 1 : 0;
  if (!ipv6) wanted.local.ip[10] = wanted.local.ip[11] = 0xff;
  if (!wildcard) wanted.local.ip[15] = 1;
  wanted.local.port = port;
  const std::lock_guard guard(portal_mutex);
  open_portal = wanted;
  if (!is_registered()) return 0;
  return transport->listen(&wanted.local, wanted.ipv6, reinterpret_cast<chiscsi_listen_port*>(this),
                           &portal);
}

void FakeTarget::unlisten() {
  const std::lock_guard guard(portal_mutex);
  open_portal.reset();
  if (portal != nullptr) transport->unlisten(std::exchange(portal, nullptr));
}

bool FakeTarget::is_registered() {
  const std::lock_guard guard(mutex);
  return transport != nullptr;
}
bool FakeTarget::wait_registered() {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, kSurely, [&] { return transport != nullptr; });
}
bool FakeTarget::wait_accepted() {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, kSurely, [&] { return conn != nullptr; });
}
bool FakeTarget::wait_stopped() {
  std::unique_lock lock(mutex);
  return changed.wait_for(lock, kSurely, [&] { return stopped; });
}

void FakeTarget::turns() {
  while (true) {
    {
      const std::lock_guard guard(mutex);
      if (!std::exchange(turn_wanted, false) || conn == nullptr || terminated || stopped) return;
    }
    bool more = false;
    if (receives && !failure) more |= transport->recv_pdus(conn) == 1;
    if (!stopped) more |= transport->xmit_pdus(conn) == 1;
    const std::lock_guard guard(mutex);
    turn_wanted |= more;
  }
}

bool FakeTarget::turns_until(const std::function<bool()>& done) {
  const auto limit = std::chrono::steady_clock::now() + kSurely;
  while (true) {
    turns();
    if (done()) return true;
    std::unique_lock lock(mutex);
    if (!changed.wait_until(lock, limit, [&] { return turn_wanted; })) return false;
  }
}

void FakeTarget::destroy() {
  transport->destroy_conn(conn);
  const std::lock_guard guard(mutex);
  conn = nullptr;
}

int FakeTarget::send(FakePdu pdu) {
  static int last_id = 0;
  pdu.id = ++last_id;
  pdu.bhs.data_segment_length = pdu.data_size;
  const std::lock_guard guard(mutex);
  to_send.push_back(std::move(pdu));
  turn_wanted = true;
  changed.notify_all();
  return last_id;
}

}  // namespace chiscsi::test

using namespace chiscsi::test;  // NOLINT: the C interface.

extern "C" {

int chiscsi_transport_register(chiscsi_transport* transport) {
  FakeTarget& t = *target;
  const std::lock_guard portals(t.portal_mutex);
  if (t.open_portal) {
    transport->listen(&t.open_portal->local, t.open_portal->ipv6,
                      reinterpret_cast<chiscsi_listen_port*>(&t), &t.portal);
  }
  const std::lock_guard guard(t.mutex);
  t.transport = transport;
  t.changed.notify_all();
  return 0;
}

int chiscsi_transport_offer(chiscsi_transport* transport) {
  FakeTarget& t = *target;
  const std::lock_guard portals(t.portal_mutex);
  if (t.portal != nullptr || !t.open_portal) return 0;
  return transport->listen(&t.open_portal->local, t.open_portal->ipv6,
                           reinterpret_cast<chiscsi_listen_port*>(&t), &t.portal);
}

int chiscsi_transport_unregister(chiscsi_transport*) {
  target->unlisten();
  if (target->is_busy && target->is_busy()) return -EBUSY;
  const std::lock_guard guard(target->mutex);
  target->transport_of_late = std::exchange(target->transport, nullptr);
  return 0;
}

int chiscsi_conn_accepted(chiscsi_listen_port*, void* conn, const chiscsi_tcp_endpoints* endpoints,
                          chiscsi_conn_port** conn_port) {
  host_might_sleep("chiscsi_conn_accepted()");
  if (target->refuses) {
    if (target->while_refusing) target->while_refusing();
    return -ENOMEM;
  }
  const std::lock_guard guard(target->mutex);
  *conn_port = reinterpret_cast<chiscsi_conn_port*>(target);
  target->endpoints = *endpoints;
  target->conn = conn;
  target->changed.notify_all();
  return 0;
}

void chiscsi_conn_schedule(chiscsi_conn_port* port) {
  FakeTarget& t = *reinterpret_cast<FakeTarget*>(port);
  const std::lock_guard guard(t.mutex);
  if (t.stopped) abort();
  t.turn_wanted = true;
  t.changed.notify_all();
}

void chiscsi_conn_failed(chiscsi_conn_port* port, int error) {
  FakeTarget& t = of(port);
  const std::lock_guard guard(t.mutex);
  if (!t.failure) t.failure = error;
  t.changed.notify_all();
}

void chiscsi_conn_stopped(chiscsi_conn_port* port) {
  FakeTarget& t = *reinterpret_cast<FakeTarget*>(port);
  const std::lock_guard guard(t.mutex);
  if (t.stopped) abort();
  t.stopped = true;
  t.changed.notify_all();
}

static int next_answer(FakeTarget& t) {
  if (t.answers.empty()) return CHISCSI_RX_CONTINUE;
  const int answer = t.answers.front();
  t.answers.pop_front();
  return answer;
}

int chiscsi_conn_rx_header(chiscsi_conn_port* port, const void* bhs, const void* ahs,
                           unsigned int ahs_size, unsigned int flags) {
  FakeTarget& t = of(port);
  ReceivedPdu pdu;
  memcpy(&pdu.bhs, bhs, sizeof(pdu.bhs));
  const auto* bytes = static_cast<const uint8_t*>(ahs);
  pdu.ahs.assign(bytes, bytes + ahs_size);
  pdu.flags = flags;
  t.received.push_back(pdu);
  return next_answer(t);
}
void chiscsi_conn_rx_data(chiscsi_conn_port* port, const void* data, unsigned int size) {
  auto& to = of(port).received.back().data;
  const auto* bytes = static_cast<const uint8_t*>(data);
  to.insert(to.end(), bytes, bytes + size);
}
void chiscsi_conn_rx_placed(chiscsi_conn_port* port, unsigned int size) {
  of(port).received.back().placed += size;
}
int chiscsi_conn_rx_done(chiscsi_conn_port* port, unsigned int flags) {
  FakeTarget& t = of(port);
  t.received.back().done = true;
  t.received.back().done_flags = flags;
  return next_answer(t);
}
void chiscsi_conn_rx_header_digest_error(chiscsi_conn_port* port) {
  of(port).header_digest_error = true;
}

int chiscsi_conn_next_pdu(chiscsi_conn_port* port, chiscsi_xmit_pdu* pdu) {
  FakeTarget& t = of(port);
  t.last_max_burst = pdu->max_burst;
  {
    const std::lock_guard guard(t.mutex);
    if (t.to_send.empty()) return 0;
    t.out.push_back(std::move(t.to_send.front()));
    t.to_send.pop_front();
  }
  FakePdu& own = t.out.back();
  memcpy(pdu->bhs, &own.bhs, sizeof(own.bhs));
  pdu->memory = own.memory.empty() ? nullptr : own.memory.data();
  pdu->sgl = own.sgl.data();
  pdu->sgcnt = static_cast<unsigned int>(own.sgl.size());
  pdu->data_size = own.data_size;
  pdu->sgl_offset = own.sgl_offset;
  pdu->segment = own.segment;
  pdu->landing = own.landing ? &*own.landing : nullptr;
  pdu->chiscsi_private[0] = &own;
  return 1;
}
void chiscsi_conn_place(chiscsi_conn_port* port, const chiscsi_xmit_pdu* pdu, void* task) {
  FakeTarget& t = of(port);
  t.placed.push_back(task);
  t.placed_tags.push_back(reinterpret_cast<const chiscsi::iscsi::Bhs*>(pdu->bhs)
                              ->as<chiscsi::iscsi::R2t>()
                              .target_transfer_tag.get());
}
void chiscsi_conn_task_released(chiscsi_conn_port* port, void* task) {
  of(port).released.push_back(task);
}
void chiscsi_conn_pdu_sent(chiscsi_conn_port* port, const chiscsi_xmit_pdu* pdu) {
  of(port).sent.push_back(static_cast<FakePdu*>(pdu->chiscsi_private[0])->id);
}
void chiscsi_conn_pdu_dropped(chiscsi_conn_port* port, const chiscsi_xmit_pdu* pdu) {
  of(port).dropped.push_back(static_cast<FakePdu*>(pdu->chiscsi_private[0])->id);
}

}  // extern "C"
