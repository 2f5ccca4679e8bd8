// SPDX-License-Identifier: GPL-2.0-only
//
// See initiator.hh.
#include "initiator.hh"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "os/digest.h"

namespace chiscsi::test {

using namespace iscsi;

namespace {

using Clock = std::chrono::steady_clock;

void put_lun(uint8_t (&field)[8], uint64_t lun) {
  // Up to 255 by peripheral addressing, else flat; a test that wants more writes the field itself.
  field[0] = static_cast<uint8_t>(lun > 255 ? 0x40 | ((lun >> 8) & 0x3f) : 0);
  field[1] = static_cast<uint8_t>(lun);
}

void append_digest(ByteVector& wire, size_t from, bool spoil) {
  uint32_t crc = ~os_crc32c(~0u, wire.data() + from, wire.size() - from);
  if (spoil) crc ^= 0x00010000;
  for (int i = 0; i < 4; ++i)
    wire.push_back(static_cast<uint8_t>(crc >> (8 * i)));
}

// Responses that carry a StatSN of their own (RFC 7143 s4.2.2.2); R2Ts and pings only show the
// next.
bool counts_stat_sn(const Pdu& pdu) {
  switch (pdu.opcode()) {
    case Opcode::kR2t:
      return false;
    case Opcode::kDataIn:
      return (pdu.bhs.flags & kDataInStatus) != 0;
    case Opcode::kNopIn:
      return pdu.task_tag() != kReservedTag;
    default:
      return true;
  }
}

}  // namespace

// ---- Pdu ----

std::multimap<std::string, std::string> Pdu::keys() const {
  std::multimap<std::string, std::string> result;
  for (auto at = data.begin(); at != data.end();) {
    const auto end = std::find(at, data.end(), 0);
    const auto equals = std::find(at, end, '=');
    if (equals != end) result.emplace(std::string(at, equals), std::string(equals + 1, end));
    at = end == data.end() ? end : end + 1;
  }
  return result;
}

void Pdu::set_keys(const KeyList& keys) {
  data.clear();
  for (const auto& [key, value] : keys) {
    const std::string pair = key + "=" + value;
    data.insert(data.end(), pair.begin(), pair.end());
    data.push_back(0);
  }
}

std::string LoginResult::key(const std::string& name) const {
  const auto found = keys.find(name);
  return found == keys.end() ? std::string() : found->second;
}

// ---- The connection ----

Initiator::~Initiator() { disconnect(); }

uint16_t Initiator::local_port() const { return stream_ != nullptr ? stream_->local_port() : 0; }

void Initiator::disconnect() { end_stream(false); }

void Initiator::disconnect_with_reset() { end_stream(true); }

void Initiator::end_stream(bool reset) {
  if (stream_ != nullptr) stream_->close(reset);
  stream_.reset();
}

bool Initiator::send_bytes(const ByteVector& bytes, size_t portion) {
  for (size_t at = 0; at < bytes.size();) {
    const size_t left = bytes.size() - at;
    const size_t size = portion == 0 ? left : std::min(left, portion);
    if (stream_ == nullptr || !stream_->send(bytes.data() + at, size)) return false;
    at += size;
  }
  return true;
}

ByteVector Initiator::to_wire(Pdu pdu) const {
  pdu.bhs.total_ahs_length = static_cast<uint8_t>(pdu.ahs.size() / 4);
  pdu.bhs.data_segment_length = static_cast<uint32_t>(pdu.data.size());
  ByteVector wire(kBhsSize);
  memcpy(wire.data(), &pdu.bhs, kBhsSize);
  wire.insert(wire.end(), pdu.ahs.begin(), pdu.ahs.end());
  if (header_digest) append_digest(wire, 0, spoil_header_digest);
  const size_t data_at = wire.size();
  wire.insert(wire.end(), pdu.data.begin(), pdu.data.end());
  wire.resize(wire.size() + pad_of(static_cast<uint32_t>(pdu.data.size())));
  if (data_digest && !pdu.data.empty()) append_digest(wire, data_at, spoil_data_digest);
  return wire;
}

// Until `bytes` unused ones are there.
bool Initiator::fill(size_t bytes, unsigned limit_ms) {
  if (used_ != 0 && used_ == received_.size()) {
    received_.clear();
    used_ = 0;
  }
  const auto deadline = Clock::now() + std::chrono::milliseconds(limit_ms);
  while (received_.size() - used_ < bytes) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    uint8_t buffer[65536];
    const long got =
        stream_ == nullptr
            ? 0
            : stream_->receive(buffer, sizeof(buffer), left < 0 ? 0 : static_cast<unsigned>(left));
    if (got < 0) return false;
    if (got == 0) {
      disconnect();
      return false;
    }
    received_.insert(received_.end(), buffer, buffer + got);
  }
  return true;
}

