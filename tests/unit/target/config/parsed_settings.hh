// SPDX-License-Identifier: GPL-2.0-only
//
// What the tests of target blocks share: the keys of a block, parsed.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "target/config/target_settings.hh"

namespace chiscsi {

inline constexpr char kName[] = "iqn.2026-11.org.example:disk0";

inline std::string string_of(Text text) { return {text.data(), text.size()}; }

struct Parsed {
  Ref<TargetSettings> settings;
  std::string error;
  Error code = Error::kNone;
};

inline Parsed parse_text(const std::string& text, const char* name = kName,
                         const TargetParseOptions& options = {}) {
  ConfigError error;
  auto result = TargetSettings::parse(
      name, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, options, &error);
  Parsed parsed;
  parsed.code = result.error();
  parsed.error = error.c_str();
  if (result.is_ok()) parsed.settings = result.take();
  EXPECT_EQ(parsed.error.empty(), parsed.code != Error::kInvalid) << text;
  return parsed;
}

inline Parsed parse(const std::vector<std::string>& lines, const TargetParseOptions& options = {}) {
  std::string text;
  for (const std::string& line : lines)
    text += line + '\0';
  return parse_text(text, kName, options);
}

// The error of a configuration that has to be bad.
inline std::string error_of(const std::vector<std::string>& lines) {
  const Parsed parsed = parse(lines);
  EXPECT_EQ(parsed.code, Error::kInvalid) << lines[0];
  return parsed.error;
}
inline bool is_good(const std::vector<std::string>& lines) {
  return static_cast<bool>(parse(lines).settings);
}

}  // namespace chiscsi
