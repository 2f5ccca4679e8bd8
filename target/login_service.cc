// SPDX-License-Identifier: GPL-2.0-only
//
// The login phase between the Login state machine, the registry and the driver's hooks.
#include "target/login_service.hh"

#include "base/lock.hh"
#include "os/log.h"
#include "target/engine.hh"
#include "target/redirection.hh"
#include "target/session/connection.hh"
#include "target/trace.hh"

namespace chiscsi {

namespace {
constexpr uint32_t kMaxLoginData = iscsi::kDefaultMaxRecvDataSegmentLength;
}  // namespace

LoginCheck::LoginCheck()
    : answered(&LoginService::on_check_answered),
      predecessor_gone(&LoginService::on_predecessor_gone) {
  predecessor_gone.owner = this;
  waiter.message = &predecessor_gone;
}

LoginService::LoginService(Engine& engine, Connection& connection)
    : engine_(engine), connection_(connection) {}

LoginService::~LoginService() { cancel(); }

bool LoginService::start() {
  const ConnCapabilities transport = connection_.conn().limits();
  LoginLimits limits;
  limits.transport.max_recv_data_segment_length = transport.max_recv_data_segment_length;
  limits.transport.max_send_data_segment_length = transport.max_send_data_segment_length;
  limits.challenges = &engine_.challenges();
  globals_ = engine_.globals().get();
  limits.acl_before_login = globals_->auth_order() == AuthOrder::kAcl;
  login_ = Login::create(*this, limits);
  data_ = Buffer::allocate(kMaxLoginData);
  check_ = Ref<LoginCheck>::adopt(make<LoginCheck>(Alloc::kMaySleep));
  if (!login_ || !data_ || !check_) return false;
  check_->service = this;
  check_->worker = &engine_.login_worker();
  engine_.login_handles().add(*check_);
  return true;
}

void LoginService::cancel() {
  if (check_) {
    stop_waiting();
    engine_.login_handles().remove(*check_);
    check_->service = nullptr;
    check_.reset();
  }
  if (member_) {
    member_->service = nullptr;
    give_up(*session_, *member_);
  }
  member_.reset();
  session_.reset();
}

// A leading login takes its session with it.
void LoginService::give_up(Session& session, Member& member) {
  if (member.is_leading) {
    session.abandon();
  } else {
    member.withdraw();
  }
}

void LoginService::stop_waiting() {
  if (!check_->waiting) return;
  MutexGuard guard(session_->list_mutex());
  // When it is not linked any more its message is on the way and drops the reference.
  if (!check_->waiter.node.is_linked()) return;
  check_->waiter.node.unlink();
  check_->waiting = false;
  check_->unref();
}

RxAction LoginService::on_header(RxPdu& pdu, Placement* placement) {
  // One request at a time; what comes while one is worked on waits in the socket.
  if (has_request_ || !login_) return RxAction::kPause;
  // RFC 7143 section 4.2.4: who does not even begin with a login gets no answer.
  if (login_->state() == LoginState::kStart && pdu.bhs.opcode() != iscsi::Opcode::kLoginRequest) {
    connection_.drop("the first PDU is not a Login Request");
    return RxAction::kClose;
  }
  const bool is_login = pdu.bhs.opcode() == iscsi::Opcode::kLoginRequest && pdu.bhs.immediate();
  if (!is_login || pdu.data_size() > kMaxLoginData || pdu.bhs.total_ahs_length != 0) {
    refusal_ = is_login ? "Login Request with an illegal length" : "not a Login Request";
    refused_status_ =
        is_login ? iscsi::LoginStatus::kInitiatorError : iscsi::LoginStatus::kInvalidDuringLogin;
    refused_tag_ = pdu.bhs.initiator_task_tag.get();
    has_request_ = true;
    return RxAction::kPause;
  }
  placement->memory = data_.bytes().first(pdu.data_size());
  return RxAction::kContinue;
}

void LoginService::on_pdu(RxPdu& pdu) {
  request_ = pdu.bhs;
  data_size_ = pdu.data_size();
  has_request_ = true;
}

void LoginService::run() {
  if (!has_request_ || acting_ || !login_) return;
  if (refusal_ != nullptr) return act(login_->refuse(refused_tag_, refused_status_, refusal_));
  act(login_->on_request(request_.as<iscsi::LoginRequest>(), data_.bytes().first(data_size_)));
}

void LoginService::act(Login::Step step) {
  switch (step) {
    case Login::Step::kWait:
      acting_ = true;  // The answer of the surroundings comes in by a message.
      return;
    case Login::Step::kRespond:
      acting_ = has_request_ = false;
      send_response(AfterSend::kNothing);
      return connection_.conn().resume_rx();
    case Login::Step::kRespondAndEnterFullFeature:
      acting_ = true;
      trace::login(connection_, login_->session(), 0);
      set_digests(login_->connection());
      connection_.limit_response();
      return send_response(AfterSend::kLoginResponse);
    case Login::Step::kRespondAndClose:
      acting_ = true;
      log_refusal();
      trace::login(connection_, login_->session(), static_cast<uint16_t>(login_->status()));
      send_response(AfterSend::kNothing);
      return connection_.close_after_flush();
    case Login::Step::kDrop:
      acting_ = true;
      return connection_.drop("unexpected PDU in the login phase");
  }
}

void LoginService::set_digests(const ConnectionParameters& agreed) {
  connection_.conn().set_digests(agreed.header_digest == DigestType::kCrc32c,
                                 agreed.data_digest == DigestType::kCrc32c);
}

void LoginService::send_response(AfterSend after) {
  const Bytes data = login_->response_data();
  OwnPtr<ControlPdu> pdu = connection_.make_control(iscsi::Opcode::kLoginResponse, 0,
                                                    static_cast<uint32_t>(data.size()));
  if (!pdu) return;
  pdu->bhs.as<iscsi::LoginResponse>() = login_->response();
  pdu->after = after;
  copy_bytes(pdu->data.bytes(), data);
  // Before there is a session the window is that of the login's own CmdSN; then it is what the
  // session has told last, for on its other connections the window moves.
  auto& numbers = pdu->bhs.as<iscsi::ResponseNumbers>();
  const bool in_session = session_ && (!login_->is_leading() || after == AfterSend::kLoginResponse);
  const uint32_t cmd_sn = login_->session().initial_cmd_sn;
  numbers.exp_cmd_sn = in_session ? session_->told_exp_cmd_sn() : cmd_sn;
  numbers.max_cmd_sn = in_session ? session_->told_max_cmd_sn() : cmd_sn;
  connection_.queue_control(std::move(pdu));
}

void LoginService::log_refusal() {
  os_log_limited(OS_LOG_WARNING, "%s: login of %s at %s refused, status %04x: %s",
                 connection_.peer_text(), login_->session().initiator_name.c_str(),
                 login_->session().target_name.c_str(), static_cast<unsigned>(login_->status()),
                 login_->failure_reason());
}

void LoginService::response_sent() {
  Session* session = session_.get();
  if (session == nullptr || !member_) return connection_.drop("no session for the connection");
  engine_.login_succeeded(connection_);
  member_->service = nullptr;
  connection_.join(std::move(session_), std::move(member_), login_->connection());
  cancel();
  connection_.conn().move_to(session->worker());
}

// --- LoginHost ---

iscsi::LoginStatus LoginService::find_target(Text target_name, TargetLookup* lookup) {
  target_ = engine_.registry().find_target(target_name);
  if (!target_) return iscsi::LoginStatus::kNotFound;
  if (target_->is_removed()) return iscsi::LoginStatus::kTargetRemoved;
  lookup->settings = target_->settings();
  const PortalGroupSettings* group =
      lookup->settings->portal_group_at(connection_.conn().local_address());
  if (group == nullptr) return iscsi::LoginStatus::kNotFound;
  if (target_->target_class().default_lun_class() == nullptr) {
    return iscsi::LoginStatus::kServiceUnavailable;
  }
  lookup->portal_group_tag = group->tag;
  lookup->has_chap_hook = target_->hooks().fp_chap_info_get != nullptr;
  return group->redirects() ? iscsi::LoginStatus::kMovedTemporarily : iscsi::LoginStatus::kSuccess;
}

iscsi::LoginStatus LoginService::redirect(const SessionParameters& session,
                                          const TargetSettings& settings, AddressText* portal) {
  if (!may_ask_driver()) return iscsi::LoginStatus::kTargetRemoved;
  const RedirectedLogin login{settings, connection_.conn().local_address(),
                              name_for_hook(session).mutable_c_str(), connection_.endpoints};
  os_address chosen = {};
  const iscsi::LoginStatus status = select_redirection_portal(*target_, login, &chosen);
  if (status == iscsi::LoginStatus::kMovedTemporarily) *portal = format_ip_and_port(chosen);
  return status;
}

const AuthSettings& LoginService::discovery_auth() { return globals_->discovery_auth(); }

IscsiName& LoginService::name_for_hook(const SessionParameters& session) {
  initiator_for_hook_.assign(session.initiator_name.text());
  return initiator_for_hook_;
}

// The driver of a removed target may be gone, its hooks with it. Such a login is not admitted.
bool LoginService::may_ask_driver() const { return !target_->is_removed(); }

CheckResult LoginService::first_login_check(const SessionParameters& session) {
  if (!may_ask_driver()) return CheckResult::kNone;
  if (target_->hooks().fp_first_login_check == nullptr) return CheckResult::kNone;
  check_->outstanding.store(LoginCheck::Kind::kFirstLogin);
  target_->hooks().fp_first_login_check(check_->handle.value,
                                        name_for_hook(session).mutable_c_str(),
                                        target_->name_for_hook(), &connection_.endpoints);
  return CheckResult::kPending;
}

CheckResult LoginService::stage_check(const SessionParameters& session, iscsi::Stage stage) {
  if (!may_ask_driver()) return CheckResult::kNone;
  if (target_->hooks().fp_login_stage_check == nullptr) return CheckResult::kNone;
  check_->outstanding.store(LoginCheck::Kind::kStage);
  target_->hooks().fp_login_stage_check(check_->handle.value, static_cast<unsigned char>(stage),
                                        name_for_hook(session).mutable_c_str(),
                                        target_->name_for_hook(), &connection_.endpoints);
  return CheckResult::kPending;
}

bool LoginService::chap_info(const SessionParameters& session, struct chap_info* info) {
  if (!may_ask_driver() || target_->hooks().fp_chap_info_get == nullptr) return false;
  target_->hooks().fp_chap_info_get(name_for_hook(session).mutable_c_str(),
                                    target_->name_for_hook(), info);
  return true;
}

AccessSubject LoginService::subject_of(const SessionParameters& session) {
  AccessSubject subject;
  subject.initiator_name = session.initiator_name.text();
  subject.initiator = connection_.conn().peer_address();
  subject.target = connection_.conn().local_address();
  return subject;
}

bool LoginService::acl_allows(const SessionParameters& session, const TargetSettings& settings) {
  const Ref<InitiatorList> listed = target_->allowed_initiators();
  grant_ = check_login(settings, listed.get(), globals_->acl_order(), subject_of(session));
  return grant_ != LoginGrant::kRefused;
}

// Whether there is room for the connection is asked when it is admitted, that is authenticated.
iscsi::LoginStatus LoginService::join(const SessionParameters& session, uint16_t,
                                      SessionKeys* keys) {
  session_ = Session::find(*target_, session);
  if (!session_) return iscsi::LoginStatus::kSessionDoesNotExist;
  if (session_->is_discovery()) return iscsi::LoginStatus::kCannotIncludeInSession;
  *keys = session_->parameters;
  return iscsi::LoginStatus::kSuccess;
}

Status LoginService::decide_rights(const SessionParameters& parameters, LunRights* rights) {
  const TargetSettings* settings = login_->settings().get();
  if (settings == nullptr) return Status();
  return rights->decide(*settings, subject_of(parameters), grant_);
}

// Whoever joins has proven to be who leads, or proven as little. And an ACL that lets these
// addresses do something else with a LUN means it, but a session has one set of rights.
iscsi::LoginStatus LoginService::check_joiner(const SessionParameters& session) {
  if (session.chap_name.text() != session_->parameters.chap_name.text()) {
    return iscsi::LoginStatus::kAuthenticationFailure;
  }
  LunRights rights;
  if (!decide_rights(session, &rights).is_ok()) return iscsi::LoginStatus::kOutOfResources;
  return rights.same_as(session_->rights()) ? iscsi::LoginStatus::kSuccess
                                            : iscsi::LoginStatus::kCannotIncludeInSession;
}

Status LoginService::make_session(const SessionParameters& parameters) {
  LunRights rights;
  CHISCSI_TRY(decide_rights(parameters, &rights));
  session_ = CHISCSI_TRY(
      Session::create(engine_, engine_.pick_worker(connection_.conn().arrival_cpu()), target_,
                      parameters, connection_.conn().local_address(), std::move(rights)));
  return Status();
}

Status LoginService::make_member(uint16_t cid) {
  member_ = Ref<Member>::adopt(make<Member>(Alloc::kMaySleep, session_, engine_.login_worker(), cid,
                                            &LoginService::on_place_answered));
  if (!member_) return Error::kNoMemory;
  member_->service = this;
  member_->is_leading = login_->is_leading();
  member_->number = engine_.next_handle();
  member_->endpoints = connection_.endpoints;
  return Status();
}

AdmitResult LoginService::try_enter() {
  check_->waiter.worker = &engine_.login_worker();
  check_->ref();
  check_->waiting = true;
  const Status status = session_->enter(&check_->waiter);
  if (status.error() == Error::kExists) return AdmitResult::pending();
  check_->waiting = false;
  check_->unref();
  if (status.is_ok()) return AdmitResult::admitted(session_->parameters.tsih);
  if (status.error() == Error::kNotPermitted) {
    return AdmitResult::refused(iscsi::LoginStatus::kAuthorizationFailure);
  }
  return AdmitResult::refused(iscsi::LoginStatus::kTargetRemoved);
}

AdmitResult LoginService::admit(const SessionParameters& session,
                                const ConnectionParameters& connection) {
  const bool leading = login_->is_leading();
  const iscsi::LoginStatus joins = leading ? iscsi::LoginStatus::kSuccess : check_joiner(session);
  if (joins != iscsi::LoginStatus::kSuccess) return AdmitResult::refused(joins);
  if ((leading && !make_session(session).is_ok()) || !make_member(connection.cid).is_ok()) {
    return AdmitResult::refused(iscsi::LoginStatus::kOutOfResources);
  }
  if (leading) return try_enter();
  member_->ask();
  return AdmitResult::pending();
}

// --- Answers ---

void LoginService::on_check_answered(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  LoginCheck& check = container_of(posted, &LoginCheck::answered);
  Ref<LoginCheck> held = Ref<LoginCheck>::adopt(&check);
  if (check.service != nullptr) check.service->check_answered();
}

void LoginService::check_answered() {
  if (connection_.is_ending()) return;
  if (check_->kind == LoginCheck::Kind::kFirstLogin) {
    act(login_->first_login_check_done(check_->status_class, check_->status_detail,
                                       check_->max_commands));
  } else {
    act(login_->stage_check_done(check_->status_class, check_->status_detail));
  }
}

void LoginService::on_predecessor_gone(WorkerMessage& message) {
  LoginCheck& check = *static_cast<LoginCheck::PredecessorGone&>(message).owner;
  Ref<LoginCheck> held = Ref<LoginCheck>::adopt(&check);
  check.waiting = false;
  if (check.service != nullptr) check.service->predecessor_gone();
}

void LoginService::predecessor_gone() {
  if (connection_.is_ending()) return;
  const AdmitResult result = try_enter();
  switch (result.kind) {
    case AdmitResult::Kind::kAdmitted:
      return act(login_->admitted(iscsi::LoginStatus::kSuccess, result.tsih));
    case AdmitResult::Kind::kRefused:
      return act(login_->admitted(result.status, 0));
    case AdmitResult::Kind::kPending:
      return;
  }
}

void LoginService::on_place_answered(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  Ref<Member> member = Ref<Member>::adopt(&container_of(posted, &Member::answered));
  if (member->service != nullptr) member->service->place_answered();
}

// The session's answer; a second one takes the place back while our response is being sent.
void LoginService::place_answered() {
  if (connection_.is_ending()) return;
  const iscsi::LoginStatus status = member_->status();
  if (login_->state() == LoginState::kAdmission) {
    return act(login_->admitted(status, session_->parameters.tsih));
  }
  if (status != iscsi::LoginStatus::kSuccess) connection_.drop("the session has ended");
}

namespace {

void answer_check(unsigned long hndl, LoginCheck::Kind kind, uint8_t status_class,
                  uint8_t status_detail, uint32_t max_commands) {
  Ref<LoginCheck> check = Engine::instance().login_handles().find(hndl);
  LoginCheck::Kind expected = kind;
  if (!check || !check->outstanding.compare_exchange_strong(expected, LoginCheck::Kind::kNone)) {
    os_log_limited(OS_LOG_WARNING, "login check of handle %lu: nobody waits for this answer", hndl);
    return;
  }
  check->kind = kind;
  check->status_class = status_class;
  check->status_detail = status_detail;
  check->max_commands = max_commands;
  Worker& worker = *check->worker;
  LoginCheck* message_owner = check.release();
  if (!message_owner->answered.request(worker)) message_owner->unref();
}

}  // namespace

}  // namespace chiscsi

using namespace chiscsi;  // NOLINT: this part of the file is the C interface.

extern "C" {

void engine_target_first_login_check_done(unsigned long hndl, unsigned char status_class,
                                          unsigned char status_detail, unsigned int max_cmd) {
  answer_check(hndl, LoginCheck::Kind::kFirstLogin, status_class, status_detail, max_cmd);
}

void engine_target_login_stage_check_done(unsigned long hndl, unsigned char status_class,
                                          unsigned char status_detail) {
  answer_check(hndl, LoginCheck::Kind::kStage, status_class, status_detail, 0);
}

}  // extern "C"
