// SPDX-License-Identifier: GPL-2.0-only
//
// The one table of RFC 7143 keys: what each key is, where it may appear and how it is decided.
//
// Negotiation (target/login) and the configuration parser (target/config) both read it, so a range
// or a default is written down once. A value that both ends decide together lives in SessionKeys or
// ConnectionKeys; the table names the member, and code that handles a kind of key handles all keys
// of that kind. The table is constant; reading it needs no lock.
#pragma once

#include <cstdint>

#include "base/span.hh"
#include "base/text.hh"
#include "iscsi/opcodes.hh"

namespace chiscsi {

// The iSCSIProtocolLevel we implement: RFC 7144. Where it is not negotiated, that of RFC 7143 holds
// (section 13.24).
inline constexpr uint32_t kProtocolLevel = 2;
inline constexpr uint32_t kDefaultProtocolLevel = 1;

enum class DigestType : uint8_t { kNone = 0, kCrc32c = 1 };
enum class AuthMethod : uint8_t { kNone = 0, kChap = 1 };
enum class TaskReporting : uint8_t { kRfc3720 = 0, kResponseFence = 1, kFastAbort = 2 };

// An ordered choice out of an enumeration with the values 0 ... N-1, each at most once.
template <typename E, uint8_t N>
class ChoiceList {
 public:
  constexpr ChoiceList() = default;
  constexpr ChoiceList(E only) : choices_{only}, size_(1) {}
  constexpr ChoiceList(E first, E second) : choices_{first, second}, size_(2) {}

  // False when `choice` is in the list already.
  constexpr bool add(E choice) {
    if (size_ == N || contains(choice)) return false;
    choices_[size_++] = choice;
    return true;
  }
  constexpr bool contains(E choice) const {
    for (uint8_t i = 0; i < size_; ++i) {
      if (choices_[i] == choice) return true;
    }
    return false;
  }
  constexpr uint8_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr E operator[](uint8_t index) const { return choices_[index]; }

