// SPDX-License-Identifier: GPL-2.0-only
//
// Asymmetric logical unit access (ALUA, SPC-5 section 5.16): in which state each target port group
// of a target is, and what a command may do there.
//
// A target port group is a portal group of the target, with one port in it, and both are known by
// its tag. The state is that of the group for all LUNs whose SCSI the target does. It belongs to
// the target, survives reloads and is gone with the target; active/optimized is where it begins.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/error.hh"
#include "base/text.hh"
#include "target/scsi/cdb.hh"
#include "target/scsi/sense_code.hh"

namespace chiscsi {
class Session;
class Target;
}  // namespace chiscsi

namespace chiscsi::scsi {

enum class AccessState : uint8_t {
  kOptimized = 0,
  kNonOptimized = 1,
  kStandby = 2,
  kUnavailable = 3,
  kTransitioning = 15,
};
// Reads the name of a state, as access_state_name() writes it: "optimized", "non-optimized",
// "standby", "unavailable", "transitioning". False: it is none.
bool parse_access_state(Text name, AccessState* state);
const char* access_state_name(AccessState state);

// Why a group is in its state: the STATUS CODE of REPORT TARGET PORT GROUPS.
enum class AccessChange : uint8_t { kNone = 0, kExplicit = 1, kImplicit = 2 };

inline constexpr SenseCode kAccessTransition{0x02, 0x04, 0x0a};
inline constexpr SenseCode kAccessStandby{0x02, 0x04, 0x0b};
inline constexpr SenseCode kAccessUnavailable{0x02, 0x04, 0x0c};
inline constexpr SenseCode kAccessStateChanged{0x06, 0x2a, 0x06};

class AccessStates {
 public:
  // Groups that are or were in another state than the first one; more are refused.
  static constexpr uint32_t kMaxGroups = 256;

  // One load where no group was ever changed. Context: any.
  AccessState of(uint16_t tag) const;
  AccessChange change_of(uint16_t tag) const;
  // Whether it was another one. kNoSpace: nothing has changed. Context: one caller at a time.
  Result<bool> set(uint16_t tag, AccessState state, AccessChange change);

 private:
  // Tag, change and state in one word, so that a reader sees them together.
  uint32_t entry_of(uint16_t tag) const;

  std::atomic<uint32_t> count_{0};
  std::atomic<uint32_t> entries_[kMaxGroups] = {};
};

// The sense with which a command ends in this state, or a good one.
Sense check_access(AccessState state, const Cdb& cdb);

// The administrator's change (implicit ALUA): every initiator of the target hears of it. Errors:
// kNoEntry for a tag without a portal group; kNoSpace. Context: process.
Status set_alua_state(Target& target, uint16_t tag, AccessState state);

}  // namespace chiscsi::scsi
