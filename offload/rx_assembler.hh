// SPDX-License-Identifier: GPL-2.0-only
//
// RxAssembler: makes PDUs of the messages in which an adapter delivers them.
//
// T5, any PDU:               ISCSI_HDR, [ISCSI_DATA], RX_ISCSI_DDP
// T6, not SCSI Data-Out:     the same
// T6, Data-Out not placed:   ISCSI_DATA, RX_ISCSI_CMP with the header
// T6, Data-Out placed:       RX_ISCSI_CMP at the end of the burst
// The T5 sequence is taken for every PDU on a T6 as well.
//
// It belongs to one connection and holds at most one PDU, half or complete. Used by the owner of
// the connection. feed() takes over the page references of every message it is given, and gives
// them back by page_put(): those of headers at once, since headers are copied; those of payload
// in release() or at the end. It never allocates. Whatever is in a message, nothing is read or told
// that is not there.
#pragma once

#include "base/span.hh"
#include "iscsi/bhs.hh"
#include "offload/cpl.hh"
#include "offload/lld.h"

namespace chiscsi {

enum class RxVerdict : uint8_t {
  kMore,       // The PDU is not complete yet.
  kPdu,        // It is: read it, then release().
  kViolation,  // This cannot be: the connection is to be aborted. See violation().
};

enum class RxViolation : uint8_t {
  kNone,
  kOpcode,        // None of the four messages, or not from this chip.
  kShortMessage,  // It ends before what it announces.
  kOrder,         // A message that cannot follow the last one.
  kHeaderLength,  // Shorter than a BHS, or not what TotalAHSLength says.
  kSequence,      // T5: not the next byte of the stream.
  kDataLength,    // Payload is missing, or more than DataSegmentLength says.
  kPduLength,     // The PDU's length does not cover its parts.
  kFragments,     // Payload in more pieces than kMaxFragments.
};
const char* name_of(RxViolation violation);

class RxAssembler {
 public:
  static constexpr uint32_t kMaxFragments = 32;  // Of one PDU's payload.
  static constexpr uint32_t kAhsMax = 272;       // Longer ones are not kept.

  using PagePut = void (*)(void* page);
  explicit RxAssembler(PagePut page_put) : page_put_(page_put) {}
  RxAssembler(const RxAssembler&) = delete;
  RxAssembler& operator=(const RxAssembler&) = delete;
  ~RxAssembler() { drop_payload(); }

  // At CPL_PASS_ESTABLISH, once.
  void start(uint32_t chip, uint32_t rcv_nxt) {
    chip_ = chip;
    rcv_nxt_ = rcv_nxt;
  }

  // Takes the next message: one of the four opcodes above. Not when a complete PDU is there. After
  // a violation every message is dropped with kViolation.
  RxVerdict feed(const lld_ingress& message);
  RxViolation violation() const { return violation_; }

  // A PDU has begun and is not complete.
  bool in_pdu() const { return !complete_ && (have_header_ || have_data_); }
  uint32_t rcv_nxt() const { return rcv_nxt_; }

  // --- The complete PDU: between kPdu and release() ---

  bool complete() const { return complete_; }
  // With a header digest error nothing but wire_bytes() can be relied on.
  bool header_digest_error() const { return (ddpvld_ & cpl::ddpvld::kHeaderCrcError) != 0; }
  bool data_digest_error() const { return (ddpvld_ & cpl::ddpvld::kDataCrcError) != 0; }
  bool pad_error() const { return (ddpvld_ & cpl::ddpvld::kPadError) != 0; }
  // All bits of cpl::ddpvld, for counters: why it was not placed.
  uint32_t ddpvld() const { return ddpvld_; }

  const iscsi::Bhs& bhs() const { return bhs_; }
  // Empty as well when it is too long to be kept.
  Bytes ahs() const { return {ahs_, ahs_size_}; }
  bool ahs_too_long() const { return ahs_too_long_; }

  // DataSegmentLength. All of it was placed, or all of it is in fragments() without padding.
  uint32_t data_size() const { return bhs_.data_segment_length.get(); }
  bool placed() const { return placed_; }
  // T6: this is the last PDU of a placed burst, and PDUs before it may not have been told.
  bool merged() const { return merged_; }
  Span<const os_fragment> fragments() const { return {fragments_, fragment_count_}; }
  // Maps the payload piece by piece and calls `take(const uint8_t*, uint32_t)` for each.
  template <typename Take>
  void for_each_piece(Take take) const {
    for (const os_fragment& fragment : fragments()) {
      for (uint32_t done = 0; done < fragment.length;) {
        Mapped piece(fragment, done, fragment.length - done);
        take(piece.data, piece.size);
        done += piece.size;
      }
    }
  }

  // Bytes to be given back to the receive window. On a T5 all of the PDU on the wire, on a T6 what
  // was announced of it.
  uint32_t wire_bytes() const { return wire_bytes_; }

  // The PDU is no longer needed: gives its pages back and is ready for the next one.
  void release();

 private:
  // The address of bytes of a fragment, up to the end of a page.
  struct Mapped {
    Mapped(const os_fragment& fragment, uint32_t skip, uint32_t most);
    ~Mapped();
    Mapped(const Mapped&) = delete;
    Mapped& operator=(const Mapped&) = delete;
    const uint8_t* data;
    uint32_t size;
    void* mapping;
  };
  // The bytes of a message, wherever they are.
  class Reader;

  RxVerdict take(cpl::Opcode opcode, Reader& reader);
  RxVerdict take_header(Reader& reader);
  RxVerdict take_data(Reader& reader, const lld_ingress& message);
  RxVerdict take_ddp(Reader& reader);
  RxVerdict take_completion(Reader& reader);
  bool copy_header(Reader& reader, uint32_t size);
  bool keep_payload(const lld_ingress& message, uint32_t skip, uint32_t size);
  RxVerdict finish();
  RxVerdict fail(RxViolation violation);
  void trim_payload(uint32_t size);
  void put(const os_fragment& fragment);
  void put_pages(const lld_ingress& message);
  void drop_payload();

  const PagePut page_put_;
  uint32_t chip_ = 5;
  uint32_t rcv_nxt_ = 0;

  // The PDU.
  iscsi::Bhs bhs_;
  uint8_t ahs_[kAhsMax];
  uint32_t ahs_size_ = 0;
  uint32_t header_size_ = 0;  // As announced: BHS and AHS.
  os_fragment fragments_[kMaxFragments];
  uint32_t fragment_count_ = 0;
  uint32_t delivered_ = 0;  // Payload bytes of ISCSI_DATA, with padding.
  uint32_t ddpvld_ = 0;
  uint32_t wire_bytes_ = 0;
  bool have_header_ = false;
  bool have_data_ = false;
  bool ahs_too_long_ = false;
  bool placed_ = false;
  bool merged_ = false;
  bool complete_ = false;
  RxViolation violation_ = RxViolation::kNone;
};

}  // namespace chiscsi
