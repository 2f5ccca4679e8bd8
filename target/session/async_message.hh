// SPDX-License-Identifier: GPL-2.0-only
//
// Asynchronous Messages (RFC 7143 section 11.9): what the target says without being asked. What
// will be dropped is said by Connection::announce_end() and announce_drop().
#pragma once

#include <cstdint>

#include "target/scsi/sense_code.hh"

namespace chiscsi {

class Connection;

namespace async_message {

// SCSI event of LUN 0, with `code` as sense data.
void report_scsi_event(Connection& connection, SenseCode code);
// The initiator is to log out within so many seconds.
void request_logout(Connection& connection, uint16_t seconds);

}  // namespace async_message

}  // namespace chiscsi
