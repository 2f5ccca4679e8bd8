// SPDX-License-Identifier: GPL-2.0-only
//
// Cdb: the 16 bytes of a command descriptor block, read without a way past their end.
//
// Operation codes are those of SPC-5 and SBC-4; iSCSI pads shorter CDBs with zeros (RFC 7143
// section 11.3.5).
#pragma once

#include <cstdint>

#include "base/span.hh"

namespace chiscsi::scsi {

enum class Opcode : uint8_t {
  kTestUnitReady = 0x00,
  kRequestSense = 0x03,
  kRead6 = 0x08,
  kWrite6 = 0x0a,
  kInquiry = 0x12,
  kModeSelect6 = 0x15,
  kReserve6 = 0x16,
  kRelease6 = 0x17,
  kModeSense6 = 0x1a,
  kStartStopUnit = 0x1b,
  kPreventAllowMediumRemoval = 0x1e,
  kReadCapacity10 = 0x25,
  kRead10 = 0x28,
  kWrite10 = 0x2a,
  kWriteAndVerify10 = 0x2e,
  kVerify10 = 0x2f,
  kPreFetch10 = 0x34,
  kSynchronizeCache10 = 0x35,
  kReadDefectData10 = 0x37,
  kWriteSame10 = 0x41,
  kUnmap = 0x42,
  kSanitize = 0x48,
  kLogSelect = 0x4c,
  kLogSense = 0x4d,
  kModeSelect10 = 0x55,
  kReserve10 = 0x56,
  kRelease10 = 0x57,
  kModeSense10 = 0x5a,
  kPersistentReserveIn = 0x5e,
  kPersistentReserveOut = 0x5f,
  kVariableLength = 0x7f,
  kThirdPartyCopyOut = 0x83,
  kThirdPartyCopyIn = 0x84,
  kRead16 = 0x88,
  kCompareAndWrite = 0x89,
  kWrite16 = 0x8a,
  kOrWrite16 = 0x8b,
  kWriteAndVerify16 = 0x8e,
  kVerify16 = 0x8f,
  kPreFetch16 = 0x90,
  kSynchronizeCache16 = 0x91,
  kWriteSame16 = 0x93,
  kWriteAtomic16 = 0x9c,
  kServiceActionIn16 = 0x9e,
  kReportLuns = 0xa0,
  kMaintenanceIn = 0xa3,
  kMaintenanceOut = 0xa4,
  kRead12 = 0xa8,
  kWrite12 = 0xaa,
  kWriteAndVerify12 = 0xae,
  kVerify12 = 0xaf,
  kReadDefectData12 = 0xb7,
};

inline constexpr uint8_t kReadCapacity16 = 0x10;          // Of kServiceActionIn16.
inline constexpr uint8_t kGetLbaStatus = 0x12;            // Of kServiceActionIn16.
inline constexpr uint8_t kSanitizeOverwrite = 0x01;       // Of kSanitize.
inline constexpr uint8_t kSanitizeBlockErase = 0x02;      // Of kSanitize.
inline constexpr uint8_t kSanitizeExitFailure = 0x1f;     // Of kSanitize.
inline constexpr uint8_t kReportSupportedOpcodes = 0x0c;  // Of kMaintenanceIn.
inline constexpr uint8_t kTargetPortGroups = 0x0a;  // REPORT, of kMaintenanceIn; SET, of ...Out.
inline constexpr uint8_t kReportSupportedTaskManagement = 0x0d;  // Of kMaintenanceIn.
inline constexpr uint8_t kExtendedCopyLid1 = 0x00;               // Of kThirdPartyCopyOut.
inline constexpr uint8_t kCopyStatusLid1 = 0x00;                 // These are of kThirdPartyCopyIn.
inline constexpr uint8_t kCopyOperatingParameters = 0x03;
inline constexpr uint8_t kFailedSegmentDetails = 0x04;
inline constexpr size_t kCdbSize = 16;

class Cdb {
 public:
  explicit Cdb(const uint8_t (&bytes)[kCdbSize]) : bytes_(bytes) {}

  Opcode opcode() const { return static_cast<Opcode>(u8(0)); }
  uint8_t service_action() const { return u8(1) & 0x1f; }
  uint8_t u8(size_t at) const { return at < kCdbSize ? bytes_[at] : 0; }
  bool bit(size_t at, unsigned number) const { return (u8(at) >> number & 1) != 0; }
  uint16_t be16(size_t at) const { return static_cast<uint16_t>(number(at, 2)); }
  uint32_t be24(size_t at) const { return static_cast<uint32_t>(number(at, 3)); }
  uint32_t be32(size_t at) const { return static_cast<uint32_t>(number(at, 4)); }
  uint64_t be64(size_t at) const { return number(at, 8); }

 private:
  uint64_t number(size_t at, size_t count) const {
    uint64_t value = 0;
    for (size_t i = 0; i < count; ++i)
      value = value << 8 | u8(at + i);
    return value;
  }
  const uint8_t* bytes_;
};

}  // namespace chiscsi::scsi
