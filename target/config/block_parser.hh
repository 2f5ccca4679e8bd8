// SPDX-License-Identifier: GPL-2.0-only
//
// BlockParser: how a block of keys is read, whatever the block.
//
// A Parser derives from it and has a table kRows, one row per key, that begins with a KeyRow: the
// key, how often it may come, and the function that takes its value. The way of each pair is the
// same: find the row, look whether it may come, take. Every refusal names the key.
// Context: process.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/text.hh"
#include "target/config/config_errors.hh"
#include "target/config/key_hint.hh"
#include "target/config/message_line.hh"
#include "target/config/number.hh"
#include "target/config/target_settings.hh"

namespace chiscsi {

// Bits of KeyRow::use; without any, a key comes once and has a value.
inline constexpr uint8_t kKeyOnce = 0;
inline constexpr uint8_t kKeyRepeats = 1;
inline constexpr uint8_t kKeyClears = 2;  // An empty value takes away, where that is asked for.

template <typename Parser>
struct KeyRow {
  const char* key;
  uint8_t use;
  Status (Parser::*take)(const char* key, Text value);
};

template <typename Parser, size_t kCount>
class BlockParser {
 public:
  static constexpr size_t kRowCount = kCount;
  static bool knows(Text key) { return find_row(key) != kRowCount; }
  static void offer_keys(KeyHint* hint) {
    for (const auto& row : Parser::kRows)
      hint->offer(row.key);
  }

 protected:
  // With `all` every mistake is reported there, and reading goes on behind it.
  BlockParser(ConfigError& error, ConfigErrors* all) : error_(error), all_(all) {}

  // kRowCount when there is none.
  static size_t find_row(Text key) {
    size_t row = 0;
    while (row < kRowCount && key != Text(Parser::kRows[row].key))
      ++row;
    return row;
  }

  // Takes all pairs of `buffer`, of which `kept` becomes a copy, then calls check_all() of the
  // Parser. `name` is for messages. Errors: kInvalid, kNoMemory.
  Status read(Bytes buffer, const char* name, bool may_clear, ConfigText* kept) {
    if (buffer.size() > kMaxConfigBytes) {
      error_.at(name).add("longer than ").add_number(kMaxConfigBytes).add(" bytes");
      return report(ConfigErrors::kNoPair, Error::kInvalid);
    }
    CHISCSI_TRY(kept->assign(buffer));
    for (Text rest = kept->text(); !rest.empty(); ++pair_) {
      const Text pair = rest.take_until('\0');
      if (!pair.empty()) CHISCSI_TRY(report(pair_, take_pair(pair, may_clear)));
    }
    // What spans several keys is worth a look only when each is right by itself.
    if (!failed_) CHISCSI_TRY(report(ConfigErrors::kNoPair, parser().check_all()));
    return failed_ ? Status(Error::kInvalid) : Status();
  }

  // With a listener a mistake is told to it, and reading goes on.
  Status report(uint32_t pair, Status status) {
    if (status.is_ok() || status.error() != Error::kInvalid || all_ == nullptr) return status;
    failed_ = true;
    all_->report(pair, error_);
    return {};
  }

  Status refuse(const char* key, Text what, Text value) {
    error_.at(key).add(what).add(", not ").add_quoted(value);
    return Error::kInvalid;
  }

  Status take_number(const char* key, Text value, uint32_t minimum, uint32_t maximum,
                     uint32_t* number) {
    if (parse_number_in_range(value, NumberSyntax::kDecimal, minimum, maximum, number)) return {};
    error_.at(key).add("wants a number from ").add_number(minimum).add(" to ").add_number(maximum);
    error_.add(", not ").add_quoted(value);
    return Error::kInvalid;
  }

  ConfigError& error_;
  uint32_t pair_ = 0;  // The one that is being taken.

 private:
  Parser& parser() { return static_cast<Parser&>(*this); }

  Status refuse_key(const char* key, const char* what) {
    error_.at(key).add(what);
    return Error::kInvalid;
  }

  Status take_pair(Text pair, bool may_clear) {
    Text value = pair;
    const bool has_value = value.find('=') != Text::kNotFound;
    const Text key = value.take_until('=');
    const size_t number = find_row(key);
    if (number == kRowCount) {
      KeyHint hint(key);
      offer_keys(&hint);
      return refuse_unknown_key(key, hint.best(), &error_);
    }
    const auto& row = Parser::kRows[number];
    if (!has_value) return refuse_key(row.key, "has no value");
    const bool again = seen_[number];
    seen_[number] = true;
    if (again && (row.use & kKeyRepeats) == 0) return refuse_key(row.key, "is given twice");
    if (value.empty() && may_clear && (row.use & kKeyClears) != 0) return {};
    return (parser().*row.take)(row.key, value);
  }

  ConfigErrors* all_;
  bool failed_ = false;
  bool seen_[kCount] = {};
};

}  // namespace chiscsi
