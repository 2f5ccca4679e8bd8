// SPDX-License-Identifier: GPL-2.0-only
//
// See text_index.hh. Entries of one hash are chained; there are at least as many chains as entries.
#include "target/config/text_index.hh"

#include "base/hash.hh"

namespace chiscsi {

namespace text_index_detail {

constexpr size_t kFirstChains = 64;

}  // namespace text_index_detail

Status TextIndex::add(Text text, uint32_t number) {
  if (entries_.size() == chains_.size()) CHISCSI_TRY(grow());
  CHISCSI_TRY(entries_.append({text, fnv1a(text.bytes()), number, kNone}));
  link(static_cast<uint32_t>(entries_.size() - 1));
  return {};
}

Status TextIndex::grow() {
  const size_t wanted = chains_.empty() ? text_index_detail::kFirstChains : 2 * chains_.size();
  GrowableArray<Chain> chains;
  while (chains.size() < wanted)
    CHISCSI_TRY(chains.append(Chain()));
  chains_ = std::move(chains);
  for (uint32_t entry = 0; entry < entries_.size(); ++entry)
    link(entry);
  return {};
}

// At the end of its chain: entries of one text stay in the order in which they came.
void TextIndex::link(uint32_t entry) {
  Chain& chain = chains_[entries_[entry].hash & (chains_.size() - 1)];
  entries_[entry].next = kNone;
  if (chain.first == kNone) {
    chain.first = entry;
  } else {
    entries_[chain.last].next = entry;
  }
  chain.last = entry;
}

uint32_t TextIndex::first(Text text) const {
  if (chains_.empty()) return kNone;
  const uint64_t hash = fnv1a(text.bytes());
  return find(chains_[hash & (chains_.size() - 1)].first, hash, text);
}

uint32_t TextIndex::next(uint32_t entry) const {
  const Entry& from = entries_[entry];
  return find(from.next, from.hash, from.text);
}

uint32_t TextIndex::find(uint32_t entry, uint64_t hash, Text text) const {
  for (; entry != kNone; entry = entries_[entry].next) {
    ++comparisons_;
    if (entries_[entry].hash == hash && entries_[entry].text == text) break;
  }
  return entry;
}

}  // namespace chiscsi
