// SPDX-License-Identifier: GPL-2.0-only
//
// Member: the place of one connection in its session.
//
// A login makes it, the session's worker admits it, the connection fills it, and the commands that
// came by the connection keep it: a storage driver may look at the addresses until the last of them
// is cleaned up. So it outlives the connection, and it alone knows which commands are allegiant to
// which connection (RFC 7143 section 4.2.2). A connection that joins or replaces another one asks
// for its place by a message; where a connection of the same CID has to go first, it waits.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/list.hh"
#include "base/ref.hh"
#include "common/chiscsi.h"
#include "iscsi/opcodes.hh"
#include "target/info/roster.hh"
#include "transport/worker.hh"

namespace chiscsi {

class Connection;
class LoginService;
class Session;
struct Command;

enum class MemberState : uint8_t {
  kAsking,    // The login has not been admitted; nothing in the session knows of it.
  kWaiting,   // The session has it in its list: an older connection of the CID has to go first.
  kAdmitted,  // The place is taken; the connection is on its way.
  kActive,    // The connection is in full feature phase.
  kLost,      // The connection is gone, commands of it may be left.
};

struct Member : RefCounted<Member> {
  Member(Ref<Session> owner, Worker& login, uint16_t connection_id,
         WorkerMessage::Handle on_answer);
  ~Member();

  // Asks the session for the place; `answered` follows. Context: the login worker.
  void ask();
  // The login has ended without a connection. Context: the login worker, once.
  void withdraw();
  // Session's worker: what the login is told. A refusal may follow an admission: the session ends.
  void answer(iscsi::LoginStatus status);
  // The status of the last answer. Context: the login worker.
  iscsi::LoginStatus status() const { return static_cast<iscsi::LoginStatus>(status_.load()); }

  // Commands that came by this connection.
  void adopt(Command& command);
  // The initiator's side of it is over: its tag may be used again.
  void command_over(Command& command);
  // Its memory is free.
  void release(Command& command);
  // Whether an old connection of this CID is over: it is gone, and so are its commands, but for
  // those that a storage driver does not answer.
  bool is_over() const { return state == MemberState::kLost && open_commands == 0; }
  // Whether the place counts against MaxConnections.
  bool is_taken() const { return state == MemberState::kAdmitted || state == MemberState::kActive; }

  // Immutable.
  Ref<Session> session;  // Until the connection has arrived, which has a reference of its own.
  const uint16_t cid;
  bool is_leading = false;
  unsigned long number = 0;  // What a storage driver sees as sc_conn; never used twice.
  chiscsi_tcp_endpoints endpoints{};
  Ref<Roster> portal;  // That it came by; empty when that had closed meanwhile.

  // Session's worker.
  ListNode node;  // In the session's members, with a reference.
  MemberState state = MemberState::kAsking;
  Connection* connection = nullptr;  // While active.
  ListNode waiter_node;              // While the connection waits for a free command.
  uint32_t open_commands = 0;        // Those whose task is not over.
  uint32_t held_commands = 0;        // Those whose memory is in use, orphans included.

  // Login worker; null when the login is over.
  LoginService* service = nullptr;
  PostedOnce answered;  // With a reference.

 private:
  struct Message : WorkerMessage {
    Message(Handle handler, Member* member) : WorkerMessage(handler), owner(member) {}
    Member* owner;
  };
  static void on_asked(WorkerMessage& message);
  static void on_withdrawn(WorkerMessage& message);
  void post(Message& message);

  Worker& login_worker_;
  Message asked_{&Member::on_asked, this};
  Message withdrawn_{&Member::on_withdrawn, this};
  std::atomic<uint16_t> status_{0};
};
using MemberList = List<Member, &Member::node>;

}  // namespace chiscsi