// Checks the digest that follows the `covered` bytes from used_ on.
bool Initiator::take_digest(size_t covered, bool on, const char* what) {
  if (!on) return true;
  const uint32_t crc = ~os_crc32c(~0u, received_.data() + used_, covered);
  const uint8_t* digest = received_.data() + used_ + covered;
  for (int i = 0; i < 4; ++i) {
    if (digest[i] != static_cast<uint8_t>(crc >> (8 * i))) {
      problems_.push_back(std::string("wrong ") + what + " digest");
      return false;
    }
  }
  return true;
}

std::optional<Pdu> Initiator::receive(unsigned limit_ms) {
  if (!waiting_.empty()) {
    Pdu pdu = std::move(waiting_.front());
    waiting_.pop_front();
    return pdu;
  }
  if (stream_ == nullptr || !fill(kBhsSize, limit_ms)) return {};
  Pdu pdu;
  memcpy(&pdu.bhs, received_.data() + used_, kBhsSize);
  const size_t header = kBhsSize + pdu.bhs.total_ahs_length * 4u;
  const uint32_t length = pdu.bhs.data_segment_length.get();
  const size_t padded = length + pad_of(length);
  const size_t header_extra = header_digest ? kDigestSize : 0;
  const size_t data_extra = data_digest && length != 0 ? kDigestSize : 0;
  if (!fill(header + header_extra + padded + data_extra, kLimitMs)) {
    problems_.push_back("the connection ended inside a PDU");
    return {};
  }
  if (!take_digest(header, header_digest, "header")) return {};
  pdu.ahs.assign(received_.begin() + static_cast<long>(used_ + kBhsSize),
                 received_.begin() + static_cast<long>(used_ + header));
  used_ += header + header_extra;
  if (!take_digest(padded, data_extra != 0, "data")) return {};
  pdu.data.assign(received_.begin() + static_cast<long>(used_),
                  received_.begin() + static_cast<long>(used_ + length));
  used_ += padded + data_extra;
  note_numbers(pdu);
  return pdu;
}

void Initiator::note_numbers(const Pdu& pdu) {
  const auto& numbers = pdu.as<ResponseNumbers>();
  const bool has_stat_sn = pdu.opcode() != Opcode::kDataIn || counts_stat_sn(pdu);
  if (has_stat_sn && pdu.opcode() != Opcode::kLoginResponse && check_numbers && stat_sn_known_ &&
      numbers.stat_sn.get() != exp_stat_sn) {
    problems_.push_back("StatSN " + std::to_string(numbers.stat_sn.get()) + " instead of " +
                        std::to_string(exp_stat_sn) + " in opcode " +
                        std::to_string(static_cast<int>(pdu.opcode())));
  }
  if (counts_stat_sn(pdu)) {
    exp_stat_sn = numbers.stat_sn.get() + 1;
    stat_sn_known_ = true;
  }
  const uint32_t window = numbers.max_cmd_sn.get() - numbers.exp_cmd_sn.get() + 1;
  if (check_numbers && pdu.opcode() != Opcode::kLoginResponse && window > 65536) {
    problems_.push_back("a command window of " + std::to_string(window));
  }
  exp_cmd_sn = numbers.exp_cmd_sn.get();
  max_cmd_sn = numbers.max_cmd_sn.get();
}

std::optional<Pdu> Initiator::receive_opcode(Opcode opcode, unsigned limit_ms) {
  std::deque<Pdu> others;
  std::optional<Pdu> found;
  while (auto pdu = receive(limit_ms)) {
    if (pdu->opcode() == opcode) {
      found = std::move(pdu);
      break;
    }
    others.push_back(std::move(*pdu));
  }
  waiting_.insert(waiting_.begin(), std::make_move_iterator(others.begin()),
                  std::make_move_iterator(others.end()));
  return found;
}

std::optional<Pdu> Initiator::receive_for(uint32_t task_tag, unsigned limit_ms) {
  std::deque<Pdu> others;
  std::optional<Pdu> found;
  while (auto pdu = receive(limit_ms)) {
    if (pdu->task_tag() == task_tag) {
      found = std::move(pdu);
      break;
    }
    others.push_back(std::move(*pdu));
  }
  waiting_.insert(waiting_.begin(), std::make_move_iterator(others.begin()),
                  std::make_move_iterator(others.end()));
  return found;
}

