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
  if (holds(pending, Notice::kLogoutWanted) && logout_deadline_ms_ == 0) {
    logout_deadline_ms_ = os_now_ms() + kLogoutWaitMs;
    session_.members.for_each([](Member& member) {
      if (is_open(member)) async_message::request_logout(*member.connection, kLogoutWaitS);
    });
    session_.watch_soon();
  }
}

bool Notices::watch(uint64_t now_ms) {
  if (logout_deadline_ms_ == 0) return false;
  if (now_ms < logout_deadline_ms_) return true;
  logout_deadline_ms_ = 0;
  session_.members.for_each([](Member& member) {
    if (!is_open(member)) return;
    member.connection->announce_drop(member.cid);
    member.connection->drop("asked to log out, and no logout came", true);
  });
  return false;
}

Connection* Notices::any_connection() {
  Member* member = session_.members.find(&is_open);
  return member != nullptr ? member->connection : nullptr;
}

}  // namespace chiscsi
