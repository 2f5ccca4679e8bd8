// SPDX-License-Identifier: GPL-2.0-only
//
// See text_request.hh.
#include "target/login/text_request.hh"

#include "target/login/negotiation.hh"

namespace chiscsi {

namespace text_request_detail {

constexpr uint32_t tag_after(uint32_t tag) { return tag + 1 == iscsi::kReservedTag ? 1 : tag + 1; }

}  // namespace text_request_detail

TextExchange::TextExchange(TargetDirectory& directory, ConnectionParameters& parameters,
                           const DiscoveryContext& context, const TextLimits& limits)
    : directory_(directory),
      parameters_(parameters),
      context_(context),
      limits_(limits),
      text_(limits.max_text_bytes),
      answer_(limits.max_answer_bytes),
      seen_(limits.max_keys) {}

void TextExchange::reset() {
  state_ = State::kIdle;
  text_.reset();
  answer_.reset();
  answered_ = 0;
  response_data_ = {};
}

TextExchange::Step TextExchange::on_request(const iscsi::TextRequest& request, Bytes data) {
  if (request.target_transfer_tag.get() == iscsi::kReservedTag) open(request);
  const Verdict checked = check(request);
  if (!checked.is_ok()) return reject(checked);
  const bool final = (request.flags & iscsi::kFinalBit) != 0;
  const bool more_follows = (request.flags & iscsi::kTextContinue) != 0;
  if (state_ == State::kAnswering) {
    if (!data.empty() || more_follows) return reject({.text = "text in the middle of an answer"});
    return send_part(final);
  }
  const Verdict gathered = gather(data);
  if (!gathered.is_ok()) return reject(gathered);
  if (more_follows) return respond(0, {}, State::kGathering);
  const Verdict processed = process_text();
  return processed.is_ok() ? send_part(final) : reject(processed);
}

// A new exchange; whatever was open is forgotten (section 11.10.4).
void TextExchange::open(const iscsi::TextRequest& request) {
  reset();
  state_ = State::kNegotiating;
  initiator_task_tag_ = request.initiator_task_tag.get();
  opcode_byte_ = request.opcode_byte;
  target_transfer_tag_ = iscsi::kReservedTag;
  requests_ = 0;
  new_max_send_ = 0;
  seen_.clear();
}

TextExchange::Verdict TextExchange::check(const iscsi::TextRequest& request) const {
  const auto invalid = iscsi::RejectReason::kInvalidPduField;
  if (state_ == State::kIdle || request.target_transfer_tag.get() != target_transfer_tag_) {
    return {invalid, "no exchange with this Target Transfer Tag"};
  }
  if (request.initiator_task_tag.get() != initiator_task_tag_) {
    return {invalid, "Initiator Task Tag changed"};
  }
  if (request.opcode_byte != opcode_byte_) return {invalid, "immediate bit changed"};
  const uint8_t both = iscsi::kFinalBit | iscsi::kTextContinue;
  if ((request.flags & both) == both) return {.text = "F and C bit together"};
  return {};
}

TextExchange::Verdict TextExchange::gather(Bytes data) {
  if (state_ != State::kGathering) {
    text_.clear();
    text_pdus_ = 0;
  }
  if (++requests_ > limits_.max_requests) return {.text = "negotiation without end"};
  if (++text_pdus_ > limits_.max_text_pdus) return {.text = "text in too many requests"};
  const Status status = text_.append(data);
  if (status.is_ok()) return {};
  return {iscsi::RejectReason::kOutOfResources, "text too long or no memory for it"};
}

TextExchange::Verdict TextExchange::process_text() {
  answer_.clear();
  answered_ = 0;
  offered_.clear();
  TextWriter answer(answer_);
  const char* problem = collect_keys(text_.bytes(), seen_, offered_, answer);
  if (problem != nullptr) return {.text = problem};
  for (const KeyInfo& info : key_table()) {
    if (!offered_.has(info.key)) continue;
    const Verdict verdict = take_key(info, offered_.value(info.key), answer);
    if (!verdict.is_ok()) return verdict;
  }
  if (answer.is_complete()) return {};
  return {iscsi::RejectReason::kOutOfResources, "the answer is too long"};
}

TextExchange::Verdict TextExchange::take_key(const KeyInfo& info, Text value, TextWriter& answer) {
  if (!info.allows(kInFullFeature)) return {.text = "a key of the login phase"};
  if (!info.has(kByInitiator)) {
    // "NotUnderstood" for what we declared is no declaration.
    return is_answer_word(value) ? Verdict()
                                 : Verdict{.text = "a key that is the target's to send"};
  }
  switch (info.key) {
    case TextKey::kSendTargets:
      return send_targets(value, answer);
    case TextKey::kMaxRecvDataSegmentLength:
      return take_receive_limit(value);
    default:
      return {};  // Declarations that change nothing for us.
  }
}

TextExchange::Verdict TextExchange::take_receive_limit(Text value) {
  if (parse_receive_limit(value, &new_max_send_)) return {};
  return {.text = "MaxRecvDataSegmentLength out of range"};
}

// SendTargets comes alone (appendix C): anything else in the text would get lost in the list.
TextExchange::Verdict TextExchange::send_targets(Text value, TextWriter& answer) {
  if (offered_.count() != 1 || answer.size() != 0) return {.text = "SendTargets is not alone"};
  switch (answer_send_targets(value, context_, directory_, answer)) {
    case SendTargetsResult::kAnswered:
      return {};
    case SendTargetsResult::kBadValue:
      return {.text = "bad value of SendTargets"};
    default:
      return {iscsi::RejectReason::kOutOfResources, "the list of targets is too long"};
  }
}

// Sends the next part of the answer, or all of it. The exchange ends when nothing is left and the
// peer is done.
TextExchange::Step TextExchange::send_part(bool peer_is_done) {
  const Bytes rest = answer_.bytes().skip(answered_);
  const Bytes part = rest.first(text_part_size(rest, parameters_.max_send_data_segment_length));
  answered_ += part.size();
  if (part.size() < rest.size()) return respond(iscsi::kTextContinue, part, State::kAnswering);
  if (!peer_is_done) return respond(0, part, State::kNegotiating);
  if (new_max_send_ != 0) {
    const uint32_t limit = limits_.max_send_data_segment_length;
    parameters_.max_send_data_segment_length = new_max_send_ < limit ? new_max_send_ : limit;
  }
  return respond(iscsi::kFinalBit, part, State::kIdle);
}

TextExchange::Step TextExchange::respond(uint8_t flags, Bytes data, State next) {
  state_ = next;
  target_transfer_tag_ = iscsi::kReservedTag;
  if (next != State::kIdle) {
    target_transfer_tag_ = next_tag_;
    next_tag_ = text_request_detail::tag_after(next_tag_);
  }
  response_ = {};
  response_.opcode_byte = static_cast<uint8_t>(iscsi::Opcode::kTextResponse);
  response_.flags = flags;
  response_.data_segment_length = static_cast<uint32_t>(data.size());
  response_.initiator_task_tag = initiator_task_tag_;
  response_.target_transfer_tag = target_transfer_tag_;
  response_data_ = data;
  return Step::kRespond;
}

TextExchange::Step TextExchange::reject(const Verdict& verdict) {
  reset();
  reject_reason_ = verdict.reason;
  reason_ = verdict.text;
  return Step::kReject;
}

}  // namespace chiscsi
