// SPDX-License-Identifier: GPL-2.0-only
//
// The sessions of a target and their connections, and the end of one that is to go.
//
// Read like the information calls read (docs/locking.md, "What status readers see"): no worker is
// asked, so what hangs in a storage driver's hook can still be looked at, and dropped.
#include "base/lock.hh"
#include "target/config/address.hh"
#include "target/control/request.hh"
#include "target/engine.hh"

namespace chiscsi::control {

namespace {

Text digest_name(unsigned char digest) {
  return digest == CHISCSI_DIGEST_CRC32C ? "CRC32C" : "None";
}

AddressText endpoint_text(const tcp_endpoint& endpoint) {
  return format_ip_and_port(address_from_bytes(endpoint.ip, endpoint.port));
}

void write_traffic(Output& out, const chiscsi_perf_info& traffic) {
  out.number("read_commands", traffic.read_cmd_cnt);
  out.number("write_commands", traffic.write_cmd_cnt);
  out.number("read_bytes", traffic.read_bytes);
  out.number("write_bytes", traffic.write_bytes);
}

void write_connection(Output& out, const ConnectionStatus& status) {
  const chiscsi_connection_info& facts = status.facts;
  out.number("connection", facts.cid);
  out.pair("state", status.is_leaving.get() != 0 ? "leaving" : "full_feature");
  out.yes_no("offloaded", facts.offloaded);
  out.pair("header_digest", digest_name(facts.conn_keys.header_digest[0]));
  out.pair("data_digest", digest_name(facts.conn_keys.data_digest[0]));
  out.pair("initiator_address", endpoint_text(facts.tcp_endpoints.iaddr).text());
  out.pair("target_address", endpoint_text(facts.tcp_endpoints.taddr).text());
  out.number("portal_group", facts.conn_keys.portal_group_tag);
  out.number("max_recv_data_segment", facts.conn_keys.max_recv_data_segment);
  out.number("max_xmit_data_segment", status.max_xmit_data_segment.get());
  // In this order: what was acknowledged never exceeds what was sent.
  const uint32_t acknowledged = status.exp_stat_sn.get();
  out.number("statsn", status.stat_sn.get());
  out.number("expstatsn", acknowledged);
  chiscsi_perf_info traffic{};
  status.traffic.add_to(&traffic);
  write_traffic(out, traffic);
  out.end_record();
}

void write_session_keys(Output& out, const SessionParameters& keys) {
  out.yes_no("initial_r2t", keys.initial_r2t);
  out.yes_no("immediate_data", keys.immediate_data);
  out.number("first_burst", keys.first_burst_length);
  out.number("max_burst", keys.max_burst_length);
  out.number("max_r2t", keys.max_outstanding_r2t);
  out.number("max_connections", keys.max_connections);
  out.number("max_commands", keys.max_commands);
}

// Precondition: the target's mutex is held, so the session is there.
void write_session(Output& out, Session& session) {
  const Roster::Summary summary = session.roster().summary();
  // On its way into full feature phase, or out of it.
  if (summary.connections == 0) return;
  const SessionParameters& parameters = session.parameters;
  out.hex("session", session.handle.value);
  out.pair("initiator", parameters.initiator_name.text());
  if (!parameters.initiator_alias.empty()) out.pair("alias", parameters.initiator_alias.text());
  out.begin("isid").add_hex_bytes(parameters.isid).end();
  out.number("tsih", parameters.tsih);
  out.pair("type", session.is_discovery() ? "discovery" : "normal");
  out.pair("state", session.is_end_requested() ? "ending" : "active");
  out.number("connections", summary.connections);
  write_session_keys(out, parameters);
  const CommandWindow::Numbers numbers = session.window.numbers();
  out.number("cmdsn", numbers.newest);
  out.number("expcmdsn", numbers.expected);
  out.number("maxcmdsn", numbers.last);
  write_traffic(out, summary.traffic);
  out.end_record();
  session.roster().visit([&](const ConnectionStatus& status) { write_connection(out, status); });
}

// Of all initiators, or of the one that was asked for.
void list_sessions_of(Output& out, Target& target, const Word& wanted) {
  MutexGuard guard(target.mutex());
  target.sessions().for_each([&](SessionEntry& entry) {
    const Text initiator = entry.session->parameters.initiator_name.text();
    if (!wanted.given || initiator == wanted.value) write_session(out, *entry.session);
  });
}

}  // namespace

Status list_sessions(Request& request) {
  Word words[] = {{"target", false}, {"initiator", false}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  return visit_targets(request, words[0], [&](Target& target) {
    if (!words[0].given) {
      request.out.pair("target", target.name());
      request.out.end_record();
    }
    list_sessions_of(request.out, target, words[1]);
  });
}

Status drop_session(Request& request) {
  Word words[] = {{"session", true}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  unsigned long handle = 0;
  if (!parse_handle(words[0].value, &handle)) {
    request.why.add("session: wants the number that the list of sessions shows, in hexadecimal");
    return Error::kInvalid;
  }
  const bool found = request.engine.session_handles().visit(
      handle, [](Session& session) { session.request_end(EndReason::kAdministrator); });
  if (found) return Status();
  request.why.add("no such session");
  return Error::kNoEntry;
}

}  // namespace chiscsi::control
