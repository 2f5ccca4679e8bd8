// SPDX-License-Identifier: GPL-2.0-only
//
// See key_table.hh. The table follows RFC 7143 sections 12 and 13; the order of the rows is that of
// TextKey, which is also the order in which the keys of one text are decided.
#include "target/config/key_table.hh"

namespace chiscsi {

namespace key_table_detail {

constexpr uint8_t kLogin = kInSecurity | kInOperational;
constexpr uint8_t kAnywhere = kLogin | kInFullFeature;
constexpr uint8_t kBoth = kByInitiator | kByTarget;
// A session-wide value: leading login only, decided by both, without meaning in discovery.
constexpr uint8_t kSession = kBoth | kLeadingOnly | kIrrelevantInDiscovery;
constexpr uint16_t kText = iscsi::kMaxValueLength;
// The CHAP exchange checks lengths by itself: too long is an authentication failure there.
constexpr uint16_t kChapText = 0xffff;
constexpr uint32_t kMaxLength = 0xffffff;

using K = TextKey;
using S = SessionKeys;

constexpr KeyInfo declared(K key, Text name, uint8_t stages, uint8_t flags) {
  return {key, name, KeyKind::kDeclaration, stages, flags, kText};
}
constexpr KeyInfo chap(K key, Text name) {
  return {key, name, KeyKind::kChap, kInSecurity, kBoth, kChapText};
}
constexpr KeyInfo list(K key, Text name, uint8_t stage, uint8_t flags) {
  return {key, name, KeyKind::kList, stage, flags, kText};
}
constexpr KeyInfo number(K key, Text name, KeyKind kind, uint8_t flags, uint32_t minimum,
                         uint32_t maximum, uint32_t S::*member) {
  return {key, name, kind, kInOperational, flags, kText, minimum, maximum, member};
}
constexpr KeyInfo boolean(K key, Text name, KeyKind kind, uint8_t flags, bool S::*member) {
  return {key, name, kind, kInOperational, flags, kText, 0, 0, nullptr, member};
}
constexpr KeyInfo obsolete(K key, Text name, KeyKind kind) {
  return {key, name, kind, kInOperational, kBoth, kText};
}

constexpr KeyKind kMin = KeyKind::kMinimum;
constexpr KeyKind kMax = KeyKind::kMaximum;
constexpr uint8_t kTimes = kBoth | kLeadingOnly;  // Negotiated in discovery, too.

constexpr KeyInfo kTable[] = {
    declared(K::kInitiatorName, "InitiatorName", kLogin, kByInitiator),
    declared(K::kInitiatorAlias, "InitiatorAlias", kAnywhere, kByInitiator),
    declared(K::kSessionType, "SessionType", kLogin, kByInitiator),
    declared(K::kTargetName, "TargetName", kLogin, kBoth | kMayRepeat),
    declared(K::kTargetAlias, "TargetAlias", kAnywhere, kByTarget),
    declared(K::kTargetAddress, "TargetAddress", kAnywhere, kByTarget | kMayRepeat),
    declared(K::kTargetPortalGroupTag, "TargetPortalGroupTag", kLogin, kByTarget),
    declared(K::kNodeArchitecture, "X#NodeArchitecture", kLogin, kBoth),

    list(K::kAuthMethod, "AuthMethod", kInSecurity, kBoth),
    chap(K::kChapA, "CHAP_A"),
    chap(K::kChapI, "CHAP_I"),
    chap(K::kChapC, "CHAP_C"),
    chap(K::kChapN, "CHAP_N"),
    chap(K::kChapR, "CHAP_R"),

    list(K::kHeaderDigest, "HeaderDigest", kInOperational, kBoth | kOurLimitHolds),
    list(K::kDataDigest, "DataDigest", kInOperational, kBoth | kOurLimitHolds),
    {K::kMaxRecvDataSegmentLength, "MaxRecvDataSegmentLength", KeyKind::kDeclaredSize,
     kInOperational | kInFullFeature, kBoth, kText, 512, kMaxLength},

    number(K::kMaxConnections, "MaxConnections", kMin, kSession, 1, 65535, &S::max_connections),
    boolean(K::kInitialR2T, "InitialR2T", KeyKind::kOr, kSession, &S::initial_r2t),
    boolean(K::kImmediateData, "ImmediateData", KeyKind::kAnd, kSession | kOurLimitHolds,
            &S::immediate_data),
    number(K::kMaxBurstLength, "MaxBurstLength", kMin, kSession | kOurLimitHolds, 512, kMaxLength,
           &S::max_burst_length),
    number(K::kFirstBurstLength, "FirstBurstLength", kMin, kSession | kOurLimitHolds, 512,
           kMaxLength, &S::first_burst_length),
    number(K::kDefaultTime2Wait, "DefaultTime2Wait", kMax, kTimes, 0, 3600, &S::default_time2wait),
    number(K::kDefaultTime2Retain, "DefaultTime2Retain", kMin, kTimes, 0, 3600,
           &S::default_time2retain),
    number(K::kMaxOutstandingR2T, "MaxOutstandingR2T", kMin, kSession, 1, 65535,
           &S::max_outstanding_r2t),
    boolean(K::kDataPDUInOrder, "DataPDUInOrder", KeyKind::kOr, kSession, &S::data_pdu_in_order),
    boolean(K::kDataSequenceInOrder, "DataSequenceInOrder", KeyKind::kOr, kSession,
            &S::data_sequence_in_order),
    number(K::kErrorRecoveryLevel, "ErrorRecoveryLevel", kMin, kTimes, 0, 2,
           &S::error_recovery_level),
    list(K::kTaskReporting, "TaskReporting", kInOperational, kSession),
    number(K::kProtocolLevel, "iSCSIProtocolLevel", kMin, kSession, 0, 31, &S::protocol_level),

    obsolete(K::kIFMarker, "IFMarker", KeyKind::kAnswerNo),
    obsolete(K::kOFMarker, "OFMarker", KeyKind::kAnswerNo),
    obsolete(K::kIFMarkInt, "IFMarkInt", KeyKind::kAnswerReject),
    obsolete(K::kOFMarkInt, "OFMarkInt", KeyKind::kAnswerReject),

    {K::kSendTargets, "SendTargets", KeyKind::kCommand, kInFullFeature, kByInitiator, kText},
};

constexpr bool is_in_order() {
  uint32_t index = 0;
  for (const KeyInfo& info : kTable) {
    if (static_cast<uint32_t>(info.key) != index++) return false;
  }
  return index == kTextKeyCount;
}
static_assert(is_in_order(), "the rows of the key table follow TextKey");

constexpr Text kDigestWords[] = {Text("None", 4), Text("CRC32C", 6)};
constexpr Text kAuthWords[] = {Text("None", 4), Text("CHAP", 4)};
constexpr Text kTaskReportingWords[] = {Text("RFC3720", 7), Text("ResponseFence", 13),
                                        Text("FastAbort", 9)};

template <typename E, size_t N>
bool parse_word(const Text (&words)[N], Text word, E* value) {
  for (size_t i = 0; i < N; ++i) {
    if (words[i] == word) {
      *value = static_cast<E>(i);
      return true;
    }
  }
  return false;
}

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == ':' || c == '-' || c == '_';
}

// The bytes that follow a first byte of a UTF-8 sequence, or -1 when it cannot be one.
int continuation_bytes(uint8_t first) {
  if (first >= 0xc2 && first <= 0xdf) return 1;
  if (first >= 0xe0 && first <= 0xef) return 2;
  if (first >= 0xf0 && first <= 0xf4) return 3;
  return -1;
}

}  // namespace key_table_detail

