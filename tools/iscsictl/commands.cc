// SPDX-License-Identifier: GPL-2.0-only
//
// See commands.hh: what the commands share, and the short ones.
#include "commands.hh"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

#include "common/chiscsi_control.h"
#include "common/chiscsi_version.h"

namespace iscsictl {

int Context::refuse(std::string_view line) const {
  err << "iscsictl: " << line << '\n';
  return kRefused;
}

void Context::tell_warnings(const Reply& reply) const {
  for (const Record& record : reply.records) {
    for (const auto& [key, value] : record.fields) {
      if (key == "warning") err << "iscsictl: warning: " << value << '\n';
    }
  }
}

int Context::refuse(std::string_view subject, const Reply& reply) const {
  std::string line(subject);
  if (!subject.empty()) line += ": ";
  if (reply.error == ENOENT && reply.why.empty()) {
    line += "is not found";
    return refuse(line);
  }
  if ((reply.error == EPERM || reply.error == EACCES) && reply.why.empty()) {
    line += "only root may do this";
    return refuse(line);
  }
  line += reply.why.empty() ? strerror(reply.error) : reply.why;
  return refuse(line);
}

Reply ask_alone(Context& context, unsigned op, std::string_view buffer) {
  constexpr unsigned kStepMs = 20;  // The module has nothing to wait for.
  Reply reply = context.door.ask_raw(op, buffer, 0);
  for (unsigned waited = 0; reply.error == EINPROGRESS && waited < context.patience_ms;
       waited += kStepMs) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kStepMs));
    reply = context.door.ask_raw(op, buffer, 0);
  }
  return reply;
}

bool can_ask(Context& context, bool absent_is_fine, int* status) {
  switch (context.door.state()) {
    case Door::State::kOpen:
      return true;
    case Door::State::kNotLoaded:
      (absent_is_fine ? context.out : context.err) << "no active target\n";
      *status = absent_is_fine ? kDone : kRefused;
      return false;
    case Door::State::kNotPermitted:
      *status = context.refuse("only root may open " CHISCSI_CONTROL_DEVICE);
      return false;
    default:
      *status =
          context.refuse(std::string("cannot open " CHISCSI_CONTROL_DEVICE ": ") + strerror(errno));
      return false;
  }
}

bool active_targets(Context& context, std::vector<std::string>* names) {
  const Reply reply = context.door.ask(CHISCSI_CONTROL_TARGET_LIST);
  if (!reply.is_ok()) {
    context.refuse("the list of targets", reply);
    return false;
  }
  for (const Record& record : reply.records)
    names->emplace_back(record.get("target"));
  std::sort(names->begin(), names->end());
  return true;
}

bool wanted_targets(const Options& options, Context& context, std::vector<std::string>* names) {
  if (options.all_targets || options.targets.empty()) return active_targets(context, names);
  *names = options.targets;
  return true;
}

namespace {

// The module is not there, so no target is.
int none_is_found(const Options& options, Context& context) {
  if (context.door.state() != Door::State::kNotLoaded || options.targets.empty()) return kDone;
  if (options.if_exists) return kDone;
  for (const std::string& name : options.targets)
    context.refuse(name + " is not found: no active target");
  return kRefused;
}

// All means all of the administrator: what a storage driver has started is only meant by its name.
bool targets_to_change(const Options& options, Context& context, std::vector<std::string>* names) {
  if (!options.all_targets && !options.targets.empty()) {
    *names = options.targets;
    return true;
  }
  const Reply reply = context.door.ask(CHISCSI_CONTROL_TARGET_LIST);
  if (!reply.is_ok()) {
    context.refuse("the list of targets", reply);
    return false;
  }
  for (const Record& record : reply.records) {
    const std::string name(record.get("target"));
    if (record.get("owner") != "driver") {
      names->push_back(name);
    } else {
      context.out << name << " belongs to a storage driver and is left to it\n";
    }
  }
  std::sort(names->begin(), names->end());
  if (reply.records.empty()) context.out << "no active target\n";
  return true;
}

// `ask` does something to the target of a name.
template <typename Ask>
int for_each_target(const Options& options, Context& context, Ask ask) {
  std::vector<std::string> names;
  if (!targets_to_change(options, context, &names)) return kRefused;
  int status = kDone;
  for (const std::string& name : names) {
    const Reply reply = ask(name);
    if (reply.is_ok()) continue;
    // Of all targets, one that somebody else has just stopped is not missed.
    const bool is_listed = options.all_targets || options.targets.empty();
    const bool is_absent = reply.error == ENOENT && !options.key;
    if (is_absent && (options.if_exists || is_listed)) continue;
    status = is_absent ? context.refuse(name + " is not found") : context.refuse(name, reply);
  }
  return status;
}

}  // namespace

