// SPDX-License-Identifier: GPL-2.0-only
//
// Session: its connections, from the login that asks for a place to the last command of a
// connection that is gone (RFC 7143 sections 6.3.4 to 6.3.6 and 11.14).
//
// A place is taken from admission on, so MaxConnections holds while connections are on their way.
// A login with the number of a connection that is there replaces it: the old connection is closed,
// its commands end without a response, and only then the login is answered. That wait is bounded,
// because a command that the storage driver does not give back becomes an orphan. A login that
// finds all places taken waits for a connection that is closing, too.
#include "os/log.h"
#include "target/engine.hh"
#include "target/rx/rx.hh"
#include "target/scsi/driver_port.hh"
#include "target/session/connection.hh"
#include "target/session/session.hh"
#include "target/trace.hh"

namespace chiscsi {

// --- Places ---

void Session::take_in(Member& member) {
  member.ref();  // The list's.
  members.push_back(member);
  member.state = MemberState::kWaiting;
  ++waiting_;
  consider(member);
}

void Session::withdraw(Member& member) {
  Ref<Session> keep = Ref<Session>::share(this);
  if (member.state == MemberState::kWaiting) {
    --waiting_;
  } else if (member.state == MemberState::kAdmitted) {
    --places_taken_;
  } else {
    return;  // It was refused.
  }
  member.state = MemberState::kLost;
  leave(member);
  end_if_deserted(EndReason::kConnectionLost);
  run_work();
}

// Admits or refuses one that waits, or leaves it waiting.
void Session::consider(Member& member) {
  // An initiator may be quicker with its second connection than our leading one on its way here.
  if (state_ == SessionState::kStarting) return;
  if (state_ != SessionState::kActive) {
    return refuse(member, iscsi::LoginStatus::kSessionDoesNotExist);
  }
  Member* older = members.find([&](const Member& other) {
    return other.cid == member.cid && other.state != MemberState::kWaiting && !other.is_over();
  });
  if (older != nullptr) {
    if (older->connection != nullptr) older->connection->cut("replaced by a new login");
    return;
  }
  if (places_taken_ >= parameters.max_connections) {
    // Its initiator may know of the end of a connection before everything of ours has seen it.
    if (is_a_connection_ending()) return;
    return refuse(member, iscsi::LoginStatus::kTooManyConnections);
  }
  --waiting_;
  ++places_taken_;
  member.state = MemberState::kAdmitted;
  member.answer(iscsi::LoginStatus::kSuccess);
}

bool Session::is_a_connection_ending() {
  return members.find([](const Member& member) {
    return member.connection != nullptr && member.connection->is_ending();
  }) != nullptr;
}

void Session::refuse(Member& member, iscsi::LoginStatus status) {
  --waiting_;
  member.state = MemberState::kLost;
  member.answer(status);
  leave(member);
}

// A member whose connection and commands are gone leaves the list.
void Session::leave(Member& member) {
  if (member.state != MemberState::kLost || member.held_commands != 0) return;
  if (!member.node.is_linked()) return;
  members.remove(member);
  member.unref();
}

void Session::consider_waiting() {
  members.for_each([this](Member& member) {
    if (member.state == MemberState::kWaiting) consider(member);
  });
}

// --- Arrival and loss ---

void Session::connection_arrived(Connection& connection) {
  Member& member = connection.member();
  member.session.reset();  // The connection has a reference of its own.
  member.state = MemberState::kActive;
  member.connection = &connection;
  if (state_ == SessionState::kStarting) return start_full_feature(connection);
  // The session may have ended while the connection was on its way.
  if (state_ != SessionState::kActive) return connection.cut("its session has ended");
  roster_->enter(connection.status.in_session);
  os_log_limited(OS_LOG_INFO, "%s: session %lu of %s, connection %u from %s", target_->name_c_str(),
                 handle.value, parameters.initiator_name.c_str(), member.cid,
                 connection.peer_text());
  notices.arrived(connection);
  consider_waiting();
}

void Session::start_full_feature(Connection& connection) {
  Member& member = connection.member();
  member.ref();  // The list's.
  members.push_back(member);
  ++places_taken_;
  state_ = SessionState::kActive;
  roster_->enter(connection.status.in_session);
  // Only normal sessions are the driver's business (Guide 5.1.5); a discovery session may have a
  // target, too.
  driver_knows = target_ && !is_discovery();
  if (driver_knows && target_->hooks().fp_session_added != nullptr) {
    driver_session = target_->hooks().fp_session_added(handle.value, parameters.isid,
                                                       parameters.initiator_name.mutable_c_str(),
                                                       target_->name_for_hook());
  }
  trace::session_added(*this);
  os_log_limited(OS_LOG_INFO, "%s: session %lu of %s, tsih %u, from %s",
                 target_ ? target_->name_c_str() : "discovery", handle.value,
                 parameters.initiator_name.c_str(), parameters.tsih, connection.peer_text());
  consider_waiting();
  notices.arrived(connection);
  notices.deliver();
  if (is_end_requested()) request_end(static_cast<EndReason>(end_requested_.load()));
}

void Session::connection_lost(Connection& connection, EndReason reason) {
  Ref<Session> keep = Ref<Session>::share(this);
  Member& member = connection.member();
  roster_->leave(connection.status.in_session);
  member.state = MemberState::kLost;
  member.connection = nullptr;
  member.waiter_node.unlink();
  --places_taken_;
  rx::drop_requests(*this, connection);
  rx::drop_tmf_responses(*this, connection);
  terminate_commands(member);
  end_if_deserted(reason);
  if (state_ == SessionState::kActive && connection.was_dropped()) announce_loss(member);
  if (places_taken_ == 0 && state_ == SessionState::kEnding) rx::drop_tmfs(*this);
  leave(member);
  run_work();
  watch_soon();
}

// A place that is taken or waited for keeps the session: it is about to have a connection again.
void Session::end_if_deserted(EndReason reason) {
  if (places_taken_ == 0 && waiting_ == 0) end(reason);
}

void Session::close_connections(bool announce) {
  members.for_each([&](Member& member) {
    switch (member.state) {
      case MemberState::kActive:
        if (announce && !member.connection->is_ending()) {
          member.connection->announce_end();
          announce = false;
        }
        return member.connection->close_after_flush();
      case MemberState::kAdmitted:
        return member.answer(iscsi::LoginStatus::kSessionDoesNotExist);
      case MemberState::kWaiting:
        return refuse(member, iscsi::LoginStatus::kSessionDoesNotExist);
      default:
        return;
    }
  });
}

// What was wrong on one connection is told on another one, where there is one (section 11.9.1).
void Session::announce_loss(const Member& lost) {
  Member* other = members.find([](const Member& member) {
    return member.state == MemberState::kActive && !member.connection->is_ending();
  });
  if (other != nullptr) other->connection->announce_drop(lost.cid);
}

namespace {

// Whether some command, or a task management function, will have a response.
bool owes_response(Session& session) {
  const auto has_response = [](const Command& command) {
    return !command.silent && !command.response_queued;
  };
  const auto has_answer = [](const Tmf& tmf) { return !tmf.is_part(); };
  return session.commands.find(has_response) != nullptr || session.tmfs.find(has_answer) != nullptr;
}

// Whether the initiator ought to be told of its window: it believes it to be closed, or knows of
// less than half of it and no response will tell it more.
bool understates_window(Session& session) {
  CommandWindow& window = session.window;
  const Serial told(session.told_max_cmd_sn());
  if (window.max_cmd_sn() <= told) return false;
  if (told < window.exp_cmd_sn()) return true;
  const uint32_t known = told.value() - window.exp_cmd_sn().value() + 1;
  return known < window.size() / 2 && !owes_response(session);
}

}  // namespace

// A command that ends in silence opens the window by one. When no PDU is on its way that would say
// so, one is made for it (section 11.4.11).
void Session::tell_of_open_window() {
  if (state_ != SessionState::kActive || !understates_window(*this)) return;
  Member* teller = nullptr;
  Member* talking = members.find([&](Member& member) {
    const bool alive = member.state == MemberState::kActive && !member.connection->is_ending();
    if (alive) teller = &member;
    return alive && !member.connection->tx_queue.empty();
  });
  if (talking == nullptr && teller != nullptr) teller->connection->show_window();
}

Connection* Session::find_connection(uint16_t cid) {
  Member* member = members.find([&](const Member& candidate) {
    return candidate.cid == cid && candidate.state == MemberState::kActive;
  });
  return member != nullptr ? member->connection : nullptr;
}

void Session::raise_fence(const Connection* issuing) {
  members.for_each([&](Member& member) {
    if (member.connection != nullptr && member.connection != issuing) {
      member.connection->raise_fence();
    }
  });
}

bool Session::is_fence_clear(const Connection* issuing) {
  return members.find([&](const Member& member) {
    return member.connection != nullptr && member.connection != issuing &&
           member.connection->is_fence_raised();
  }) == nullptr;
}

// --- The commands of a connection ---

// A task of its unit that has not ended: the initiator hears of the loss by its next command for
// that unit, on any connection (section 11.14.5). One that waited for its turn was no task yet.
void Session::note_termination(const Command& command) {
  const bool waited =
      command.state == CommandState::kReceiving || command.state == CommandState::kHeld;
  if (waited || command.silent || command.response_queued || command.inside != nullptr) return;
  unit_attentions.establish(driver_port::decode_lun(command.lun), kClearedByProtocolEvent);
}

// Their tags are free at once; what the storage driver holds is asked back. While the connection is
// still there, the PDU that is just arriving on it keeps its command.
void Session::terminate_commands(Member& member) {
  commands.for_each([&](Command& command) {
    if (command.member != &member) return;
    if (member.connection == nullptr) {
      command.connection = nullptr;
      command.pdus_in_flight = 0;
      command.receiving = false;
      command.placed.forget();
    } else if (command.state == CommandState::kReceiving) {
      return;
    }
    note_termination(command);
    if (command.state == CommandState::kReceiving || command.state == CommandState::kHeld) {
      window.remove(command.sequenced);
      command.set_state(CommandState::kReady);
    }
    tasks.remove(command);
    driver_port::abort(command, SC_FLAG_SESS_ABORT);
  });
}

}  // namespace chiscsi