bool Initiator::closed_by_target(unsigned limit_ms) {
  const auto deadline = Clock::now() + std::chrono::milliseconds(limit_ms);
  waiting_.clear();
  while (connected() && Clock::now() < deadline) {
    used_ = received_.size();
    fill(1, limit_ms);
  }
  return !connected();
}

bool Initiator::is_silent(unsigned for_ms) {
  auto pdu = receive(for_ms);
  if (!pdu) return connected();
  waiting_.push_front(std::move(*pdu));
  return false;
}

// ---- PDUs ----

Pdu Initiator::make(Opcode opcode, bool immediate) {
  Pdu pdu;
  pdu.bhs.opcode_byte = static_cast<uint8_t>(opcode) | (immediate ? kImmediateBit : 0);
  pdu.bhs.flags = kFinalBit;
  pdu.bhs.initiator_task_tag = next_task_tag++;
  auto& numbers = pdu.as<RequestNumbers>();
  numbers.cmd_sn = immediate ? cmd_sn : cmd_sn++;
  numbers.exp_stat_sn = exp_stat_sn;
  return pdu;
}

namespace {
// RFC 7143 section 11.2.2.3: what of the CDB is behind its first 16 bytes, padded to words.
ByteVector extended_cdb(const ByteVector& cdb) {
  const size_t length = cdb.size() - 15;  // With the reserved byte.
  ByteVector segment = {static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 1, 0};
  segment.insert(segment.end(), cdb.begin() + 16, cdb.end());
  segment.resize((segment.size() + 3) / 4 * 4);
  return segment;
}
}  // namespace

Pdu Initiator::make_command(const ByteVector& cdb, uint32_t length, uint8_t flags, uint64_t lun) {
  Pdu pdu = make(Opcode::kScsiCommand);
  auto& command = pdu.as<ScsiCommand>();
  command.flags = kFinalBit | flags | 1;  // Simple.
  put_lun(command.lun, lun);
  command.expected_data_transfer_length = length;
  std::copy_n(cdb.begin(), std::min<size_t>(cdb.size(), 16), command.cdb);
  if (cdb.size() > 16) pdu.ahs = extended_cdb(cdb);
  return pdu;
}

Pdu Initiator::make_data_out(const Pdu& command, uint32_t target_transfer_tag, uint32_t data_sn,
                             uint32_t offset, const ByteVector& data, bool final) {
  Pdu pdu;
  auto& data_out = pdu.as<DataOut>();
  data_out.opcode_byte = static_cast<uint8_t>(Opcode::kDataOut);
  data_out.flags = final ? kFinalBit : 0;
  // Set with a valid transfer tag only (RFC 7143 s11.7.4); harmless otherwise.
  memcpy(data_out.lun, command.bhs.lun, sizeof(data_out.lun));
  data_out.initiator_task_tag = command.task_tag();
  data_out.target_transfer_tag = target_transfer_tag;
  data_out.exp_stat_sn = exp_stat_sn;
  data_out.data_sn = data_sn;
  data_out.buffer_offset = offset;
  pdu.data = data;
  return pdu;
}

Pdu Initiator::make_task_management(uint8_t function, uint32_t referenced_tag, uint64_t lun) {
  Pdu pdu = make(Opcode::kTaskManagementRequest, true);
  auto& request = pdu.as<TaskManagementRequest>();
  request.function = kFinalBit | function;
  put_lun(request.lun, lun);
  request.referenced_task_tag = referenced_tag;
  request.ref_cmd_sn = cmd_sn - 1;
  return pdu;
}

// ---- A correct initiator ----

LoginResult Initiator::login(const LoginOptions& options) {
  LoginResult result;
  KeyList keys = {{"InitiatorName", options.initiator_name}};
  if (!options.target_name.empty()) keys.emplace_back("TargetName", options.target_name);
  if (!options.session_type.empty()) keys.emplace_back("SessionType", options.session_type);
  keys.insert(keys.end(), options.keys.begin(), options.keys.end());

  auto stage = static_cast<uint8_t>(options.first_stage);
  const uint32_t task_tag = next_task_tag++;
  for (int round = 0; round < 20; ++round) {
    Pdu pdu;
    auto& request = pdu.as<LoginRequest>();
    const bool in_security = stage == static_cast<uint8_t>(Stage::kSecurity);
    const uint8_t next = in_security ? 1 : 3;
    request.opcode_byte = static_cast<uint8_t>(Opcode::kLoginRequest) | kImmediateBit;
    request.flags = static_cast<uint8_t>(kLoginTransit | stage << 2 | next);
    memcpy(request.isid, options.isid, 6);
    request.tsih = options.tsih;  // 0 until the final response of a new session, s11.12.6.
    request.initiator_task_tag = task_tag;
    request.cid = options.cid;
    request.cmd_sn = cmd_sn;
    request.exp_stat_sn = exp_stat_sn;
    pdu.set_keys(keys);
    if (!send(pdu)) return result;
    const auto answer = receive();
    if (!answer || answer->opcode() != Opcode::kLoginResponse) return result;
    login_done(result, *answer);
    if (result.status != 0 || result.in_full_feature) return result;
    const auto& response = answer->as<LoginResponse>();
    if ((response.flags & kLoginTransit) != 0) stage = response.flags & 3;
    keys = options.next_round ? options.next_round(*answer) : KeyList();
  }
  return result;
}

