// SPDX-License-Identifier: GPL-2.0-only
//
// PduReader: finds PDUs in a byte stream, for any split of that stream.
//
// consume() is given contiguous pieces as they lie in the socket and copies payload once, straight
// to where the user wants it, with the CRC32C computed in the same pass. Steps in wire order: BHS,
// AHS, header digest, (user decides) data, padding, data digest. It owns no memory but one header.
#pragma once

#include "transport/conn.hh"

namespace chiscsi {

class PduReader {
 public:
  explicit PduReader(RxPdu* pdu) : pdu_(pdu) {}

  void set_user(ConnUser* user) { user_ = user; }
  // Takes effect with the next header.
  void set_digests(bool header, bool data) {
    header_digest_ = header;
    data_digest_ = data;
  }

  // Uses up to `piece.size()` bytes and returns how many. It returns early only when the user
  // paused or closed: see state after the call. A paused reader repeats its question at the next
  // call, for which an empty piece will do.
  size_t consume(Bytes piece);

  bool paused() const { return paused_; }
  bool closed() const { return closed_; }

  // The rest of the data segment that is being placed goes nowhere. Between two passes.
  void discard_rest() { placement_ = Placement(); }

 private:
  enum class Step : uint8_t {
    kHeader,
    kAhs,
    kHeaderDigest,
    kDecide,
    kData,
    kPad,
    kDataDigest,
    kComplete,
  };

  // Each takes its part of `piece`, returns the bytes used and moves on when its step is complete.
  size_t take_header(Bytes piece);
  size_t take_ahs(Bytes piece);
  size_t take_header_digest(Bytes piece);
  size_t take_data(Bytes piece);
  size_t take_pad(Bytes piece);
  size_t take_data_digest(Bytes piece);
  void decide();
  void complete();

  void enter(Step step);
  void enter_after_data();
  bool collect(Bytes piece, uint32_t wanted, MutableBytes into, size_t* used);
  bool act(RxAction action);
  void fail_header_digest();

  RxPdu* pdu_;
  ConnUser* user_ = nullptr;
  Placement placement_;
  uint32_t got_ = 0;  // Bytes of the current step.
  uint32_t crc_ = 0;
  uint8_t digest_[iscsi::kDigestSize];
  Step step_ = Step::kHeader;
  bool header_digest_ = false;
  bool data_digest_ = false;
  bool pdu_header_digest_ = false;  // Of the PDU that is being read.
  bool pdu_data_digest_ = false;
  bool paused_ = false;
  bool closed_ = false;
};

// The digest as it lies on the wire for a CRC continued from ~0.
inline void put_digest(uint8_t* wire, uint32_t crc) {
  const uint32_t value = ~crc;
  for (int i = 0; i < 4; ++i)
    wire[i] = static_cast<uint8_t>(value >> (8 * i));
}

}  // namespace chiscsi
