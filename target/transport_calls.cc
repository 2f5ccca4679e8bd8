// SPDX-License-Identifier: GPL-2.0-only
//
// The exported calls of include/common/chiscsi_transport.h.
//
// They keep their public names: there is nothing for the host to add.
#include "common/chiscsi_transport.h"

#include "target/engine.hh"
#include "transport/plugin_conn.hh"

using namespace chiscsi;  // NOLINT: this file is the C interface.

namespace {
Bytes bytes_of(const void* data, size_t size) {
  return {static_cast<const uint8_t*>(data), data != nullptr ? size : 0};
}
}  // namespace

extern "C" {

int chiscsi_transport_register(chiscsi_transport* transport) {
  return Engine::instance().portals().add_transport(transport).to_errno();
}

int chiscsi_transport_offer(chiscsi_transport* transport) {
  return Engine::instance().portals().offer_to(transport).to_errno();
}

int chiscsi_transport_unregister(chiscsi_transport* transport) {
  return Engine::instance().portals().remove_transport(transport).to_errno();
}

int chiscsi_conn_accepted(chiscsi_listen_port* port, void* conn,
                          const chiscsi_tcp_endpoints* endpoints, chiscsi_conn_port** conn_port) {
  return PluginPortal::of(port).accepted(conn, *endpoints, conn_port).to_errno();
}

void chiscsi_conn_schedule(chiscsi_conn_port* conn_port) { PluginPort::of(conn_port).schedule(); }

void chiscsi_conn_failed(chiscsi_conn_port* conn_port, int error) {
  PluginPort::of(conn_port).failed(error);
}

void chiscsi_conn_stopped(chiscsi_conn_port* conn_port) { PluginPort::of(conn_port).stopped(); }

int chiscsi_conn_rx_header(chiscsi_conn_port* conn_port, const void* bhs, const void* ahs,
                           unsigned int ahs_size, unsigned int flags) {
  return PluginPort::of(conn_port).rx_header(bytes_of(bhs, CHISCSI_BHS_SIZE),
                                             bytes_of(ahs, ahs_size), flags);
}

void chiscsi_conn_rx_data(chiscsi_conn_port* conn_port, const void* data, unsigned int size) {
  PluginPort::of(conn_port).rx_data(bytes_of(data, size));
}

void chiscsi_conn_rx_placed(chiscsi_conn_port* conn_port, unsigned int size) {
  PluginPort::of(conn_port).rx_placed(size);
}

int chiscsi_conn_rx_done(chiscsi_conn_port* conn_port, unsigned int flags) {
  return PluginPort::of(conn_port).rx_done((flags & CHISCSI_RX_DATA_DIGEST_ERROR) != 0);
}

void chiscsi_conn_rx_header_digest_error(chiscsi_conn_port* conn_port) {
  PluginPort::of(conn_port).rx_header_digest_error();
}

int chiscsi_conn_next_pdu(chiscsi_conn_port* conn_port, chiscsi_xmit_pdu* pdu) {
  return PluginPort::of(conn_port).next_pdu(pdu) ? 1 : 0;
}

void chiscsi_conn_place(chiscsi_conn_port* conn_port, const chiscsi_xmit_pdu*, void* task) {
  PluginPort::of(conn_port).place(task);
}

void chiscsi_conn_task_released(chiscsi_conn_port* conn_port, void* task) {
  PluginPort::of(conn_port).task_released(task);
}

void chiscsi_conn_pdu_sent(chiscsi_conn_port* conn_port, const chiscsi_xmit_pdu* pdu) {
  PluginPort::of(conn_port).pdu_sent(*pdu);
}

void chiscsi_conn_pdu_dropped(chiscsi_conn_port* conn_port, const chiscsi_xmit_pdu* pdu) {
  PluginPort::of(conn_port).pdu_dropped(*pdu);
}

}  // extern "C"
