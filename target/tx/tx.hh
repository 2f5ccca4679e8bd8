// SPDX-License-Identifier: GPL-2.0-only
//
// Making the PDUs that a target sends, at the moment when the transport pulls them.
//
// One function per kind of item; each fills the next PDU of its item and returns whether the item
// has more. stamp() writes StatSN, ExpCmdSN and MaxCmdSN and is the only code that does. On the
// connection's worker; calls no hook, allocates nothing.
#pragma once

#include "target/session/command.hh"
#include "target/session/r2t.hh"
#include "target/session/tx_item.hh"
#include "transport/conn.hh"

namespace chiscsi {
class Connection;
}

namespace chiscsi::tx {

// Marks of TxPdu: what its being sent means for the item.
enum Mark : uint32_t {
  kData = 1,  // A Data-In: its bytes have left the buffers of the first phase.
  kOther = 2,
};

void stamp(Connection& connection, iscsi::Bhs& bhs, StatSnUse use);
// The next Data-In or the SCSI Response of a command. Precondition: has_tx_work().
void fill_command(Connection& connection, Command& command, TxPdu* pdu);
void fill_r2t(Connection& connection, R2t& r2t, TxPdu* pdu);
// A PDU of `command` was accepted by the network.
void command_pdu_sent(Command& command, const TxPdu& pdu);

}  // namespace chiscsi::tx
