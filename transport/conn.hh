// SPDX-License-Identifier: GPL-2.0-only
//
// Conn and ConnUser: the seam between a transport and the iSCSI engine.
//
// A Conn moves PDUs: it finds them in the byte stream, checks and makes digests, puts payload where
// the user says, and pulls PDUs to send from the user when the network has room. TCP sockets and
// the offload adapter implement Conn; the engine's connection implements ConnUser. Nothing above
// this seam asks which transport it is on. Everything here runs on the worker that the Conn is
// bound to, but for what is marked otherwise.
#pragma once

#include <cstdint>

#include "base/list.hh"
#include "base/span.hh"
#include "iscsi/bhs.hh"
#include "os/socket.h"
#include "os/thread.h"
#include "transport/sg_cursor.hh"
#include "transport/worker.hh"

namespace chiscsi {

// What a transport can do; it limits what the login negotiates.
struct ConnCapabilities {
  uint32_t max_recv_data_segment_length;
  uint32_t max_send_data_segment_length;
  bool offloaded;
};

// A command of which the transport places received data by itself, as both sides know it. The
// buffers belong to both from ConnUser::on_placed() until ConnUser::on_released(), or until
// on_closed().
struct PlacedTask {
  void* handle = nullptr;  // The transport's; null when it places nothing for the command.
  bool asked = false;      // Conn::release() was called.
  ListNode node;           // The transport's, once it was asked.

  bool exists() const { return handle != nullptr; }
  void forget() {
    handle = nullptr;
    asked = false;
    node.unlink();
  }
};

// A received PDU. Data has gone where the user's Placement said.
struct RxPdu {
  // Additional header segments up to this size are kept; longer ones are skipped and flagged.
  static constexpr uint32_t kMaxAhs = 272;

  iscsi::Bhs bhs;
  uint32_t ahs_size = 0;
  bool ahs_too_long = false;
  bool data_digest_error = false;
  bool merged = false;  // Several Data-Out PDUs in one: no limit for one of them holds.
  uint8_t ahs[kMaxAhs];

  uint32_t data_size() const { return bhs.data_segment_length.get(); }
};

// Where the data segment of a PDU goes. The receiver drops what does not fit.
struct Placement {
  MutableBytes memory;  // Used when not empty.
  SgCursor buffers;     // Else this; an exhausted cursor discards.
  // The transport may have put the data into its place before; of what is discarded it may as well.
  bool may_be_placed = false;
};

enum class RxAction {
  kContinue,
  kPause,  // Not now: the same call is repeated after resume_rx() or in the next pass.
  kClose,  // The user has ended the connection, or wants it ended.
};

// Where the data that an R2T asks for is to land.
struct Landing {
  void* item = nullptr;        // The user's, for on_placed(); null: this PDU has no landing.
  PlacedTask* task = nullptr;  // Of the command.
  SgList buffers;
  uint32_t buffers_offset = 0;  // Where in the command's data they begin.
  uint32_t buffers_length = 0;  // Of them, the command's; the list may be longer.
  uint32_t offset = 0;          // Of the R2T, in the command's data.
  uint32_t length = 0;
  uint32_t total = 0;  // All data of the command.
};

// A PDU to be sent. The payload is `memory` or, when that is empty, `buffers`; both must stay as
// they are until pdu_sent().
struct TxPdu {
  // What the transport offers, set before next_pdu(): bytes of a Data-In sequence that it can cut
  // into PDUs itself, and to place what an R2T asks for, if it is told here where.
  uint32_t max_burst = 0;
  uint32_t data_size = 0;
  Landing* landing = nullptr;

  iscsi::Bhs bhs;
  Bytes memory;
  SgList buffers;
  uint64_t buffers_offset = 0;
  // Not 0: several Data-In PDUs in one, with so many bytes each and the rest in the last one.
  // DataSN and Buffer Offset are of the first; flags, StatSN, status and residual count of the
  // last.
  uint32_t segment = 0;
  uint32_t mark = 0;  // For the user alone, as is `item`.
  // The network may keep referring to `buffers` until this is released; null: until pdu_sent().
  os_send_notice* notice = nullptr;
  void* item = nullptr;
};

enum class CloseReason : uint8_t { kNone, kPeerClosed, kTransportError, kProtocolError, kLocal };

class ConnUser {
 public:
  // The header is complete and right. Called with the transport's lock held: must not sleep, call a
  // storage driver or use the Conn but for close() and kick_tx(). Says where the data goes.
  virtual RxAction on_header(RxPdu& pdu, Placement* placement) = 0;
  // The PDU is complete. Same context as on_header().
  virtual RxAction on_pdu(RxPdu& pdu) = 0;
  // The header digest was wrong; the connection ends after this (RFC 7143 section 7.8).
  virtual void on_header_digest_error() = 0;
  // The end of a receive pass, without any lock: the place to call storage drivers.
  virtual void on_pass_end() = 0;
  // Fills the next PDU to send; false when there is none. Its sequence numbers are stamped now.
  virtual bool next_pdu(TxPdu* pdu) = 0;
  // The transport has accepted the last byte of a PDU.
  virtual void pdu_sent(TxPdu& pdu) = 0;
  // A PDU that was pulled will not be sent: the connection has ended.
  virtual void pdu_dropped(TxPdu& pdu) = 0;
  // The transport, which can place data, will do so for the R2T just pulled.
  virtual void on_placed(const Landing& landing) = 0;
  // Nothing is written to the buffers of the command any more: what release() has asked for.
  virtual void on_released(PlacedTask& task) = 0;
  // The move asked for by move_to() is complete; runs on the new worker.
  virtual void on_moved() = 0;
  // The connection is gone. The last call: the user may destroy the Conn in it.
  virtual void on_closed(CloseReason reason) = 0;

 protected:
  ~ConnUser() = default;
};

class Conn {
 public:
  virtual ~Conn() = default;
  virtual ConnCapabilities limits() const = 0;
  virtual const os_address& local_address() const = 0;
  virtual const os_address& peer_address() const = 0;
  // The CPU on which its packets arrive, as far as that is known; a hint.
  virtual int arrival_cpu() const { return OS_ANY_CPU; }

  // Starts moving PDUs for `user` on `worker`; the caller runs on that worker.
  virtual void start(Worker& worker, ConnUser& user) = 0;
  // Moves to another worker; nothing is delivered in between. on_moved() tells when it is done.
  virtual void move_to(Worker& worker) = 0;
  // What the login has agreed on, once, before its last response is queued. That one goes without
  // digests; what is received and sent after the move to the session's worker has them.
  virtual void set_digests(bool header, bool data) = 0;
  // The transport is to let go of a command's buffers. Never calls back before it returns.
  virtual void release(PlacedTask& task) = 0;
  // There is something to pull. Does nothing when a send is in progress anyway.
  virtual void kick_tx() = 0;
  // Goes on after an RxAction::kPause.
  virtual void resume_rx() = 0;
  // What is still to come of the PDU that is arriving goes nowhere. Not from inside of on_header()
  // or on_pdu().
  virtual void discard_rest() = 0;
  // Ends the connection: nothing is received any more, and on_closed() follows, never from inside
  // this call. With `flush`, PDUs that are queued are sent first, within a limit.
  virtual void close(CloseReason reason, bool flush) = 0;
};

}  // namespace chiscsi
