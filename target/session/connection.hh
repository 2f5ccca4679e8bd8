// SPDX-License-Identifier: GPL-2.0-only
//
// Connection: one iSCSI connection, from accept to close.
//
// It starts in the login phase on the login worker, where a LoginService answers its requests, and
// moves to its session's worker for full feature phase, where rx/ and tx/ do. It owns its
// Conn (the transport), its send queue and its status numbers. Only the worker it is on touches it.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/ref.hh"
#include "base/serial.hh"
#include "common/chiscsi.h"
#include "target/config/address.hh"
#include "target/discovery_view.hh"
#include "target/info/roster.hh"
#include "target/login/parameters.hh"
#include "target/login/text_request.hh"
#include "target/session/member.hh"
#include "target/session/r2t.hh"
#include "target/session/tx_item.hh"
#include "transport/conn.hh"

namespace chiscsi {

class Engine;
class LoginService;
class Session;
struct Command;

enum class ConnectionPhase : uint8_t {
  kLogin,        // On the login worker.
  kMoving,       // The login has succeeded; nothing is received until the move is complete.
  kFullFeature,  // On the session's worker.
  kLeaving,      // Logout was answered or the end was decided: nothing is received any more.
};

// An open text exchange with the view of the targets that it answers from.
struct TextSession {
  TextSession(Connection& connection, const DiscoveryContext& context, const TextLimits& limits);
  DiscoveryView view;
  TextExchange exchange;
};

class Connection final : public ConnUser {
 public:
  // At most this many control PDUs wait to be sent before receiving pauses.
  static constexpr uint32_t kMaxControlPdus = 64;

  Connection(Engine& engine, OwnPtr<Conn> conn);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Starts the login phase on `worker`, which is the caller's.
  void start(Worker& worker);
  // The login has succeeded: goes over to `session` and its worker, which owns it from then on.
  void join(Ref<Session> session, Ref<Member> member, const ConnectionParameters& parameters);

  // Nothing whole has come on it since it was accepted.
  bool awaits_first_pdu() const { return !ending_ && !heard_; }

  // Puts an item at the end of the send queue, unless it is there. Items are served in order.
  void queue(TxItem& item);
  void queue_control(OwnPtr<ControlPdu> pdu);
  // A control PDU with room for `data_size` bytes, opcode and tag filled; empty without memory, in
  // which case the connection is being dropped. More than 256 bytes may sleep.
  OwnPtr<ControlPdu> make_control(iscsi::Opcode opcode, uint32_t initiator_task_tag,
                                  uint32_t data_size = 0);
  void reject(const iscsi::Bhs& bhs, iscsi::RejectReason reason, const char* why);
  // Ends the connection with a log line that names it and the cause. With `flush`, what is queued
  // is sent first. Never calls back before it returns.
  void drop(const char* why, bool flush = false);
  // The layout of a PDU is wrong, which only a broken initiator sends: a Reject, and all
  // connections of the session end (RFC 7143 section 7.7). Never calls back before it returns.
  void format_error(const iscsi::Bhs& bhs, const char* why);
  // Ends the connection quietly, after what is queued was sent; nothing more is received.
  void close_after_flush();
  // The same after a logout was answered.
  void leave();
  // Ends it at once, whatever is queued, also while it flushes. Never calls back.
  void cut(const char* why);
  // Queues the asynchronous message that all connections are about to be dropped.
  void announce_end();
  // Queues a NOP-In that asks for nothing and shows the command window as it is.
  void show_window();
  // Queues the one that the connection of this number was dropped.
  void announce_drop(uint16_t cid);
  bool is_ending() const { return ending_; }
  // It was ended by drop(): for what the peer did, or failed to do.
  bool was_dropped() const { return dropped_; }
  // Asks the initiator for a sign that all responses so far have reached it; none is needed when it
  // has acknowledged them.
  void raise_fence();
  // The initiator has answered our last ping, and with it all that went before.
  void ping_answered() { ping_outstanding = fence_raised_ = false; }
  bool is_fence_raised() const { return fence_raised_; }
  // The command that a data segment is arriving for has no use for the rest of it.
  void discard_arriving(Command& command);
  // A command or a control PDU has ended: goes on if receiving had paused for want of it.
  void command_freed();
  // The last Login Response is to be sent: that has a limit of its own, besides the login's.
  void limit_response();
  // The time-out of the portal group; 0: no check. Another one than before counts from now on. In
  // full feature phase.
  void set_keepalive(uint32_t seconds);

