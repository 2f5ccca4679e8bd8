// SPDX-License-Identifier: GPL-2.0-only
//
// What a login ends with: the agreed values of a session and of a connection, as plain structures.
//
// The login phase fills them; full-feature code only reads them. A Text Request in full feature
// phase may later change ConnectionParameters::max_send_data_segment_length and nothing else.
#pragma once

#include <cstdint>

#include "base/text.hh"
#include "iscsi/opcodes.hh"
#include "target/config/key_table.hh"

namespace chiscsi {

using IscsiName = FixedText<iscsi::kMaxNameLength>;
using ChapName = FixedText<255>;

enum class SessionType : uint8_t { kNormal = 0, kDiscovery = 1 };

// More R2Ts than this are never outstanding for one command, whatever is configured and offered.
inline constexpr uint32_t kMaxOutstandingR2tLimit = 64;
// More connections than this never belong to one session.
inline constexpr uint32_t kMaxConnectionsLimit = 32;

// What the transport of a connection can carry; flows up from it before negotiation.
struct ConnLimits {
  uint32_t max_recv_data_segment_length = 0xffffff;  // Declared to the peer at most.
  uint32_t max_send_data_segment_length = 0xffffff;  // The peer's declaration is clipped to it.
  bool header_digest = true;                         // CRC32C can be done.
  bool data_digest = true;
};

// SessionKeys (the base) holds what was negotiated; the members here are declared or chosen.
struct SessionParameters : SessionKeys {
  IscsiName initiator_name;
  FixedText<iscsi::kMaxValueLength> initiator_alias;
  IscsiName target_name;  // Empty in an unnamed discovery session.
  ChapName chap_name;     // As which the leading connection was authenticated; empty: by none.
  SessionType type = SessionType::kNormal;
  uint8_t isid[6] = {};
  uint16_t tsih = 0;  // 0 until the session is admitted.
  uint16_t portal_group_tag = 0;
  uint32_t initial_cmd_sn = 0;  // CmdSN of the leading Login Request: the first ExpCmdSN.
  uint32_t max_commands = 0;    // Command window.
};

struct ConnectionParameters {
  uint16_t cid = 0;
  uint16_t portal_group_tag = 0;
  DigestType header_digest = DigestType::kNone;
  DigestType data_digest = DigestType::kNone;
  // The longest data segment we receive: what we declared, or 8192 when we could not declare.
  uint32_t max_recv_data_segment_length = iscsi::kDefaultMaxRecvDataSegmentLength;
  // The longest data segment we send: the peer's declaration within the transport's limit.
  uint32_t max_send_data_segment_length = iscsi::kDefaultMaxRecvDataSegmentLength;
  bool authenticated = false;  // By CHAP.
};

}  // namespace chiscsi
