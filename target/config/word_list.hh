// SPDX-License-Identifier: GPL-2.0-only
//
// WordList: the words of a list with a separator, in the configuration and on the wire.
//
// A list has one word more than it has separators: an empty text has one empty word, and a
// separator at the end is followed by an empty word. So no malformed list passes as a shorter one.
#pragma once

#include "base/text.hh"

namespace chiscsi {

class WordList {
 public:
  explicit constexpr WordList(Text list, char separator = ',')
      : rest_(list), separator_(separator) {}

  // False after the last word.
  constexpr bool next(Text* word) {
    if (done_) return false;
    done_ = rest_.find(separator_) == Text::kNotFound;
    *word = rest_.take_until(separator_);
    return true;
  }

 private:
  Text rest_;
  char separator_;
  bool done_ = false;
};

}  // namespace chiscsi