  // ConnUser.
  RxAction on_header(RxPdu& pdu, Placement* placement) override;
  RxAction on_pdu(RxPdu& pdu) override;
  void on_header_digest_error() override;
  void on_pass_end() override;
  bool next_pdu(TxPdu* pdu) override;
  void pdu_sent(TxPdu& pdu) override;
  void pdu_dropped(TxPdu& pdu) override;
  void on_placed(const Landing& landing) override;
  void on_released(PlacedTask& task) override;
  void on_moved() override;
  void on_closed(CloseReason reason) override;

  Conn& conn() { return *conn_; }
  Engine& engine() { return engine_; }
  Session* session() { return session_.get(); }
  // Precondition: join() was called.
  Member& member() { return *member_; }
  LoginService* login() { return login_.get(); }
  ConnectionPhase phase() const { return phase_; }
  const char* peer_text() const { return peer_text_.c_str(); }

  // Immutable in full feature phase, but for the peer's MaxRecvDataSegmentLength (Text Request).
  ConnectionParameters parameters;
  chiscsi_tcp_endpoints endpoints{};
  ConnectionStatus status;  // For the information calls.

  // Worker-owned.
  Serial stat_sn;      // Of the next status.
  Serial exp_stat_sn;  // As the initiator last acknowledged.
  TxQueue tx_queue;
  uint32_t control_pdus = 0;
  uint64_t last_receive_ms = 0;
  uint64_t logout_ends_ms = 0;  // Not 0: it was asked to log out by then.
  bool ping_outstanding = false;
  uint32_t ping_tag = 0;

  // The PDU that is being received: what on_header() prepared for on_pdu().
  struct {
    Command* command = nullptr;
    R2t* r2t = nullptr;
    Buffer data;
    Buffer spare;               // Memory that was missing at the last try.
    uint32_t wanted = 0;        // Bytes that are missing: receiving has paused for them.
    bool want_command = false;  // A command is missing: receiving has paused for one.
    bool placed = false;        // The data of an unsolicited Data-Out has a place,
    bool in_list = false;       // and that is the driver's.
    bool discard = false;       // Takes no part in anything but the stream.
  } rx;

  Ref<Session> session_;
  Ref<Member> member_;       // Its place in the session.
  ListNode login_node;       // In the engine's list of pending logins.
  OwnPtr<TextSession> text;  // While a text exchange is open.

 private:
  friend class LoginService;
  static void on_timer(Timer& timer);
  void announce(iscsi::AsyncEvent event, uint16_t parameter1);
  void keepalive();
  bool send_ping();
  void provide_memory();
  void fill_control(ControlPdu& control, TxPdu* pdu);
  void describe_peer();
  void describe_status();

  Engine& engine_;
  OwnPtr<Conn> conn_;
  OwnPtr<LoginService> login_;
  Worker* worker_ = nullptr;
  Ref<Roster> portal_;  // Of the portal it came by; empty when that has closed meanwhile.
  ConnectionPhase phase_ = ConnectionPhase::kLogin;
  Timer timer_{&Connection::on_timer};
  uint64_t login_ends_ms_ = 0;  // 0: no limit.
  AddressText peer_text_;
  uint32_t keepalive_s_ = 0;
  uint64_t keepalive_since_ms_ = 0;  // When that was set.
  bool ending_ = false;
  bool heard_ = false;  // A whole PDU has come.
  bool paused_ = false;
  bool logged_out_ = false;
  bool dropped_ = false;
  bool fence_raised_ = false;
};

}  // namespace chiscsi
