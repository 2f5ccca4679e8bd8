// SPDX-License-Identifier: GPL-2.0-only
//
// Login: what a complete request text leads to. In order: the names are read and the target is
// looked up (first text only), the storage driver is asked, the keys of the stage are answered, and
// when the initiator wants to move on, the next stage or full feature phase is entered. Each place
// where an answer may come later ends a function and begins another. See login.hh.
#include "target/login/login.hh"

namespace chiscsi {

namespace login_steps_detail {

// The window of a discovery session: Text Requests one at a time, and a Logout.
constexpr uint32_t kDiscoveryCommands = 16;

// A storage driver's verdict as a status. Redirection is our business, so its class means success.
iscsi::LoginStatus status_of(uint8_t status_class, uint8_t status_detail) {
  if (status_class <= 1) return iscsi::LoginStatus::kSuccess;
  if (status_class > 3) return iscsi::LoginStatus::kTargetError;
  return static_cast<iscsi::LoginStatus>(status_class << 8 | status_detail);
}

}  // namespace login_steps_detail

Login::Step Login::process_text() {
  answer_.clear();
  answered_ = 0;
  offers_made_ = false;
  offered_.clear();
  TextWriter answer(answer_);
  const char* problem = collect_keys(text_.bytes(), seen_, offered_, answer);
  if (problem != nullptr) return fail(LoginVerdict::initiator_error(problem));
  if (identified_) return negotiate();
  const LoginVerdict verdict = identify();
  if (!verdict.is_ok()) return fail(verdict);
  identified_ = true;
  return begin();
}

// --- The first text: who, to whom, for what (section 6.3.1) ---

LoginVerdict Login::identify() {
  LoginVerdict verdict = identify_initiator();
  if (verdict.is_ok()) verdict = identify_session_type();
  if (verdict.is_ok()) verdict = identify_target();
  if (verdict.is_ok()) verdict = prepare_negotiation();
  return verdict;
}

LoginVerdict Login::identify_initiator() {
  const Text name = offered_.value(TextKey::kInitiatorName);
  if (name.empty()) return LoginVerdict::missing("InitiatorName");
  if (!is_iscsi_name(name)) return LoginVerdict::initiator_error("malformed name", "InitiatorName");
  session_.initiator_name.assign(name);
  return LoginVerdict::ok();
}

LoginVerdict Login::identify_session_type() {
  if (!offered_.has(TextKey::kSessionType)) return LoginVerdict::ok();
  const Text type = offered_.value(TextKey::kSessionType);
  if (type == Text("Normal")) return LoginVerdict::ok();
  if (type != Text("Discovery")) {
    return {iscsi::LoginStatus::kSessionTypeNotSupported, "unknown", "SessionType"};
  }
  session_.type = SessionType::kDiscovery;
  if (is_leading()) return LoginVerdict::ok();
  return {iscsi::LoginStatus::kCannotIncludeInSession, "discovery has one connection",
          "SessionType"};
}

LoginVerdict Login::identify_target() {
  const Text name = offered_.value(TextKey::kTargetName);
  if (name.empty()) {
    return is_discovery() ? LoginVerdict::ok() : LoginVerdict::missing("TargetName");
  }
  // Before it gets into a log.
  if (!is_iscsi_name(name) || !session_.target_name.assign(name)) {
    return {iscsi::LoginStatus::kNotFound, "malformed name", "TargetName"};
  }
  return look_up_target(name);
}

LoginVerdict Login::look_up_target(Text name) {
  const iscsi::LoginStatus found = host_.find_target(name, &lookup_);
  const bool moved = found == iscsi::LoginStatus::kMovedTemporarily;
  if (found != iscsi::LoginStatus::kSuccess && !moved) return {found, "refused", "TargetName"};
  if (!lookup_.settings) {
    return {iscsi::LoginStatus::kTargetError, "target without settings", "TargetName"};
  }
  moved_ = moved && !is_discovery();
  session_.portal_group_tag = connection_.portal_group_tag = lookup_.portal_group_tag;
  if (is_leading()) return LoginVerdict::ok();
  const iscsi::LoginStatus joined = host_.join(session_, first_.cid, &joined_keys_);
  return {joined, "cannot join the session", nullptr};
}

LoginVerdict Login::prepare_negotiation() {
  NegotiationSettings ours;
  ours.limits = limits_.transport;
  ours.discovery = is_discovery();
  ours.leading = is_leading();
  session_.max_commands = login_steps_detail::kDiscoveryCommands;
  if (!is_discovery()) {
    const TargetSettings& target = *lookup_.settings;
    ours.session = is_leading() ? target.session_keys() : joined_keys_;
    ours.header_digests = target.header_digests();
    ours.data_digests = target.data_digests();
    ours.max_recv_data_segment_length = target.max_recv_data_segment_length();
    session_.max_commands = target.max_commands();
  }
  negotiation_.start(ours);
  return LoginVerdict::ok();
}

// --- The questions before the first answer ---

Login::Step Login::begin() {
  if (limits_.acl_before_login && !is_discovery() &&
      !host_.acl_allows(session_, *lookup_.settings)) {
    return fail(
        {iscsi::LoginStatus::kAuthorizationFailure, "not in the access control list", nullptr});
  }
  if (asks_driver() && host_.first_login_check(session_) == CheckResult::kPending) {
    set_state(LoginState::kFirstCheck);
    return Step::kWait;
  }
  return after_first_check();
}

Login::Step Login::first_login_check_done(uint8_t status_class, uint8_t status_detail,
                                          uint32_t max_commands) {
  if (state_ != LoginState::kFirstCheck) return Step::kWait;
  const iscsi::LoginStatus status = login_steps_detail::status_of(status_class, status_detail);
  if (status != iscsi::LoginStatus::kSuccess) {
    return fail({status, "refused by the storage driver's first login check", nullptr});
  }
  if (max_commands != 0) {
    session_.max_commands = max_commands < kMaxSessionCommands ? max_commands : kMaxSessionCommands;
  }
  return after_first_check();
}

Login::Step Login::after_first_check() { return moved_ ? redirect() : enter_first_stage(); }

Login::Step Login::redirect() {
  AddressText portal;
  const iscsi::LoginStatus status = host_.redirect(session_, *lookup_.settings, &portal);
  if (status != iscsi::LoginStatus::kMovedTemporarily) {
    return fail({status, "no portal to send it on to", nullptr});
  }
  const Step step = fail({status, "sent on to another portal", nullptr});
  answer_.clear();
  TextWriter answer(answer_);
  answer.pair("TargetAddress", portal.text());
  set_response(0, answer_.bytes());
  return step;
}

Login::Step Login::enter_first_stage() {
  if (stage_ == iscsi::Stage::kOperational) {
    const LoginVerdict verdict = check_security_skipped();
    if (!verdict.is_ok()) return fail(verdict);
  }
  return waits_for_stage_check(stage_) ? Step::kWait : negotiate();
}

// Asks the storage driver about a stage that is entered. True: its answer comes later.
bool Login::waits_for_stage_check(iscsi::Stage stage) {
  if (!asks_driver()) return false;
  if (host_.stage_check(session_, stage) != CheckResult::kPending) return false;
  set_state(LoginState::kStageCheck);
  return true;
}

Login::Step Login::stage_check_done(uint8_t status_class, uint8_t status_detail) {
  if (state_ != LoginState::kStageCheck) return Step::kWait;
  const iscsi::LoginStatus status = login_steps_detail::status_of(status_class, status_detail);
  if (status != iscsi::LoginStatus::kSuccess) {
    return fail({status, "refused by the storage driver's stage check", nullptr});
  }
  if (!transiting_) return negotiate();
  transiting_ = false;
  return send_last_part(true, iscsi::Stage::kOperational);
}

// --- The keys of the stage ---

Login::Step Login::negotiate() {
  TextWriter answer(answer_);
  declare_ours(answer);
  const LoginVerdict verdict = take_keys(answer);
  if (!verdict.is_ok()) return fail(verdict);
  if (!answer.is_complete()) return fail(LoginVerdict::out_of_resources("the answer is too long"));
  return conclude();
}

// Tag and alias go with the first response (section 6.3.1), the receive limit with the first of the
// operational stage.
void Login::declare_ours(TextWriter& answer) {
  if (!declared_ && lookup_.settings) {
    if (!is_discovery() && !lookup_.settings->alias().empty()) {
      answer.pair("TargetAlias", lookup_.settings->alias());
    }
    answer.number("TargetPortalGroupTag", session_.portal_group_tag);
  }
  declared_ = true;
  if (stage_ == iscsi::Stage::kOperational) negotiation_.declare_receive_limit(answer);
}

LoginVerdict Login::take_keys(TextWriter& answer) {
  for (const KeyInfo& info : key_table()) {
    if (!offered_.has(info.key)) continue;
    const LoginVerdict verdict = take_key(info, offered_.value(info.key), answer);
    if (!verdict.is_ok()) return verdict;
  }
  return stage_ == iscsi::Stage::kSecurity ? take_security_keys(answer) : LoginVerdict::ok();
}

LoginVerdict Login::take_key(const KeyInfo& info, Text value, TextWriter& answer) {
  if (!info.allows(stage_bit(stage_))) {
    return LoginVerdict::initiator_error("not allowed in this stage", info.name.data());
  }
  if (!info.has(kByInitiator)) {
    // "NotUnderstood" for what we declared is no declaration.
    return is_answer_word(value)
               ? LoginVerdict::ok()
               : LoginVerdict::initiator_error("is the target's to send", info.name.data());
  }
  if (info.kind == KeyKind::kDeclaration) return take_declaration(info, value);
  if (stage_ == iscsi::Stage::kSecurity)
    return LoginVerdict::ok();  // take_security_keys() does it.
  return negotiation_.take(info, value, answer);
}

LoginVerdict Login::take_declaration(const KeyInfo& info, Text value) {
  switch (info.key) {
    case TextKey::kInitiatorAlias:
      session_.initiator_alias.assign(value);
      return LoginVerdict::ok();
    case TextKey::kNodeArchitecture:
      return LoginVerdict::ok();
    default:
      // The names and the session type were read by identify(), in the first text or never.
      return first_text_done_ ? LoginVerdict::initiator_error("comes too late", info.name.data())
                              : LoginVerdict::ok();
  }
}

// --- The way on ---

// Sends the answer, and moves on when the initiator wants to and nothing is left to settle.
Login::Step Login::conclude() {
  const bool operational = stage_ == iscsi::Stage::kOperational;
  first_text_done_ = true;
  if (operational && current_.transit && !make_offers()) {
    return fail(LoginVerdict::out_of_resources("the answer is too long"));
  }
  const Bytes rest = answer_.bytes().skip(answered_);
  if (text_part_size(rest, iscsi::kDefaultMaxRecvDataSegmentLength) < rest.size())
    return send_part();
  if (!current_.transit || offers_made_ || chap_.in_progress())
    return send_last_part(false, stage_);
  const LoginVerdict verdict = operational ? negotiation_.check() : check_security_skipped();
  return verdict.is_ok() ? transit() : fail(verdict);
}

// Adds offers of ours to the answer when defaults would come into force that we cannot live with.
// An offer that is out already is not repeated: Negotiation::check() refuses to go on without an
// answer to it.
bool Login::make_offers() {
  if (negotiation_.awaits_answer() || !negotiation_.has_offers_to_make()) return true;
  TextWriter answer(answer_);
  negotiation_.make_offers(answer);
  offers_made_ = true;
  return answer.is_complete();
}

// The initiator names the furthest stage; an operational stage that it wants to skip is held
// nevertheless when we have something to say in it.
iscsi::Stage Login::choose_next_stage() const {
  const bool needs_operational =
      stage_ == iscsi::Stage::kSecurity &&
      (negotiation_.has_offers_to_make() || negotiation_.must_declare_receive_limit());
  return needs_operational ? iscsi::Stage::kOperational : current_.next_stage;
}

Login::Step Login::transit() {
  const iscsi::Stage next = choose_next_stage();
  if (next == iscsi::Stage::kFullFeature) return enter_full_feature();
  if (waits_for_stage_check(next)) {
    transiting_ = true;
    return Step::kWait;
  }
  return send_last_part(true, next);
}

Login::Step Login::enter_full_feature() {
  if (!limits_.acl_before_login && !is_discovery() &&
      !host_.acl_allows(session_, *lookup_.settings)) {
    return fail(
        {iscsi::LoginStatus::kAuthorizationFailure, "not in the access control list", nullptr});
  }
  static_cast<SessionKeys&>(session_) = negotiation_.session_keys();
  negotiation_.store(&connection_);
  connection_.authenticated = chap_.succeeded();
  const AdmitResult result = host_.admit(session_, connection_);
  if (result.kind == AdmitResult::Kind::kPending) {
    set_state(LoginState::kAdmission);
    return Step::kWait;
  }
  return finish(
      result.kind == AdmitResult::Kind::kAdmitted ? iscsi::LoginStatus::kSuccess : result.status,
      result.tsih);
}

Login::Step Login::admitted(iscsi::LoginStatus status, uint16_t tsih) {
  return state_ == LoginState::kAdmission ? finish(status, tsih) : Step::kWait;
}

Login::Step Login::finish(iscsi::LoginStatus status, uint16_t tsih) {
  if (status != iscsi::LoginStatus::kSuccess) return fail({status, "not admitted", nullptr});
  if (tsih == 0)
    return fail({iscsi::LoginStatus::kTargetError, "admitted without a TSIH", nullptr});
  session_.tsih = tsih;
  response_.tsih = tsih;
  return send_last_part(true, iscsi::Stage::kFullFeature);
}

}  // namespace chiscsi
