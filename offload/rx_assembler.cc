// SPDX-License-Identifier: GPL-2.0-only
//
// Assembly of received PDUs: see the header for the sequences and who owns what.
#include "offload/rx_assembler.hh"

#include "os/memory.h"

namespace chiscsi {

namespace {

// What the adapter may deliver behind the padded data.
constexpr uint32_t kMostBehindData = iscsi::kDigestSize;
// Header and data digest.
constexpr uint32_t kMostDigests = 2 * iscsi::kDigestSize;

}  // namespace

const char* name_of(RxViolation violation) {
  switch (violation) {
    case RxViolation::kNone:
      return "none";
    case RxViolation::kOpcode:
      return "unexpected message";
    case RxViolation::kShortMessage:
      return "message too short";
    case RxViolation::kOrder:
      return "messages out of order";
    case RxViolation::kHeaderLength:
      return "wrong header length";
    case RxViolation::kSequence:
      return "wrong sequence number";
    case RxViolation::kDataLength:
      return "wrong data length";
    case RxViolation::kPduLength:
      return "wrong PDU length";
    case RxViolation::kFragments:
      return "too many fragments";
  }
  return "unknown";
}

RxAssembler::Mapped::Mapped(const os_fragment& fragment, uint32_t skip, uint32_t most) {
  const uint64_t position = static_cast<uint64_t>(fragment.offset) + skip;
  if (fragment.page == nullptr) {
    data = static_cast<const uint8_t*>(fragment.address) + position;
    size = most;
    mapping = nullptr;
    return;
  }
  const auto in_page = static_cast<uint32_t>(position % OS_PAGE_SIZE);
  size = most < OS_PAGE_SIZE - in_page ? most : OS_PAGE_SIZE - in_page;
  mapping = os_page_map(os_page_nth(fragment.page, static_cast<uint32_t>(position / OS_PAGE_SIZE)));
  data = static_cast<const uint8_t*>(mapping) + in_page;
}

RxAssembler::Mapped::~Mapped() {
  if (mapping != nullptr) os_page_unmap(mapping);
}

class RxAssembler::Reader {
 public:
  explicit Reader(const lld_ingress& message) : message_(message) {
    if (message.bytes != nullptr) left_ = message.size;
    for (uint32_t i = 0; message.bytes == nullptr && i < message.fragment_count; ++i)
      left_ += message.fragments[i].length;
  }
  uint64_t left() const { return left_; }

  // Copies the next bytes; false, and nothing is copied, when there are not so many.
  bool read(uint8_t* out, uint32_t size) {
    if (size > left_) return false;
    left_ -= size;
    if (message_.bytes != nullptr) {
      __builtin_memcpy(out, message_.bytes + at_, size);
      at_ += size;
      return true;
    }
    while (size != 0) {
      const uint32_t done = read_fragment(out, size);
      out += done;
      size -= done;
    }
    return true;
  }
  template <typename T>
  bool read(T* message) {
    static_assert(alignof(T) == 1);
    // SAFETY: T is a layout of bytes.
    return read(reinterpret_cast<uint8_t*>(message), sizeof(T));
  }

 private:
  uint32_t read_fragment(uint8_t* out, uint32_t size) {
    const os_fragment& fragment = message_.fragments[index_];
    if (at_ == fragment.length) {
      ++index_;
      at_ = 0;
      return 0;
    }
    const uint32_t here = fragment.length - at_;
    const Mapped piece(fragment, at_, size < here ? size : here);
    __builtin_memcpy(out, piece.data, piece.size);
    at_ += piece.size;
    return piece.size;
  }

