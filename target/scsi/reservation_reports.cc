// SPDX-License-Identifier: GPL-2.0-only
//
// READ KEYS, READ RESERVATION, REPORT CAPABILITIES, READ FULL STATUS. See reservation_reports.hh.
#include "target/scsi/reservation_reports.hh"

#include "target/scsi/reservation_parameters.hh"

namespace chiscsi::scsi {

namespace reservation_reports_detail {

constexpr size_t kHeader = 8, kKeySize = 8, kReservationSize = 16, kCapabilitiesSize = 8;
constexpr size_t kStatusHeader = 24;
constexpr uint8_t kHolds = 0x01;

// REPORT CAPABILITIES.
constexpr uint8_t kCompatibleHandling = 0x10, kSpecifiesPorts = 0x08, kAllTargetPorts = 0x04;
constexpr uint8_t kCanPersist = 0x01, kPersists = 0x01;
constexpr uint8_t kTypeMaskValid = 0x80;
// TEST UNIT READY goes through every reservation, MODE SENSE and the like through those that are
// write exclusive.
constexpr uint8_t kAllowCommands = 3 << 4;
constexpr uint8_t kAllTypesButLast = 0xea, kExclusiveAccessAll = 0x01;

uint32_t body_size(const Reservations& reservations, uint8_t action) {
  return static_cast<uint32_t>(reserve_in_size(reservations, action) - kHeader);
}

void header(const Reservations& reservations, uint8_t action, Reply& reply) {
  reply.be32(reservations.generation()).be32(body_size(reservations, action));
}

void read_keys(const Reservations& reservations, Reply& reply) {
  for (const Reservations::Registrant& registrant : reservations.registrants())
    reply.be64(registrant.key);
}

void read_reservation(const Reservations& reservations, Reply& reply) {
  if (!reservations.is_reserved()) return;
  reply.be64(reservations.holder_key()).be32(0).u8(0);
  reply.u8(static_cast<uint8_t>(reservations.type())).be16(0);
}

void capabilities(const Reservations& reservations, bool can_persist, Reply& reply) {
  reply.be16(kCapabilitiesSize);
  reply.u8(static_cast<uint8_t>(kCompatibleHandling | kSpecifiesPorts | kAllTargetPorts |
                                (can_persist ? kCanPersist : 0)));
  reply.u8(static_cast<uint8_t>(kTypeMaskValid | kAllowCommands |
                                (reservations.persists() ? kPersists : 0)));
  reply.u8(kAllTypesButLast).u8(kExclusiveAccessAll).be16(0);
}

void full_status(const Reservations& reservations, Reply& reply) {
  for (const Reservations::Registrant& registrant : reservations.registrants()) {
    const bool holds = reservations.is_holder(registrant);
    reply.be64(registrant.key).be32(0).u8(holds ? kHolds : 0);
    reply.u8(holds ? static_cast<uint8_t>(reservations.type()) : 0).be32(0);
    reply.be16(registrant.nexus.target_port);
    reply.be32(static_cast<uint32_t>(transport_id_size(registrant.nexus.initiator)));
    put_transport_id(reply, registrant.nexus.initiator);
  }
}

}  // namespace reservation_reports_detail

size_t reserve_in_size(const Reservations& reservations, uint8_t action) {
  using namespace reservation_reports_detail;
  switch (static_cast<ReserveIn>(action)) {
    case ReserveIn::kReadKeys:
      return kHeader + reservations.registrants().size() * kKeySize;
    case ReserveIn::kReadReservation:
      return kHeader + (reservations.is_reserved() ? kReservationSize : 0);
    case ReserveIn::kReportCapabilities:
      return kCapabilitiesSize;
    case ReserveIn::kReadFullStatus:
      break;
  }
  size_t size = kHeader;
  for (const Reservations::Registrant& registrant : reservations.registrants())
    size += kStatusHeader + transport_id_size(registrant.nexus.initiator);
  return size;
}

void report_reservations(const Reservations& reservations, uint8_t action, bool can_persist,
                         Reply& reply) {
  using namespace reservation_reports_detail;
  const auto which = static_cast<ReserveIn>(action);
  if (which == ReserveIn::kReportCapabilities) {
    return capabilities(reservations, can_persist, reply);
  }
  header(reservations, action, reply);
  if (which == ReserveIn::kReadKeys) read_keys(reservations, reply);
  if (which == ReserveIn::kReadReservation) read_reservation(reservations, reply);
  if (which == ReserveIn::kReadFullStatus) full_status(reservations, reply);
}

}  // namespace chiscsi::scsi
