// SPDX-License-Identifier: GPL-2.0-only
//
// Control requests as iscsictl makes them, straight into engine_control().
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "target/engine.h"

namespace chiscsi::test {

// One record: its lines in order.
struct ControlRecord {
  std::vector<std::pair<std::string, std::string>> lines;
  // The first value of a key; empty without it.
  std::string value(const std::string& key) const;
  std::vector<std::string> values(const std::string& key) const;
  uint64_t number(const std::string& key) const;
};

struct ControlAnswer {
  int error = 0;  // 0 or a negative errno.
  std::string why;
  std::string text;
  uint32_t used = 0;
  // What `text` says.
  std::vector<ControlRecord> records() const;
  ControlRecord first() const;
  // The first record that begins with this line.
  ControlRecord record(const std::string& key, const std::string& value) const;
};

ControlAnswer control(chiscsi_control_op op, const std::vector<std::string>& lines = {},
                      uint32_t flags = 0, uint32_t room = 1 << 20, unsigned long holder = 1);
// The input byte by byte.
ControlAnswer control_raw(uint32_t op, const std::string& input, uint32_t flags = 0,
                          uint32_t room = 1 << 20, unsigned long holder = 1);

}  // namespace chiscsi::test
