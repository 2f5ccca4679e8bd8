// SPDX-License-Identifier: GPL-2.0-only
//
// PduWriter: turns PDUs into gathered sends.
//
// It pulls up to kSlots PDUs from the user, adds digests and padding, and describes header,
// payload, padding and digest of all of them in one list for one send. Payload is never copied
// here. What the network did not take stays in the slots and goes first the next time.
#pragma once

#include "transport/conn.hh"

namespace chiscsi {

class PduWriter {
 public:
  void set_user(ConnUser* user) { user_ = user; }
  void set_digests(bool header, bool data) {
    header_digest_ = header;
    data_digest_ = data;
  }

  // Sends until there is nothing more, the network has no room, or about `budget` bytes are gone.
  // Returns 0, -EAGAIN when the network has no room, or another negative errno when the connection
  // is broken. `*more` says that the budget was the reason to stop. `scratch` is room for
  // fragments; nothing in it outlives the call.
  int send(os_socket* socket, Span<os_fragment> scratch, size_t budget, bool* more);

  // Gives back what was pulled and will not be sent any more.
  void drop_all();

  // True when nothing that was pulled is unsent.
  bool idle() const { return count_ == 0; }

  // Counters for statistics and budget tests.
  uint64_t send_calls() const { return send_calls_; }

 private:
  static constexpr uint32_t kSlots = 8;
  static constexpr uint32_t kMaxTrailer = 3 + iscsi::kDigestSize;

  struct Slot {
    TxPdu pdu;
    uint8_t header_digest[iscsi::kDigestSize];
    uint8_t trailer[kMaxTrailer];
    uint8_t header_digest_size;
    uint8_t trailer_size;

    uint64_t header_size() const { return iscsi::kBhsSize + header_digest_size; }
    uint64_t size() const { return header_size() + pdu.data_size + trailer_size; }
  };
  // The fragments of one send. All of them share one notice.
  struct Run {
    Span<os_fragment> room;
    size_t count = 0;
    uint64_t bytes = 0;
    os_send_notice* notice = nullptr;
    bool full = false;
  };

  Slot& slot(uint32_t index) { return slots_[(first_ + index) % kSlots]; }
  void pull();
  void add_digests(Slot& slot);
  void gather(Run& run);
  static void gather_slot(Slot& slot, uint64_t from, Run& run);
  static void gather_payload(const TxPdu& pdu, uint64_t from, Run& run);
  static void add(Run& run, const void* address, uint64_t size);
  void account(uint64_t sent);

  ConnUser* user_ = nullptr;
  uint32_t first_ = 0;
  uint32_t count_ = 0;
  uint64_t sent_of_first_ = 0;
  uint64_t send_calls_ = 0;
  bool header_digest_ = false;
  bool data_digest_ = false;
  Slot slots_[kSlots];
};

}  // namespace chiscsi
