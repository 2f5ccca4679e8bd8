// SPDX-License-Identifier: GPL-2.0-only
//
// TextIndex: which texts came before, by hash; so that many names need not be compared in pairs.
//
// Texts are added with a number each and keep their order: the entries of one text are walked from
// the first that was added to the last. They are not copied and have to live as long. Context:
// process (may sleep); one user.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/text.hh"
#include "target/config/growable_array.hh"

namespace chiscsi {

class TextIndex {
 public:
  static constexpr uint32_t kNone = ~uint32_t{0};

  // Errors: kNoMemory.
  Status add(Text text, uint32_t number);

  // The first entry of `text`, or kNone.
  uint32_t first(Text text) const;
  // The next entry of the same text, or kNone.
  uint32_t next(uint32_t entry) const;
  uint32_t number(uint32_t entry) const { return entries_[entry].number; }

  // How many texts were compared so far.
  uint64_t comparisons() const { return comparisons_; }

 private:
  struct Entry {
    Text text;
    uint64_t hash;
    uint32_t number;
    uint32_t next;  // Of the same chain.
  };
  struct Chain {
    uint32_t first = kNone;
    uint32_t last = kNone;
  };

  Status grow();
  void link(uint32_t entry);
  uint32_t find(uint32_t entry, uint64_t hash, Text text) const;

  GrowableArray<Entry> entries_;
  GrowableArray<Chain> chains_;  // None, or a power of two.
  mutable uint64_t comparisons_ = 0;
};

}  // namespace chiscsi