int stop_targets(const Options& options, Context& context) {
  if (const int status = none_is_found(options, context)) return status;
  int status = kDone;
  if (!can_ask(context, true, &status)) return status;
  return for_each_target(options, context, [&](const std::string& name) {
    const std::string buffer = "target=" + name + '\0';
    return ask_alone(context, CHISCSI_CONTROL_TARGET_STOP, buffer);
  });
}

int flush_targets(const Options& options, Context& context) {
  if (const int status = none_is_found(options, context)) return status;
  int status = kDone;
  if (!can_ask(context, true, &status)) return status;
  return for_each_target(options, context, [&](const std::string& name) {
    std::string buffer = "target=" + name + '\0';
    if (options.key) buffer += "lun=" + *options.key_value + '\0';
    return ask_alone(context, CHISCSI_CONTROL_LUN_FLUSH, buffer);
  });
}

int drop_session(const Options& options, Context& context) {
  int status = kDone;
  if (!can_ask(context, false, &status)) return status;
  const Reply reply = context.door.ask(CHISCSI_CONTROL_SESSION_DROP, {"session=" + options.handle});
  if (reply.error == ENOENT) return context.refuse("session " + options.handle + " is not found");
  return reply.is_ok() ? kDone : context.refuse("session " + options.handle, reply);
}

namespace {

// The values of one key belong together.
std::vector<Keys> by_key(const Keys& assignments) {
  const auto key_of = [](const std::string& one) { return one.substr(0, one.find('=')); };
  std::vector<Keys> groups;
  for (const std::string& one : assignments) {
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const Keys& group) {
      return key_of(group.front()) == key_of(one);
    });
    if (same == groups.end()) {
      groups.push_back({one});
    } else {
      same->push_back(one);
    }
  }
  return groups;
}

}  // namespace

// All at once first: some are right only together. When that is refused, each by itself, so that a
// bad one keeps no good one back; again until nothing changes, for what needs another one before
// it.
int set_globals(const Options& options, Context& context) {
  int status = kDone;
  if (!can_ask(context, false, &status)) return status;
  const Reply all = context.door.ask(CHISCSI_CONTROL_GLOBAL_SET, options.assignments);
  context.tell_warnings(all);
  if (all.is_ok()) return kDone;
  std::vector<Keys> left = by_key(options.assignments);
  std::vector<std::string> complaints;
  for (bool has_changed = true; has_changed && !left.empty();) {
    has_changed = false;
    complaints.clear();
    std::vector<Keys> refused;
    for (const Keys& group : left) {
      const Reply reply = context.door.ask(CHISCSI_CONTROL_GLOBAL_SET, group);
      context.tell_warnings(reply);
      if (reply.is_ok()) {
        has_changed = true;
        continue;
      }
      refused.push_back(group);
      complaints.push_back(reply.why.empty() ? strerror(reply.error) : reply.why);
    }
    left = refused;
  }
  for (const std::string& complaint : complaints)
    status = context.refuse(complaint);
  return status;
}

int run(const Options& options, Context& context) {
  switch (options.mode) {
    case Mode::kHelp:
      context.out << kLongUsage;
      return kDone;
    case Mode::kVersion:
      context.out << "iscsictl " CHISCSI_API_VERSION_STRING "\n";
      return kDone;
    case Mode::kShow:
      return show_targets(options, context);
    case Mode::kFlush:
      return flush_targets(options, context);
    case Mode::kGlobals:
      return show_globals(options, context);
    case Mode::kSet:
      return set_globals(options, context);
    case Mode::kStop:
      return stop_targets(options, context);
    case Mode::kStart:
      return start_targets(options, context);
    case Mode::kSessions:
      return show_sessions(options, context);
    case Mode::kAccess:
      return access_states(options, context);
    case Mode::kDrop:
      return drop_session(options, context);
    case Mode::kWrite:
      return write_file(options, context);
    case Mode::kCheck:
      return check_file(options, context);
    case Mode::kStatus:
      return show_status(options, context);
    case Mode::kTop:
      return show_top(options, context);
    default:
      return kUsage;
  }
}

int run(int argc, char* const* argv, Context& context) {
  Options options;
  if (const auto complaint = parse_options(argc, argv, &options)) {
    context.err << "iscsictl: " << *complaint << '\n' << kShortUsage;
    return kUsage;
  }
  return run(options, context);
}

}  // namespace iscsictl
