// SPDX-License-Identifier: GPL-2.0-only
//
// What the load generator is asked to do.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace chiscsi::load {

enum class Mode { kHold, kLogin, kIo };

struct Options {
  Mode mode = Mode::kHold;
  std::string address = "127.0.0.1";
  uint16_t port = 3260;
  std::string target;
  std::string initiator = "iqn.2026-11.org.example:load";
  unsigned sessions = 1;
  unsigned names = 0;  // Initiator names to share; 0: one for each session.
  unsigned parallel = 32;
  unsigned silent = 0;
  std::vector<std::string> sources;  // Local addresses, in turn.
  bool header_digest = false;
  bool data_digest = false;
  unsigned login_timeout = 30;  // Seconds, of one login.
  unsigned timeout = 600;       // Seconds, of each phase.
  unsigned seconds = 0;         // Of holding or of I/O; 0: its own default.
  std::string ready_file;

  // I/O.
  unsigned lun = 0;
  unsigned depth = 32;  // Of all sessions together.
  unsigned block = 4096;
  unsigned read_percent = 100;
  bool sequential = false;
  uint64_t ios = 0;        // End after so many; 0: after the time alone.
  unsigned ramp_ms = 500;  // I/O before anything is counted.
};

// Reads the command line. Ends the program with status 0 for --help, 2 for a mistake.
Options parse_options(int argc, char** argv);

// "ADDRESS:PORT", an IPv6 address in brackets, the port may be left out. False: neither.
bool parse_portal(const std::string& text, std::string& address, uint16_t& port);

// A number in [lowest, highest] with an optional k or m (1024) at its end.
bool parse_number(const char* text, uint64_t lowest, uint64_t highest, uint64_t& value);

}  // namespace chiscsi::load
