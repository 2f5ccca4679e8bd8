// SPDX-License-Identifier: GPL-2.0-only
//
// The information calls of the Guide's chapter 8.
//
// They run in the caller's context and wait for no worker, so a storage driver that is stuck in a
// hook cannot stop them: settings are immutable snapshots, parameters of a session are constant,
// and what changes is Published by its worker. Objects are held by a reference, or looked at under
// the lock that they have to take to leave.
#include "base/lock.hh"
#include "target/config/address.hh"
#include "target/engine.hh"

namespace chiscsi {

namespace {

constexpr int errno_of(Error error) { return -static_cast<int>(error); }

void copy_name(char (&to)[CHISCSI_INFO_NAME_LEN], Text from) {
  const Text fitting = from.first(sizeof(to) - 1);
  if (!fitting.empty()) __builtin_memcpy(to, fitting.data(), fitting.size());
  to[fitting.size()] = '\0';
}

uint32_t lower_limit(uint32_t a, uint32_t b) { return a < b ? a : b; }

void describe(const SessionKeys& keys, iscsi_session_settings* info) {
  info->initial_r2t = keys.initial_r2t;
  info->immediate_data = keys.immediate_data;
  info->erl = keys.error_recovery_level & 3;
  info->data_pdu_in_order = keys.data_pdu_in_order;
  info->data_sequence_in_order = keys.data_sequence_in_order;
  info->max_conns = keys.max_connections;
  info->max_r2t = keys.max_outstanding_r2t;
  info->first_burst = keys.first_burst_length;
  info->max_burst = keys.max_burst_length;
  info->time2wait = keys.default_time2wait;
  info->time2retain = keys.default_time2retain;
}

void describe(const DigestChoice& digests, unsigned char (&info)[2]) {
  for (uint8_t i = 0; i < digests.size(); ++i) {
    info[i] = digests[i] == DigestType::kCrc32c ? CHISCSI_DIGEST_CRC32C : CHISCSI_DIGEST_NONE;
  }
}

void describe(const AuthSettings& auth, iscsi_chap_settings* info) {
  info->chap_en = auth.methods.contains(AuthMethod::kChap);
  info->chap_required = info->chap_en && auth.methods.size() == 1;
  info->mutual_chap_forced = auth.policy == ChapPolicy::kMutual;
  info->challenge_length = auth.challenge_length;
}

// What the target offers: its settings within the limits that hold for all targets.
void describe(const TargetSettings& settings, chiscsi_target_info* info) {
  copy_name(info->name, settings.name());
  copy_name(info->alias, settings.alias());
  describe(settings.session_keys(), &info->sess_keys);
  info->sess_keys.max_conns = lower_limit(info->sess_keys.max_conns, kMaxConnectionsLimit);
  info->sess_keys.max_r2t = lower_limit(info->sess_keys.max_r2t, kMaxOutstandingR2tLimit);
  describe(settings.header_digests(), info->conn_keys.header_digest);
  describe(settings.data_digests(), info->conn_keys.data_digest);
  info->conn_keys.max_recv_data_segment = settings.max_recv_data_segment_length();
  describe(settings.auth(), &info->chap);
  info->config_keys.acl_en = settings.acl_enabled();
  info->config_keys.isns_register = settings.registers_isns();
  info->config_keys.shadow_mode = settings.shadow_mode();
  info->config_keys.sess_max_cmds = settings.max_commands();
  const bool acl_first = Engine::instance().globals().get()->auth_order() == AuthOrder::kAcl;
  info->auth_order = acl_first ? CHISCSI_AUTH_ORDER_ACL : CHISCSI_AUTH_ORDER_CHAP;
}

void describe(Session& session, const Roster::Summary& summary, chiscsi_session_info* info) {
  const SessionParameters& parameters = session.parameters;
  *info = {};
  copy_name(info->peer_name, parameters.initiator_name.text());
  copy_name(info->peer_alias, parameters.initiator_alias.text());
  describe(parameters, &info->sess_keys);
  info->type =
      session.is_discovery() ? CHISCSI_SESSION_TYPE_DISCOVERY : CHISCSI_SESSION_TYPE_NORMAL;
  __builtin_memcpy(info->isid, parameters.isid, sizeof(info->isid));
  info->conn_cnt = static_cast<unsigned char>(summary.connections);
  info->tsih = parameters.tsih;
  const CommandWindow::Numbers numbers = session.window.numbers();
  info->cmdsn = numbers.newest;
  info->maxcmdsn = numbers.last;
  info->expcmdsn = numbers.expected;
  info->perf = summary.traffic;
  info->hndl = session.handle.value;
}

// The sessions of `initiator` at `target`, the first `room` of them described in `info`.
int read_sessions(Target& target, Text initiator, uint32_t room, chiscsi_session_info* info) {
  uint32_t count = 0;
  MutexGuard guard(target.mutex());
  target.sessions().for_each([&](SessionEntry& entry) {
    Session& session = *entry.session;
    if (!(session.parameters.initiator_name.text() == initiator)) return;
    const Roster::Summary summary = session.roster().summary();
    // On its way into full feature phase, or out of it.
    if (summary.connections == 0) return;
    if (count < room) describe(session, summary, &info[count]);
    ++count;
  });
  return static_cast<int>(count);
}

// `words` in network order: one for IPv4, four for IPv6.
os_address portal_address(bool ipv6, const unsigned int* words, uint16_t port) {
  uint8_t bytes[16] = {};
  __builtin_memcpy(bytes, words, ipv6 ? 16 : 4);
  return ipv6 ? address_from_bytes(bytes, port) : ipv4_address_from_bytes(bytes, port);
}

}  // namespace

}  // namespace chiscsi

