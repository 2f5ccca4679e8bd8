// SPDX-License-Identifier: GPL-2.0-only
//
// Asymmetric access: states, what passes in them, and changes. See alua.hh.
#include "target/scsi/alua.hh"

#include "base/lock.hh"
#include "os/log.h"
#include "target/scsi/executions.hh"
#include "target/session/session.hh"

namespace chiscsi::scsi {

namespace alua_detail {

struct StateName {
  AccessState state;
  const char* name;
};
constexpr StateName kStateNames[] = {
    {AccessState::kOptimized, "optimized"},
    {AccessState::kNonOptimized, "non-optimized"},
    {AccessState::kStandby, "standby"},
    {AccessState::kUnavailable, "unavailable"},
    {AccessState::kTransitioning, "transitioning"},
};

constexpr uint32_t kTagShift = 16, kChangeShift = 8, kStateMask = 0xff;

constexpr uint32_t entry(uint16_t tag, AccessState state, AccessChange change) {
  return static_cast<uint32_t>(tag) << kTagShift | static_cast<uint32_t>(change) << kChangeShift |
         static_cast<uint32_t>(state);
}

// Goes on in any state (SPC-5 sections 5.16.2.4 to 5.16.2.7).
bool always_passes(const Cdb& cdb) {
  switch (cdb.u8(0)) {
    case 0x03:  // REQUEST SENSE
    case 0x12:  // INQUIRY
    case 0xa0:  // REPORT LUNS
      return true;
    case 0xa3:  // REPORT TARGET PORT GROUPS
      return cdb.service_action() == kTargetPortGroups;
    default:
      return false;
  }
}

bool sets_groups(const Cdb& cdb) {
  return cdb.u8(0) == 0xa4 && cdb.service_action() == kTargetPortGroups;
}

bool passes_standby(const Cdb& cdb) {
  switch (cdb.u8(0)) {
    case 0x15:  // MODE SELECT(6)
    case 0x1a:  // MODE SENSE(6)
    case 0x1c:  // RECEIVE DIAGNOSTIC RESULTS
    case 0x1d:  // SEND DIAGNOSTIC
    case 0x4c:  // LOG SELECT
    case 0x4d:  // LOG SENSE
    case 0x55:  // MODE SELECT(10)
    case 0x5a:  // MODE SENSE(10)
    case 0x5e:  // PERSISTENT RESERVE IN
    case 0x5f:  // PERSISTENT RESERVE OUT
      return true;
    default:
      return sets_groups(cdb);
  }
}

// REPORT and SET TARGET PORT GROUPS.
constexpr uint8_t kSupportedStates = 0x8f;  // Transitioning, unavailable, standby and both active.
constexpr uint8_t kExtendedHeader = 1;
constexpr SenseCode kSetGroupsFailed{0x04, 0x67, 0x0a};
constexpr size_t kListHeader = 4, kGroupSize = 4;

void put_group(uint16_t tag, const AccessStates& states, Reply& reply) {
  reply.u8(static_cast<uint8_t>(states.of(tag))).u8(kSupportedStates).be16(tag).u8(0);
  reply.u8(static_cast<uint8_t>(states.change_of(tag))).u8(0).u8(1);
  reply.be16(0).be16(tag);
}

uint16_t tag_at(Bytes list, size_t at) {
  return static_cast<uint16_t>(list[at + 2] << 8 | list[at + 3]);
}

bool may_be_set(uint8_t state) { return state <= static_cast<uint8_t>(AccessState::kUnavailable); }

Sense check_list(const TargetSettings& settings, Bytes list) {
  if (list.size() < kListHeader || list.size() % kGroupSize != 0) return kParameterListLengthError;
  for (size_t at = kListHeader; at < list.size(); at += kGroupSize) {
    if (!may_be_set(list[at] & 0xf)) return wrong_parameter(static_cast<uint16_t>(at), 3);
    if (settings.find_portal_group(tag_at(list, at)) == nullptr) {
      return wrong_parameter(static_cast<uint16_t>(at + 2));
    }
  }
  return kNoSense;
}

}  // namespace alua_detail

bool parse_access_state(Text name, AccessState* state) {
  for (const alua_detail::StateName& known : alua_detail::kStateNames) {
    if (!(Text(known.name) == name)) continue;
    *state = known.state;
    return true;
  }
  return false;
}

const char* access_state_name(AccessState state) {
  for (const alua_detail::StateName& known : alua_detail::kStateNames)
    if (known.state == state) return known.name;
  return "unknown";
}

uint32_t AccessStates::entry_of(uint16_t tag) const {
  using namespace alua_detail;
  const uint32_t count = count_.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < count; ++i) {
    const uint32_t found = entries_[i].load(std::memory_order_relaxed);
    if (found >> kTagShift == tag) return found;
  }
  return entry(tag, AccessState::kOptimized, AccessChange::kNone);
}