  const lld_ingress& message_;
  uint64_t left_ = 0;
  uint32_t index_ = 0;
  uint32_t at_ = 0;  // In the bytes, or in fragment index_.
};

void RxAssembler::put_pages(const lld_ingress& message) {
  for (uint32_t i = 0; message.bytes == nullptr && i < message.fragment_count; ++i)
    put(message.fragments[i]);
}

RxVerdict RxAssembler::feed(const lld_ingress& message) {
  if (violation_ != RxViolation::kNone) {
    put_pages(message);
    return RxVerdict::kViolation;
  }
  Reader reader(message);
  cpl::OpcodeTid start;
  Reader peek(message);
  if (!peek.read(&start)) {
    put_pages(message);
    return fail(RxViolation::kShortMessage);
  }
  if (start.opcode() == cpl::Opcode::kIscsiData && !complete_) return take_data(reader, message);
  const RxVerdict verdict = take(start.opcode(), reader);
  put_pages(message);
  return verdict;
}

RxVerdict RxAssembler::take(cpl::Opcode opcode, Reader& reader) {
  if (complete_) return fail(RxViolation::kOrder);
  switch (opcode) {
    case cpl::Opcode::kIscsiHdr:
      return take_header(reader);
    case cpl::Opcode::kRxIscsiDdp:
      return take_ddp(reader);
    case cpl::Opcode::kRxIscsiCmp:
      return take_completion(reader);
    default:
      return fail(RxViolation::kOpcode);
  }
}

RxVerdict RxAssembler::take_header(Reader& reader) {
  cpl::IscsiHdr message;
  if (!reader.read(&message)) return fail(RxViolation::kShortMessage);
  if (have_header_ || have_data_) return fail(RxViolation::kOrder);
  if (chip_ < 6 && message.seq.get() != rcv_nxt_) return fail(RxViolation::kSequence);
  rcv_nxt_ = message.seq.get();
  return copy_header(reader, message.len.get()) ? RxVerdict::kMore : RxVerdict::kViolation;
}

RxVerdict RxAssembler::take_data(Reader& reader, const lld_ingress& message) {
  cpl::IscsiData header;
  RxViolation wrong = RxViolation::kNone;
  if (!reader.read(&header) || reader.left() < header.len.get() ||
      (message.bytes != nullptr && header.len.get() != 0)) {
    wrong = RxViolation::kShortMessage;
  } else if (!have_header_ && chip_ < 6) {
    wrong = RxViolation::kOrder;
  }
  if (wrong != RxViolation::kNone) {
    put_pages(message);
    return fail(wrong);
  }
  have_data_ = true;
  delivered_ += header.len.get();
  return keep_payload(message, sizeof(header), header.len.get()) ? RxVerdict::kMore
                                                                 : fail(RxViolation::kFragments);
}

RxVerdict RxAssembler::take_ddp(Reader& reader) {
  cpl::RxIscsiDdp message;
  if (!reader.read(&message)) return fail(RxViolation::kShortMessage);
  if (!have_header_) return fail(RxViolation::kOrder);
  ddpvld_ = message.ddpvld.get();
  wire_bytes_ = message.len.get();
  rcv_nxt_ += wire_bytes_;
  if (!header_digest_error()) {
    const uint64_t least = static_cast<uint64_t>(header_size_) + data_size();
    const uint64_t most = least + iscsi::pad_of(data_size()) + kMostDigests;
    if (wire_bytes_ < least || wire_bytes_ > most) return fail(RxViolation::kPduLength);
  }
  return finish();
}

RxVerdict RxAssembler::take_completion(Reader& reader) {
  cpl::RxIscsiCmp message;
  if (chip_ < 6) return fail(RxViolation::kOpcode);
  if (!reader.read(&message)) return fail(RxViolation::kShortMessage);
  if (have_header_) return fail(RxViolation::kOrder);
  const uint32_t pdu_size = message.pdu_len_ddp.get() & cpl::kPduLengthMask;
  if (!copy_header(reader, message.len.get())) return RxVerdict::kViolation;
  if (pdu_size < header_size_) return fail(RxViolation::kPduLength);
  ddpvld_ = message.ddpvld.get();
  wire_bytes_ = header_size_ + delivered_;
  rcv_nxt_ = message.seq.get() + pdu_size;
  merged_ = (ddpvld_ & cpl::ddpvld::kPlaced) != 0 && !have_data_;
  if (merged_ && !header_digest_error() && pdu_size - header_size_ < data_size())
    return fail(RxViolation::kPduLength);
  return finish();
}

bool RxAssembler::copy_header(Reader& reader, uint32_t size) {
  const uint32_t ahs_size = size - iscsi::kBhsSize;
  if (size < iscsi::kBhsSize) {
    fail(RxViolation::kHeaderLength);
  } else if (reader.left() < size) {
    fail(RxViolation::kShortMessage);
  } else {
    reader.read(&bhs_);
    ahs_too_long_ = ahs_size > kAhsMax;
    ahs_size_ = ahs_too_long_ ? 0 : ahs_size;
    reader.read(ahs_, ahs_size_);
    header_size_ = size;
    have_header_ = true;
  }
  return have_header_;
}

bool RxAssembler::keep_payload(const lld_ingress& message, uint32_t skip, uint32_t size) {
  bool fits = true;
  for (uint32_t i = 0; message.bytes == nullptr && i < message.fragment_count; ++i) {
    os_fragment piece = message.fragments[i];
    const uint32_t skipped = skip < piece.length ? skip : piece.length;
    piece.offset += skipped;
    piece.length -= skipped;
    skip -= skipped;
    if (piece.length > size) piece.length = size;
    size -= piece.length;
    if (piece.length != 0 && fragment_count_ == kMaxFragments) fits = false;
    if (piece.length == 0 || !fits) {
      put(piece);
    } else {
      fragments_[fragment_count_++] = piece;
    }
  }
  return fits;
}

RxVerdict RxAssembler::finish() {
  complete_ = true;
  if (header_digest_error()) {
    drop_payload();
    return RxVerdict::kPdu;
  }
  if (header_size_ != iscsi::kBhsSize + bhs_.total_ahs_length * 4u)
    return fail(RxViolation::kHeaderLength);
  const bool in_place = (ddpvld_ & cpl::ddpvld::kPlaced) != 0 && !have_data_;
  placed_ = in_place && data_size() != 0;
  if (in_place) {
    // Only the data of a Data-Out has a place: what else went there is lost.
    return bhs_.opcode() == iscsi::Opcode::kDataOut ? RxVerdict::kPdu
                                                    : fail(RxViolation::kDataLength);
  }
  const uint32_t padded = data_size() + iscsi::pad_of(data_size());
  if (delivered_ < data_size() || delivered_ > (padded == 0 ? 0 : padded + kMostBehindData))
    return fail(RxViolation::kDataLength);
  trim_payload(data_size());
  return RxVerdict::kPdu;
}

RxVerdict RxAssembler::fail(RxViolation violation) {
  violation_ = violation;
  complete_ = false;
  drop_payload();
  return RxVerdict::kViolation;
}

void RxAssembler::trim_payload(uint32_t size) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < fragment_count_; ++i) {
    os_fragment& piece = fragments_[i];
    if (piece.length > size) piece.length = size;
    size -= piece.length;
    if (piece.length == 0) {
      put(piece);
    } else {
      kept = i + 1;
    }
  }
  fragment_count_ = kept;
}

void RxAssembler::put(const os_fragment& fragment) {
  if (fragment.page != nullptr) page_put_(fragment.page);
}

void RxAssembler::drop_payload() {
  while (fragment_count_ != 0)
    put(fragments_[--fragment_count_]);
}

void RxAssembler::release() {
  drop_payload();
  ahs_size_ = header_size_ = delivered_ = ddpvld_ = wire_bytes_ = 0;
  have_header_ = have_data_ = ahs_too_long_ = placed_ = merged_ = complete_ = false;
}

}  // namespace chiscsi
