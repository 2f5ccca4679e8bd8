// SPDX-License-Identifier: GPL-2.0-only
#include "conformance/buffers.hh"

namespace conformance {
namespace buffers_detail {

constexpr u32 kGuard = 64;
constexpr u8 kGuardByte = 0xa5;
constexpr u8 kPoisonByte = 0xdb;
constexpr u32 kMediumChunk = 64 * 1024;  // StorageMemory is made with chunks of this size.

// Lengths that fit nothing: shorter than a word, around a page, prime.
constexpr u32 kOddLengths[] = {1, 511, 513, 4095, 4097, 3, 8191, 12289, 7, 1021};

bool all_are(const u8* bytes, u32 count, u8 value) {
  return count == 0 || (bytes[0] == value && __builtin_memcmp(bytes, bytes + 1, count - 1) == 0);
}

u32 order_of(u32 bytes) {
  u32 order = 0;
  while ((1ULL << (iface_os_page_shift() + order)) < bytes)
    ++order;
  return order;
}

Kind kind_of_piece(Kind kind, u32 index) {
  constexpr Kind kTurns[] = {Kind::kBoth, Kind::kPage, Kind::kAddress};
  if (kind == Kind::kMixed) return kTurns[index % 3];
  return kind == Kind::kPage || kind == Kind::kAddress ? kind : Kind::kBoth;
}

}  // namespace buffers_detail

using namespace buffers_detail;  // NOLINT: this file's own.

u32 Buffers::piece_length(const Settings& how, u32 index, u32 left) const {
  constexpr u32 kLengths = sizeof(kOddLengths) / sizeof(kOddLengths[0]);
  return min(how.buffer == Kind::kOdd ? kOddLengths[index % kLengths] : how.piece, left);
}

bool Buffers::make_piece(const Settings& how, u32 index, u32 length) {
  Piece& piece = pieces_[piece_count_];
  const u32 front = how.buffer == Kind::kOdd ? kGuard + 1 + index * 37 % 200 : kGuard;
  piece.kind = kind_of_piece(how.buffer, index);
  piece.total = front + length + kGuard;
  piece.length = length;
  if (piece.kind == Kind::kAddress) {
    piece.base = static_cast<u8*>(conf_vmalloc(piece.total));
    if (piece.base == nullptr) return false;
  } else {
    piece.order = order_of(piece.total);
    piece.page = iface_os_pages_alloc(piece.order, &piece.base);
    if (piece.page == nullptr) return false;
  }
  ++piece_count_;
  piece.data = piece.base + front;
  __builtin_memset(piece.base, kGuardByte, piece.total);
  return true;
}

void Buffers::describe(const Piece& piece, chiscsi_sgvec& element) const {
  element = chiscsi_sgvec{};
  element.sg_length = piece.length;
  if (piece.kind != Kind::kPage) element.sg_addr = piece.data;
  if (piece.page == nullptr) return;
  element.sg_page = piece.page;
  element.sg_offset = static_cast<u32>(piece.data - piece.base);
}

// One list: its pieces, and between them elements without a byte where that is wanted.
bool Buffers::make_loan(const Settings& how, u32 offset, u32 length) {
  Loan& loan = loans_[loan_count_];
  loan.extent = {offset, length};
  loan.first_piece = piece_count_;
  loan.list.elements = elements_ + element_count_;
  for (u32 done = 0; done < length;) {
    const u32 size = piece_length(how, piece_count_, length - done);
    if (!make_piece(how, piece_count_, size)) return false;
    const Piece& piece = pieces_[piece_count_ - 1];
    if (how.buffer == Kind::kZero) {
      describe(piece, elements_[element_count_]);
      elements_[element_count_++].sg_length = 0;
    }
    describe(piece, elements_[element_count_++]);
    done += size;
  }
  loan.pieces = piece_count_ - loan.first_piece;
  loan.list.count = static_cast<u32>(elements_ + element_count_ - loan.list.elements);
  ++loan_count_;
  return true;
}

bool Buffers::create(const Settings& how, u32 length) {
  const u32 phase = how.phase != 0 ? how.phase : length;
  u32 loans = 0, pieces = 0;
  for (u32 offset = 0; offset < length; offset += phase, ++loans) {
    const u32 part = min(phase, length - offset);
    for (u32 done = 0; done < part; ++pieces)
      done += piece_length(how, pieces, part - done);
  }
  loans_ = static_cast<Loan*>(iface_os_alloc(loans * sizeof(Loan)));
  pieces_ = static_cast<Piece*>(iface_os_alloc(pieces * sizeof(Piece)));
  elements_ = static_cast<chiscsi_sgvec*>(iface_os_alloc(2UL * pieces * sizeof(chiscsi_sgvec)));
  if (loans_ == nullptr || pieces_ == nullptr || elements_ == nullptr) return false;
  for (u32 offset = 0; offset < length; offset += phase) {
    if (!make_loan(how, offset, min(phase, length - offset))) return false;
  }
  return true;
}

void Buffers::destroy() {
  while (piece_count_ > 0) {
    const Piece& piece = pieces_[--piece_count_];
    if (piece.page != nullptr) {
      iface_os_pages_free(piece.page, piece.order);
    } else {
      conf_vfree(piece.base);
    }
  }
  iface_os_free(elements_);
  iface_os_free(pieces_);
  iface_os_free(loans_);
  *this = Buffers();
}

// Calls visit(data, offset, length) for each piece of a list, up to `end` of the command's data.
template <typename Visit>
void Buffers::visit(const Loan& loan, u32 end, Visit visit) {
  u32 offset = loan.extent.offset;
  for (u32 i = 0; i < loan.pieces && offset < end; ++i) {
    const Piece& piece = pieces_[loan.first_piece + i];
    visit(piece.data, offset, min(piece.length, end - offset));
    offset += piece.length;
  }
}

namespace buffers_detail {

// Visits the medium from `offset` on, contiguous part by contiguous part.
template <typename Copy>
void walk_medium(const StorageMemory& medium, u64 offset, u32 length, bool writing, Copy copy) {
  for (u32 done = 0; done < length;) {
    const u32 within = static_cast<u32>(offset + done) & (kMediumChunk - 1);
    const u32 size = min(length - done, kMediumChunk - within);
    chiscsi_sgvec element;
    medium.describe(&element, offset + done, size, writing);
    copy(element.sg_addr, done, size);
    done += size;
  }
}

}  // namespace buffers_detail

void Buffers::copy_from_medium(const Loan& loan, const StorageMemory& medium, u64 offset, u32 end) {
  visit(loan, end, [&](u8* data, u32 at, u32 length) {
    walk_medium(medium, offset + at, length, false, [&](const u8* from, u32 done, u32 size) {
      __builtin_memcpy(data + done, from, size);
    });
  });
}

void Buffers::copy_to_medium(const Loan& loan, const StorageMemory& medium, u64 offset, u32 end) {
  visit(loan, end, [&](const u8* data, u32 at, u32 length) {
    walk_medium(medium, offset + at, length, true,
                [&](u8* to, u32 done, u32 size) { __builtin_memcpy(to, data + done, size); });
  });
}

void Buffers::copy_from(const Loan& loan, const u8* source, u32 end) {
  visit(loan, end,
        [&](u8* data, u32 at, u32 length) { __builtin_memcpy(data, source + at, length); });
}

bool Buffers::guards_are_whole(const Loan& loan) const {
  for (u32 i = 0; i < loan.pieces; ++i) {
    const Piece& piece = pieces_[loan.first_piece + i];
    const u32 front = static_cast<u32>(piece.data - piece.base);
    const u32 behind = front + piece.length;
    if (!all_are(piece.base, front, kGuardByte)) return false;
    if (!all_are(piece.base + behind, piece.total - behind, kGuardByte)) return false;
  }
  return true;
}

void Buffers::poison(const Loan& loan) {
  for (u32 i = 0; i < loan.pieces; ++i) {
    const Piece& piece = pieces_[loan.first_piece + i];
    __builtin_memset(piece.data, kPoisonByte, piece.length);
  }
}

bool Buffers::is_poisoned(const Loan& loan) const {
  for (u32 i = 0; i < loan.pieces; ++i) {
    const Piece& piece = pieces_[loan.first_piece + i];
    if (!all_are(piece.data, piece.length, kPoisonByte)) return false;
  }
  return true;
}

}  // namespace conformance