Span<const KeyInfo> key_table() { return key_table_detail::kTable; }

const KeyInfo& key_info(TextKey key) { return key_table_detail::kTable[static_cast<size_t>(key)]; }

const KeyInfo* find_key(Text name) {
  for (const KeyInfo& info : key_table_detail::kTable) {
    if (name == info.name) return &info;
  }
  return nullptr;
}

bool parse_boolean(Text text, bool* value) {
  if (text == boolean_text(true)) {
    *value = true;
  } else if (text == boolean_text(false)) {
    *value = false;
  } else {
    return false;
  }
  return true;
}

bool parse_digest(Text word, DigestType* value) {
  return key_table_detail::parse_word(key_table_detail::kDigestWords, word, value);
}
bool parse_auth_method(Text word, AuthMethod* value) {
  return key_table_detail::parse_word(key_table_detail::kAuthWords, word, value);
}
bool parse_task_reporting(Text word, TaskReporting* value) {
  return key_table_detail::parse_word(key_table_detail::kTaskReportingWords, word, value);
}
Text digest_text(DigestType value) {
  return key_table_detail::kDigestWords[static_cast<size_t>(value)];
}
Text auth_method_text(AuthMethod value) {
  return key_table_detail::kAuthWords[static_cast<size_t>(value)];
}
Text task_reporting_text(TaskReporting value) {
  return key_table_detail::kTaskReportingWords[static_cast<size_t>(value)];
}

bool take_utf8(Bytes* rest) {
  const uint8_t first = (*rest)[0];
  const int more = key_table_detail::continuation_bytes(first);
  if (more < 0 || rest->size() <= static_cast<size_t>(more)) return false;
  for (int i = 1; i <= more; ++i) {
    if (((*rest)[static_cast<size_t>(i)] & 0xc0) != 0x80) return false;
  }
  const uint8_t second = (*rest)[1];
  if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f)) return false;
  if ((first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f)) return false;
  *rest = rest->skip(static_cast<size_t>(more) + 1);
  return true;
}

bool is_iscsi_name(Text name) {
  if (name.size() > iscsi::kMaxNameLength || name.size() <= 4) return false;
  if (!name.starts_with("iqn.") && !name.starts_with("eui.") && !name.starts_with("naa.")) {
    return false;
  }
  for (Bytes rest = name.bytes(); !rest.empty();) {
    if (rest[0] >= 0x80) {
      if (!take_utf8(&rest)) return false;
    } else {
      if (!key_table_detail::is_name_character(static_cast<char>(rest[0]))) return false;
      rest = rest.skip(1);
    }
  }
  return true;
}

}  // namespace chiscsi