void Initiator::login_done(LoginResult& result, const Pdu& pdu) {
  const auto& response = pdu.as<LoginResponse>();
  result.answered = true;
  result.status = static_cast<uint16_t>(response.status_class << 8 | response.status_detail);
  for (const auto& pair : pdu.keys())
    result.keys.insert(pair);
  if (result.status != 0 || (response.flags & kLoginTransit) == 0 || (response.flags & 3) != 3) {
    return;
  }
  result.in_full_feature = true;
  result.tsih = response.tsih.get();
  header_digest = result.key("HeaderDigest") == "CRC32C";
  data_digest = result.key("DataDigest") == "CRC32C";
  const std::string longest = result.key("MaxRecvDataSegmentLength");
  if (!longest.empty()) longest_segment_ = static_cast<uint32_t>(std::stoul(longest));
}

KeyList Initiator::send_targets(const std::string& what) {
  Pdu request = make(Opcode::kTextRequest);
  request.as<TextRequest>().target_transfer_tag = kReservedTag;
  request.set_keys({{"SendTargets", what}});
  KeyList result;
  while (send(request)) {
    const auto answer = receive_opcode(Opcode::kTextResponse);
    if (!answer) break;
    // In order, which a multimap would not keep.
    for (auto at = answer->data.begin(); at != answer->data.end();) {
      const auto end = std::find(at, answer->data.end(), 0);
      const auto equals = std::find(at, end, '=');
      if (equals != end) result.emplace_back(std::string(at, equals), std::string(equals + 1, end));
      at = end == answer->data.end() ? end : end + 1;
    }
    const auto& response = answer->as<TextResponse>();
    if ((response.flags & kFinalBit) != 0) break;
    request = make(Opcode::kTextRequest);
    request.bhs.initiator_task_tag = answer->task_tag();
    request.as<TextRequest>().target_transfer_tag = response.target_transfer_tag.get();
  }
  return result;
}

bool Initiator::send_burst(const Pdu& command, uint32_t tag, const ByteVector& data,
                           uint32_t offset, uint32_t length, uint32_t segment) {
  uint32_t data_sn = 0;
  segment = std::min(segment, longest_segment_);
  for (const uint32_t end = offset + length; offset < end;) {
    const uint32_t size = std::min(segment, end - offset);
    const ByteVector part(data.begin() + offset, data.begin() + offset + size);
    offset += size;
    const Pdu pdu = make_data_out(command, tag, data_sn++, offset - size, part, offset == end);
    if (!send(pdu)) return false;
  }
  return true;
}

// Takes everything that belongs to a command which was sent: Data-In, R2Ts (answered from `data`)
// and the response.
Outcome Initiator::finish(const Pdu& command, const ByteVector* data, uint32_t segment) {
  Outcome outcome;
  while (auto pdu = receive_for(command.task_tag())) {
    if (pdu->opcode() == Opcode::kR2t) {
      const R2t r2t = pdu->as<R2t>();
      if (r2t.r2t_sn.get() != outcome.r2ts.size()) problems_.push_back("R2TSN out of order");
      outcome.r2ts.push_back(r2t);
      const uint32_t end = r2t.buffer_offset.get() + r2t.desired_data_transfer_length.get();
      if (data == nullptr || end > data->size()) {
        problems_.push_back("an R2T for data that is not there");
        return outcome;
      }
      send_burst(command, r2t.target_transfer_tag.get(), *data, r2t.buffer_offset.get(),
                 r2t.desired_data_transfer_length.get(), segment);
    } else if (pdu->opcode() == Opcode::kDataIn) {
      const auto& data_in = pdu->as<DataIn>();
      if (data_in.data_sn.get() != outcome.data_in_pdus) problems_.push_back("DataSN out of order");
      if (data_in.buffer_offset.get() != outcome.data.size()) {
        problems_.push_back("Data-In out of order");
      }
      ++outcome.data_in_pdus;
      outcome.data.insert(outcome.data.end(), pdu->data.begin(), pdu->data.end());
      if ((data_in.flags & kDataInStatus) != 0) {
        outcome.answered = true;
        outcome.response = 0;
        outcome.status = data_in.status;
        outcome.flags = data_in.flags & (kResponseOverflow | kResponseUnderflow);
        outcome.residual = data_in.residual_count.get();
        return outcome;
      }
    } else if (pdu->opcode() == Opcode::kScsiResponse) {
      const auto& response = pdu->as<ScsiResponse>();
      outcome.answered = true;
      outcome.response = response.response;
      outcome.status = response.status;
      outcome.flags = response.flags & 0x1e;
      outcome.residual = response.residual_count.get();
      outcome.exp_data_sn = response.exp_data_sn.get();
      if (pdu->data.size() > 2) outcome.sense.assign(pdu->data.begin() + 2, pdu->data.end());
      return outcome;
    } else {
      problems_.push_back("opcode " + std::to_string(static_cast<int>(pdu->opcode())) +
                          " for a command");
      return outcome;
    }
  }
  return outcome;
}

