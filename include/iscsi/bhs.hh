// SPDX-License-Identifier: GPL-2.0-only
//
// The Basic Header Segments of RFC 7143 section 11, laid over the 48 bytes as they are on the wire.
//
// Every structure is made of bytes and BigEndian members, so it has no padding and alignment 1.
// Members carry the RFC's names. Bhs is the generic view; as<T>() gives the view of one PDU type.
#pragma once

#include <cstdint>

#include "base/endian.hh"
#include "iscsi/opcodes.hh"

namespace chiscsi::iscsi {

inline constexpr uint32_t kBhsSize = 48;
inline constexpr uint32_t kDigestSize = 4;

// Bytes of padding after `length` bytes of data.
constexpr uint32_t pad_of(uint32_t length) { return (4 - (length & 3)) & 3; }

struct Bhs {
  uint8_t opcode_byte = 0;
  uint8_t flags = 0;
  uint8_t specific[2] = {};
  uint8_t total_ahs_length = 0;  // In words of four bytes.
  Be24 data_segment_length;
  uint8_t lun[8] = {};
  Be32 initiator_task_tag;
  uint8_t rest[28] = {};

  Opcode opcode() const { return static_cast<Opcode>(opcode_byte & kOpcodeMask); }
  bool immediate() const { return (opcode_byte & kImmediateBit) != 0; }
  bool final() const { return (flags & kFinalBit) != 0; }

  template <typename T>
  T& as() {
    static_assert(sizeof(T) == kBhsSize && alignof(T) == 1);
    // SAFETY: T is a layout of the same 48 bytes without padding and with alignment 1.
    return *reinterpret_cast<T*>(this);
  }
  template <typename T>
  const T& as() const {
    return const_cast<Bhs*>(this)->as<T>();
  }
};

struct ScsiCommand {
  uint8_t opcode_byte, flags, priority, reserved1;
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, expected_data_transfer_length, cmd_sn, exp_stat_sn;
  uint8_t cdb[16];
};

struct ScsiResponse {
  uint8_t opcode_byte, flags, response, status;
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  Be16 status_qualifier;
  uint8_t reserved1[6];
  Be32 initiator_task_tag, snack_tag, stat_sn, exp_cmd_sn, max_cmd_sn, exp_data_sn;
  Be32 bidi_residual_count, residual_count;
};

struct TaskManagementRequest {
  uint8_t opcode_byte, function, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, referenced_task_tag, cmd_sn, exp_stat_sn, ref_cmd_sn, exp_data_sn;
  uint8_t reserved2[8];
};

struct TaskManagementResponse {
  uint8_t opcode_byte, flags, response, reserved1;
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t additional_response_information[3], reserved2[5];
  Be32 initiator_task_tag;
  uint8_t reserved3[4];
  Be32 stat_sn, exp_cmd_sn, max_cmd_sn;
  uint8_t reserved4[12];
};

struct DataOut {
  uint8_t opcode_byte, flags, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, target_transfer_tag;
  uint8_t reserved2[4];
  Be32 exp_stat_sn;
  uint8_t reserved3[4];
  Be32 data_sn, buffer_offset;
  uint8_t reserved4[4];
};

struct DataIn {
  uint8_t opcode_byte, flags, reserved1, status;
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
  Be32 data_sn, buffer_offset, residual_count;
};

struct R2t {
  uint8_t opcode_byte, flags, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
  Be32 r2t_sn, buffer_offset, desired_data_transfer_length;
};

struct AsyncMessage {
  uint8_t opcode_byte, flags, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 reserved_tag;
  uint8_t reserved2[4];
  Be32 stat_sn, exp_cmd_sn, max_cmd_sn;
  uint8_t async_event, async_vcode;
  Be16 parameter1, parameter2, parameter3;
  uint8_t reserved3[4];
};

// Text Request and Response share their layout but for who sets stat_sn and the numbers after it.
struct TextRequest {
  uint8_t opcode_byte, flags, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, target_transfer_tag, cmd_sn, exp_stat_sn;
  uint8_t reserved2[16];
};

struct TextResponse {
  uint8_t opcode_byte, flags, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
  uint8_t reserved2[12];
};

struct LoginRequest {
  uint8_t opcode_byte, flags, version_max, version_min;
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t isid[6];
  Be16 tsih;
  Be32 initiator_task_tag;
  Be16 cid;
  uint8_t reserved1[2];
  Be32 cmd_sn, exp_stat_sn;
  uint8_t reserved2[16];
};

struct LoginResponse {
  uint8_t opcode_byte, flags, version_max, version_active;
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t isid[6];
  Be16 tsih;
  Be32 initiator_task_tag;
  uint8_t reserved1[4];
  Be32 stat_sn, exp_cmd_sn, max_cmd_sn;
  uint8_t status_class, status_detail;
  uint8_t reserved2[10];
};

struct LogoutRequest {
  uint8_t opcode_byte, reason, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t reserved2[8];
  Be32 initiator_task_tag;
  Be16 cid;
  uint8_t reserved3[2];
  Be32 cmd_sn, exp_stat_sn;
  uint8_t reserved4[16];
};

struct LogoutResponse {
  uint8_t opcode_byte, flags, response, reserved1;
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t reserved2[8];
  Be32 initiator_task_tag;
  uint8_t reserved3[4];
  Be32 stat_sn, exp_cmd_sn, max_cmd_sn;
  uint8_t reserved4[4];
  Be16 time2wait, time2retain;
  uint8_t reserved5[4];
};

struct Reject {
  uint8_t opcode_byte, flags, reason, reserved1;
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t reserved2[8];
  Be32 reserved_tag;
  uint8_t reserved3[4];
  Be32 stat_sn, exp_cmd_sn, max_cmd_sn, data_sn;
  uint8_t reserved4[8];
};

struct NopOut {
  uint8_t opcode_byte, flags, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, target_transfer_tag, cmd_sn, exp_stat_sn;
  uint8_t reserved2[16];
};

struct NopIn {
  uint8_t opcode_byte, flags, reserved1[2];
  uint8_t total_ahs_length;
  Be24 data_segment_length;
  uint8_t lun[8];
  Be32 initiator_task_tag, target_transfer_tag, stat_sn, exp_cmd_sn, max_cmd_sn;
  uint8_t reserved2[12];
};

// Where the numbers of every response lie (offsets 24, 28 and 32).
struct ResponseNumbers {
  uint8_t before[24];
  Be32 stat_sn, exp_cmd_sn, max_cmd_sn;
  uint8_t after[12];
};

// Where the numbers of every numbered request lie (offsets 24 and 28).
struct RequestNumbers {
  uint8_t before[24];
  Be32 cmd_sn, exp_stat_sn;
  uint8_t after[16];
};

}  // namespace chiscsi::iscsi
