// SPDX-License-Identifier: GPL-2.0-only
//
// status: whether the module is there, and what it has.
#include <charconv>

#include "commands.hh"
#include "common/chiscsi_control.h"
#include "json.hh"

namespace iscsictl {

namespace {

uint64_t number_of(const Record& record, std::string_view key) {
  const std::string_view text = record.get(key);
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string counted(uint64_t number, const char* what) {
  return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
}

}  // namespace

int show_status(const Options& options, Context& context) {
  int status = kDone;
  const bool is_loaded = context.door.state() != Door::State::kNotLoaded;
  if (is_loaded && !can_ask(context, false, &status)) return status;
  Reply versions, targets;
  if (is_loaded) {
    versions = context.door.ask(CHISCSI_CONTROL_VERSIONS);
    targets = context.door.ask(CHISCSI_CONTROL_TARGET_LIST);
  }
  if (!versions.is_ok()) return context.refuse("the module's version", versions);
  if (!targets.is_ok()) return context.refuse("the list of targets", targets);
  uint64_t sessions = 0;
  for (const Record& target : targets.records)
    sessions += number_of(target, "sessions");
  if (options.json) {
    JsonWriter json(context.out);
    json.begin_object();
    json.number("loaded", is_loaded ? "true" : "false");
    if (!versions.records.empty()) json.fields(versions.records.front());
    json.number("active_targets", std::to_string(targets.records.size()));
    json.number("active_sessions", std::to_string(sessions));
    json.begin_list("targets");
    for (const Record& target : targets.records) {
      json.begin_object();
      json.fields(target);
      json.end_object();
    }
    json.end_list();
    json.end_object();
    return is_loaded ? kDone : kNotRunning;
  }
  if (!is_loaded) {
    context.out << "chiscsi.ko is not loaded, no active target\n";
    return kNotRunning;
  }
  const std::string version(versions.records.empty() ? "" : versions.records.front().get("module"));
  context.out << "chiscsi.ko " << version << " is loaded\n"
              << counted(targets.records.size(), "active target") << ", "
              << counted(sessions, "session") << '\n';
  for (const Record& target : targets.records) {
    context.out << "  " << target.get("target") << ": " << counted(number_of(target, "luns"), "LUN")
                << ", " << counted(number_of(target, "sessions"), "session") << '\n';
  }
  return kDone;
}

}  // namespace iscsictl