Outcome Initiator::no_data(const ByteVector& cdb, uint64_t lun) {
  const Pdu command = make_command(cdb, 0, 0, lun);
  return send(command) ? finish(command) : Outcome();
}

Outcome Initiator::read(const ByteVector& cdb, uint32_t length, uint64_t lun) {
  const Pdu command = make_command(cdb, length, kCommandRead, lun);
  return send(command) ? finish(command) : Outcome();
}

Outcome Initiator::write(const ByteVector& cdb, const ByteVector& data, const WriteShape& shape,
                         uint64_t lun) {
  Pdu command = make_command(cdb, static_cast<uint32_t>(data.size()), kCommandWrite, lun);
  if (shape.unsolicited != 0) command.bhs.flags &= static_cast<uint8_t>(~kFinalBit);
  command.data.assign(data.begin(), data.begin() + shape.immediate);
  if (!send(command)) return {};
  if (!send_burst(command, kReservedTag, data, shape.immediate, shape.unsolicited, shape.segment)) {
    return {};
  }
  return finish(command, &data, shape.segment);
}

std::optional<uint8_t> Initiator::task_management(uint8_t function, uint32_t referenced_tag,
                                                  uint64_t lun) {
  const Pdu request = make_task_management(function, referenced_tag, lun);
  if (!send(request)) return {};
  const auto answer = receive_for(request.task_tag());
  if (!answer || answer->opcode() != Opcode::kTaskManagementResponse) return {};
  return answer->as<TaskManagementResponse>().response;
}

std::optional<uint8_t> Initiator::logout(uint8_t reason) {
  Pdu request = make(Opcode::kLogoutRequest, true);
  request.as<LogoutRequest>().reason = kFinalBit | reason;
  if (!send(request)) return {};
  const auto answer = receive_for(request.task_tag());
  if (!answer || answer->opcode() != Opcode::kLogoutResponse) return {};
  return answer->as<LogoutResponse>().response;
}

bool Initiator::ping(const ByteVector& data) {
  Pdu request = make(Opcode::kNopOut, true);
  request.as<NopOut>().target_transfer_tag = kReservedTag;
  request.data = data;
  if (!send(request)) return false;
  const auto answer = receive_for(request.task_tag());
  return answer && answer->opcode() == Opcode::kNopIn && answer->data == data;
}

// ---- CDBs and data ----

ByteVector inquiry_cdb(uint16_t length) {
  return {0x12, 0, 0, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 0};
}

ByteVector test_unit_ready_cdb() { return {0, 0, 0, 0, 0, 0}; }

namespace {
ByteVector cdb10(uint8_t opcode, uint32_t block, uint16_t blocks) {
  return {opcode,
          0,
          static_cast<uint8_t>(block >> 24),
          static_cast<uint8_t>(block >> 16),
          static_cast<uint8_t>(block >> 8),
          static_cast<uint8_t>(block),
          0,
          static_cast<uint8_t>(blocks >> 8),
          static_cast<uint8_t>(blocks),
          0};
}
}  // namespace

ByteVector read10_cdb(uint32_t block, uint16_t blocks) { return cdb10(0x28, block, blocks); }
ByteVector write10_cdb(uint32_t block, uint16_t blocks) { return cdb10(0x2a, block, blocks); }

ByteVector pattern(size_t size, unsigned seed) {
  ByteVector data(size);
  for (size_t i = 0; i < size; ++i) {
    data[i] = static_cast<uint8_t>((i * 2654435761u >> 13) + i + seed * 37);
  }
  return data;
}

}  // namespace chiscsi::test
