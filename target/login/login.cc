// SPDX-License-Identifier: GPL-2.0-only
//
// Login: requests in, responses out. The checks that every Login Request has to pass, continued
// texts in both directions, the state table, and how a response is put together. What a complete
// text leads to is in login_steps.cc. See login.hh.
#include "target/login/login.hh"

namespace chiscsi {

namespace login_detail {

// The whole login uses the default segment length (RFC 7143 section 6.3).
constexpr uint32_t kMaxSegment = iscsi::kDefaultMaxRecvDataSegmentLength;
constexpr size_t kMaxAnswerBytes = 64 * 1024;
constexpr uint8_t kVersion = 0;

using State = LoginState;

constexpr uint16_t bit(State state) {
  return static_cast<uint16_t>(1u << static_cast<unsigned>(state));
}

constexpr uint16_t kEnds = bit(State::kAccepted) | bit(State::kRefused);
// Where a complete text can lead.
constexpr uint16_t kAfterText = kEnds | bit(State::kStageCheck) | bit(State::kNegotiating) |
                                bit(State::kAnswering) | bit(State::kAdmission);

// The successors of each state, in the order of LoginState.
constexpr uint16_t kSuccessors[] = {
    kAfterText | bit(State::kGathering) | bit(State::kFirstCheck),  // kStart
    kAfterText | bit(State::kGathering) | bit(State::kFirstCheck),  // kGathering
    kAfterText,                                                     // kFirstCheck
    kAfterText,                                                     // kStageCheck
    kAfterText | bit(State::kGathering),                            // kNegotiating
    kAfterText,                                                     // kAnswering
    kEnds,                                                          // kAdmission
    0,                                                              // kAccepted
    0,                                                              // kRefused
};
static_assert(sizeof(kSuccessors) / sizeof(kSuccessors[0]) == static_cast<size_t>(State::kCount));

constexpr uint16_t kAwaitsRequest =
    bit(State::kStart) | bit(State::kGathering) | bit(State::kNegotiating) | bit(State::kAnswering);

bool is_in(State state, uint16_t set) { return (bit(state) & set) != 0; }

constexpr uint8_t csg_of(uint8_t flags) { return (flags >> 2) & 3; }
constexpr uint8_t nsg_of(uint8_t flags) { return flags & 3; }
constexpr uint8_t kStageOperational = static_cast<uint8_t>(iscsi::Stage::kOperational);
constexpr uint8_t kStageFullFeature = static_cast<uint8_t>(iscsi::Stage::kFullFeature);

}  // namespace login_detail

OwnPtr<Login> Login::create(LoginHost& host, const LoginLimits& limits) {
  return make<Login>(Alloc::kMaySleep, host, limits);
}

Login::Login(LoginHost& host, const LoginLimits& limits)
    : host_(host),
      limits_(limits),
      text_(limits.max_text_bytes),
      answer_(login_detail::kMaxAnswerBytes),
      seen_(limits.max_keys),
      chap_(limits.challenges) {}

void Login::set_state(LoginState next) {
  const bool legal =
      login_detail::is_in(next, login_detail::kSuccessors[static_cast<size_t>(state_)]);
  CHISCSI_CHECK(legal);
  state_ = legal ? next : LoginState::kRefused;
}

Login::Step Login::on_request(const iscsi::LoginRequest& request, Bytes data) {
  if (!login_detail::is_in(state_, login_detail::kAwaitsRequest)) return Step::kDrop;
  current_.initiator_task_tag = request.initiator_task_tag.get();
  const LoginVerdict verdict = check_request(request, data);
  if (!verdict.is_ok()) return fail(verdict);
  start_response();
  if (state_ == LoginState::kAnswering) return continue_answer(request, data);
  const LoginVerdict gathered = gather(data);
  if (!gathered.is_ok()) return fail(gathered);
  if ((request.flags & iscsi::kLoginContinue) != 0) {
    set_state(LoginState::kGathering);
    return respond_empty();
  }
  return process_text();
}

Login::Step Login::refuse(uint32_t initiator_task_tag, iscsi::LoginStatus status,
                          const char* reason) {
  if (login_detail::is_in(state_, login_detail::kEnds)) return Step::kDrop;
  current_.initiator_task_tag = initiator_task_tag;
  return fail({status, reason, nullptr});
}

// --- Checks on one request ---

LoginVerdict Login::check_request(const iscsi::LoginRequest& request, Bytes data) {
  if (++requests_ > limits_.max_requests) return LoginVerdict::initiator_error("too many requests");
  if (data.size() > login_detail::kMaxSegment) {
    return LoginVerdict::initiator_error("data segment longer than 8192 bytes");
  }
  const LoginVerdict verdict = requests_ == 1 ? check_first(request) : check_unchanged(request);
  return verdict.is_ok() ? check_stages(request) : verdict;
}

LoginVerdict Login::check_first(const iscsi::LoginRequest& request) {
  __builtin_memcpy(first_.isid, request.isid, sizeof(first_.isid));
  first_.tsih = request.tsih.get();
  first_.cid = request.cid.get();
  first_.initiator_task_tag = request.initiator_task_tag.get();
  first_.cmd_sn = request.cmd_sn.get();
  first_.version_max = request.version_max;
  first_.version_min = request.version_min;
  __builtin_memcpy(session_.isid, first_.isid, sizeof(session_.isid));
  session_.tsih = first_.tsih;
  session_.initial_cmd_sn = first_.cmd_sn;
  connection_.cid = first_.cid;
  stage_ = static_cast<iscsi::Stage>(login_detail::csg_of(request.flags));
  if (request.version_min > login_detail::kVersion) {
    return {iscsi::LoginStatus::kUnsupportedVersion, "no version in common", nullptr};
  }
  return LoginVerdict::ok();
}

LoginVerdict Login::check_unchanged(const iscsi::LoginRequest& request) const {
  // CmdSN may advance while a connection joins a session that is at work (section 11.12.8).
  const bool same_cmd_sn = !is_leading() || request.cmd_sn.get() == first_.cmd_sn;
  const struct {
    bool same;
    const char* reason;
  } kChecks[] = {
      {equal_bytes(Bytes(request.isid), Bytes(first_.isid)), "ISID changed"},
      {request.tsih.get() == first_.tsih, "TSIH changed"},
      {request.cid.get() == first_.cid, "CID changed"},
      {request.initiator_task_tag.get() == first_.initiator_task_tag, "Initiator Task Tag changed"},
      {same_cmd_sn, "CmdSN changed"},
      {request.version_max == first_.version_max, "Version-max changed"},
      {request.version_min == first_.version_min, "Version-min changed"},
  };
  for (const auto& check : kChecks) {
    if (!check.same) return LoginVerdict::initiator_error(check.reason);
  }
  return LoginVerdict::ok();
}

LoginVerdict Login::check_stages(const iscsi::LoginRequest& request) {
  namespace detail = login_detail;
  const bool transit = (request.flags & iscsi::kLoginTransit) != 0;
  const bool more_follows = (request.flags & iscsi::kLoginContinue) != 0;
  const uint8_t csg = detail::csg_of(request.flags);
  const uint8_t nsg = detail::nsg_of(request.flags);
  if (transit && more_follows) return LoginVerdict::initiator_error("T and C bit together");
  if (csg > detail::kStageOperational) return LoginVerdict::initiator_error("bad current stage");
  if (csg != static_cast<uint8_t>(stage_)) {
    return stage_ == iscsi::Stage::kSecurity
               ? LoginVerdict::not_authenticated("left the security stage on its own")
               : LoginVerdict::initiator_error("current stage changed");
  }
  const bool next_exists = nsg == detail::kStageOperational || nsg == detail::kStageFullFeature;
  if (transit && (!next_exists || nsg <= csg))
    return LoginVerdict::initiator_error("bad next stage");
  current_.transit = transit;
  current_.next_stage = static_cast<iscsi::Stage>(nsg);
  return LoginVerdict::ok();
}

LoginVerdict Login::gather(Bytes data) {
  if (state_ != LoginState::kGathering) {
    text_.clear();
    text_pdus_ = 0;
  }
  if (++text_pdus_ > limits_.max_text_pdus)
    return LoginVerdict::initiator_error("text in too many requests");
  const Status status = text_.append(data);
  if (status.is_ok()) return LoginVerdict::ok();
  return status.error() == Error::kNoSpace
             ? LoginVerdict::initiator_error("text too long")
             : LoginVerdict::out_of_resources("no memory for the text");
}

// An empty request asks for the next part of our answer.
Login::Step Login::continue_answer(const iscsi::LoginRequest& request, Bytes data) {
  if (!data.empty() || (request.flags & iscsi::kLoginContinue) != 0) {
    return fail(LoginVerdict::initiator_error("text in the middle of an answer"));
  }
  return conclude();
}

// --- Responses ---

void Login::start_response() {
  response_ = {};
  response_.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kLoginResponse);
  response_.version_max = login_detail::kVersion;
  response_.version_active = login_detail::kVersion;
  __builtin_memcpy(response_.isid, first_.isid, sizeof(response_.isid));
  response_.tsih = first_.tsih;
  response_.initiator_task_tag = current_.initiator_task_tag;
  set_response(0, {});
}

