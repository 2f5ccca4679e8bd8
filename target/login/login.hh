// SPDX-License-Identifier: GPL-2.0-only
//
// Login: the login phase of one connection as a state machine without sockets, threads or timers.
//
// The connection feeds it Login Requests and sends what it answers. Each function returns what to
// do next; with kWait an answer of the surroundings is outstanding and comes in through one of the
// *_done() functions. A Login is used once, by one thread, and is destroyed with or before its
// LoginHost. It keeps its own reference on the target's settings, so a reload in mid-login does
// no harm. RFC 7143 sections 6.3, 11.12, 11.13; Guide 7.3.1.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/own_ptr.hh"
#include "base/span.hh"
#include "iscsi/bhs.hh"
#include "target/config/message_line.hh"
#include "target/login/chap.hh"
#include "target/login/login_host.hh"
#include "target/login/negotiation.hh"
#include "target/login/parameters.hh"
#include "target/login/text_codec.hh"

namespace chiscsi {

enum class LoginState : uint8_t {
  kStart,        // No request has come.
  kGathering,    // In the middle of a continued request text.
  kFirstCheck,   // Waits for first_login_check_done().
  kStageCheck,   // Waits for stage_check_done().
  kNegotiating,  // Between two exchanges of a stage.
  kAnswering,    // In the middle of a continued answer.
  kAdmission,    // Waits for admitted().
  kAccepted,     // Full feature phase.
  kRefused,      // An error status was or is to be sent.
  kCount,
};

class Login {
 public:
  enum class Step : uint8_t {
    kRespond,                     // Send response(); more requests follow.
    kRespondAndEnterFullFeature,  // Send response(); the login is over.
    kRespondAndClose,             // Send response(), then close.
    kWait,                        // Nothing to send now.
    kDrop,                        // Close without an answer.
  };

  // Empty without memory. `host` and what `limits` points to outlive the login. Context: process.
  static OwnPtr<Login> create(LoginHost& host, const LoginLimits& limits);

  Login(LoginHost& host,
        const LoginLimits& limits);  // For create(): make<Login>() has to reach it.
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  // Takes a Login Request whose data segment has arrived whole (at most 8192 bytes, the caller
  // refuses longer ones by refuse()). kDrop when a request comes while none may.
  // Context: the login thread.
  Step on_request(const iscsi::LoginRequest& request, Bytes data);

  // The storage driver's answer to LoginHost::first_login_check(). Class 0 and 1 (redirection is
  // ours) let the login go on; `max_commands` 0 means the configured window. kWait when no such
  // answer is outstanding. Context: the login thread. Source: Guide 5.1.2.
  Step first_login_check_done(uint8_t status_class, uint8_t status_detail, uint32_t max_commands);

  // The storage driver's answer to LoginHost::stage_check(). Source: Guide 5.1.3.
  Step stage_check_done(uint8_t status_class, uint8_t status_detail);

  // The late answer to LoginHost::admit(): kSuccess and the TSIH, or why not.
  Step admitted(iscsi::LoginStatus status, uint16_t tsih);

  // Ends the login with `status` on behalf of the connection: a data segment that is too long, a
  // PDU that is no Login Request (kInvalidDuringLogin), resources. `reason` is a string literal.
  // kDrop when the login is over already.
  Step refuse(uint32_t initiator_task_tag, iscsi::LoginStatus status, const char* reason);

  // After a Step with an answer: the header (StatSN, ExpCmdSN, MaxCmdSN are the sender's to stamp)
  // and its data, both valid until the next call.
  const iscsi::LoginResponse& response() const { return response_; }
  Bytes response_data() const { return response_data_; }

  const SessionParameters& session() const { return session_; }
  const ConnectionParameters& connection() const { return connection_; }
  // The target; empty in an unnamed discovery session and before it was looked up.
  const Ref<TargetSettings>& settings() const { return lookup_.settings; }
  // False for a connection that joins an existing session.
  bool is_leading() const { return first_.tsih == 0; }
  LoginState state() const { return state_; }
  iscsi::Stage stage() const { return stage_; }
  iscsi::LoginStatus status() const { return status_; }
  // Why the login was refused, for one log line; empty before. May hold text of ours only.
  const char* failure_reason() const { return reason_.c_str(); }

