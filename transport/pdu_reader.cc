// SPDX-License-Identifier: GPL-2.0-only
//
// The PDU reader's steps, in the order of the wire (RFC 7143 section 11.1).
#include "transport/pdu_reader.hh"

#include "os/digest.h"
#include "os/log.h"

namespace chiscsi {

namespace {
constexpr uint32_t kCrcStart = 0xffffffff;

#if defined(CHISCSI_DEBUG_DIGEST_FAILURES)
// A test build: one digest in so many counts as wrong although it is right, at random.
constexpr uint32_t kHeaderFailureEvery = 1024;
constexpr uint32_t kDataFailureEvery = 256;

bool simulates_failure(uint32_t every, const char* what) {
  uint32_t number;
  os_random(&number, sizeof(number));
  if (number % every != 0) return false;
  os_log_limited(OS_LOG_WARNING, "simulating a %s digest failure", what);
  return true;
}

bool simulates_header_failure() { return simulates_failure(kHeaderFailureEvery, "header"); }
bool simulates_data_failure() { return simulates_failure(kDataFailureEvery, "data"); }
#else
constexpr bool simulates_header_failure() { return false; }
constexpr bool simulates_data_failure() { return false; }
#endif
}  // namespace

size_t PduReader::consume(Bytes piece) {
  size_t used = 0;
  paused_ = false;
  while (!paused_ && !closed_) {
    const Bytes rest = piece.skip(used);
    switch (step_) {
      case Step::kDecide:
        decide();
        continue;
      case Step::kComplete:
        complete();
        continue;
      default:
        break;
    }
    if (rest.empty()) break;
    switch (step_) {
      case Step::kHeader:
        used += take_header(rest);
        break;
      case Step::kAhs:
        used += take_ahs(rest);
        break;
      case Step::kHeaderDigest:
        used += take_header_digest(rest);
        break;
      case Step::kData:
        used += take_data(rest);
        break;
      case Step::kPad:
        used += take_pad(rest);
        break;
      default:
        used += take_data_digest(rest);
        break;
    }
  }
  return used;
}

void PduReader::enter(Step step) {
  step_ = step;
  got_ = 0;
}

// Copies towards `wanted` bytes in `into`, of which got_ are there; true when complete.
bool PduReader::collect(Bytes piece, uint32_t wanted, MutableBytes into, size_t* used) {
  const Bytes part = piece.first(wanted - got_);
  copy_bytes(into.skip(got_), part);
  got_ += static_cast<uint32_t>(part.size());
  *used = part.size();
  return got_ == wanted;
}

size_t PduReader::take_header(Bytes piece) {
  if (got_ == 0) {
    pdu_header_digest_ = header_digest_;
    pdu_data_digest_ = data_digest_;
  }
  size_t used;
  MutableBytes header(reinterpret_cast<uint8_t*>(&pdu_->bhs), iscsi::kBhsSize);
  if (!collect(piece, iscsi::kBhsSize, header, &used)) return used;
  pdu_->ahs_size = 0;
  pdu_->ahs_too_long = false;
  pdu_->data_digest_error = false;
  if (pdu_header_digest_) crc_ = os_crc32c(kCrcStart, header.data(), header.size());
  if (pdu_->bhs.total_ahs_length != 0) {
    enter(Step::kAhs);
  } else {
    enter(pdu_header_digest_ ? Step::kHeaderDigest : Step::kDecide);
  }
  return used;
}

size_t PduReader::take_ahs(Bytes piece) {
  size_t used;
  const uint32_t total = pdu_->bhs.total_ahs_length * 4u;
  const bool all = collect(piece, total, MutableBytes(pdu_->ahs), &used);
  if (pdu_header_digest_) crc_ = os_crc32c(crc_, piece.data(), used);
  if (!all) return used;
  pdu_->ahs_too_long = total > RxPdu::kMaxAhs;
  pdu_->ahs_size = pdu_->ahs_too_long ? 0 : total;
  enter(pdu_header_digest_ ? Step::kHeaderDigest : Step::kDecide);
  return used;
}

size_t PduReader::take_header_digest(Bytes piece) {
  size_t used;
  if (!collect(piece, iscsi::kDigestSize, MutableBytes(digest_), &used)) return used;
  uint8_t expected[iscsi::kDigestSize];
  put_digest(expected, crc_);
  if (!equal_bytes(Bytes(expected, sizeof(expected)), Bytes(digest_, sizeof(digest_))) ||
      simulates_header_failure()) {
    fail_header_digest();
  } else {
    enter(Step::kDecide);
  }
  return used;
}

void PduReader::fail_header_digest() {
  closed_ = true;
  user_->on_header_digest_error();
}

// False when the reader must stop here.
bool PduReader::act(RxAction action) {
  paused_ = action == RxAction::kPause;
  closed_ = action == RxAction::kClose;
  return action == RxAction::kContinue;
}

void PduReader::decide() {
  placement_ = Placement();
  if (!act(user_->on_header(*pdu_, &placement_))) return;
  crc_ = kCrcStart;
  enter(pdu_->data_size() != 0 ? Step::kData : Step::kComplete);
}

size_t PduReader::take_data(Bytes piece) {
  const Bytes part = piece.first(pdu_->data_size() - got_);
  if (!placement_.memory.empty()) {
    copy_bytes(placement_.memory.skip(got_), part);
  } else {
    placement_.buffers.copy_in(part);
  }
  if (pdu_data_digest_) crc_ = os_crc32c(crc_, part.data(), part.size());
  got_ += static_cast<uint32_t>(part.size());
  if (got_ == pdu_->data_size()) enter_after_data();
  return part.size();
}

void PduReader::enter_after_data() {
  if (iscsi::pad_of(pdu_->data_size()) != 0) {
    enter(Step::kPad);
  } else {
    enter(pdu_data_digest_ ? Step::kDataDigest : Step::kComplete);
  }
}

size_t PduReader::take_pad(Bytes piece) {
  const uint32_t pad = iscsi::pad_of(pdu_->data_size());
  const Bytes part = piece.first(pad - got_);
  if (pdu_data_digest_) crc_ = os_crc32c(crc_, part.data(), part.size());
  got_ += static_cast<uint32_t>(part.size());
  if (got_ == pad) enter(pdu_data_digest_ ? Step::kDataDigest : Step::kComplete);
  return part.size();
}

size_t PduReader::take_data_digest(Bytes piece) {
  size_t used;
  if (!collect(piece, iscsi::kDigestSize, MutableBytes(digest_), &used)) return used;
  uint8_t expected[iscsi::kDigestSize];
  put_digest(expected, crc_);
  pdu_->data_digest_error =
      !equal_bytes(Bytes(expected, sizeof(expected)), Bytes(digest_, sizeof(digest_))) ||
      simulates_data_failure();
  enter(Step::kComplete);
  return used;
}

void PduReader::complete() {
  if (act(user_->on_pdu(*pdu_))) enter(Step::kHeader);
}

}  // namespace chiscsi
