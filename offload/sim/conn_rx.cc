// SPDX-License-Identifier: GPL-2.0-only
//
// What comes from the network: framed into PDUs, checked, placed where a tag says so, and told to
// the client in the sequences of T5 and T6.
#include "offload/sim/conn.hh"
#include "os/digest.h"
#include "os/log.h"

namespace chiscsi::sim {

namespace {
constexpr size_t kBudget = 256 * 1024;       // Of one turn.
constexpr uint32_t kMostUsed = 0x7fff'ffff;  // A client need not return anything on T6.

uint32_t sim_digest(Bytes data) { return ~os_crc32c(~0u, data.data(), data.size()); }

uint32_t little_endian(const uint8_t* bytes) {
  return static_cast<uint32_t>(bytes[0]) | static_cast<uint32_t>(bytes[1]) << 8 |
         static_cast<uint32_t>(bytes[2]) << 16 | static_cast<uint32_t>(bytes[3]) << 24;
}
uint32_t big_endian(const uint8_t* bytes) { return __builtin_bswap32(little_endian(bytes)); }
}  // namespace

// ---- The receive window ----

void Conn::rx_data_ack(lld_buffer& buffer) {
  if (!may_set(buffer)) return broken(Check::rx_ack_state);
  const uint32_t credits = buffer.as<cpl::RxDataAck>().credit_dack.get() & 0x7ff'ffff;
  if (credits > window_used_) {
    broken(Check::rx_credits, uint64_t{credits} << 32 | window_used_);
  }
  window_used_ -= credits < window_used_ ? credits : window_used_;
  rx_wanted_ = true;
}

size_t Conn::window_left() const {
  if (window_ == 0) return kBudget;
  return window_used_ < window_ ? window_ - window_used_ : 0;
}

// ---- The stream ----

size_t Conn::on_bytes(void* self, const uint8_t* data, size_t size) {
  auto& conn = *static_cast<Conn*>(self);
  const size_t count =
      copy_bytes(conn.rx_.bytes().slice(conn.rx_filled_, conn.rx_room_), {data, size});
  conn.rx_filled_ += count;
  conn.rx_room_ -= count;
  return count;
}

void Conn::receive() {
  size_t budget = kBudget;
  while (can_read_ && rx_wanted_ && socket_ != nullptr) {
    if (device_.is_backed_up()) return;
    const size_t window = window_left();
    if (window == 0) {
      rx_wanted_ = false;
      device_.counters().window_stalls.fetch_add(1);
      return;
    }
    if (budget == 0) return device_.request_turn();
    rx_room_ = rx_.size() - rx_filled_;
    if (rx_room_ > window) rx_room_ = window;
    const size_t before = rx_filled_;
    const long got = os_socket_read(socket_, &Conn::on_bytes, this, rx_room_, nullptr);
    if (got == -static_cast<long>(Error::kAgain)) {
      rx_wanted_ = false;
      return;
    }
    if (got < 0) {
      return got == -static_cast<long>(Error::kPipe) ? peer_closed()
                                                     : reset(cpl::Status::kConnReset);
    }
    const size_t count = rx_filled_ - before;
    // Without flow control, too: what is returned is compared with it.
    window_used_ += static_cast<uint32_t>(count);
    if (window_used_ > kMostUsed) window_used_ = kMostUsed;
    budget -= count < budget ? count : budget;
    while (parse()) {
    }
  }
}

// One PDU, if it is whole.
bool Conn::parse() {
  if (rx_filled_ != 0 && !in_pdu_) {
    in_pdu_ = true;
    pdu_digests_ = digests();
  }
  if (rx_filled_ < iscsi::kBhsSize || socket_ == nullptr) return false;
  // SAFETY: a Bhs is made of 48 bytes, which are there.
  const auto& bhs = *reinterpret_cast<const iscsi::Bhs*>(rx_.data());
  const uint32_t header = iscsi::kBhsSize + bhs.total_ahs_length * 4u;
  const uint32_t data = bhs.data_segment_length.get();
  uint32_t total = header + data + iscsi::pad_of(data);
  if ((pdu_digests_ & cpl::kTxSubmodeHeaderCrc) != 0) total += iscsi::kDigestSize;
  if ((pdu_digests_ & cpl::kTxSubmodeDataCrc) != 0 && data != 0) total += iscsi::kDigestSize;
  if (total > device_.config().iolen) {
    os_log(OS_LOG_WARNING, "%s: tid %u: a PDU of %u bytes, opcode 0x%x, is too long",
           device_.config().name, tid_, total, bhs.opcode_byte);
    reset(cpl::Status::kBadLength);
    return false;
  }
  if (rx_filled_ < total) return false;
  process(Bytes(rx_.data(), total), header, data);
  rcv_bytes_ += total;
  rx_filled_ -= total;
  __builtin_memmove(rx_.data(), rx_.data() + total, rx_filled_);
  in_pdu_ = false;
  return true;
}

void Conn::process(Bytes bytes, uint32_t header_size, uint32_t data_size) {
  RxPdu pdu{};
  // SAFETY: as in parse().
  pdu.bhs = reinterpret_cast<const iscsi::Bhs*>(bytes.data());
  pdu.header = bytes.first(header_size);
  const bool header_digest = (pdu_digests_ & cpl::kTxSubmodeHeaderCrc) != 0;
  pdu.data = bytes.slice(header_size + (header_digest ? iscsi::kDigestSize : 0), data_size);
  pdu.total = static_cast<uint32_t>(bytes.size());
  pdu.seq = rcv_nxt();
  pdu.ddpvld = cpl::kTxUlpModeIscsi << cpl::ddpvld::kUlpModeShift;
  check_digests(pdu, bytes);
  device_.counters().pdus_in.fetch_add(1);
  const bool is_data_out = pdu.bhs->opcode() == iscsi::Opcode::kDataOut && data_size != 0;
  if (is_data_out) place(pdu);
  if (is_data_out && device_.is_t6() && device_.config().completion_moderation != 0) {
    return tell_t6_data_out(pdu);
  }
  tell_t5(pdu);
}

void Conn::check_digests(RxPdu& pdu, Bytes bytes) {
  const uint32_t before = pdu.ddpvld;
  Faults& faults = device_.faults();
  const bool checked = (pdu_digests_ & cpl::kTxSubmodeHeaderCrc) != 0;
  const auto header_size = static_cast<uint32_t>(pdu.header.size());
  if (checked && sim_digest(pdu.header) != little_endian(bytes.data() + header_size)) {
    pdu.ddpvld |= cpl::ddpvld::kHeaderCrcError;
  }
  if (faults.take(Fault::header_crc)) pdu.ddpvld |= cpl::ddpvld::kHeaderCrcError;
  if (!pdu.data.empty()) {
    const auto data_size = static_cast<uint32_t>(pdu.data.size());
    const uint32_t pad = iscsi::pad_of(data_size);
    const Bytes padded(pdu.data.data(), data_size + pad);
    uint8_t bits = 0;
    for (uint8_t byte : padded.skip(data_size))
      bits |= byte;
    if (bits != 0 || faults.take(Fault::pad)) pdu.ddpvld |= cpl::ddpvld::kPadError;
    if ((pdu_digests_ & cpl::kTxSubmodeDataCrc) != 0) {
      const uint8_t* digest = padded.data() + padded.size();
      pdu.digest = big_endian(digest);
      if (sim_digest(padded) != little_endian(digest)) {
        pdu.ddpvld |= cpl::ddpvld::kDataCrcError;
      }
    }
    if (faults.take(Fault::data_crc)) pdu.ddpvld |= cpl::ddpvld::kDataCrcError;
  }
  if (pdu.ddpvld != before) device_.counters().digest_errors.fetch_add(1);
}

// ---- Direct placement ----

void Conn::place(RxPdu& pdu) {
  const auto& data_out = pdu.bhs->as<iscsi::DataOut>();
  const PodQuery query = {tid_, data_out.target_transfer_tag.get(), data_out.buffer_offset.get(),
                          static_cast<uint32_t>(pdu.data.size()), page_shift()};
  Pods& pods = device_.pods();
  if (!pods.is_ddp_tag(query.tag) || (pdu.ddpvld & cpl::ddpvld::kHeaderCrcError) != 0) return;
  uint32_t why = pods.check(query);
  if (why == 0 && device_.faults().take(Fault::colour)) why = cpl::ddpvld::kColour;
  if (why != 0) {
    pdu.ddpvld |= why;
    device_.counters().not_placed.fetch_add(1);
    return;
  }
  pods.for_each_page(query, [&](uint64_t address, uint32_t at, uint32_t length) {
    write_page(address, pdu.data.slice(at, length));
  });
  pdu.placed = true;
  pdu.ddpvld |= cpl::ddpvld::kPlaced;
  device_.counters().placed_pdus.fetch_add(1);
  device_.counters().placed_bytes.fetch_add(pdu.data.size());
}

void Conn::write_page(uint64_t address, Bytes data) {
  switch (device_.bus().write(address, data)) {
    case BusResult::kDone:
      return;
    case BusResult::kUnmapped:
      return broken(Check::dma_after_unmap, address);
    case BusResult::kNeverMapped:
      return broken(Check::dma_unmapped, address);
  }
}

// ---- Messages to the client ----

void Conn::tell_data(const RxPdu& pdu) {
  cpl::IscsiData message{};
  message.ot.set(cpl::Opcode::kIscsiData, tid_);
  message.len = static_cast<uint16_t>(pdu.data.size());
  message.seq = pdu.seq + static_cast<uint32_t>(pdu.data.data() - pdu.header.data());
  device_.tell_pages(queue_, {reinterpret_cast<const uint8_t*>(&message), sizeof(message)},
                     pdu.data);
}

void Conn::tell_head(const void* message, size_t size, Bytes header) {
  // CPL and header are one piece unless headers are to be cut.
  uint8_t head[sizeof(cpl::RxIscsiCmp) + iscsi::kBhsSize];
  const MutableBytes out(head, size + iscsi::kBhsSize);
  copy_bytes(out, {static_cast<const uint8_t*>(message), size});
  copy_bytes(out.skip(size), header);
  device_.tell_pages(queue_, out, header.skip(iscsi::kBhsSize));
}

void Conn::tell_t5(const RxPdu& pdu) {
  const auto header_size = static_cast<uint32_t>(pdu.header.size());
  cpl::IscsiHdr head{};
  head.ot.set(cpl::Opcode::kIscsiHdr, tid_);
  head.pdu_len_ddp =
      static_cast<uint16_t>((header_size + pdu.data.size()) | (pdu.placed ? cpl::kPduDdp : 0));
  head.len = static_cast<uint16_t>(header_size);
  head.seq = pdu.seq;
  tell_head(&head, sizeof(head), pdu.header);
  if (!pdu.placed && !pdu.data.empty()) tell_data(pdu);
  cpl::RxIscsiDdp end{};
  end.ot.set(cpl::Opcode::kRxIscsiDdp, tid_);
  end.len = static_cast<uint16_t>(pdu.total);
  end.seq = pdu.seq;
  end.nxt_seq = pdu.seq + pdu.total;
  end.ulp_crc = pdu.digest;
  end.ddpvld = pdu.ddpvld;
  tell(end);
}

// Placed PDUs of a burst are announced with its last one only, unless something was wrong.
void Conn::tell_t6_data_out(const RxPdu& pdu) {
  constexpr uint32_t kErrors =
      cpl::ddpvld::kPadError | cpl::ddpvld::kHeaderCrcError | cpl::ddpvld::kDataCrcError;
  if (pdu.placed && !pdu.bhs->final() && (pdu.ddpvld & kErrors) == 0) return;
  if (!pdu.placed) tell_data(pdu);
  const auto header_size = static_cast<uint32_t>(pdu.header.size());
  const auto data_size = static_cast<uint32_t>(pdu.data.size());
  uint32_t length = header_size + data_size + iscsi::pad_of(data_size);
  if ((pdu_digests_ & cpl::kTxSubmodeDataCrc) != 0) length += iscsi::kDigestSize;
  cpl::RxIscsiCmp message{};
  message.ot.set(cpl::Opcode::kRxIscsiCmp, tid_);
  message.pdu_len_ddp = static_cast<uint16_t>(length | (pdu.placed ? cpl::kPduDdp : 0));
  message.len = static_cast<uint16_t>(header_size);
  message.seq = pdu.seq + pdu.total - length;
  message.ulp_crc = pdu.digest;
  message.ddpvld = pdu.ddpvld;
  tell_head(&message, sizeof(message), pdu.header);
}

}  // namespace chiscsi::sim
