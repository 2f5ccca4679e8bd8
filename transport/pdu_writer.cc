// SPDX-License-Identifier: GPL-2.0-only
//
// The PDU writer: pull, gather, send, account. Payload that carries a notice is sent by calls of
// its own, because only its memory is promised to stay unchanged until the notice is released.
#include "transport/pdu_writer.hh"

#include "os/digest.h"
#include "transport/pdu_reader.hh"

namespace chiscsi {

namespace {
constexpr uint32_t kTxCrcStart = 0xffffffff;
}  // namespace

int PduWriter::send(os_socket* socket, Span<os_fragment> scratch, size_t budget, bool* more) {
  *more = false;
  size_t total = 0;
  while (true) {
    pull();
    if (count_ == 0) return 0;
    if (total >= budget) {
      *more = true;
      return 0;
    }
    Run run{scratch};
    gather(run);
    // A list that is shorter than its PDU cannot be sent; the loan was checked, so it has changed.
    if (run.bytes == 0) return -static_cast<int>(Error::kIo);
    const unsigned int flags = run.full ? OS_SEND_MORE : 0;
    ++send_calls_;
    const long sent = os_socket_send(socket, run.room.data(), run.count, 0, flags, run.notice);
    if (sent < 0) return static_cast<int>(sent);
    total += static_cast<size_t>(sent);
    account(static_cast<uint64_t>(sent));
    if (static_cast<uint64_t>(sent) < run.bytes) return -static_cast<int>(Error::kAgain);
  }
}

void PduWriter::drop_all() {
  for (; count_ != 0; --count_) {
    user_->pdu_dropped(slot(0).pdu);
    first_ = (first_ + 1) % kSlots;
  }
}

void PduWriter::pull() {
  while (count_ < kSlots) {
    Slot& free = slot(count_);
    free.pdu = TxPdu();
    if (!user_->next_pdu(&free.pdu)) return;
    add_digests(free);
    ++count_;
  }
}

void PduWriter::add_digests(Slot& slot) {
  TxPdu& pdu = slot.pdu;
  pdu.bhs.total_ahs_length = 0;
  pdu.bhs.data_segment_length = pdu.data_size;
  slot.header_digest_size = 0;
  if (header_digest_) {
    put_digest(slot.header_digest, os_crc32c(kTxCrcStart, &pdu.bhs, iscsi::kBhsSize));
    slot.header_digest_size = iscsi::kDigestSize;
  }
  const auto pad = static_cast<uint8_t>(iscsi::pad_of(pdu.data_size));
  __builtin_memset(slot.trailer, 0, sizeof(slot.trailer));
  slot.trailer_size = pad;
  if (data_digest_ && pdu.data_size != 0) {
    uint32_t crc = kTxCrcStart;
    if (!pdu.memory.empty()) {
      crc = os_crc32c(crc, pdu.memory.data(), pdu.data_size);
    } else {
      crc = SgCursor(pdu.buffers, pdu.buffers_offset, pdu.data_size).crc32c_rest(crc);
    }
    put_digest(slot.trailer + pad, os_crc32c(crc, slot.trailer, pad));
    slot.trailer_size = static_cast<uint8_t>(pad + iscsi::kDigestSize);
  }
}

void PduWriter::add(Run& run, const void* address, uint64_t size) {
  if (size == 0 || run.full) return;
  if (run.count == run.room.size() || run.notice != nullptr) {
    run.full = true;
    return;
  }
  run.room[run.count++] = {nullptr, address, 0, static_cast<uint32_t>(size)};
  run.bytes += size;
}

void PduWriter::gather(Run& run) {
  uint64_t from = sent_of_first_;
  for (uint32_t i = 0; i < count_ && !run.full; ++i) {
    gather_slot(slot(i), from, run);
    from = 0;
  }
}

// Describes the slot from byte `from` on: header with its digest, payload, padding with its digest.
void PduWriter::gather_slot(Slot& slot, uint64_t from, Run& run) {
  const auto* header = reinterpret_cast<const uint8_t*>(&slot.pdu.bhs);
  if (from < iscsi::kBhsSize) add(run, header + from, iscsi::kBhsSize - from);
  from = from < iscsi::kBhsSize ? 0 : from - iscsi::kBhsSize;
  if (from < slot.header_digest_size) {
    add(run, slot.header_digest + from, slot.header_digest_size - from);
  }
  from = from < slot.header_digest_size ? 0 : from - slot.header_digest_size;
  if (from < slot.pdu.data_size) gather_payload(slot.pdu, from, run);
  from = from < slot.pdu.data_size ? 0 : from - slot.pdu.data_size;
  if (from < slot.trailer_size) add(run, slot.trailer + from, slot.trailer_size - from);
}

void PduWriter::gather_payload(const TxPdu& pdu, uint64_t from, Run& run) {
  if (!pdu.memory.empty()) {
    add(run, pdu.memory.data() + from, pdu.data_size - from);
    return;
  }
  // A slot's pieces stay together in order: once a run is full, nothing of a later piece goes in.
  if (run.full) return;
  if (run.notice != nullptr || (pdu.notice != nullptr && run.count != 0)) {
    run.full = true;  // The payload begins a run of its own.
    return;
  }
  run.notice = pdu.notice;
  SgCursor cursor(pdu.buffers, pdu.buffers_offset + from, pdu.data_size - from);
  while (run.count < run.room.size() && cursor.next_fragment(&run.room[run.count])) {
    run.bytes += run.room[run.count++].length;
  }
  if (cursor.left() != 0) run.full = true;
}

void PduWriter::account(uint64_t sent) {
  sent_of_first_ += sent;
  while (count_ != 0 && sent_of_first_ >= slot(0).size()) {
    sent_of_first_ -= slot(0).size();
    // The slot leaves the ring before the user hears of it, who may ask for more at once.
    TxPdu pdu = slot(0).pdu;
    first_ = (first_ + 1) % kSlots;
    --count_;
    user_->pdu_sent(pdu);
  }
}

}  // namespace chiscsi
