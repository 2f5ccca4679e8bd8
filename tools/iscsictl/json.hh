// SPDX-License-Identifier: GPL-2.0-only
//
// JsonWriter: JSON text with two blanks per level, written as it is told, with nothing kept.
//
// Names and values come from the module, hence from administrators and peers: they are escaped, and
// bytes that are not UTF-8 are replaced, so that what comes out is always JSON.
#pragma once

#include <ostream>
#include <string_view>
#include <vector>

#include "door.hh"

namespace iscsictl {

class JsonWriter {
 public:
  explicit JsonWriter(std::ostream& out) : out_(out) {}
  // Objects and lists nest; `name` is for a member of an object, empty for an element of a list.
  void begin_object(std::string_view name = {}) { begin(name, '{'); }
  void end_object() { end('}'); }
  void begin_list(std::string_view name = {}) { begin(name, '['); }
  void end_list() { end(']'); }
  void text(std::string_view name, std::string_view value);
  // Must hold a number in decimal.
  void number(std::string_view name, std::string_view digits);
  // A field of a record: a number when its key is one that counts, else a text.
  void field(std::string_view name, std::string_view value);
  // All fields of a record but `skipped`.
  void fields(const Record& record, std::string_view skipped = {});

 private:
  void begin(std::string_view name, char bracket);
  void end(char bracket);
  void separate(std::string_view name);
  void quoted(std::string_view text);

  std::ostream& out_;
  std::vector<bool> has_members_;
};

}  // namespace iscsictl
