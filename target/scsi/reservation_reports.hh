// SPDX-License-Identifier: GPL-2.0-only
//
// What PERSISTENT RESERVE IN says about a logical unit (SPC-5 section 6.15).
//
// Each report is written as a whole, whatever the initiator allows for it. Context: any.
#pragma once

#include "target/scsi/reply.hh"
#include "target/scsi/reservation_state.hh"

namespace chiscsi::scsi {

enum class ReserveIn : uint8_t {
  kReadKeys = 0,
  kReadReservation = 1,
  kReportCapabilities = 2,
  kReadFullStatus = 3,
};
inline constexpr uint8_t kReserveInActions = 4;

// Bytes of the report. Precondition of both: action < kReserveInActions.
size_t reserve_in_size(const Reservations& reservations, uint8_t action);
// `can_persist`: there is a place to keep registrations over a loss of power.
void report_reservations(const Reservations& reservations, uint8_t action, bool can_persist,
                         Reply& reply);

}  // namespace chiscsi::scsi
