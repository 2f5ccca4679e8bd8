// SPDX-License-Identifier: GPL-2.0-only
//
// Commands against reservations. See reservation_conflicts.hh.
#include "target/scsi/reservation_conflicts.hh"

namespace chiscsi::scsi {

namespace reservation_conflicts_detail {

// Operation codes, whether the target runs them or not: a class may.
enum : uint8_t {
  kTestUnitReadyOp = 0x00,
  kRequestSenseOp = 0x03,
  kRead6Op = 0x08,
  kInquiryOp = 0x12,
  kReserve6Op = 0x16,
  kRelease6Op = 0x17,
  kModeSense6Op = 0x1a,
  kStartStopOp = 0x1b,
  kReceiveDiagnosticOp = 0x1c,
  kPreventAllowOp = 0x1e,
  kReadCapacity10Op = 0x25,
  kRead10Op = 0x28,
  kVerify10Op = 0x2f,
  kPreFetch10Op = 0x34,
  kReadDefect10Op = 0x37,
  kReadBuffer10Op = 0x3c,
  kLogSenseOp = 0x4d,
  kReserve10Op = 0x56,
  kRelease10Op = 0x57,
  kModeSense10Op = 0x5a,
  kPersistentReserveInOp = 0x5e,
  kPersistentReserveOutOp = 0x5f,
  kVariableLengthOp = 0x7f,
  kReceiveCopyOp = 0x84,
  kRead16Op = 0x88,
  kReadAttributeOp = 0x8c,
  kVerify16Op = 0x8f,
  kPreFetch16Op = 0x90,
  kReadBuffer16Op = 0x9b,
  kServiceActionInOp = 0x9e,
  kReportLunsOp = 0xa0,
  kMaintenanceInOp = 0xa3,
  kRead12Op = 0xa8,
  kVerify12Op = 0xaf,
  kReadDefect12Op = 0xb7,
};

constexpr uint16_t kRead32Action = 0x0009, kVerify32Action = 0x000a;
constexpr uint8_t kReadCapacityAction = 0x10;

ReservedAccess maintenance_in(uint8_t action) {
  switch (action) {
    case 0x05:  // REPORT IDENTIFYING INFORMATION
    case 0x0a:  // REPORT TARGET PORT GROUPS
    case 0x0b:  // REPORT ALIASES
    case 0x0e:  // REPORT PRIORITY
    case 0x0f:  // REPORT TIMESTAMP
      return ReservedAccess::kFree;
    default:
      return ReservedAccess::kReads;
  }
}

// Only a plain start is harmless.
ReservedAccess start_stop(const Cdb& cdb) {
  const bool starts = cdb.bit(4, 0) && (cdb.u8(4) & 0xf0) == 0;
  return starts ? ReservedAccess::kFree : ReservedAccess::kChanges;
}

ReservedAccess prevent_allow(const Cdb& cdb) {
  return (cdb.u8(4) & 3) == 0 ? ReservedAccess::kFree : ReservedAccess::kChanges;
}

bool allows_any_medium_removal(const Cdb& cdb) {
  return cdb.u8(0) == kPreventAllowOp && (cdb.u8(4) & 3) == 0;
}

}  // namespace reservation_conflicts_detail

ReservedAccess reserved_access(const Cdb& cdb) {
  using namespace reservation_conflicts_detail;
  switch (cdb.u8(0)) {
    case kTestUnitReadyOp:
    case kRequestSenseOp:
    case kInquiryOp:
    case kReadCapacity10Op:
    case kLogSenseOp:
    case kPersistentReserveInOp:
    case kReportLunsOp:
      return ReservedAccess::kFree;
    case kRead6Op:
    case kRead10Op:
    case kRead12Op:
    case kRead16Op:
    case kVerify10Op:
    case kVerify12Op:
    case kVerify16Op:
    case kPreFetch10Op:
    case kPreFetch16Op:
    case kModeSense6Op:
    case kModeSense10Op:
    case kReadBuffer10Op:
    case kReadBuffer16Op:
    case kReadDefect10Op:
    case kReadDefect12Op:
    case kReceiveDiagnosticOp:
    case kReceiveCopyOp:
    case kReadAttributeOp:
      return ReservedAccess::kReads;
    case kReserve6Op:
    case kReserve10Op:
    case kRelease6Op:
    case kRelease10Op:
    case kPersistentReserveOutOp:
      return ReservedAccess::kDecides;
    case kServiceActionInOp:
      return cdb.service_action() == kReadCapacityAction ? ReservedAccess::kFree
                                                         : ReservedAccess::kReads;
    case kMaintenanceInOp:
      return maintenance_in(cdb.service_action());
    case kVariableLengthOp:
      return cdb.be16(8) == kRead32Action || cdb.be16(8) == kVerify32Action
                 ? ReservedAccess::kReads
                 : ReservedAccess::kChanges;
    case kStartStopOp:
      return start_stop(cdb);
    case kPreventAllowOp:
      return prevent_allow(cdb);
    default:
      return ReservedAccess::kChanges;
  }
}

bool conflicts_with(ReservationType type, Standing standing, ReservedAccess access) {
  if (type == ReservationType::kNone || standing == Standing::kHolder) return false;
  if (access == ReservedAccess::kFree || access == ReservedAccess::kDecides) return false;
  if (standing == Standing::kRegistered && is_shared(type)) return false;
  return access == ReservedAccess::kChanges || !is_write_exclusive(type);
}

bool conflicts_with_lock(const Cdb& cdb) {
  using namespace reservation_conflicts_detail;
  switch (cdb.u8(0)) {
    case kRequestSenseOp:
    case kInquiryOp:
    case kReadCapacity10Op:
    case kLogSenseOp:
    case kReportLunsOp:
    case kReserve6Op:
    case kReserve10Op:
    case kRelease6Op:
    case kRelease10Op:
    case kPersistentReserveOutOp:
      return false;
    case kServiceActionInOp:
      return cdb.service_action() != kReadCapacityAction;
    case kMaintenanceInOp:
      return maintenance_in(cdb.service_action()) != ReservedAccess::kFree;
    default:
      return !allows_any_medium_removal(cdb);
  }
}

bool conflicts(const Reservations& reservations, const Nexus& nexus, const Cdb& cdb) {
  using namespace reservation_conflicts_detail;
  if (reservations.is_locked()) {
    if (cdb.u8(0) == kPersistentReserveInOp) return true;
    return !reservations.is_locked_by(nexus) && conflicts_with_lock(cdb);
  }
  if (!reservations.is_reserved()) return false;
  return conflicts_with(reservations.type(), reservations.standing(nexus), reserved_access(cdb));
}

}  // namespace chiscsi::scsi