using namespace chiscsi;  // NOLINT: this part of the file is the C interface.

extern "C" {

int engine_get_target_info(const char* tname, struct chiscsi_target_info* target_info) {
  if (tname == nullptr || target_info == nullptr) return errno_of(Error::kInvalid);
  const Ref<Target> target = Engine::instance().registry().find_target(tname);
  if (!target) return errno_of(Error::kNoEntry);
  *target_info = {};
  describe(*target->settings(), target_info);
  target_info->hndl = target->handle;
  return 0;
}

int engine_get_session_info(const char* tname, const char* iname, int sess_info_max,
                            struct chiscsi_session_info* sess_info) {
  if (tname == nullptr || iname == nullptr || sess_info_max < 0) return errno_of(Error::kInvalid);
  if (sess_info == nullptr && sess_info_max != 0) return errno_of(Error::kInvalid);
  const Ref<Target> target = Engine::instance().registry().find_target(tname);
  if (!target) return errno_of(Error::kNoEntry);
  return read_sessions(*target, iname, static_cast<uint32_t>(sess_info_max), sess_info);
}

int engine_get_connection_info(unsigned long sess_hdl, int conn_idx,
                               struct chiscsi_connection_info* conninfo) {
  if (conninfo == nullptr || conn_idx < 0) return errno_of(Error::kInvalid);
  // The roster alone is held: the session may end meanwhile, and does so on its worker.
  Ref<Roster> roster;
  Engine::instance().session_handles().visit(
      sess_hdl, [&](Session& session) { roster = Ref<Roster>::share(&session.roster()); });
  if (!roster) return errno_of(Error::kStale);
  const bool found = roster->read_connection(static_cast<uint32_t>(conn_idx), conninfo);
  return found ? 0 : errno_of(Error::kNoEntry);
}

int engine_get_perf_info(int ipv6, const unsigned int* ip_addr, unsigned int port,
                         struct chiscsi_perf_info* pdata) {
  if (ip_addr == nullptr || pdata == nullptr || port > 0xffff) return errno_of(Error::kInvalid);
  const auto number = static_cast<uint16_t>(port != 0 ? port : kIscsiPort);
  const Ref<Roster> roster =
      Engine::instance().portals().roster_at(portal_address(ipv6 != 0, ip_addr, number));
  if (!roster) return errno_of(Error::kNoEntry);
  *pdata = roster->summary().traffic;
  return 0;
}

}  // extern "C"
