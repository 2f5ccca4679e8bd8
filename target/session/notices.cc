// SPDX-License-Identifier: GPL-2.0-only
//
// Notices of a session (RFC 7143 section 11.9; SPC-5 on changed logical units).
#include "target/session/notices.hh"

#include "target/session/async_message.hh"
#include "target/session/connection.hh"
#include "target/session/session.hh"

namespace chiscsi {

namespace {

// How long an initiator may take to log out when it was asked to.
constexpr uint16_t kLogoutWaitS = 10;
constexpr uint64_t kLogoutWaitMs = kLogoutWaitS * 1000ull;

bool holds(uint32_t pending, Notice notice) {
  return (pending & static_cast<uint32_t>(notice)) != 0;
}

bool is_open(const Member& member) {
  return member.state == MemberState::kActive && !member.connection->is_ending();
}

}  // namespace

Notices::Notices(Session& session) : session_(session), message_(&Notices::on_message) {}

void Notices::post(Notice notice) {
  pending_.fetch_or(static_cast<uint32_t>(notice));
  session_.ref();  // The message's.
  if (!message_.request(session_.worker())) session_.unref();
}

void Notices::on_message(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  Session& session = container_of(posted, &Notices::message_).session_;
  session.notices.deliver();
  session.unref();
}

void Notices::deliver() {
  if (!session_.is_active()) return;
  const uint32_t pending = pending_.exchange(0);
  if (holds(pending, Notice::kLunsChanged)) {
    if (Connection* connection = any_connection()) {
      async_message::report_scsi_event(*connection, kReportedLunsChanged);
    }
  }
  if (holds(pending, Notice::kPortalsChanged)) {
    const Ref<TargetSettings> settings = session_.target()->settings();
    session_.members.for_each([&](Member& member) {
      if (is_open(member)) follow_portal_group(*member.connection, *settings);
    });
  }
}

void Notices::arrived(Connection& connection) {
  if (session_.target() == nullptr || connection.is_ending()) return;
  follow_portal_group(connection, *session_.target()->settings());
}

// What the group says of a connection holds at once. One that came by an address which is none of
// the group's any more is asked to log out: a login there would get another target port, or none.
void Notices::follow_portal_group(Connection& connection, const TargetSettings& settings) {
  const PortalGroupSettings* group = settings.portal_group_at(connection.conn().local_address());
  if (group != nullptr && group->tag == session_.parameters.portal_group_tag) {
    return connection.set_keepalive(group->timeout_s);
  }
  if (connection.logout_ends_ms != 0) return;
  connection.logout_ends_ms = os_now_ms() + kLogoutWaitMs;
  async_message::request_logout(connection, kLogoutWaitS);
  session_.watch_soon();
}

bool Notices::watch(uint64_t now_ms) {
  bool waits = false;
  session_.members.for_each([&](Member& member) {
    if (!is_open(member) || member.connection->logout_ends_ms == 0) return;
    waits = true;
    if (now_ms < member.connection->logout_ends_ms) return;
    member.connection->announce_drop(member.cid);
    member.connection->drop("asked to log out, and no logout came", true);
  });
  return waits;
}

Connection* Notices::any_connection() {
  Member* member = session_.members.find(&is_open);
  return member != nullptr ? member->connection : nullptr;
}

}  // namespace chiscsi