 private:
  // What has to stay the same in all requests of a login.
  struct Identity {
    uint8_t isid[6] = {};
    uint16_t tsih = 0;
    uint16_t cid = 0;
    uint32_t initiator_task_tag = 0;
    uint32_t cmd_sn = 0;
    uint8_t version_max = 0;
    uint8_t version_min = 0;
  };
  // The request that is being answered.
  struct Current {
    uint32_t initiator_task_tag = 0;
    bool transit = false;
    iscsi::Stage next_stage = iscsi::Stage::kSecurity;
  };

  // login.cc: requests in, responses out.
  LoginVerdict check_request(const iscsi::LoginRequest& request, Bytes data);
  LoginVerdict check_first(const iscsi::LoginRequest& request);
  LoginVerdict check_unchanged(const iscsi::LoginRequest& request) const;
  LoginVerdict check_stages(const iscsi::LoginRequest& request);
  LoginVerdict gather(Bytes data);
  Step continue_answer(const iscsi::LoginRequest& request, Bytes data);
  Step fail(const LoginVerdict& verdict);
  Step respond_empty();
  Step send_part();
  Step send_last_part(bool transit, iscsi::Stage next_stage);
  void start_response();
  void set_response(uint8_t flags, Bytes data);
  void set_state(LoginState next);

  // login_steps.cc: what a complete request leads to, in this order.
  Step process_text();
  LoginVerdict identify();
  LoginVerdict identify_initiator();
  LoginVerdict identify_session_type();
  LoginVerdict identify_target();
  LoginVerdict look_up_target(Text name);
  LoginVerdict prepare_negotiation();
  Step begin();
  Step after_first_check();
  Step redirect();
  Step enter_first_stage();
  Step negotiate();
  LoginVerdict take_keys(TextWriter& answer);
  LoginVerdict take_key(const KeyInfo& info, Text value, TextWriter& answer);
  LoginVerdict take_declaration(const KeyInfo& info, Text value);
  void declare_ours(TextWriter& answer);
  Step conclude();
  bool make_offers();
  Step transit();
  Step enter_full_feature();
  Step finish(iscsi::LoginStatus status, uint16_t tsih);
  iscsi::Stage choose_next_stage() const;
  bool waits_for_stage_check(iscsi::Stage stage);

  // login_security.cc: the security stage.
  LoginVerdict take_security_keys(TextWriter& answer);
  LoginVerdict choose_auth_method(Text offer, TextWriter& answer);
  LoginVerdict advance_chap(TextWriter& answer);
  LoginVerdict verify_response(TextWriter& answer);
  LoginVerdict verify_account(Text name, TextWriter& answer);
  LoginVerdict ask_driver_for_account(Text name, chap_info* info, ChapCredentials* credentials);
  void look_up_account(Text name, ChapCredentials* credentials);
  LoginVerdict check_security_skipped();
  bool is_allowed(AuthMethod method);
  bool has_chap_hook() const { return !is_discovery() && lookup_.has_chap_hook; }
  const AuthSettings& auth();

  bool is_discovery() const { return session_.type == SessionType::kDiscovery; }
  bool asks_driver() const { return is_leading() && !is_discovery(); }

  // Immutable.
  LoginHost& host_;
  const LoginLimits limits_;

  LoginState state_ = LoginState::kStart;
  iscsi::Stage stage_ = iscsi::Stage::kSecurity;
  Identity first_;
  Current current_;
  uint32_t requests_ = 0;
  uint32_t text_pdus_ = 0;
  TextBuffer text_;      // The request text as it arrived.
  TextBuffer answer_;    // The answer text.
  size_t answered_ = 0;  // Bytes of it that were sent.
  OfferedKeys offered_;  // The keys of text_.
  SeenKeys seen_;        // The keys of the whole login.
  Negotiation negotiation_;
  ChapExchange chap_;

  TargetLookup lookup_;
  SessionParameters session_;
  SessionKeys joined_keys_;  // Of the session that a connection joins.
  ConnectionParameters connection_;
  bool identified_ = false;       // The names of the first text were read.
  bool first_text_done_ = false;  // And its keys were taken.
  bool declared_ = false;         // Our portal group tag and alias.
  bool moved_ = false;            // To be redirected.
  bool transiting_ = false;       // The stage check that is awaited belongs to a transition.
  bool offers_made_ = false;      // This answer ends in offers of ours.

  iscsi::LoginResponse response_ = {};
  Bytes response_data_;
  iscsi::LoginStatus status_ = iscsi::LoginStatus::kSuccess;
  MessageLine reason_;
};

}  // namespace chiscsi
