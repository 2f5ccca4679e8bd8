// SPDX-License-Identifier: GPL-2.0-only
//
// ConfigErrors: who wants to hear of every mistake in a configuration, not of the first alone.
//
// A parser that is given one goes on after a mistake. It tells which of the key=value strings is
// wrong by its number, so that whoever made the strings from a file can name the line.
#pragma once

#include <cstdint>

#include "target/config/message_line.hh"

namespace chiscsi {

class ConfigErrors {
 public:
  // No single string is wrong: something is missing, or keys contradict each other.
  static constexpr uint32_t kNoPair = ~uint32_t{0};
  // `error` reads "<Key>: <what is wrong>" and is good until this returns.
  virtual void report(uint32_t pair, const ConfigError& error) = 0;

 protected:
  ~ConfigErrors() = default;
};

}  // namespace chiscsi