 private:
  E choices_[N] = {};
  uint8_t size_ = 0;
};
using DigestChoice = ChoiceList<DigestType, 2>;
using AuthChoice = ChoiceList<AuthMethod, 2>;
using TaskReportingChoice = ChoiceList<TaskReporting, 3>;

// Session-wide values: what a target offers, and what a session agreed on. Initialised to the
// defaults of RFC 7143 section 13.
struct SessionKeys {
  uint32_t max_connections = 1;
  uint32_t max_burst_length = 262144;
  uint32_t first_burst_length = 65536;
  uint32_t max_outstanding_r2t = 1;
  uint32_t default_time2wait = 2;
  uint32_t default_time2retain = 20;
  uint32_t error_recovery_level = 0;
  uint32_t protocol_level = kDefaultProtocolLevel;
  bool initial_r2t = true;
  bool immediate_data = true;
  bool data_pdu_in_order = true;
  bool data_sequence_in_order = true;
  TaskReporting task_reporting = TaskReporting::kRfc3720;
};

enum class TextKey : uint8_t {
  // Declarations about the two nodes.
  kInitiatorName,
  kInitiatorAlias,
  kSessionType,
  kTargetName,
  kTargetAlias,
  kTargetAddress,
  kTargetPortalGroupTag,
  kNodeArchitecture,
  // Security stage.
  kAuthMethod,
  kChapA,
  kChapI,
  kChapC,
  kChapN,
  kChapR,
  // Connection.
  kHeaderDigest,
  kDataDigest,
  kMaxRecvDataSegmentLength,
  // Session. Keys on which others depend come first: they are decided in this order.
  kMaxConnections,
  kInitialR2T,
  kImmediateData,
  kMaxBurstLength,
  kFirstBurstLength,
  kDefaultTime2Wait,
  kDefaultTime2Retain,
  kMaxOutstandingR2T,
  kDataPDUInOrder,
  kDataSequenceInOrder,
  kErrorRecoveryLevel,
  kTaskReporting,
  kProtocolLevel,
  // Obsolete, section 13.25.
  kIFMarker,
  kOFMarker,
  kIFMarkInt,
  kOFMarkInt,
  // Full feature phase only.
  kSendTargets,
  kCount,
};
inline constexpr uint32_t kTextKeyCount = static_cast<uint32_t>(TextKey::kCount);

// How the value of a key comes about.
enum class KeyKind : uint8_t {
  kDeclaration,   // One end states a text; no answer.
  kDeclaredSize,  // One end states a number; no answer.
  kMinimum,       // Both state a number, the lower one counts.
  kMaximum,       // Both state a number, the higher one counts.
  kAnd,           // Yes only when both say Yes.
  kOr,            // Yes when one says Yes.
  kList,          // The first value of the offered list that the answering end takes.
  kChap,          // Part of the CHAP exchange, section 12.1.3.
  kAnswerNo,      // Obsolete: always answered No.
  kAnswerReject,  // Obsolete: always answered Reject.
  kCommand,       // Asks for something: SendTargets.
};

// Where a key may appear; bits of KeyInfo::stages.
inline constexpr uint8_t kInSecurity = 1;
inline constexpr uint8_t kInOperational = 2;
inline constexpr uint8_t kInFullFeature = 4;
// Who may send it and other properties; bits of KeyInfo::flags.
inline constexpr uint8_t kByInitiator = 1;
inline constexpr uint8_t kByTarget = 2;
inline constexpr uint8_t kLeadingOnly = 4;            // "LO": only in the leading login.
inline constexpr uint8_t kIrrelevantInDiscovery = 8;  // Answered Irrelevant there.
inline constexpr uint8_t kMayRepeat = 16;             // TargetAddress and TargetName of an answer.
// Our own value must hold: when the initiator does not bring the key up, we offer it.
inline constexpr uint8_t kOurLimitHolds = 32;

struct KeyInfo {
  TextKey key;
  Text name;  // A literal: it has a terminator.
  KeyKind kind;
  uint8_t stages;
  uint8_t flags;
  uint16_t max_value_length;  // Bytes of the value as text.
  // Numbers only.
  uint32_t minimum = 0;
  uint32_t maximum = 0;
  // The value this key decides, if it is one of a session's.
  uint32_t SessionKeys::*number = nullptr;
  bool SessionKeys::*boolean = nullptr;

  constexpr bool allows(uint8_t stage_bit) const { return (stages & stage_bit) != 0; }
  constexpr bool has(uint8_t flag) const { return (flags & flag) != 0; }
};

// All keys, in the order of TextKey.
Span<const KeyInfo> key_table();

// The entry of a key.
const KeyInfo& key_info(TextKey key);

// The entry with this exact name, or nullptr: the key is not one of ours and gets NotUnderstood.
const KeyInfo* find_key(Text name);

// The stage bit of a login stage.
constexpr uint8_t stage_bit(iscsi::Stage stage) {
  return stage == iscsi::Stage::kSecurity      ? kInSecurity
         : stage == iscsi::Stage::kOperational ? kInOperational
                                               : kInFullFeature;
}

// Yes and No, nothing else.
bool parse_boolean(Text text, bool* value);
constexpr Text boolean_text(bool value) { return value ? Text("Yes", 3) : Text("No", 2); }

// The words of the list keys. The parse functions leave `value` alone and return false when the
// word is not known.
bool parse_digest(Text word, DigestType* value);
bool parse_auth_method(Text word, AuthMethod* value);
bool parse_task_reporting(Text word, TaskReporting* value);
Text digest_text(DigestType value);
Text auth_method_text(AuthMethod value);
Text task_reporting_text(TaskReporting value);

// Takes one character beyond ASCII off the front of `rest`, which is not empty. False when it is
// malformed, as overlong forms and surrogates are; then nothing is taken.
bool take_utf8(Bytes* rest);

// True when `name` can be the name of an iSCSI node: 1 to 223 bytes, one of the prefixes iqn.,
// eui. and naa., characters of section 4.2.7.2 (capitals and '_' are let through, as peers send
// them), and well-formed UTF-8.
bool is_iscsi_name(Text name);

}  // namespace chiscsi
