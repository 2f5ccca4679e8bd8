// SPDX-License-Identifier: GPL-2.0-only
//
// ReservationHandover: what the start or a reload of a target does about stored registrations.
//
// A device that comes gets what is stored under its identity; without that the target does not
// start, since commands of those whom a reservation keeps away would go through. A device that
// stays takes another identity along only while nothing of it is stored: under the new one it would
// not be found again. Two LUNs with one identity would overwrite each other's record, so one of
// them alone is stored. Lives beside the LunChange, on the stack of a control plane call. Context:
// process.
#pragma once

#include <cstdint>

#include "target/config/growable_array.hh"
#include "target/lun/lun_change.hh"
#include "target/scsi/reservation_keeper.hh"

namespace chiscsi::scsi {

class ReservationHandover {
 public:
  // Without a keeper nothing is stored, and nothing is done.
  ReservationHandover(const Target& target, const LunChange& change, ReservationKeeper* keeper)
      : target_(target), change_(change), keeper_(keeper) {}
  ~ReservationHandover() { end_renames(false); }
  ReservationHandover(const ReservationHandover&) = delete;
  ReservationHandover& operator=(const ReservationHandover&) = delete;

  // Before anybody can send a command to what comes. Errors: kInvalid for an identity that a device
  // cannot take, with the reason in `why`; what reading has returned. Precondition: the change is
  // prepared.
  Status prepare(ConfigError* why);
  // New names count from here on.
  void commit() { end_renames(true); }

 private:
  Status rename(size_t place, ConfigError* why);
  Status restore(size_t place);
  Status refuse(const Lun& lun, const char* reason, ConfigError* why) const;
  bool stays(size_t place) const;
  Status index_identities();
  uint16_t& chain(size_t place);
  bool is_taken(size_t place);
  void end_renames(bool take_effect);

  const Target& target_;
  const LunChange& change_;
  ReservationKeeper* keeper_;
  bool has_begun_ = false;
  // Chains of the places whose identities have the same hash: the last one of each chain, and for
  // each place the one before it.
  GrowableArray<uint16_t> chains_, previous_;
};

}  // namespace chiscsi::scsi
