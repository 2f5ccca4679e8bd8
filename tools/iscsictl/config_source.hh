// SPDX-License-Identifier: GPL-2.0-only
//
// A configuration file as read from its place: the text, its name for messages, and what the parser
// made of it. The text may hold secrets and is wiped.
#pragma once

#include <optional>
#include <string>

#include "commands.hh"
#include "target/config/config_file.hh"

namespace iscsictl {

class ConfigSource {
 public:
  ConfigSource() = default;
  ConfigSource(const ConfigSource&) = delete;
  ConfigSource& operator=(const ConfigSource&) = delete;
  ~ConfigSource();

  // Reads and parses `path`, - for standard input, or without one the first default file that is
  // there. False when it cannot be read; the reason has been told.
  bool load(const std::optional<std::string>& path, Context& context);
  // Parses a text that is there already.
  bool parse(std::string text, std::string name, Context& context);

  // Tells every error, and every warning, as <file>:<line>: <key>: <what is wrong>.
  // With `globals_only` those in target: blocks are left out.
  void tell_problems(Context& context, bool globals_only) const;

  // Holds an account of CHAP. Only after load() or parse() was true.
  bool has_secrets() const;

  const std::string& name() const { return name_; }
  const chiscsi::ConfigFile& file() const { return *file_; }

 private:
  bool read_file(const std::string& path, Context& context);

  std::string name_;
  std::string text_;
  chiscsi::OwnPtr<chiscsi::ConfigFile> file_;
};

inline std::string_view view(chiscsi::Text text) { return {text.data(), text.size()}; }

}  // namespace iscsictl
