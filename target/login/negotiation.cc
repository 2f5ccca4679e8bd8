// SPDX-License-Identifier: GPL-2.0-only
//
// See negotiation.hh. One answer function per kind of key; the key table says which key is of which
// kind and where its value lives.
#include "target/login/negotiation.hh"

#include "target/config/number.hh"
#include "target/config/word_list.hh"

namespace chiscsi {

namespace negotiation_detail {

constexpr Text kReject("Reject", 6);
constexpr Text kIrrelevant("Irrelevant", 10);

// What two numbers or two booleans become by the rule of a key.
uint32_t combine(KeyKind kind, uint32_t a, uint32_t b) {
  const bool lower = kind == KeyKind::kMinimum;
  return (a < b) == lower ? a : b;
}
bool combine(KeyKind kind, bool a, bool b) { return kind == KeyKind::kAnd ? a && b : a || b; }

bool is_digest_key(TextKey key) {
  return key == TextKey::kHeaderDigest || key == TextKey::kDataDigest;
}

// The digests of `list` that the transport can do.
DigestChoice usable(const DigestChoice& list, bool crc32c) {
  DigestChoice result;
  for (uint8_t i = 0; i < list.size(); ++i) {
    if (crc32c || list[i] != DigestType::kCrc32c) result.add(list[i]);
  }
  return result;
}

uint32_t lower(uint32_t a, uint32_t b) { return a < b ? a : b; }

}  // namespace negotiation_detail

bool parse_receive_limit(Text value, uint32_t* bytes) {
  const KeyInfo& info = key_info(TextKey::kMaxRecvDataSegmentLength);
  return parse_number_in_range(value, NumberSyntax::kDecimalOrHex, info.minimum, info.maximum,
                               bytes);
}

void Negotiation::start(const NegotiationSettings& ours) {
  namespace detail = negotiation_detail;
  ours_ = ours;
  ours_.session.max_connections = detail::lower(ours.session.max_connections, kMaxConnectionsLimit);
  ours_.session.max_outstanding_r2t =
      detail::lower(ours.session.max_outstanding_r2t, kMaxOutstandingR2tLimit);
  ours_.session.protocol_level = kProtocolLevel;
  ours_.header_digests = detail::usable(ours.header_digests, ours.limits.header_digest);
  ours_.data_digests = detail::usable(ours.data_digests, ours.limits.data_digest);
  ours_.max_recv_data_segment_length =
      detail::lower(ours.max_recv_data_segment_length, ours.limits.max_recv_data_segment_length);
  agreed_ = ours.leading ? SessionKeys() : ours.session;
}

LoginVerdict Negotiation::take(const KeyInfo& info, Text value, TextWriter& answer) {
  namespace detail = negotiation_detail;
  if (state(info) == KeyState::kOffered) return take_answer(info, value);
  // A peer may say that it does not know what we declared; nothing follows from that.
  if (info.kind == KeyKind::kDeclaredSize && is_answer_word(value) && receive_limit_declared_) {
    return LoginVerdict::ok();
  }
  if (is_answer_word(value))
    return LoginVerdict::initiator_error("is offered an answer", info.name.data());
  if (info.kind == KeyKind::kDeclaredSize) return take_declared_size(info, value);
  state(info) = KeyState::kSettled;
  if (ours_.discovery && info.has(kIrrelevantInDiscovery)) {
    answer.pair(info.name, detail::kIrrelevant);
  } else if (!ours_.leading && info.has(kLeadingOnly)) {
    answer.pair(info.name, detail::kReject);  // The session keeps the value it has.
  } else if (info.kind == KeyKind::kAnswerNo) {
    answer.pair(info.name, boolean_text(false));
  } else if (info.kind == KeyKind::kList) {
    answer_list(info, value, answer);
  } else if (info.number != nullptr) {
    answer_number(info, value, answer);
  } else if (info.boolean != nullptr) {
    answer_boolean(info, value, answer);
  } else {
    answer.pair(info.name, detail::kReject);
  }
  return LoginVerdict::ok();
}

LoginVerdict Negotiation::take_declared_size(const KeyInfo& info, Text value) {
  uint32_t declared = 0;
  if (!parse_receive_limit(value, &declared)) {
    return LoginVerdict::initiator_error("out of range", info.name.data());
  }
  state(info) = KeyState::kSettled;
  max_send_ = declared;
  return LoginVerdict::ok();
}

// FirstBurstLength must not exceed the MaxBurstLength agreed on; that key is decided earlier.
uint32_t Negotiation::our_number(const KeyInfo& info) const {
  const uint32_t ours = ours_.session.*info.number;
  if (info.key != TextKey::kFirstBurstLength) return ours;
  return negotiation_detail::lower(ours, agreed_.max_burst_length);
}

void Negotiation::answer_number(const KeyInfo& info, Text value, TextWriter& answer) {
  uint32_t offer = 0;
  if (!parse_number_in_range(value, NumberSyntax::kDecimalOrHex, info.minimum, info.maximum,
                             &offer)) {
    return answer.pair(info.name, negotiation_detail::kReject);
  }
  agreed_.*info.number = negotiation_detail::combine(info.kind, offer, our_number(info));
  answer.number(info.name, agreed_.*info.number);
}

void Negotiation::answer_boolean(const KeyInfo& info, Text value, TextWriter& answer) {
  bool offer = false;
  if (!parse_boolean(value, &offer)) return answer.pair(info.name, negotiation_detail::kReject);
  agreed_.*info.boolean =
      negotiation_detail::combine(info.kind, offer, ours_.session.*info.boolean);
  answer.pair(info.name, boolean_text(agreed_.*info.boolean));
}

const DigestChoice& Negotiation::our_digests(const KeyInfo& info) const {
  return info.key == TextKey::kHeaderDigest ? ours_.header_digests : ours_.data_digests;
}
DigestType& Negotiation::agreed_digest(const KeyInfo& info) {
  return info.key == TextKey::kHeaderDigest ? header_digest_ : data_digest_;
}
DigestType Negotiation::agreed_digest(const KeyInfo& info) const {
  return info.key == TextKey::kHeaderDigest ? header_digest_ : data_digest_;
}

// Takes `word` as the value of a list key if we support it.
bool Negotiation::accept_word(const KeyInfo& info, Text word) {
  if (info.key == TextKey::kTaskReporting) {
    TaskReporting reporting = TaskReporting::kRfc3720;
    if (!parse_task_reporting(word, &reporting) || !kOurTaskReporting.contains(reporting)) {
      return false;
    }
    agreed_.task_reporting = reporting;
    return true;
  }
  DigestType digest = DigestType::kNone;
  if (!parse_digest(word, &digest) || !our_digests(info).contains(digest)) return false;
  agreed_digest(info) = digest;
  return true;
}

void Negotiation::answer_list(const KeyInfo& info, Text value, TextWriter& answer) {
  WordList words(value);
  for (Text word; words.next(&word);) {
    if (accept_word(info, word)) return answer.pair(info.name, word);
  }
  answer.pair(info.name, negotiation_detail::kReject);
}

// --- Offers of our own ---

bool Negotiation::our_limit_holds(const KeyInfo& info) const {
  if (!info.has(kOurLimitHolds)) return true;
  if (negotiation_detail::is_digest_key(info.key)) {
    return our_digests(info).contains(agreed_digest(info));
  }
  // The session of a joining connection has its values; in discovery no data moves.
  if (ours_.discovery || !ours_.leading) return true;
  if (info.key == TextKey::kFirstBurstLength && !unsolicited_data()) return true;
  if (info.number != nullptr) return agreed_.*info.number <= our_number(info);
  return !(agreed_.*info.boolean) || ours_.session.*info.boolean;
}

bool Negotiation::has_offers_to_make() const {
  for (const KeyInfo& info : key_table()) {
    if (state(info) == KeyState::kUntouched && !our_limit_holds(info)) return true;
  }
  return false;
}

void Negotiation::make_offers(TextWriter& answer) {
  for (const KeyInfo& info : key_table()) {
    if (state(info) != KeyState::kUntouched || our_limit_holds(info)) continue;
    state(info) = KeyState::kOffered;
    if (info.number != nullptr) {
      answer.number(info.name, our_number(info));
    } else if (info.boolean != nullptr) {
      answer.pair(info.name, boolean_text(ours_.session.*info.boolean));
    } else {
      answer.begin(info.name);
      const DigestChoice& digests = our_digests(info);
      for (uint8_t i = 0; i < digests.size(); ++i) {
        if (i != 0) answer.add(",");
        answer.add(digest_text(digests[i]));
      }
      answer.end();
    }
  }
}

bool Negotiation::awaits_answer() const {
  for (const KeyState state : states_) {
    if (state == KeyState::kOffered) return true;
  }
  return false;
}

LoginVerdict Negotiation::take_answer(const KeyInfo& info, Text value) {
  state(info) = KeyState::kSettled;
  // A refusal leaves the default in force, and check() says whether we can live with it.
  if (is_answer_word(value)) return LoginVerdict::ok();
  bool admissible = false;
  if (info.number != nullptr) {
    admissible = parse_number_in_range(value, NumberSyntax::kDecimalOrHex, info.minimum,
                                       our_number(info), &(agreed_.*info.number));
  } else if (info.boolean != nullptr) {
    admissible = parse_boolean(value, &(agreed_.*info.boolean)) && our_limit_holds(info);
  } else {
    admissible = accept_word(info, value);
  }
  return admissible ? LoginVerdict::ok()
                    : LoginVerdict::initiator_error("bad answer to our offer", info.name.data());
}

void Negotiation::declare_receive_limit(TextWriter& answer) {
  if (receive_limit_declared_) return;
  receive_limit_declared_ = true;
  max_recv_ = ours_.max_recv_data_segment_length;
  answer.number(key_info(TextKey::kMaxRecvDataSegmentLength).name, max_recv_);
}

bool Negotiation::must_declare_receive_limit() const {
  return !receive_limit_declared_ && ours_.max_recv_data_segment_length < max_recv_;
}

LoginVerdict Negotiation::check() const {
  for (const KeyInfo& info : key_table()) {
    if (state(info) == KeyState::kOffered) {
      return LoginVerdict::initiator_error("our offer was not answered", info.name.data());
    }
    if (!our_limit_holds(info)) {
      return LoginVerdict::initiator_error("no value that both sides take", info.name.data());
    }
  }
  return LoginVerdict::ok();
}

void Negotiation::store(ConnectionParameters* connection) const {
  connection->header_digest = header_digest_;
  connection->data_digest = data_digest_;
  connection->max_recv_data_segment_length = max_recv_;
  connection->max_send_data_segment_length =
      negotiation_detail::lower(max_send_, ours_.limits.max_send_data_segment_length);
}

}  // namespace chiscsi
