// SPDX-License-Identifier: GPL-2.0-only
//
// Conn: one TCP connection of the adapter, with iSCSI on top. Everything is the worker's.
//
// conn.cc has its life, conn_tx.cc work requests and credits, conn_wire.cc what they become on the
// network, conn_rx.cc what comes from there.
#pragma once

#include "iscsi/bhs.hh"
#include "offload/sim/device.hh"

namespace chiscsi::sim {

// A PDU that has been received whole.
struct RxPdu {
  const iscsi::Bhs* bhs;
  Bytes header;  // BHS and AHS.
  Bytes data;    // Without pad.
  uint32_t total;
  uint32_t seq;
  uint32_t ddpvld;  // Errors, then what became of placement.
  uint32_t digest;  // The data digest that was received, as it lay on the wire.
  bool placed;
};

class Conn {
 public:
  // Takes the socket over.
  static Conn* create(Device& device, uint32_t tid, os_socket* socket);
  Conn(Device& device, uint32_t tid, os_socket* socket)  // For create().
      : device_(device), tid_(tid), socket_(socket) {}
  // Resets what is still open.
  ~Conn();
  uint32_t tid() const { return tid_; }

  // Sends PASS_ACCEPT_REQ.
  void offer(uint32_t stid);
  void turn();

  // ---- Messages of the client; lengths are checked. ----
  void accept_reply(const cpl::PassAcceptRpl& message);
  void set_tcb(lld_buffer& buffer);
  void rx_data_ack(lld_buffer& buffer);
  // These take the buffer.
  void flowc(lld_buffer* buffer);
  void tx_data(lld_buffer* buffer);
  void mem_write(lld_buffer* buffer);
  void close_request(lld_buffer* buffer);
  void abort_request(lld_buffer* buffer);
  void abort_reply(lld_buffer* buffer);

 private:
  static void on_socket(void* self, unsigned int events);

  void broken(Check check, uint64_t detail = 0) { device_.broken(check, tid_, detail); }
  template <typename T>
  void tell(const T& message) {
    // SAFETY: T is a message of bytes.
    device_.tell(queue_, {reinterpret_cast<const uint8_t*>(&message), sizeof(T)});
  }
  void tell_status(cpl::Opcode opcode, cpl::Status status);
  void reset(cpl::Status status);
  void close_socket(bool with_reset);
  void peer_closed();
  void settle();
  void inject();
  bool may_set(const lld_buffer& buffer) const;
  uint32_t rcv_nxt() const { return rcv_isn_ + rcv_bytes_; }

  void finish_fin();
  // Of the digests bits of TX submodes, as the settings have them now.
  uint32_t digests() const { return tcb_word0_ >> cpl::kTcbUlpDigestShift & 3; }
  uint32_t page_shift() const {
    return 12 + device_.info().page_orders[tcb_word0_ >> cpl::kTcbUlpPageSizeShift & 3];
  }

  // conn_tx.cc
  void charge(lld_buffer* buffer);
  bool may_send(lld_buffer* buffer);
  void check_flowc(lld_buffer* buffer, uint32_t count);
  bool write_pods(uint32_t lock_address, Bytes data);
  void send_pass();
  void acknowledge();
  void acknowledge(uint32_t units);
  void drop_all();

  // conn_wire.cc
  bool build_wire(lld_buffer& buffer);
  void check_mode(lld_buffer& buffer, const iscsi::Bhs& bhs, uint32_t data_size);
  bool build_plain(lld_buffer& buffer, MutableBytes stream);
  bool build_iso(lld_buffer& buffer, MutableBytes stream);
  uint32_t put_pdu(MutableBytes out, Bytes header, Bytes data, uint32_t submode);
  void split(MutableBytes out, MutableBytes stream, uint32_t most, uint32_t submode, bool has_last);
  void check_r2t(const iscsi::Bhs& bhs);

  // conn_rx.cc
  static size_t on_bytes(void* self, const uint8_t* data, size_t size);
  void receive();
  size_t window_left() const;
  bool parse();
  void process(Bytes bytes, uint32_t header_size, uint32_t data_size);
  void check_digests(RxPdu& pdu, Bytes bytes);
  void place(RxPdu& pdu);
  void write_page(uint64_t address, Bytes data);
  void tell_head(const void* message, size_t size, Bytes header);
  void tell_t5(const RxPdu& pdu);
  void tell_t6_data_out(const RxPdu& pdu);
  void tell_data(const RxPdu& pdu);

  Device& device_;
  const uint32_t tid_;
  os_socket* socket_;
  std::atomic<unsigned int> events_{OS_SOCKET_READABLE | OS_SOCKET_WRITABLE};
  TidState state_ = TidState::kOffered;
  uint32_t stid_ = 0;
  os_address local_{}, peer_{};
  uint32_t queue_ = 0;
  uint64_t tcb_word0_ = cpl::kTxUlpModeIscsi;

  // Sending.
  uint32_t snd_isn_ = 0, snd_una_ = 0;
  bool has_flowc_ = false;
  uint32_t flowc_units_ = 0;  // Not yet on the account of a data WR.
  uint32_t outstanding_ = 0;
  BufferList queued_;  // To be sent, in order.
  BufferList done_;    // Sent; credits not yet returned.
  bool can_write_ = true;

  // Receiving.
  uint32_t rcv_isn_ = 0, rcv_bytes_ = 0;
  uint32_t window_ = 0;       // 0: no flow control.
  uint32_t window_used_ = 0;  // Not yet returned.
  bool can_read_ = false;
  Buffer rx_;
  size_t rx_filled_ = 0;
  size_t rx_room_ = 0;  // Of the pass under way.
  bool rx_wanted_ = true;
  bool in_pdu_ = false;
  uint32_t pdu_digests_ = 0;  // Of the PDU that has begun.

  // The end.
  bool close_requested_ = false, fin_done_ = false, peer_closed_ = false;
  bool host_abort_ = false;  // ABORT_REQ has come.
  bool abort_replied_ = false;
  bool abort_told_ = false, abort_answered_ = false;
  uint64_t ended_at_ = 0;  // The order of the client's first message that ended it.
};

}  // namespace chiscsi::sim
