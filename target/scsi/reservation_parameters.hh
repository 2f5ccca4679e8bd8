// SPDX-License-Identifier: GPL-2.0-only
//
// The parameter list of PERSISTENT RESERVE OUT, and TransportIDs (SPC-5 sections 6.16 and 7.6.4.6).
//
// What is well-formed by itself becomes a ReserveOutRequest; the rest of the judgement is that of
// Reservations. Lists come from the wire: every length in them is checked. Context: process.
#pragma once

#include "target/config/growable_array.hh"
#include "target/scsi/cdb.hh"
#include "target/scsi/reply.hh"
#include "target/scsi/reservation_state.hh"

namespace chiscsi::scsi {

// A TransportID for SPEC_I_PT or REGISTER AND MOVE takes at most so many bytes: four, the longest
// name, ",i,0x", twelve digits, and a NUL.
inline constexpr size_t kMaxTransportId = 4 + ((iscsi::kMaxNameLength + 5 + 12 + 1 + 3) & ~3u);
// What parse_reserve_out() makes; `request` refers to `ports`.
struct ParsedReserveOut {
  ReserveOutRequest request;
  GrowableArray<InitiatorPort> ports;
};

// kNoMemory, or what is wrong with CDB and list.
Result<ReserveOutcome> parse_reserve_out(const Cdb& cdb, Bytes list, ParsedReserveOut* parsed);

// Reads one TransportID of an initiator port from the beginning of `bytes`; `*size` is what it
// takes. False: it is none of iSCSI, or of another form than name and ISID.
bool parse_transport_id(Bytes bytes, InitiatorPort* port, size_t* size);
size_t transport_id_size(const InitiatorPort& port);
void put_transport_id(Reply& reply, const InitiatorPort& port);

}  // namespace chiscsi::scsi
