// SPDX-License-Identifier: GPL-2.0-only
//
// Login, numbers, pings and logout of a session; its SCSI commands are in session_io.cc.
#include "session.hh"

#include <sys/epoll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace chiscsi::load {

using namespace iscsi;

namespace {

constexpr uint32_t kPingTag = 0xfffffff0;
constexpr uint32_t kLogoutTag = 0xfffffff1;
constexpr unsigned kMostLoginRounds = 10;

void add_key(std::string& text, const std::string& key, const std::string& value) {
  text += key + "=" + value;
  text.push_back('\0');
}

std::string hex(const char* what, unsigned value) {
  char text[80];
  snprintf(text, sizeof(text), "%s %02xh", what, value);
  return text;
}

}  // namespace

void Session::fail(const std::string& why) {
  connection_.close();
  state_ = State::kFailed;
  tasks_ = {};
  run_.failed(*this, why);
}

// ---- Login ----

void Session::begin() {
  guarded([this] {
    state_ = State::kConnecting;
    begun_ns_ = now_ns();
    limit_ns_ = begun_ns_ + uint64_t{run_.options->login_timeout} * 1000000000;
    const Address* from =
        run_.sources.empty() ? nullptr : &run_.sources[index_ % run_.sources.size()];
    connection_.open(run_.poller, this, run_.target, from);
  });
}

void Session::send_login() {
  const Options& options = *run_.options;
  Bhs bhs;
  auto& request = bhs.as<LoginRequest>();
  const Stage next = stage_ == Stage::kSecurity ? Stage::kOperational : Stage::kFullFeature;
  request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
  request.flags = static_cast<uint8_t>(kLoginTransit | static_cast<uint8_t>(stage_) << 2 |
                                       static_cast<uint8_t>(next));
  // A random ISID, section 11.12.5, whose random part and qualifier are our number.
  const uint8_t isid[6] = {0x80,
                           0x10,
                           static_cast<uint8_t>(index_ >> 24),
                           static_cast<uint8_t>(index_ >> 16),
                           static_cast<uint8_t>(index_ >> 8),
                           static_cast<uint8_t>(index_)};
  memcpy(request.isid, isid, sizeof(isid));
  request.tsih = tsih_;
  request.initiator_task_tag = 0;
  request.cmd_sn = cmd_sn_;
  request.exp_stat_sn = exp_stat_sn_;

  std::string text;
  if (!asked_ && stage_ == Stage::kSecurity) {
    const unsigned name = options.names == 0 ? index_ : index_ % options.names;
    add_key(text, "InitiatorName", options.initiator + "." + std::to_string(name));
    add_key(text, "TargetName", options.target);
    add_key(text, "SessionType", "Normal");
    add_key(text, "AuthMethod", "None");
  } else if (!asked_) {
    add_key(text, "HeaderDigest", options.header_digest ? "CRC32C" : "None");
    add_key(text, "DataDigest", options.data_digest ? "CRC32C" : "None");
    add_key(text, "InitialR2T", "No");
    add_key(text, "ImmediateData", "Yes");
    add_key(text, "MaxRecvDataSegmentLength", "262144");
    add_key(text, "FirstBurstLength", "65536");
    add_key(text, "MaxBurstLength", "262144");
    add_key(text, "MaxOutstandingR2T", "1");
    add_key(text, "MaxConnections", "1");
    add_key(text, "DataPDUInOrder", "Yes");
    add_key(text, "DataSequenceInOrder", "Yes");
    add_key(text, "DefaultTime2Wait", "2");
    add_key(text, "DefaultTime2Retain", "0");
    add_key(text, "ErrorRecoveryLevel", "0");
  }
  asked_ = true;
  if (++login_rounds_ > kMostLoginRounds) throw SessionError("the login does not come to an end");
  connection_.add(bhs, text.data(), static_cast<uint32_t>(text.size()));
}

void Session::take_keys(const PduView& pdu) {
  const std::string text(reinterpret_cast<const char*>(pdu.data), pdu.size);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\0', at), text.size());
    const size_t equal = text.find('=', at);
    if (equal < end) keys_[text.substr(at, equal - at)] = text.substr(equal + 1, end - equal - 1);
    at = end + 1;
  }
}

