// SPDX-License-Identifier: GPL-2.0-only
//
// What a connection has on its way out: PDUs pulled from the target, and the work requests made of
// them. Both are kept for use again.
#pragma once

#include "base/list.hh"
#include "common/chiscsi_transport.h"
#include "iscsi/bhs.hh"
#include "offload/lld.h"
#include "offload/tx_credits.hh"

namespace chiscsi {

class DdpTask;

// A PDU that the target gave; it goes back when all of its requests are paid back, or, where they
// are copies that nobody has to wait for, when the adapter has them.
struct TxSlotState {
  // SAFETY: a BHS is bytes with alignment 1.
  bool is_login_response() const {
    return reinterpret_cast<const iscsi::Bhs*>(pdu.bhs)->opcode() == iscsi::Opcode::kLoginResponse;
  }

  chiscsi_xmit_pdu pdu = {};
  uint32_t done = 0;     // Bytes of data that are in requests.
  uint32_t pending = 0;  // Requests that it waits for.
  bool prepared = false;
  bool whole = false;   // All requests are made.
  bool copies = false;  // Its memory is out of the adapter's reach.
  bool given_back = false;
};
struct TxSlot : TxSlotState {
  ListNode node;
};

// A work request in the backlog, or with the adapter.
struct TxRequest {
  ListNode node;
  TxRecord record;
  lld_buffer* buffer = nullptr;  // Null when it was sent.
  uint32_t cost = 0;
  bool completion = false;  // Asks for an ack in any case.
  bool embedded = false;    // A member of the connection.
  TxSlot* slot = nullptr;
  DdpTask* released = nullptr;  // The last of those that make its pods invalid.
};

}  // namespace chiscsi
