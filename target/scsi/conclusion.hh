// SPDX-License-Identifier: GPL-2.0-only
//
// Conclusion: the last word on a command, as the fields of its SCSI Response.
//
// Whatever ends a command (the driver's status, a refusal of ours, a broken data transfer) goes
// through here: status, sense and residual are computed once and the response is queued.
#pragma once

#include "target/session/command.hh"

namespace chiscsi {

inline constexpr SenseCode kNoSense{0x00, 0x00, 0x00};
// LOGICAL UNIT NOT READY, CAUSE NOT REPORTABLE: there is not a single block any more.
inline constexpr SenseCode kDeviceIsGone{0x02, 0x04, 0x00};
inline constexpr SenseCode kBecomingReady{0x02, 0x04, 0x01};
inline constexpr SenseCode kMediumNotPresent{0x02, 0x3a, 0x00};
inline constexpr SenseCode kSanitizeFailed{0x03, 0x31, 0x03};
inline constexpr SenseCode kInvalidFieldInCommandUnit{0x05, 0x0e, 0x03};
inline constexpr SenseCode kParameterListLengthError{0x05, 0x1a, 0x00};
inline constexpr SenseCode kInvalidOpcode{0x05, 0x20, 0x00};
inline constexpr SenseCode kAccessDenied{0x05, 0x20, 0x02};
inline constexpr SenseCode kLbaOutOfRange{0x05, 0x21, 0x00};
inline constexpr SenseCode kInvalidFieldInCdb{0x05, 0x24, 0x00};
inline constexpr SenseCode kNoSuchLun{0x05, 0x25, 0x00};
inline constexpr SenseCode kInvalidFieldInParameters{0x05, 0x26, 0x00};
inline constexpr SenseCode kSavingNotSupported{0x05, 0x39, 0x00};
inline constexpr SenseCode kInvalidMessage{0x05, 0x49, 0x00};
inline constexpr SenseCode kRemovalPrevented{0x05, 0x53, 0x02};
inline constexpr SenseCode kWriteProtected{0x07, 0x27, 0x00};
inline constexpr SenseCode kSoftwareWriteProtected{0x07, 0x27, 0x02};
inline constexpr SenseCode kCopyTargetNotReachable{0x0a, 0x0d, 0x02};
inline constexpr SenseCode kAbortedCommand{0x0b, 0x00, 0x00};
inline constexpr SenseCode kUnexpectedUnsolicitedData{0x0b, 0x0c, 0x0c};
inline constexpr SenseCode kIncorrectAmountOfData{0x0b, 0x0c, 0x0d};
inline constexpr SenseCode kProtocolServiceCrcError{0x0b, 0x47, 0x05};

inline constexpr uint8_t kScsiGood = 0x00;
inline constexpr uint8_t kScsiCheckCondition = 0x02;
inline constexpr uint8_t kScsiBusy = 0x08;
inline constexpr uint8_t kScsiReservationConflict = 0x18;
inline constexpr uint8_t kScsiTaskSetFull = 0x28;
inline constexpr uint8_t kScsiTaskAborted = 0x40;

// Takes status, sense and residual from the public structure, as the driver left it.
void conclude_as_driver_said(Command& command);
// CHECK CONDITION with a sense of ours, or a bare status.
void conclude_with_sense(Command& command, const Sense& sense);
void conclude_with_status(Command& command, uint8_t status);

}  // namespace chiscsi
