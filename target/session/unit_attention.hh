// SPDX-License-Identifier: GPL-2.0-only
//
// UnitAttentions: what one I_T nexus has to be told about its logical units (SAM-5 section 5.14).
//
// A condition is established for one logical unit or for all of them, and taken by the next command
// that may report it, one condition per command, oldest first. There is a fixed number of places;
// when conditions of single units have none left, those of the commonest kind become one of all
// units, and where kinds of that have none left, a reset stands for everything. Conditions of the
// same kind are not counted. Belongs to the session's worker.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "target/scsi/sense_code.hh"

namespace chiscsi {

// SPC-5 table of additional sense codes.
inline constexpr SenseCode kResetOccurred{0x06, 0x29, 0x00};
inline constexpr SenseCode kBusDeviceReset{0x06, 0x29, 0x03};
inline constexpr SenseCode kNexusLoss{0x06, 0x29, 0x07};
inline constexpr SenseCode kMediumMayHaveChanged{0x06, 0x28, 0x00};
inline constexpr SenseCode kCapacityChanged{0x06, 0x2a, 0x09};
inline constexpr SenseCode kModeParametersChanged{0x06, 0x2a, 0x01};
inline constexpr SenseCode kCommandsCleared{0x06, 0x2f, 0x00};
inline constexpr SenseCode kSoftThresholdReached{0x06, 0x38, 0x07};
inline constexpr SenseCode kReportedLunsChanged{0x06, 0x3f, 0x0e};
// RFC 7143 section 11.14.5.
inline constexpr SenseCode kClearedByProtocolEvent{0x06, 0x47, 0x7f};

inline constexpr uint8_t kReportLuns = 0xa0;  // Operation code.
// Whether a command with this operation code reports a pending condition by CHECK CONDITION. It
// does not for INQUIRY, REPORT LUNS and REQUEST SENSE.
bool reports_unit_attention(uint8_t operation_code);

// The numbers of units that have reported something. Those beyond kLow take memory when the first
// one comes; beyond kMost two numbers may share a place.
class ReportedUnits {
 public:
  static constexpr uint32_t kLow = 128;
  static constexpr uint32_t kMost = 16384;  // LunMap::kMaxLuns.

  bool has(uint32_t unit) const;
  // Without memory a high number is forgotten: better told twice than never.
  void add(uint32_t unit);

 private:
  struct High {
    uint32_t bits[(kMost - kLow) / 32] = {};
  };
  uint32_t low_[kLow / 32] = {};
  OwnPtr<High> high_;
};

class UnitAttentions {
 public:
  static constexpr uint32_t kPlaces = 16;
  static constexpr uint32_t kEverywhere = 8;  // Conditions of all units at one time.

  // The units that a condition of all of them is for: those for which the target speaks are the
  // ones whose class leaves the answers to it.
  enum class Scope : uint8_t { kAll, kSpokenFor };

  void establish(uint32_t lun, SenseCode code);
  // However many units there are, it costs the same.
  void establish_everywhere(SenseCode code, Scope scope = Scope::kAll);
  // All that `other` holds and has not reported yet for any unit.
  void establish_all(const UnitAttentions& other);
  // The condition to report for this unit, which is over with that. False: there is none. `passes`:
  // its class runs each command by itself, so that the target does not speak for it.
  bool take(uint32_t lun, SenseCode* code, bool passes = false);
  // The same without any effect.
  bool peek(uint32_t lun, SenseCode* code, bool passes = false) const;
  // The oldest one that takes precedence over RESERVATION CONFLICT: that of a reset of whatever
  // kind, or of the loss of the nexus (SAM-5 section 5.3.3). What is pending besides stays. For a
  // unit for which the target speaks.
  bool take_reset(uint32_t lun, SenseCode* code);
  // Ends all conditions of a kind: REPORT LUNS tells of changed LUNs by itself.
  void clear(SenseCode code);
  bool empty() const { return count_ == 0 && everywhere_count_ == 0; }

 private:
  struct Single {
    uint32_t lun;
    SenseCode code;
  };
  struct Everywhere {
    SenseCode code;
    Scope scope;
    ReportedUnits reported;
    bool is_for(uint32_t lun, bool passes) const;
  };

  bool find(uint32_t lun, bool passes, bool resets_only, SenseCode* code) const;
  // Whether the unit is to be told of it already, whatever its class.
  bool is_pending(uint32_t lun, SenseCode code) const;
  // It was reported for this unit.
  void end(uint32_t lun, bool passes, SenseCode code);
  void remove_single(uint32_t index);
  void remove_everywhere(uint32_t index);
  // Single units' conditions of the kind that has most become one of all units, also of those that
  // had none, whatever their class.
  void merge_singles();
  uint32_t count_singles(SenseCode code) const;
  // Everything becomes one condition of all units.
  void overflow();

  Single singles_[kPlaces];  // The oldest first.
  Everywhere everywhere_[kEverywhere];
  uint32_t count_ = 0;
  uint32_t everywhere_count_ = 0;
};

}  // namespace chiscsi