void Session::take_login(const PduView& pdu) {
  if (pdu.bhs.opcode() != Opcode::kLoginResponse)
    throw SessionError(hex("no Login Response but opcode", pdu.bhs.opcode_byte));
  const auto& response = pdu.bhs.as<LoginResponse>();
  if (response.status_class != 0) {
    char text[80];
    snprintf(text, sizeof(text), "login refused with status %02x%02xh", response.status_class,
             response.status_detail);
    throw SessionError(text);
  }
  stat_sn_known_ = true;
  exp_stat_sn_ = response.stat_sn.get() + 1;
  max_cmd_sn_ = response.max_cmd_sn.get();
  take_keys(pdu);
  if ((response.flags & kLoginTransit) != 0) {
    const auto next = static_cast<Stage>(response.flags & 3);
    if (next == Stage::kFullFeature) {
      tsih_ = response.tsih.get();
      login_done();
      return;
    }
    stage_ = next;
    asked_ = false;
  }
  send_login();
}

uint32_t Session::number_of(const char* key, uint32_t otherwise) const {
  const auto found = keys_.find(key);
  return found == keys_.end() ? otherwise
                              : static_cast<uint32_t>(strtoul(found->second.c_str(), nullptr, 10));
}

void Session::login_done() {
  const auto is = [this](const char* key, const char* value) {
    const auto found = keys_.find(key);
    return found != keys_.end() && found->second == value;
  };
  connection_.header_digest = is("HeaderDigest", "CRC32C");
  connection_.data_digest = is("DataDigest", "CRC32C");
  if (connection_.header_digest != run_.options->header_digest ||
      connection_.data_digest != run_.options->data_digest)
    throw SessionError("the target does not agree to the digests");
  segment_ = std::max(512u, number_of("MaxRecvDataSegmentLength", 8192));
  first_burst_ = std::min(65536u, number_of("FirstBurstLength", 65536));
  max_burst_ = std::min(262144u, number_of("MaxBurstLength", 262144));
  immediate_ = !is("ImmediateData", "No");
  initial_r2t_ = is("InitialR2T", "Yes");
  if (index_ != 0) keys_ = {};  // The first one's are shown.
  state_ = State::kReady;
  limit_ns_ = 0;
  login_ns_ = now_ns() - begun_ns_;
  run_.logged_in(*this);
}

// ---- The full-feature phase ----

void Session::on_events(uint32_t events) {
  if (!connection_.is_open()) return;
  guarded([this, events] {
    if (state_ == State::kConnecting) {
      connection_.finish_open();
      state_ = State::kLogin;
      send_login();
      return;
    }
    if ((events & ~static_cast<uint32_t>(EPOLLOUT)) != 0)
      connection_.receive([this](const PduView& pdu) { take(pdu); });
  });
  if (ready()) run_.may_start(*this);
  flush();
}

void Session::flush() {
  guarded([] {});
}

void Session::take(const PduView& pdu) {
  if (state_ == State::kLogin) {
    take_login(pdu);
    return;
  }
  take_numbers(pdu);
  switch (pdu.bhs.opcode()) {
    case Opcode::kNopIn:
      take_nop(pdu);
      break;
    case Opcode::kScsiResponse:
      take_response(pdu);
      break;
    case Opcode::kDataIn:
      take_data_in(pdu);
      break;
    case Opcode::kR2t:
      take_r2t(pdu);
      break;
    case Opcode::kAsyncMessage:
      take_async(pdu);
      break;
    case Opcode::kLogoutResponse:
      if (state_ != State::kLogout) throw SessionError("a Logout Response that nobody asked for");
      state_ = State::kEnded;
      connection_.close();
      run_.logged_out(*this);
      break;
    case Opcode::kReject:
      throw SessionError(hex("a PDU was rejected, reason", pdu.bhs.as<Reject>().reason));
    default:
      throw SessionError(hex("unexpected opcode", pdu.bhs.opcode_byte));
  }
}

