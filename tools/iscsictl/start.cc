// SPDX-License-Identifier: GPL-2.0-only
//
// -S and --check: the configuration file and what becomes of it.
//
// First everything is read and every mistake told; then the globals, all or none; then each target
// by itself, which the module starts, or compares with the active one and changes, all or nothing.
// A mistake in one target: block refuses that target only. Without a global: block the globals stay
// as they are; an empty one brings back the defaults.
#include <algorithm>

#include "commands.hh"
#include "common/chiscsi_control.h"
#include "config_source.hh"

namespace iscsictl {

namespace {

using chiscsi::ConfigTarget;

// What became of the targets that were meant.
class Outcome {
 public:
  void add(int status) { ++(status == kDone ? done_ : refused_); }
  int status() const {
    if (refused_ == 0) return kDone;
    return done_ == 0 ? kRefused : kSomeRefused;
  }

 private:
  size_t done_ = 0, refused_ = 0;
};

// Which blocks of the file are meant. Names that the file does not have are told.
class Selection {
 public:
  Selection(const Options& options, const ConfigSource& source) : source_(source) {
    takes_all_ = options.all_targets;
    names_ = options.targets;
    is_reload_ = !options.names_targets();
  }
  // Rule 3: nothing but what is active.
  bool is_reload() const { return is_reload_; }
  void take_active(std::vector<std::string> names) { names_ = std::move(names); }

  bool has(const ConfigTarget& target) const {
    const std::string_view name = view(target.name.text());
    return takes_all_ || std::find(names_.begin(), names_.end(), name) != names_.end();
  }
  // For a reload what is active and not in the file stays as it is.
  void tell_missing(Context& context, Outcome* outcome) const;

 private:
  const ConfigSource& source_;
  std::vector<std::string> names_;
  bool takes_all_ = false;
  bool is_reload_ = false;
};

void Selection::tell_missing(Context& context, Outcome* outcome) const {
  if (is_reload_) return;
  for (const std::string& name : names_) {
    const auto targets = source_.file().targets();
    const bool is_there = std::any_of(targets.begin(), targets.end(), [&](const ConfigTarget& t) {
      return view(t.name.text()) == name;
    });
    if (!is_there) outcome->add(context.refuse(name + " is not found in " + source_.name()));
  }
}

int set_all_globals(const ConfigSource& source, Context& context) {
  const chiscsi::GlobalSettings* globals = source.file().globals().get();
  if (globals == nullptr) return kDone;
  chiscsi::TextBuilder keys;
  globals->print(&keys, true, '\0');
  if (!keys.is_ok()) return context.refuse("out of memory");
  const Reply reply =
      context.door.ask_raw(CHISCSI_CONTROL_GLOBAL_SET, view(keys.text()), CHISCSI_CONTROL_DEFAULTS);
  return reply.is_ok() ? kDone : context.refuse(source.name() + ": the globals", reply);
}

int start_one(const ConfigSource& source, const ConfigTarget& target, Context& context) {
  const std::string place = source.name() + ':' + std::to_string(target.line);
  if (!target.settings) {
    const std::string name(view(target.name.text()));
    return context.refuse(place + ": " + (name.empty() ? "the target" : name) +
                          " is refused for its mistakes");
  }
  const chiscsi::Bytes keys = target.settings->keys();
  const Reply reply = ask_alone(context, CHISCSI_CONTROL_TARGET_START,
                                {reinterpret_cast<const char*>(keys.data()), keys.size()});
  context.tell_warnings(reply);
  if (reply.is_ok()) return kDone;
  return context.refuse(place + ": " + std::string(view(target.settings->name())), reply);
}

// The module, loaded when there is something for it to do. `status` is set when it is not there.
bool make_ready(const Selection& selection, Context& context, int* status) {
  if (context.door.state() != Door::State::kNotLoaded || selection.is_reload()) {
    return can_ask(context, true, status);
  }
  std::string why;
  if (context.door.load_module(&why)) return true;
  *status = context.refuse(why);
  return false;
}

}  // namespace

int start_targets(const Options& options, Context& context) {
  ConfigSource source, other;
  if (!source.load(options.file, context)) return kRefused;
  if (options.globals_file && !other.load(options.globals_file, context)) return kRefused;
  source.tell_problems(context, false);
  if (options.globals_file) other.tell_problems(context, true);
  const ConfigSource& globals = options.globals_file ? other : source;
  if (!source.file().is_usable() || !globals.file().is_usable()) {
    return context.refuse("nothing is changed");
  }
  Selection selection(options, source);
  Outcome outcome;
  selection.tell_missing(context, &outcome);
  int module_status = kDone;
  if (!make_ready(selection, context, &module_status))
    return worse(outcome.status(), module_status);
  if (set_all_globals(globals, context) != kDone) return context.refuse("nothing is changed");
  if (selection.is_reload()) {
    std::vector<std::string> active;
    if (!active_targets(context, &active)) return kRefused;
    if (active.empty()) context.out << "no active target\n";
    selection.take_active(std::move(active));
  }
  if (options.all_targets && source.file().targets().empty()) {
    context.out << source.name() << ": no target in it\n";
  }
  for (const ConfigTarget& target : source.file().targets()) {
    if (selection.has(target)) outcome.add(start_one(source, target, context));
  }
  return outcome.status();
}

int check_file(const Options& options, Context& context) {
  ConfigSource source;
  if (!source.load(options.file, context)) return kRefused;
  source.tell_problems(context, false);
  if (source.file().error_count() != 0) return kRefused;
  const size_t count = source.file().targets().size();
  context.out << source.name() << ": " << count << (count == 1 ? " target" : " targets")
              << ", no mistake found\n";
  return kDone;
}

}  // namespace iscsictl
