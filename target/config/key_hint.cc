// SPDX-License-Identifier: GPL-2.0-only
//
// See key_hint.hh.
#include "target/config/key_hint.hh"

namespace chiscsi {

namespace key_hint_detail {

// The longest key has 26 characters; what is much longer is no misspelt key.
constexpr size_t kMaxLength = 40;

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

constexpr uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

constexpr bool is_of_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Levenshtein's distance with one row of the matrix. Neither text is longer than kMaxLength.
uint32_t distance(Text a, Text b) {
  uint32_t row[kMaxLength + 1];
  for (uint32_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 0; i < a.size(); ++i) {
    uint32_t diagonal = row[0]++;
    for (size_t j = 0; j < b.size(); ++j) {
      const uint32_t above = row[j + 1];
      const uint32_t change = diagonal + (lower(a[i]) == lower(b[j]) ? 0 : 1);
      row[j + 1] = smaller(change, smaller(above, row[j]) + 1);
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace key_hint_detail

void KeyHint::offer(Text key) {
  namespace detail = key_hint_detail;
  if (wrong_.size() > detail::kMaxLength || key.size() > detail::kMaxLength) return;
  const uint32_t distance = detail::distance(wrong_, key);
  // A third of the letters may be wrong, and at least one.
  if (distance > 1 + key.size() / 3 || distance >= best_distance_) return;
  best_ = key;
  best_distance_ = distance;
}

Text shown_key(Text line) {
  size_t start = 0;
  while (start < line.size() && line[start] == ' ')
    ++start;
  size_t end = start;
  while (end < line.size() && key_hint_detail::is_of_word(line[end]))
    ++end;
  return end == start ? Text("\"\"") : line.first(end);
}

Status refuse_unknown_key(Text key, Text best, ConfigError* error) {
  error->clear();
  error->add_foreign(shown_key(key)).add(": unknown key");
  if (!best.empty()) error->add(", did you mean ").add(best).add("?");
  return Error::kInvalid;
}

}  // namespace chiscsi
