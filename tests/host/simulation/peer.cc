// SPDX-License-Identifier: GPL-2.0-only
//
// See peer.hh.
#include "peer.hh"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/serial.hh"
#include "internal.hh"
#include "os/digest.h"
#include "storage.hh"

namespace chiscsi::simulation {

using namespace iscsi;

namespace {

void append_digest(std::string& wire, size_t from, bool spoil) {
  uint32_t crc = ~os_crc32c(~0u, wire.data() + from, wire.size() - from);
  if (spoil) crc ^= 0x00010000;
  for (int i = 0; i < 4; ++i)
    wire.push_back(static_cast<char>(crc >> (8 * i)));
}

bool digest_fits(const std::string& bytes, size_t from, size_t size) {
  const uint32_t crc = ~os_crc32c(~0u, bytes.data() + from, size);
  for (size_t i = 0; i < 4; ++i) {
    if (static_cast<uint8_t>(bytes[from + size + i]) != static_cast<uint8_t>(crc >> (8 * i))) {
      return false;
    }
  }
  return true;
}

bool counts_stat_sn(const Bhs& bhs) {
  switch (bhs.opcode()) {
    case Opcode::kR2t:
      return false;
    case Opcode::kDataIn:
      return (bhs.flags & kDataInStatus) != 0;
    case Opcode::kNopIn:
      return bhs.initiator_task_tag.get() != kReservedTag;
    default:
      return true;
  }
}

bool is_target_opcode(Opcode opcode) {
  switch (opcode) {
    case Opcode::kNopIn:
    case Opcode::kScsiResponse:
    case Opcode::kTaskManagementResponse:
    case Opcode::kLoginResponse:
    case Opcode::kTextResponse:
    case Opcode::kDataIn:
    case Opcode::kLogoutResponse:
    case Opcode::kR2t:
    case Opcode::kAsyncMessage:
    case Opcode::kReject:
      return true;
    default:
      return false;
  }
}

// RFC 7143 section 11.17.1; 0x0b is not to be used any more.
bool is_reject_reason(uint8_t reason) { return reason >= 2 && reason <= 0x0c && reason != 0x0b; }

// Section 11.9.1. Event 5 belongs to FastAbort, which is never agreed; the rest are the vendor's.
bool is_async_event(uint8_t event) { return event <= 4; }

}  // namespace

void Peer::require(bool condition, const char* what) const {
  if (!condition && !is_lenient) host_contract_broken("initiator: %s", what);
}

// ---- Sending ----

void Peer::log_in(const Login& login) {
  Bhs bhs;
  auto& request = bhs.as<LoginRequest>();
  request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
  request.flags = kLoginTransit | 1 << 2 | 3;
  request.isid[0] = 0x80;
  request.isid[5] = login.isid;
  request.initiator_task_tag = next_task_tag++;
  cmd_sn = login.cmd_sn;
  if (login.leader != nullptr) join(*login.leader);
  request.tsih = tsih;
  request.cid = login.cid;
  request.cmd_sn = cmd_sn;
  std::string text = "InitiatorName=" + login.initiator_name + '\0';
  if (login.target_name.empty()) {
    text += std::string("SessionType=Discovery") + '\0';
  } else {
    text += "TargetName=" + login.target_name + '\0';
  }
  segment_limit_ = login.max_recv_data_segment_length;
  text += "MaxRecvDataSegmentLength=" + std::to_string(segment_limit_) + '\0';
  for (const auto& [key, value] : login.keys)
    text += key + '=' + value + '\0';
  add(bhs, text);
  send_all();
}

// Takes over what belongs to the session. The task tags are others than the leader's.
void Peer::join(const Peer& leader) {
  tsih = leader.tsih;
  cmd_sn = leader.cmd_sn;
  max_burst_ = leader.max_burst_;
  max_r2ts_ = leader.max_r2ts_;
  next_task_tag = leader.next_task_tag + 0x10000;
}

Bhs Peer::make(Opcode opcode, bool immediate) {
  Bhs bhs;
  bhs.opcode_byte = static_cast<uint8_t>(opcode);
  if (immediate) bhs.opcode_byte |= kImmediateBit;
  bhs.flags = kFinalBit;
  bhs.initiator_task_tag = next_task_tag++;
  auto& numbers = bhs.as<RequestNumbers>();
  numbers.cmd_sn = immediate ? cmd_sn : cmd_sn++;
  numbers.exp_stat_sn = exp_stat_sn;
  return bhs;
}

Bhs Peer::make_command(uint8_t direction, uint32_t length, uint8_t lun) {
  Bhs bhs = make(Opcode::kScsiCommand, false);
  auto& command = bhs.as<ScsiCommand>();
  command.flags = kFinalBit | direction | 1;
  command.lun[1] = lun;
  command.expected_data_transfer_length = length;
  command.cdb[0] = (direction & kCommandWrite) != 0 ? 0x2a : 0x28;
  return bhs;
}

Bhs Peer::make_data_out(uint32_t task_tag, uint32_t transfer_tag, uint32_t data_sn, uint32_t offset,
                        bool final) {
  Bhs bhs;
  auto& data_out = bhs.as<DataOut>();
  data_out.opcode_byte = static_cast<uint8_t>(Opcode::kDataOut);
  data_out.flags = final ? kFinalBit : 0;
  data_out.initiator_task_tag = task_tag;
  data_out.target_transfer_tag = transfer_tag;
  data_out.exp_stat_sn = exp_stat_sn;
  data_out.data_sn = data_sn;
  data_out.buffer_offset = offset;
  return bhs;
}

void Peer::note_sent(const Bhs& bhs) {
  if (bhs.opcode() == Opcode::kLoginRequest && in_full_feature_) anything_goes_ = true;
  if (bhs.opcode() != Opcode::kScsiCommand) return;
  const auto& command = bhs.as<ScsiCommand>();
  last_command_tag = command.initiator_task_tag.get();
  const auto [entry, is_new] = commands_.try_emplace(last_command_tag);
  Sent& sent = entry->second;
  sent.unknowable = !is_new;
  sent.flags = command.flags;
  sent.length = command.expected_data_transfer_length.get();
  outcome = {};
}

// The last byte of a burst answers its R2T, or the F bit, and the target may send another one.
void Peer::note_burst(const DataOut& data_out, size_t size) {
  const uint64_t end = uint64_t{data_out.buffer_offset.get()} + size;
  std::erase_if(r2ts, [&](const OpenR2t& r2t) {
    const uint32_t last = r2t.bhs.buffer_offset.get() + r2t.bhs.desired_data_transfer_length.get();
    return r2t.bhs.initiator_task_tag.get() == data_out.initiator_task_tag.get() &&
           r2t.bhs.target_transfer_tag.get() == data_out.target_transfer_tag.get() &&
           (end == last || (data_out.flags & kFinalBit) != 0);
  });
}

void Peer::add(const Bhs& given, const std::string& data, const std::string& ahs) {
  Bhs bhs = given;
  note_sent(bhs);
  if (bhs.opcode() == Opcode::kDataOut) note_burst(bhs.as<DataOut>(), data.size());
  bhs.total_ahs_length = static_cast<uint8_t>(ahs.size() / 4);
  bhs.data_segment_length = static_cast<uint32_t>(data.size());
  const size_t start = outgoing_.size();
  outgoing_.append(reinterpret_cast<const char*>(&bhs), kBhsSize);
  outgoing_ += ahs.substr(0, bhs.total_ahs_length * 4u);
  if (header_digest_) append_digest(outgoing_, start, std::exchange(spoil_header_digest, false));
  const size_t data_at = outgoing_.size();
  outgoing_ += data;
  outgoing_.append(pad_of(static_cast<uint32_t>(data.size())), '\0');
  if (data_digest_ && !data.empty()) {
    // Spoilt data has to be wrong, or nobody would notice that it was taken.
    if (spoil_data_digest) outgoing_[data_at] = static_cast<char>(~outgoing_[data_at]);
    append_digest(outgoing_, data_at, std::exchange(spoil_data_digest, false));
  }
}

void Peer::add_data(const Bhs& bhs, uint32_t size) {
  const uint32_t tag = bhs.initiator_task_tag.get();
  const uint32_t at = bhs.opcode() == Opcode::kDataOut ? bhs.as<DataOut>().buffer_offset.get() : 0;
  std::string data(size, '\0');
  fill_data(tag, at, data.data(), size);
  add(bhs, data);
}

void Peer::add_raw(const std::string& bytes) {
  outgoing_ += bytes;
  anything_goes_ = true;
}

void Peer::send_all(size_t split) {
  const std::string bytes = std::exchange(outgoing_, {});
  if (split != 0 && !bytes.empty()) {
    const size_t at = split % bytes.size();
    link.send(bytes.substr(0, at));
    settle();
    link.send(bytes.substr(at));
  } else {
    link.send(bytes);
  }
  settle();
}

void Peer::send_first(size_t size) {
  link.send(outgoing_.substr(0, size));
  outgoing_.erase(0, size);
  settle();
}

Bhs Peer::next_data_out(OpenR2t& r2t, uint32_t size) {
  const bool final = r2t.sent + size == r2t.bhs.desired_data_transfer_length.get();
  Bhs bhs = make_data_out(r2t.bhs.initiator_task_tag.get(), r2t.bhs.target_transfer_tag.get(),
                          r2t.data_sn++, r2t.bhs.buffer_offset.get() + r2t.sent, final);
  memcpy(bhs.lun, r2t.bhs.lun, sizeof(bhs.lun));
  r2t.sent += size;
  return bhs;
}

void Peer::answer_r2t(uint32_t most) {
  if (r2ts.empty()) return;
  OpenR2t& r2t = r2ts.front();
  const uint32_t wanted = r2t.bhs.desired_data_transfer_length.get();
  const uint32_t size = std::min(std::max(most, 1u), wanted - r2t.sent);
  add_data(next_data_out(r2t, size), size);
}

void Peer::answer_r2t_from(const std::string& data) {
  if (r2ts.empty()) return;
  OpenR2t& r2t = r2ts.front();
  const size_t at = std::min<size_t>(r2t.bhs.buffer_offset.get(), data.size());
  std::string piece = data.substr(at, r2t.bhs.desired_data_transfer_length.get());
  piece.resize(r2t.bhs.desired_data_transfer_length.get());
  add(next_data_out(r2t, static_cast<uint32_t>(piece.size())), piece);
}

// ---- Receiving ----

void Peer::collect() {
  incoming_ += link.take();
  while (take_pdu()) {
  }
  incoming_.erase(0, std::exchange(taken_, 0));
}

std::optional<Peer::Answer> Peer::last(Opcode opcode) const {
  const auto found = last_.find(opcode);
  if (found == last_.end()) return {};
  return found->second;
}

bool Peer::take_pdu() {
  const size_t there = incoming_.size() - taken_;
  if (there < kBhsSize) return false;
  Answer answer;
  memcpy(&answer.bhs, incoming_.data() + taken_, kBhsSize);
  require(answer.bhs.total_ahs_length == 0, "an AHS from the target");
  const uint32_t length = answer.bhs.data_segment_length.get();
  const size_t padded = length + pad_of(length);
  const size_t data_at = kBhsSize + (header_digest_ ? kDigestSize : 0);
  const size_t size = data_at + padded + (data_digest_ && length != 0 ? kDigestSize : 0);
  const uint32_t limit = in_full_feature_ ? segment_limit_ : kDefaultMaxRecvDataSegmentLength;
  require(length <= limit, "a data segment longer than allowed");
  if (there < size) return false;
  require(!header_digest_ || digest_fits(incoming_, taken_, kBhsSize), "a wrong header digest");
  require(!data_digest_ || length == 0 || digest_fits(incoming_, taken_ + data_at, padded),
          "a wrong data digest");
  for (size_t i = length; i < padded; ++i)
    require(incoming_[taken_ + data_at + i] == 0, "padding that is not zero");
  answer.data = incoming_.substr(taken_ + data_at, length);
  taken_ += size;
  check(answer);
  return true;
}

void Peer::check(const Answer& answer) {
  ++answers;
  const Opcode opcode = answer.bhs.opcode();
  require(is_target_opcode(opcode), "an opcode that is not a target's");
  require(!answer.bhs.immediate(), "the immediate bit in a response");
  check_numbers(answer);
  if (opcode == Opcode::kLoginResponse) {
    note_login(answer);
  } else {
    require(in_full_feature_ || opcode == Opcode::kReject || opcode == Opcode::kAsyncMessage,
            "a PDU of the full feature phase before it");
  }
  if (opcode == Opcode::kDataIn) check_data_in(answer);
  if (opcode == Opcode::kR2t) check_r2t(answer);
  if (opcode == Opcode::kScsiResponse) check_response(answer);
  if (opcode == Opcode::kReject) {
    require(answer.data.size() >= kBhsSize, "a Reject without the header it rejects");
    require(answer.bhs.initiator_task_tag.get() == kReservedTag, "a Reject with a task tag");
    require(is_reject_reason(answer.bhs.as<Reject>().reason), "a Reject without a known reason");
  }
  if (opcode == Opcode::kAsyncMessage) {
    require(is_async_event(answer.bhs.as<AsyncMessage>().async_event), "an unknown async event");
  }
  last_[opcode] = answer;
}

void Peer::check_numbers(const Answer& answer) {
  const auto& numbers = answer.bhs.as<ResponseNumbers>();
  const bool has_stat_sn = answer.bhs.opcode() != Opcode::kDataIn || counts_stat_sn(answer.bhs);
  if (has_stat_sn) {
    require(!numbers_known_ || numbers.stat_sn.get() == exp_stat_sn, "StatSN out of order");
    numbers_known_ = true;
    exp_stat_sn = numbers.stat_sn.get() + (counts_stat_sn(answer.bhs) ? 1 : 0);
  }
  if (!in_full_feature_) return;
  const Serial expected(numbers.exp_cmd_sn.get()), most(numbers.max_cmd_sn.get());
  require(expected >= Serial(exp_cmd_sn), "ExpCmdSN went back");
  require(most >= Serial(max_cmd_sn), "MaxCmdSN went back");
  require(most + 1 >= expected, "MaxCmdSN below ExpCmdSN - 1");
  exp_cmd_sn = expected.value();
  max_cmd_sn = most.value();
}

uint32_t Peer::number_of(const std::string& key, uint32_t otherwise) const {
  const auto found = agreed_.find(key);
  return found == agreed_.end() ? otherwise
                                : static_cast<uint32_t>(strtoul(found->second.c_str(), nullptr, 0));
}

void Peer::note_login(const Answer& answer) {
  const auto& response = answer.bhs.as<LoginResponse>();
  require(!in_full_feature_, "a Login Response in the full feature phase");
  for (size_t at = 0; at < answer.data.size();) {
    const size_t end = std::min(answer.data.find('\0', at), answer.data.size());
    const size_t equals = answer.data.find('=', at);
    if (equals < end) {
      agreed_[answer.data.substr(at, equals - at)] =
          answer.data.substr(equals + 1, end - equals - 1);
    }
    at = end + 1;
  }
  if (response.status_class != 0 || (response.flags & kLoginTransit) == 0 ||
      (response.flags & 3) != 3) {
    return;
  }
  in_full_feature_ = true;
  header_digest_ = agreed_["HeaderDigest"] == "CRC32C";
  data_digest_ = agreed_["DataDigest"] == "CRC32C";
  tsih = response.tsih.get();
  max_burst_ = number_of("MaxBurstLength", max_burst_);
  max_r2ts_ = number_of("MaxOutstandingR2T", max_r2ts_);
  exp_cmd_sn = response.exp_cmd_sn.get();
  max_cmd_sn = response.max_cmd_sn.get();
}

Peer::Sent* Peer::sent(const Bhs& bhs) {
  if (anything_goes_ || is_lenient) return nullptr;
  const auto found = commands_.find(bhs.initiator_task_tag.get());
  require(found != commands_.end(), "an answer to a command that was not sent");
  return found->second.unknowable ? nullptr : &found->second;
}

void Peer::check_data_in(const Answer& answer) {
  const auto& bhs = answer.bhs.as<DataIn>();
  const uint32_t size = static_cast<uint32_t>(answer.data.size());
  const uint32_t offset = bhs.buffer_offset.get();
  require(reads_anything || is_data(bhs.initiator_task_tag.get(), offset, answer.data.data(), size),
          "read data is wrong");
  if (bhs.initiator_task_tag.get() == last_command_tag) outcome.data += answer.data;
  Sent* sent = this->sent(answer.bhs);
  if (sent == nullptr) return;
  require((sent->flags & kCommandRead) != 0, "Data-In for a command that is no read");
  require(!sent->over, "Data-In after the status");
  require(size != 0, "Data-In without data");
  require(size % 4 == 0 || answer.bhs.final(), "Data-In of no whole words inside a sequence");
  require(bhs.data_sn.get() == sent->data_sn++, "DataSN out of order");
  require(offset == sent->received, "Data-In with a gap or an overlap");
  sent->received += size;
  sent->burst += size;
  require(sent->received <= sent->length, "more data than expected");
  require(sent->burst <= max_burst_, "a sequence longer than MaxBurstLength");
  if (answer.bhs.final()) sent->burst = 0;
  if ((bhs.flags & kDataInStatus) == 0) return;
  require(answer.bhs.final(), "a status in a Data-In that is not final");
  ++statuses;
  ++good_statuses;
  note_outcome(answer);
  check_end(*sent, bhs.flags, bhs.residual_count.get());
}

// Data-In and SCSI Response have these fields at the same places.
void Peer::note_outcome(const Answer& answer) {
  const auto& bhs = answer.bhs.as<ScsiResponse>();
  if (bhs.initiator_task_tag.get() != last_command_tag) return;
  const bool is_response = answer.bhs.opcode() == Opcode::kScsiResponse;
  outcome.over = true;
  outcome.response = is_response ? bhs.response : 0;
  outcome.status = bhs.status;
  outcome.flags = bhs.flags & (kResponseOverflow | kResponseUnderflow);
  outcome.residual = bhs.residual_count.get();
  if (is_response && answer.data.size() > 2) outcome.sense = answer.data.substr(2);
}

// The status has come: all data is there but what is said to be missing.
void Peer::check_end(Sent& sent, uint8_t flags, uint32_t residual) {
  require(!sent.over, "a second status for a command");
  sent.over = true;
  const bool underflow = (flags & kResponseUnderflow) != 0;
  require(!underflow || (flags & kResponseOverflow) == 0, "overflow and underflow");
  if ((sent.flags & (kCommandRead | kCommandWrite)) != kCommandRead) return;
  require(sent.received + uint64_t{underflow ? residual : 0} == sent.length,
          "data and residual count do not add up");
}

void Peer::check_r2t(const Answer& answer) {
  const R2t& bhs = answer.bhs.as<R2t>();
  r2ts.push_back({bhs});
  Sent* sent = this->sent(answer.bhs);
  if (sent == nullptr) return;
  const uint64_t end = uint64_t{bhs.buffer_offset.get()} + bhs.desired_data_transfer_length.get();
  require((sent->flags & kCommandWrite) != 0, "an R2T for a command that is no write");
  require(!sent->over, "an R2T after the status");
  require(bhs.r2t_sn.get() == sent->r2t_sn++, "R2TSN out of order");
  require(bhs.target_transfer_tag.get() != kReservedTag, "an R2T without a tag");
  require(end <= sent->length, "an R2T beyond the expected length");
  const uint32_t desired = bhs.desired_data_transfer_length.get();
  require(desired != 0 && desired <= max_burst_, "an R2T of an illegal length");
  const auto of_command = std::count_if(r2ts.begin(), r2ts.end(), [&](const OpenR2t& other) {
    return other.bhs.initiator_task_tag.get() == bhs.initiator_task_tag.get();
  });
  require(of_command <= static_cast<long>(max_r2ts_), "more R2Ts than MaxOutstandingR2T");
}

void Peer::check_response(const Answer& answer) {
  const auto& bhs = answer.bhs.as<ScsiResponse>();
  std::erase_if(r2ts, [&](const OpenR2t& r2t) {
    return r2t.bhs.initiator_task_tag.get() == bhs.initiator_task_tag.get();
  });
  if (!answer.data.empty()) {
    const size_t sense = static_cast<size_t>(static_cast<uint8_t>(answer.data[0])) << 8 |
                         static_cast<uint8_t>(answer.data[1]);
    require(sense + 2 <= answer.data.size(), "SenseLength beyond the data segment");
  }
  ++statuses;
  note_outcome(answer);
  if (bhs.status == 0 && bhs.response == 0) ++good_statuses;
  if (Sent* sent = this->sent(answer.bhs)) check_end(*sent, bhs.flags, bhs.residual_count.get());
}

}  // namespace chiscsi::simulation
