// SPDX-License-Identifier: GPL-2.0-only
//
// Negotiation: the operational keys of one login, from the initiator's offers and our settings to
// agreed values.
//
// It answers every offer by the rule of the key's kind and never clamps silently: a value that is
// not admissible is answered Reject and the default stays. Where our settings forbid the default
// and the initiator does not bring the key up, it offers the key itself. No I/O, no memory, no
// state beside the object. RFC 7143 sections 6.2 and 13.
#pragma once

#include <cstdint>

#include "base/text.hh"
#include "target/config/key_table.hh"
#include "target/login/login_verdict.hh"
#include "target/login/parameters.hh"
#include "target/login/text_codec.hh"

namespace chiscsi {

// The task reporting semantics the engine has; our part of the TaskReporting key.
inline constexpr TaskReportingChoice kOurTaskReporting{TaskReporting::kRfc3720};

// Our side of a negotiation.
struct NegotiationSettings {
  SessionKeys session;  // What we offer; for a joining connection, what the session has.
  DigestChoice header_digests{DigestType::kNone, DigestType::kCrc32c};
  DigestChoice data_digests{DigestType::kNone, DigestType::kCrc32c};
  uint32_t max_recv_data_segment_length = iscsi::kDefaultMaxRecvDataSegmentLength;
  ConnLimits limits;
  bool discovery = false;
  bool leading = true;
};

class Negotiation {
 public:
  // Starts with the defaults of RFC 7143, or with the session's values for a joining connection.
  void start(const NegotiationSettings& ours);

  // Takes a key of the operational stage (any kind but kDeclaration, kChap and kCommand) and writes
  // our answer, if it needs one. Errors: initiator error for an answer word where an offer is due,
  // for a declared size out of range, and for an answer to our own offer that is not admissible.
  LoginVerdict take(const KeyInfo& info, Text value, TextWriter& answer);

  // Whether limits_hold() fails only for lack of an offer.
  bool has_offers_to_make() const;
  // Writes an offer of ours for each key whose default we cannot live with.
  void make_offers(TextWriter& answer);
  // Whether an offer of ours is without an answer.
  bool awaits_answer() const;

  // Declares our MaxRecvDataSegmentLength, once.
  void declare_receive_limit(TextWriter& answer);
  // True when the default of 8192 would be more than the transport can receive.
  bool must_declare_receive_limit() const;

  // The check before the values take effect: our limits hold, and FirstBurstLength does not exceed
  // MaxBurstLength. Errors: initiator error that names the key.
  LoginVerdict check() const;

  const SessionKeys& session_keys() const { return agreed_; }
  // Copies the connection's values.
  void store(ConnectionParameters* connection) const;

 private:
  enum class KeyState : uint8_t {
    kUntouched,  // The default counts.
    kOffered,    // By us; the answer is due.
    kSettled,    // Agreed or answered Reject; must not come again.
  };

  KeyState& state(const KeyInfo& info) { return states_[static_cast<size_t>(info.key)]; }
  KeyState state(const KeyInfo& info) const { return states_[static_cast<size_t>(info.key)]; }
  void answer_number(const KeyInfo& info, Text value, TextWriter& answer);
  void answer_boolean(const KeyInfo& info, Text value, TextWriter& answer);
  void answer_list(const KeyInfo& info, Text value, TextWriter& answer);
  LoginVerdict take_declared_size(const KeyInfo& info, Text value);
  LoginVerdict take_answer(const KeyInfo& info, Text value);
  bool our_limit_holds(const KeyInfo& info) const;
  bool accept_word(const KeyInfo& info, Text word);
  uint32_t our_number(const KeyInfo& info) const;
  const DigestChoice& our_digests(const KeyInfo& info) const;
  DigestType& agreed_digest(const KeyInfo& info);
  DigestType agreed_digest(const KeyInfo& info) const;
  bool unsolicited_data() const { return !agreed_.initial_r2t || agreed_.immediate_data; }

  NegotiationSettings ours_;
  SessionKeys agreed_;
  DigestType header_digest_ = DigestType::kNone;
  DigestType data_digest_ = DigestType::kNone;
  uint32_t max_send_ = iscsi::kDefaultMaxRecvDataSegmentLength;
  uint32_t max_recv_ = iscsi::kDefaultMaxRecvDataSegmentLength;
  bool receive_limit_declared_ = false;
  KeyState states_[kTextKeyCount] = {};
};

// Parses a declared MaxRecvDataSegmentLength. False when it is not 512 ... 2**24-1.
bool parse_receive_limit(Text value, uint32_t* bytes);

}  // namespace chiscsi