// A ping's, an R2T's and a Data-In's StatSN without status is not taken up.
void Session::take_numbers(const PduView& pdu) {
  const auto& numbers = pdu.bhs.as<ResponseNumbers>();
  const uint32_t max_cmd_sn = numbers.max_cmd_sn.get();
  if (static_cast<int32_t>(max_cmd_sn - max_cmd_sn_) > 0) max_cmd_sn_ = max_cmd_sn;
  const Opcode opcode = pdu.bhs.opcode();
  const bool data_without_status =
      opcode == Opcode::kDataIn && (pdu.bhs.flags & kDataInStatus) == 0;
  if (data_without_status || opcode == Opcode::kR2t) return;
  const uint32_t stat_sn = numbers.stat_sn.get();
  if (stat_sn != exp_stat_sn_) throw SessionError("a StatSN is not the next one");
  if (opcode == Opcode::kNopIn && pdu.bhs.initiator_task_tag.get() == kReservedTag) return;
  ++exp_stat_sn_;
}

void Session::take_nop(const PduView& pdu) {
  const auto& nop = pdu.bhs.as<NopIn>();
  if (nop.initiator_task_tag.get() == kPingTag) ping_answered_ = true;
  if (nop.target_transfer_tag.get() == kReservedTag) return;
  Bhs bhs;
  auto& answer = bhs.as<NopOut>();
  answer.opcode_byte = static_cast<uint8_t>(Opcode::kNopOut) | kImmediateBit;
  answer.flags = kFinalBit;
  memcpy(answer.lun, nop.lun, sizeof(answer.lun));
  answer.initiator_task_tag = kReservedTag;
  answer.target_transfer_tag = nop.target_transfer_tag;
  answer.cmd_sn = cmd_sn_;
  answer.exp_stat_sn = exp_stat_sn_;
  connection_.add(bhs);
  ++run_.pings;
}

void Session::take_async(const PduView& pdu) {
  const auto event = static_cast<AsyncEvent>(pdu.bhs.as<AsyncMessage>().async_event);
  switch (event) {
    case AsyncEvent::kScsi:
    case AsyncEvent::kNegotiationRequest:
      break;
    default:
      throw SessionError(
          hex("the target wants to end the session, event", static_cast<uint8_t>(event)));
  }
}

void Session::ping() {
  if (!ready()) return;
  guarded([this] {
    Bhs bhs;
    auto& nop = bhs.as<NopOut>();
    nop.opcode_byte = static_cast<uint8_t>(Opcode::kNopOut) | kImmediateBit;
    nop.flags = kFinalBit;
    nop.initiator_task_tag = kPingTag;
    nop.target_transfer_tag = kReservedTag;
    nop.cmd_sn = cmd_sn_;
    nop.exp_stat_sn = exp_stat_sn_;
    connection_.add(bhs);
  });
}

void Session::log_out() {
  if (!ready()) return;
  guarded([this] {
    Bhs bhs;
    auto& request = bhs.as<LogoutRequest>();
    request.opcode_byte = static_cast<uint8_t>(Opcode::kLogoutRequest) | kImmediateBit;
    request.reason = kFinalBit | static_cast<uint8_t>(LogoutReason::kCloseSession);
    request.initiator_task_tag = kLogoutTag;
    request.cmd_sn = cmd_sn_;
    request.exp_stat_sn = exp_stat_sn_;
    state_ = State::kLogout;
    connection_.add(bhs);
  });
}

void Session::drop() {
  connection_.close();
  if (state_ != State::kFailed) state_ = State::kEnded;
}

void Session::tick(uint64_t now) {
  guarded([this, now] {
    if (limit_ns_ != 0 && now > limit_ns_)
      throw SessionError(state_ == State::kConnecting ? "no connection within the limit"
                                                      : "no login within the limit");
    const uint64_t patience = uint64_t{std::min(60u, run_.options->timeout)} * 1000000000;
    for (Task& task : tasks_) {
      if (!task.busy) continue;
      if (task.again_ns == 0 && now > task.sent_ns + patience)
        throw SessionError("no answer to a command within the limit");
      if (task.again_ns != 0 && now >= task.again_ns && window_open()) send_command(task);
    }
  });
}

}  // namespace chiscsi::load