AccessState AccessStates::of(uint16_t tag) const {
  return static_cast<AccessState>(entry_of(tag) & alua_detail::kStateMask);
}

AccessChange AccessStates::change_of(uint16_t tag) const {
  using namespace alua_detail;
  return static_cast<AccessChange>(entry_of(tag) >> kChangeShift & kStateMask);
}

Result<bool> AccessStates::set(uint16_t tag, AccessState state, AccessChange change) {
  using namespace alua_detail;
  if (of(tag) == state) return false;
  const uint32_t count = count_.load(std::memory_order_relaxed);
  uint32_t at = 0;
  while (at < count && entries_[at].load(std::memory_order_relaxed) >> kTagShift != tag)
    ++at;
  if (at == kMaxGroups) return Error::kNoSpace;
  entries_[at].store(entry(tag, state, change), std::memory_order_relaxed);
  if (at == count) count_.store(count + 1, std::memory_order_release);
  return true;
}

Sense check_access(AccessState state, const Cdb& cdb) {
  using namespace alua_detail;
  switch (state) {
    case AccessState::kOptimized:
    case AccessState::kNonOptimized:
      return kNoSense;
    case AccessState::kStandby:
      return always_passes(cdb) || passes_standby(cdb) ? Sense() : Sense(kAccessStandby);
    case AccessState::kUnavailable:
      return always_passes(cdb) || sets_groups(cdb) ? Sense() : Sense(kAccessUnavailable);
    case AccessState::kTransitioning:
      break;
  }
  return always_passes(cdb) ? Sense() : Sense(kAccessTransition);
}

Status set_alua_state(Target& target, uint16_t tag, AccessState state) {
  MutexGuard guard(target.mutex());
  if (target.settings_locked().find_portal_group(tag) == nullptr) return Error::kNoEntry;
  if (!CHISCSI_TRY(target.access_states().set(tag, state, AccessChange::kImplicit))) {
    return Status();
  }
  os_log(OS_LOG_INFO, "%s: portal group %u is %s", target.name_c_str(), tag,
         access_state_name(state));
  tell_nexuses_everywhere_locked(target, nullptr, kAccessStateChanged);
  return Status();
}

Sense report_target_port_groups(const Question& question, Reply& reply) {
  using namespace alua_detail;
  const uint8_t format = question.cdb.u8(1) >> 5;
  if (format > kExtendedHeader) return wrong_cdb_field(1, 7);
  reply.be32(0);
  if (format == kExtendedHeader) reply.u8(kExtendedHeader << 4).zeros(3);
  for (const PortalGroupSettings& group : question.settings->portal_groups())
    put_group(group.tag, *question.access, reply);
  reply.patch32(0, static_cast<uint32_t>(reply.size() - 4));
  return kNoSense;
}

Ending set_target_port_groups(const Question&, Bytes parameters, Command& command) {
  using namespace alua_detail;
  if (parameters.empty()) return Ending();
  Target& target = *command.session.target();
  MutexGuard guard(target.mutex());
  const Sense sense = check_list(target.settings_locked(), parameters);
  if (!sense.is_good()) return sense;
  bool changed = false;
  Sense failure;
  for (size_t at = kListHeader; at < parameters.size() && failure.is_good(); at += kGroupSize) {
    const auto state = static_cast<AccessState>(parameters[at] & 0xf);
    const Result<bool> set =
        target.access_states().set(tag_at(parameters, at), state, AccessChange::kExplicit);
    if (!set.is_ok()) failure = kSetGroupsFailed;
    changed |= set.is_ok() && set.value();
  }
  // Of the groups before one that failed, too.
  if (changed) tell_nexuses_everywhere_locked(target, &command.session, kAccessStateChanged);
  return failure;
}

}  // namespace chiscsi::scsi
