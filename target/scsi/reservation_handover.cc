// SPDX-License-Identifier: GPL-2.0-only
//
// See reservation_handover.hh.
#include "target/scsi/reservation_handover.hh"

#include <utility>

#include "base/hash.hh"
#include "os/log.h"
#include "os/thread.h"
#include "target/scsi/unit_reservations.hh"

namespace chiscsi::scsi {

namespace {

constexpr size_t kChains = 1024;
constexpr uint16_t kNoPlace = 0xffff;
static_assert(LunMap::kMaxLuns <= kNoPlace);

}  // namespace

// A device that was there, whose registrations can be stored.
bool ReservationHandover::stays(size_t place) const {
  const Lun& lun = *change_.prepared().list()[place];
  return !lun.passes_all_commands() && !change_.is_new(place) &&
         lun.state().reservations().is_attached();
}

// So that a start with very many LUNs does not compare each with each.
Status ReservationHandover::index_identities() {
  while (chains_.size() < kChains)
    CHISCSI_TRY(chains_.append(kNoPlace));
  for (size_t place = 0; place < change_.prepared().list().size(); ++place) {
    CHISCSI_TRY(previous_.append(std::exchange(chain(place), static_cast<uint16_t>(place))));
  }
  return Status();
}

uint16_t& ReservationHandover::chain(size_t place) {
  return chains_[fnv1a(change_.prepared().list()[place]->identity().naa) % kChains];
}

// Another LUN stores its registrations under the identity of this one: one that stays, or one that
// comes before it.
bool ReservationHandover::is_taken(size_t place) {
  const Span<const Ref<Lun>> list = change_.prepared().list();
  for (uint16_t other = chain(place); other != kNoPlace; other = previous_[other]) {
    if (other == place || !equal_bytes(list[other]->identity().naa, list[place]->identity().naa)) {
      continue;
    }
    if (stays(other) || (other < place && change_.is_new(other))) return true;
  }
  return false;
}

Status ReservationHandover::refuse(const Lun& lun, const char* reason, ConfigError* why) const {
  why->at("TargetDevice").add_quoted(lun.device().line).add(": ").add(reason);
  os_log(OS_LOG_ERROR, "%s: %s", target_.name_c_str(), why->c_str());
  return Error::kInvalid;
}

Status ReservationHandover::rename(size_t place, ConfigError* why) {
  const Lun& lun = *change_.prepared().list()[place];
  UnitReservations& unit = lun.state().reservations();
  const UnitName name = unit_name(target_.name(), lun.identity());
  if (unit.has_name(name)) return Status();
  OwnPtr<UnitName> next = make<UnitName>(Alloc::kMaySleep, name);
  if (!next) return Error::kNoMemory;
  if (!unit.begin_rename(std::move(next))) {
    return refuse(lun, "WWN= and SN= cannot change while registrations persist", why);
  }
  if (is_taken(place)) return refuse(lun, "another LUN has this WWN", why);
  const Result<OwnPtr<Reservations>> stored = keeper_->load(name);
  if (!stored.is_ok() && stored.error() != Error::kInvalid) return stored.status();
  if (!stored.is_ok() || !stored.value()) return Status();
  return refuse(lun, "registrations of another device are stored under this WWN", why);
}

// One that has been there has a state of its own, which what is stored must not overwrite.
Status ReservationHandover::restore(size_t place) {
  const Lun& lun = *change_.prepared().list()[place];
  UnitReservations& unit = lun.state().reservations();
  if (unit.is_attached()) return Status();
  if (is_taken(place)) {
    os_log(OS_LOG_WARNING, "%s: LUN %zu has the identity of another: no APTPL for it",
           target_.name_c_str(), place);
    return Status();
  }
  const Status attached = unit.attach(*keeper_, unit_name(target_.name(), lun.identity()));
  if (!attached.is_ok()) {
    os_log(OS_LOG_ERROR, "%s: LUN %zu: stored registrations cannot be read, error %d",
           target_.name_c_str(), place, static_cast<int>(attached.error()));
  }
  return attached;
}

Status ReservationHandover::prepare(ConfigError* why) {
  if (keeper_ == nullptr) return Status();
  has_begun_ = true;
  CHISCSI_TRY(index_identities());
  const Span<const Ref<Lun>> list = change_.prepared().list();
  for (size_t place = 0; place < list.size(); ++place) {
    if (stays(place)) CHISCSI_TRY(rename(place, why));
  }
  for (size_t place = 0; place < list.size(); ++place) {
    if (list[place]->passes_all_commands() || !change_.is_new(place)) continue;
    CHISCSI_TRY(restore(place));
    os_relax();
  }
  return Status();
}

void ReservationHandover::end_renames(bool take_effect) {
  if (!std::exchange(has_begun_, false)) return;
  const Span<const Ref<Lun>> list = change_.prepared().list();
  for (size_t place = 0; place < list.size(); ++place) {
    if (stays(place)) list[place]->state().reservations().end_rename(take_effect);
  }
}

}  // namespace chiscsi::scsi
