// SPDX-License-Identifier: GPL-2.0-only
//
// The memory one command is moved through: pieces of every kind the API allows, lists over them,
// and the proof that the target touches nothing but the data while it has them and nothing at all
// afterwards.
//
// Around each piece lies a guard; when a list is the driver's again its data is overwritten, which
// the target must not notice, and after a while looked at again. Made and freed in process context,
// each step of one command after the other.
#pragma once

#include "chiscsi_driver.hh"
#include "conformance/script.hh"
#include "storage_memory.hh"

namespace conformance {

// A list as it is lent.
struct Loan {
  chiscsi_driver::Extent extent{};
  chiscsi_driver::BufferList list{};
  u32 first_piece = 0;
  u32 pieces = 0;
  bool lent = false;
  bool returned = false;
};

class Buffers {
 public:
  // Pieces and lists for `length` bytes. False without memory; destroy() cleans up after both.
  bool create(const Settings& how, u32 length);
  void destroy();

  bool exist() const { return pieces_ != nullptr; }
  u32 loan_count() const { return loan_count_; }
  Loan& loan(u32 i) { return loans_[i]; }
  // The data of a list.
  void copy_from_medium(const Loan& loan, const StorageMemory& medium, u64 offset, u32 end);
  void copy_to_medium(const Loan& loan, const StorageMemory& medium, u64 offset, u32 end);
  void copy_from(const Loan& loan, const u8* source, u32 end);

  // Whether everything around the data is as it was.
  bool guards_are_whole(const Loan& loan) const;
  // Overwrites the data; is_poisoned() says whether nobody has changed it since.
  void poison(const Loan& loan);
  bool is_poisoned(const Loan& loan) const;

 private:
  struct Piece {
    void* page;  // nullptr: not page based
    u8* base;    // of the allocation
    u8* data;
    u32 total;   // bytes of the allocation
    u32 length;  // of the data
    u32 order;
    Kind kind;
  };
  u32 piece_length(const Settings& how, u32 index, u32 left) const;
  bool make_piece(const Settings& how, u32 index, u32 length);
  void describe(const Piece& piece, chiscsi_sgvec& element) const;
  bool make_loan(const Settings& how, u32 offset, u32 length);
  template <typename Visit>
  void visit(const Loan& loan, u32 end, Visit visit);

  Piece* pieces_ = nullptr;
  chiscsi_sgvec* elements_ = nullptr;
  Loan* loans_ = nullptr;
  u32 piece_count_ = 0;
  u32 element_count_ = 0;
  u32 loan_count_ = 0;
};

}  // namespace conformance
