// SPDX-License-Identifier: GPL-2.0-only
//
// Opcodes and code points of the iSCSI wire format (RFC 7143 section 11).
#pragma once

#include <cstdint>

namespace chiscsi::iscsi {

// RFC 7143 section 11.2.1.2.
enum class Opcode : uint8_t {
  kNopOut = 0x00,
  kScsiCommand = 0x01,
  kTaskManagementRequest = 0x02,
  kLoginRequest = 0x03,
  kTextRequest = 0x04,
  kDataOut = 0x05,
  kLogoutRequest = 0x06,
  kSnackRequest = 0x10,
  kNopIn = 0x20,
  kScsiResponse = 0x21,
  kTaskManagementResponse = 0x22,
  kLoginResponse = 0x23,
  kTextResponse = 0x24,
  kDataIn = 0x25,
  kLogoutResponse = 0x26,
  kR2t = 0x31,
  kAsyncMessage = 0x32,
  kReject = 0x3f,
};

inline constexpr uint8_t kOpcodeMask = 0x3f;
inline constexpr uint8_t kImmediateBit = 0x40;
inline constexpr uint8_t kFinalBit = 0x80;

inline constexpr uint32_t kReservedTag = 0xffffffff;

// Login Request and Response flags, section 11.12.
inline constexpr uint8_t kLoginTransit = 0x80;
inline constexpr uint8_t kLoginContinue = 0x40;
// Text Request and Response flags, section 11.10.
inline constexpr uint8_t kTextContinue = 0x40;
// SCSI Command flags, section 11.3.1.
inline constexpr uint8_t kCommandRead = 0x40;
inline constexpr uint8_t kCommandWrite = 0x20;
inline constexpr uint8_t kCommandAttributeMask = 0x07;
// SCSI Command, low half of byte 2, when iSCSIProtocolLevel 2 is agreed (RFC 7144).
inline constexpr uint8_t kCommandPriorityMask = 0x0f;
// SCSI Response and Data-In flags, sections 11.4.1 and 11.7.
inline constexpr uint8_t kResponseBidiOverflow = 0x10;
inline constexpr uint8_t kResponseBidiUnderflow = 0x08;
inline constexpr uint8_t kResponseOverflow = 0x04;
inline constexpr uint8_t kResponseUnderflow = 0x02;
inline constexpr uint8_t kDataInAcknowledge = 0x40;
inline constexpr uint8_t kDataInStatus = 0x01;

// Section 11.4.3.
enum class ScsiResponseCode : uint8_t { kCompleted = 0, kTargetFailure = 1 };

// Reject reasons, section 11.17.1.
enum class RejectReason : uint8_t {
  kDataDigestError = 0x02,
  kSnackReject = 0x03,
  kProtocolError = 0x04,
  kCommandNotSupported = 0x05,
  kImmediateCommandReject = 0x06,
  kTaskInProgress = 0x07,
  kInvalidDataAck = 0x08,
  kInvalidPduField = 0x09,
  kOutOfResources = 0x0a,
  kWaitingForLogout = 0x0c,
};

// Login stages, section 11.12.3.
enum class Stage : uint8_t { kSecurity = 0, kOperational = 1, kFullFeature = 3 };

// Logout reasons and responses, sections 11.14.1 and 11.15.1.
enum class LogoutReason : uint8_t {
  kCloseSession = 0,
  kCloseConnection = 1,
  kRemoveForRecovery = 2
};
enum class LogoutResponseCode : uint8_t {
  kClosed = 0,
  kCidNotFound = 1,
  kRecoveryNotSupported = 2,
  kCleanupFailed = 3,
};

// Asynchronous events, section 11.9.1.
enum class AsyncEvent : uint8_t {
  kScsi = 0,
  kLogoutRequest = 1,
  kDropConnection = 2,
  kDropAllConnections = 3,
  kNegotiationRequest = 4,
  kTaskTermination = 5,
};

// Login status: class in the high byte, detail in the low one, section 11.13.5.
enum class LoginStatus : uint16_t {
  kSuccess = 0x0000,
  kMovedTemporarily = 0x0101,
  kMovedPermanently = 0x0102,
  kInitiatorError = 0x0200,
  kAuthenticationFailure = 0x0201,
  kAuthorizationFailure = 0x0202,
  kNotFound = 0x0203,
  kTargetRemoved = 0x0204,
  kUnsupportedVersion = 0x0205,
  kTooManyConnections = 0x0206,
  kMissingParameter = 0x0207,
  kCannotIncludeInSession = 0x0208,
  kSessionTypeNotSupported = 0x0209,
  kSessionDoesNotExist = 0x020a,
  kInvalidDuringLogin = 0x020b,
  kTargetError = 0x0300,
  kServiceUnavailable = 0x0301,
  kOutOfResources = 0x0302,
};

// AHS types, section 11.2.2.1, in the lower six bits of their byte.
inline constexpr uint8_t kAhsTypeMask = 0x3f;
inline constexpr uint8_t kAhsExtendedCdb = 1;
inline constexpr uint8_t kAhsBidiReadLength = 2;
// Bytes of a CDB in the BHS, and of the longest one there is: opcode 7Fh, whose own length field
// counts from byte 8.
inline constexpr uint32_t kBhsCdbSize = 16;
inline constexpr uint32_t kMaxCdbSize = 260;

// Task management functions and a response beyond those of the storage driver API: RFC 7144, when
// iSCSIProtocolLevel 2 is agreed.
inline constexpr uint8_t kTmfQueryTask = 9;
inline constexpr uint8_t kTmfQueryTaskSet = 10;
inline constexpr uint8_t kTmfNexusReset = 11;
inline constexpr uint8_t kTmfQueryAsyncEvent = 12;
inline constexpr uint8_t kTmfFunctionSucceeded = 7;
inline constexpr uint32_t kLevelOfRfc7144 = 2;

// Names are at most 223 bytes, section 4.2.7.1.
inline constexpr uint32_t kMaxNameLength = 223;
inline constexpr uint32_t kMaxKeyLength = 63;
inline constexpr uint32_t kMaxValueLength = 255;
// Login PDUs carry at most this much data, section 13.12 (the default before negotiation).
inline constexpr uint32_t kDefaultMaxRecvDataSegmentLength = 8192;

}  // namespace chiscsi::iscsi
