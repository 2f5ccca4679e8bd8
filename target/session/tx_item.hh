// SPDX-License-Identifier: GPL-2.0-only
//
// TxItem: what waits in a connection's send queue.
//
// An item yields one PDU or several. Commands and R2Ts carry their item inside; everything else is
// a ControlPdu: one response or message with a small payload of its own. The send path switches on
// the kind, so that no item is ever taken for another (an event is not a command).
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/list.hh"
#include "iscsi/bhs.hh"

namespace chiscsi {

enum class TxKind : uint8_t { kCommand, kR2t, kControl };

struct TxItem {
  explicit TxItem(TxKind k) : kind(k) {}
  const TxKind kind;
  ListNode tx_node;
};

using TxQueue = List<TxItem, &TxItem::tx_node>;

// How StatSN is used by a PDU (RFC 7143 section 4.2.2.2).
enum class StatSnUse : uint8_t {
  kAdvance,  // A status: takes the number and advances it.
  kPeek,     // Shows the next number: R2T, and NOP-In that is no answer.
  kNone,     // The field is reserved: Data-In without status.
};

// What follows when the last byte of a control PDU was accepted by the network.
enum class AfterSend : uint8_t { kNothing, kLoginResponse, kCloseConnection };

struct ControlPdu : TxItem {
  ControlPdu() : TxItem(TxKind::kControl) {}
  iscsi::Bhs bhs;
  Buffer data;
  uint32_t data_size = 0;
  StatSnUse stat_sn = StatSnUse::kAdvance;
  AfterSend after = AfterSend::kNothing;
};

}  // namespace chiscsi
