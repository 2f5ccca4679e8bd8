// SPDX-License-Identifier: GPL-2.0-only
//
// See json.hh.
#include "json.hh"

#include <algorithm>
#include <array>
#include <cstdint>

namespace iscsictl {

namespace {

// Of these an alias or a name may look like a number without being one.
constexpr std::array<std::string_view, 12> kTexts = {"target", "class",   "owner",  "initiator",
                                                     "alias",  "isid",    "type",   "state",
                                                     "module", "session", "portal", "name"};

bool is_number(std::string_view text) {
  if (text.empty() || text.size() > 19 || (text.size() > 1 && text[0] == '0')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

// The length of the UTF-8 character at the front of `text`, or 0 when there is none.
size_t utf8_length(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  const size_t length = first < 0x80   ? 1
                        : first < 0xc2 ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  if (length == 0 || length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if (first == 0xe0 && byte(1) < 0xa0) return 0;  // Longer than need be.
  if (first == 0xed && byte(1) > 0x9f) return 0;  // Half of a surrogate pair.
  if (first == 0xf0 && byte(1) < 0x90) return 0;
  if (first == 0xf4 && byte(1) > 0x8f) return 0;  // Beyond U+10FFFF.
  return length;
}

}  // namespace

void JsonWriter::quoted(std::string_view text) {
  constexpr char kDigits[] = "0123456789abcdef";
  out_ << '"';
  while (!text.empty()) {
    const size_t length = utf8_length(text);
    const char c = text[0];
    if (length == 0) {
      out_ << "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out_ << '\\' << c;
    } else if (static_cast<uint8_t>(c) < ' ') {
      out_ << "\\u00" << kDigits[c >> 4] << kDigits[c & 15];
    } else {
      out_ << text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out_ << '"';
}

void JsonWriter::separate(std::string_view name) {
  if (!has_members_.empty()) {
    out_ << (has_members_.back() ? ",\n" : "\n") << std::string(2 * has_members_.size(), ' ');
    has_members_.back() = true;
  }
  if (name.empty()) return;
  quoted(name);
  out_ << ": ";
}

void JsonWriter::begin(std::string_view name, char bracket) {
  separate(name);
  out_ << bracket;
  has_members_.push_back(false);
}

void JsonWriter::end(char bracket) {
  const bool had_members = has_members_.back();
  has_members_.pop_back();
  if (had_members) out_ << '\n' << std::string(2 * has_members_.size(), ' ');
  out_ << bracket;
  if (has_members_.empty()) out_ << '\n';
}

void JsonWriter::text(std::string_view name, std::string_view value) {
  separate(name);
  quoted(value);
}

void JsonWriter::number(std::string_view name, std::string_view digits) {
  separate(name);
  out_ << digits;
}

void JsonWriter::field(std::string_view name, std::string_view value) {
  const bool counts = std::find(kTexts.begin(), kTexts.end(), name) == kTexts.end();
  if (counts && is_number(value)) {
    number(name, value);
  } else {
    text(name, value);
  }
}

void JsonWriter::fields(const Record& record, std::string_view skipped) {
  for (const auto& [name, value] : record.fields) {
    if (name != skipped) field(name, value);
  }
}

}  // namespace iscsictl
