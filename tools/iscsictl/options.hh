// SPDX-License-Identifier: GPL-2.0-only
//
// What the command line asks for. parse_options() checks the form alone; whether a target exists is
// for others to find out.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace iscsictl {

enum class Mode {
  kNone,
  kHelp,      // -h
  kVersion,   // -v
  kShow,      // -c
  kFlush,     // -F
  kGlobals,   // -g
  kSet,       // -G
  kStop,      // -s
  kStart,     // -S
  kSessions,  // -r
  kAccess,    // -A
  kDrop,      // -D
  kWrite,     // -W
  kCheck,     // --check
  kStatus,    // status
  kTop,       // top
};

// What goes with some modes only.
enum Extra : unsigned {
  kTargets = 1 << 0,      // target=
  kGlobalsFile = 1 << 1,  // -x
  kKey = 1 << 2,          // -k
  kJson = 1 << 3,         // --json
  kIfExists = 1 << 4,     // --if-exists
  kInterval = 1 << 5,     // --interval
  kCount = 1 << 6,        // --count
};

struct Options {
  Mode mode = Mode::kNone;
  unsigned extras = 0;  // Those that were given.
  bool json = false;
  bool if_exists = false;
  bool all_targets = false;                 // ALL was among the targets.
  std::vector<std::string> targets;         // Named ones, each once.
  std::vector<std::string> assignments;     // Of -G.
  std::optional<std::string> file;          // -f
  std::optional<std::string> globals_file;  // -x
  std::optional<std::string> key;           // -k, before the `=`
  std::optional<std::string> key_value;     // -k, behind it
  std::optional<std::string> group;         // -A, group=
  std::optional<std::string> access_state;  // -A, state=
  std::string handle;                       // -D
  unsigned interval_s = 2;                  // top
  unsigned count = 0;                       // top; 0: until it is interrupted

  bool names_targets() const { return all_targets || !targets.empty(); }
};

// Takes the words of the command line. An error is a line for the user; it is about the form.
std::optional<std::string> parse_options(int argc, char* const* argv, Options* options);

extern const char kShortUsage[];
extern const char kLongUsage[];

}  // namespace iscsictl
