// SPDX-License-Identifier: GPL-2.0-only
//
// LoginService: the surroundings of one connection's Login.
//
// It feeds PDUs to the Login, sends its answers, asks the registry and the storage driver's hooks
// on its behalf, and, when the login succeeds, makes the session and sends the connection to its
// worker. Lives on the login worker from accept to the end of the login phase. Drivers answer
// checks from any context by the handle; those answers become messages.
#pragma once

#include <atomic>

#include "base/ref.hh"
#include "common/chiscsi.h"
#include "target/config/global_settings.hh"
#include "target/handle_table.hh"
#include "target/login/login.hh"
#include "target/session/session.hh"
#include "target/target.hh"
#include "transport/conn.hh"

namespace chiscsi {

class Connection;
class Engine;

// What others have to say to a login: a driver's answer to a check, from any context, and the end
// of the session that this login replaces. Outlives the login when they are late.
struct LoginCheck : RefCounted<LoginCheck> {
  LoginCheck();
  enum class Kind : uint8_t { kNone, kFirstLogin, kStage };

  Handle handle;
  Worker* worker = nullptr;
  std::atomic<Kind> outstanding{Kind::kNone};
  PostedOnce answered;
  // Written by who took `outstanding`, read after the message.
  Kind kind = Kind::kNone;
  uint8_t status_class = 0;
  uint8_t status_detail = 0;
  uint32_t max_commands = 0;
  // Login worker only; null when the login is over.
  class LoginService* service = nullptr;

  // The wait for a predecessor: `waiting` holds a reference until its message has come, or the
  // waiter was unlinked.
  struct PredecessorGone : WorkerMessage {
    explicit PredecessorGone(Handle handler) : WorkerMessage(handler) {}
    LoginCheck* owner = nullptr;
  };
  SessionEndWaiter waiter;
  PredecessorGone predecessor_gone;
  bool waiting = false;
};

class LoginService final : public LoginHost {
 public:
  LoginService(Engine& engine, Connection& connection);
  ~LoginService();
  // False without memory.
  bool start();
  // The connection is gone: late answers find nobody.
  void cancel();

  // For the connection, in the login phase.
  RxAction on_header(RxPdu& pdu, Placement* placement);
  void on_pdu(RxPdu& pdu);
  // Works on what has arrived; called without any lock.
  void run();
  // The final response was accepted by the network.
  void response_sent();
  // A login that was admitted has come to nothing.
  static void give_up(Session& session, Member& member);

  // LoginHost.
  iscsi::LoginStatus find_target(Text target_name, TargetLookup* lookup) override;
  iscsi::LoginStatus redirect(const SessionParameters& session, const TargetSettings& settings,
                              AddressText* portal) override;
  const AuthSettings& discovery_auth() override;
  CheckResult first_login_check(const SessionParameters& session) override;
  CheckResult stage_check(const SessionParameters& session, iscsi::Stage stage) override;
  bool chap_info(const SessionParameters& session, struct chap_info* info) override;
  bool acl_allows(const SessionParameters& session, const TargetSettings& settings) override;
  iscsi::LoginStatus join(const SessionParameters& session, uint16_t cid,
                          SessionKeys* keys) override;
  AdmitResult admit(const SessionParameters& session,
                    const ConnectionParameters& connection) override;

 private:
  friend struct LoginCheck;
  static void on_check_answered(WorkerMessage& message);
  static void on_predecessor_gone(WorkerMessage& message);
  static void on_place_answered(WorkerMessage& message);
  void check_answered();
  void predecessor_gone();
  void place_answered();
  void act(Login::Step step);
  void set_digests(const ConnectionParameters& agreed);
  void send_response(AfterSend after);
  void log_refusal();
  void stop_waiting();
  AdmitResult try_enter();
  AccessSubject subject_of(const SessionParameters& session);
  Status decide_rights(const SessionParameters& parameters, LunRights* rights);
  iscsi::LoginStatus check_joiner(const SessionParameters& session);
  Status make_session(const SessionParameters& parameters);
  Status make_member(uint16_t cid);
  bool may_ask_driver() const;
  IscsiName& name_for_hook(const SessionParameters& session);

  Engine& engine_;
  Connection& connection_;
  OwnPtr<Login> login_;
  Ref<LoginCheck> check_;
  Ref<GlobalSettings> globals_;  // As they were when the connection came.
  Ref<Target> target_;
  Ref<Session> session_;  // From admission, or from the lookup of the one to join, to the move.
  Ref<Member> member_;    // From admission to the move.
  IscsiName initiator_for_hook_;
  LoginGrant grant_ = LoginGrant::kRefused;  // What access control has said.

  // The request that has arrived and was not worked on yet.
  iscsi::Bhs request_;
  Buffer data_;
  uint32_t data_size_ = 0;
  bool has_request_ = false;
  bool acting_ = false;            // An answer is awaited, or the login is over.
  const char* refusal_ = nullptr;  // The PDU is refused for its form alone.
  iscsi::LoginStatus refused_status_ = iscsi::LoginStatus::kInitiatorError;
  uint32_t refused_tag_ = 0;
};

}  // namespace chiscsi
