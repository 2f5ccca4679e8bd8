// SPDX-License-Identifier: GPL-2.0-only
//
// Member: its messages between login and session, and its count of commands.
#include "target/session/member.hh"

#include "target/session/command.hh"
#include "target/session/session.hh"

namespace chiscsi {

Member::Member(Ref<Session> owner, Worker& login, uint16_t connection_id,
               WorkerMessage::Handle on_answer)
    : session(std::move(owner)), cid(connection_id), answered(on_answer), login_worker_(login) {}

Member::~Member() = default;

void Member::post(Message& message) {
  ref();  // The message's.
  session->worker().post(message);
}

void Member::ask() { post(asked_); }

void Member::withdraw() { post(withdrawn_); }

void Member::on_asked(WorkerMessage& message) {
  Ref<Member> member = Ref<Member>::adopt(static_cast<Message&>(message).owner);
  Ref<Session> session = member->session;
  session->take_in(*member);
}

void Member::on_withdrawn(WorkerMessage& message) {
  Ref<Member> member = Ref<Member>::adopt(static_cast<Message&>(message).owner);
  Ref<Session> session = member->session;
  session->withdraw(*member);
}

void Member::answer(iscsi::LoginStatus status) {
  status_.store(static_cast<uint16_t>(status));
  ref();
  if (!answered.request(login_worker_)) unref();
}

void Member::adopt(Command& command) {
  command.member = this;
  command.task_open = true;
  ++open_commands;
  ++held_commands;
}

void Member::command_over(Command& command) {
  if (std::exchange(command.task_open, false)) --open_commands;
}

void Member::release(Command& command) {
  command_over(command);
  command.member = nullptr;
  --held_commands;
}

}  // namespace chiscsi