void Login::set_response(uint8_t flags, Bytes data) {
  response_.flags = flags;
  response_.data_segment_length = static_cast<uint32_t>(data.size());
  response_data_ = data;
}

Login::Step Login::fail(const LoginVerdict& verdict) {
  status_ = verdict.status;
  reason_.clear();
  if (verdict.key != nullptr) reason_.at(verdict.key);
  reason_.add(verdict.reason);
  start_response();
  response_.status_class = static_cast<uint8_t>(static_cast<uint16_t>(status_) >> 8);
  response_.status_detail = static_cast<uint8_t>(static_cast<uint16_t>(status_));
  set_state(LoginState::kRefused);
  return Step::kRespondAndClose;
}

// The answer to a request with the C bit.
Login::Step Login::respond_empty() {
  set_response(static_cast<uint8_t>(static_cast<uint8_t>(stage_) << 2), {});
  return Step::kRespond;
}

// Sends as much of the answer as a PDU takes; more follows.
Login::Step Login::send_part() {
  const Bytes rest = answer_.bytes().skip(answered_);
  const Bytes part = rest.first(text_part_size(rest, login_detail::kMaxSegment));
  answered_ += part.size();
  set_response(static_cast<uint8_t>(iscsi::kLoginContinue | static_cast<uint8_t>(stage_) << 2),
               part);
  set_state(LoginState::kAnswering);
  return Step::kRespond;
}

// Sends the rest of the answer, which fits, with or without a transition.
Login::Step Login::send_last_part(bool transit, iscsi::Stage next_stage) {
  uint8_t flags = static_cast<uint8_t>(static_cast<uint8_t>(stage_) << 2);
  if (transit)
    flags |= static_cast<uint8_t>(iscsi::kLoginTransit | static_cast<uint8_t>(next_stage));
  set_response(flags, answer_.bytes().skip(answered_));
  answered_ = answer_.size();
  if (transit) stage_ = next_stage;
  const bool done = stage_ == iscsi::Stage::kFullFeature;
  set_state(done ? LoginState::kAccepted : LoginState::kNegotiating);
  return done ? Step::kRespondAndEnterFullFeature : Step::kRespond;
}

}  // namespace chiscsi
