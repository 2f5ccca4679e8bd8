// SPDX-License-Identifier: GPL-2.0-only
//
// KeyHint: the known key that a misspelt one was probably meant to be.
//
// Whoever refuses a key offers all the keys it knows. The nearest by edit distance wins, without
// regard to case, as long as it is near enough to be worth a line. No memory, any context.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/text.hh"
#include "target/config/message_line.hh"

namespace chiscsi {

class KeyHint {
 public:
  explicit KeyHint(Text wrong) : wrong_(wrong) {}
  void offer(Text key);
  // The nearest key, or an empty text when none is near.
  Text best() const { return best_; }

 private:
  Text wrong_;
  Text best_;
  uint32_t best_distance_ = ~0u;
};

// What may be shown of a line that is not understood: its first word, of letters, digits and
// underscores like all keys. What comes behind might be a secret, however it is written.
Text shown_key(Text line);

// Writes "<key>: unknown key, did you mean <best>?". Returns kInvalid.
Status refuse_unknown_key(Text key, Text best, ConfigError* error);

}  // namespace chiscsi
