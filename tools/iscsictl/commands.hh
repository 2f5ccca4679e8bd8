// SPDX-License-Identifier: GPL-2.0-only
//
// The commands of iscsictl. Each does what Options ask for, through the Door, and returns the exit
// status of the program. What was asked for goes to `out`, what is wrong to `err`.
#pragma once

#include <istream>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "door.hh"
#include "options.hh"

namespace iscsictl {

// kSomeRefused: of -S alone, where it is no kRefused for the boot service.
enum ExitStatus { kDone = 0, kRefused = 1, kUsage = 2, kNotRunning = 3, kSomeRefused = 4 };

struct Context {
  Door& door;
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  // Looked for in this order when no file is named.
  std::vector<std::string> default_files = {"/etc/chiscsi/chiscsi.conf",
                                            "/etc/chelsio-iscsi/chiscsi.conf"};
  bool is_terminal = false;  // `out` is one.
  // How long to wait for somebody else who is starting, changing, stopping or flushing the same
  // target.
  unsigned patience_ms = 60000;

  // "iscsictl: LINE" to err; returns kRefused.
  int refuse(std::string_view line) const;
  // What the module wants to be known although it has done what it was asked.
  void tell_warnings(const Reply& reply) const;
  // Why `subject` was refused by the module; returns kRefused.
  int refuse(std::string_view subject, const Reply& reply) const;
};

// Runs what the options ask for.
int run(const Options& options, Context& context);
// The whole program but for main()'s own part.
int run(int argc, char* const* argv, Context& context);

int show_targets(const Options& options, Context& context);   // -c
int show_globals(const Options& options, Context& context);   // -g
int show_sessions(const Options& options, Context& context);  // -r
int show_status(const Options& options, Context& context);    // status
int show_top(const Options& options, Context& context);       // top
int start_targets(const Options& options, Context& context);  // -S
int stop_targets(const Options& options, Context& context);   // -s
int flush_targets(const Options& options, Context& context);  // -F
int access_states(const Options& options, Context& context);  // -A
int set_globals(const Options& options, Context& context);    // -G
int drop_session(const Options& options, Context& context);   // -D
int write_file(const Options& options, Context& context);     // -W
int check_file(const Options& options, Context& context);     // --check

// Starts, stops or flushes a target by a buffer of keys. One target has one at a time that does so:
// who comes second is told so by EINPROGRESS, waits, and meets what the first one has left.
Reply ask_alone(Context& context, unsigned op, std::string_view buffer);

// What most commands begin with: says so and sets `status` when the module cannot be asked. With
// `absent_is_fine` a module that is not loaded is no failure.
bool can_ask(Context& context, bool absent_is_fine, int* status);
// The names of the active targets, sorted, so that a name comes before those it is the start of.
bool active_targets(Context& context, std::vector<std::string>* names);
// The targets that the options name, all active ones for ALL, and for none.
bool wanted_targets(const Options& options, Context& context, std::vector<std::string>* names);

// For the exit status after several steps.
inline int worse(int a, int b) { return a > b ? a : b; }

}  // namespace iscsictl
