// SPDX-License-Identifier: GPL-2.0-only
//
// Starting, changing, stopping and listing targets for the administrator, and flushing their LUNs.
//
// Which class serves a target follows from the type words of its TargetDevice lines: ours, or the
// one of a storage driver that has registered a LUN class of that name. What a driver has started
// is the driver's: it is listed, and can be looked at, but not changed.
#include "base/lock.hh"
#include "os/log.h"
#include "target/config/number.hh"
#include "target/control/request.hh"
#include "target/engine.hh"

namespace chiscsi::control {

namespace {

// The target class of the LUN classes that come with the module.
constexpr char kOwnClass[] = "chiscsi";

Text value_of(Text string, Text key) {
  Text value = string;
  return value.take_until('=') == key ? value : Text();
}

// The name, and the line that decides on the class: the first with a type word, else the first.
struct Outline {
  Text name;
  TargetDeviceSettings device;
};

Status read_outline(Bytes in, Outline* outline, ConfigError* why) {
  CHISCSI_TRY(check_end(in, why));
  for (Text string; next_string(&in, &string);) {
    if (const Text name = value_of(string, "TargetName"); !name.empty()) outline->name = name;
    const Text line = value_of(string, "TargetDevice");
    if (line.empty() || outline->device.names_class) continue;
    TargetDeviceSettings device;
    CHISCSI_TRY(parse_target_device(line, &device, why));
    if (device.names_class || outline->device.line.empty()) outline->device = device;
  }
  const char* missing = outline->name.empty()          ? "TargetName"
                        : outline->device.line.empty() ? "TargetDevice"
                                                       : nullptr;
  if (missing == nullptr) return Status();
  why->at(missing).add("is missing");
  return Error::kInvalid;
}

Status refuse_class(const TargetDeviceSettings& device, ConfigError* why) {
  why->at("TargetDevice").add_quoted(device.line).add(": no LUN class ");
  why->add_quoted(device.lun_class).add(" is there");
  return Error::kInvalid;
}

struct Start {
  Engine& engine;
  Outline outline;
  Ref<TargetClass> target_class;
  Bytes config;
  bool is_active;
};

Status run_start(const Start& start, bool only_check, ConfigError* why) {
  const TargetOwner owner = TargetOwner::administrator();
  const Text name = start.outline.name, class_name = start.target_class->name.text();
  Engine& engine = start.engine;
  if (only_check) return engine.check_target(owner, name, class_name, start.config, why);
  if (start.is_active) {
    return engine.reconfigure_target(owner, name, class_name, start.config, why);
  }
  return engine.add_target(owner, name, class_name, start.config, why);
}

// What is allowed and not good, for the log and for who has asked. The target may be gone again.
void warn(Request& request, Text name) {
  const Ref<Target> target = request.engine.registry().find_target(name);
  if (!target || !target->settings()->auth().has_short_secret()) return;
  constexpr char kWarning[] = "Auth_CHAP_*: a secret is shorter than 12 bytes";
  os_log(OS_LOG_WARNING, "%s: %s", target->name_c_str(), kWarning);
  request.out.pair("warning", kWarning);
}

// Two that start or stop the same target at once: the second one is told so, and may try again.
// What has a reason already is none of that, but an error of a class or of a portal.
Status explain_race(Status status, ConfigError* why) {
  if (!why->empty()) return status;
  if (status.error() == Error::kExists) {
    why->add("somebody else has just started this target");
    return Error::kInProgress;
  }
  if (status.error() == Error::kShutdown) {
    why->add("the storage driver of this target is being unloaded");
    return Error::kBusy;
  }
  return status;
}

uint32_t count_sessions(Target& target) {
  uint32_t count = 0;
  MutexGuard guard(target.mutex());
  target.sessions().for_each([&](SessionEntry&) { ++count; });
  return count;
}

void describe_target(Target& target, Output& out) {
  out.pair("target", target.name());
  out.number("id", target.id);
  out.pair("class", target.target_class().name.text());
  out.pair("owner", target.owner().is_administrator ? "administrator" : "driver");
  out.number("sessions", count_sessions(target));
  out.number("luns", target.settings()->devices().size());
  out.end_record();
}

// The class may take its time: nothing is held but the LUN itself, as by a command.
Status flush_one(Target& target, Lun& lun, uint32_t number, ConfigError* why) {
  if (!lun.enter()) return Status();  // It is leaving, and is flushed for that.
  const auto flush = lun.hooks().fp_flush;
  const Status status = flush == nullptr ? Status() : Status::from_errno(flush(lun.handle.value));
  if (!status.is_ok()) {
    why->clear();
    why->add("LUN ")
        .add_number(number)
        .add(" of ")
        .add(target.name())
        .add(": flush failed, error ");
    why->add_number(static_cast<uint64_t>(status.error()));
    os_log(OS_LOG_ERROR, "%s", why->c_str());
  }
  if (lun.leave()) os_event_signal(target.progress());
  return status;
}

// All of them, also when one fails; the first failure is what counts.
Status flush_all(Target& target, const LunMap& luns, ConfigError* why) {
  Status first;
  uint32_t number = 0;
  for (const Ref<Lun>& lun : luns.list()) {
    ConfigError reason;
    const Status status = flush_one(target, *lun, number++, &reason);
    if (status.is_ok() || !first.is_ok()) continue;
    first = status;
    *why = reason;
  }
  return first;
}

Status flush_numbered(Target& target, const LunMap& luns, Text text, ConfigError* why) {
  uint32_t number = 0;
  if (!parse_number_in_range(text, NumberSyntax::kDecimal, 0, kMaxConfiguredLun, &number)) {
    why->clear();
    why->add("lun: wants a number from 0 to 16383, not ").add_quoted(text);
    return Error::kInvalid;
  }
  Lun* lun = luns.find(number);
  if (lun != nullptr) return flush_one(target, *lun, number, why);
  why->clear();
  why->add("no LUN ").add_number(number);
  return Error::kNoEntry;
}

}  // namespace

Status start_target(Request& request) {
  Engine& engine = request.engine;
  Outline outline;
  CHISCSI_TRY(request.out.reserve(kResultSize));
  CHISCSI_TRY(read_outline(request.in, &outline, &request.why));
  Ref<TargetClass> target_class =
      engine.registry().find_class_with(outline.device.lun_class, kOwnClass);
  if (!target_class) return refuse_class(outline.device, &request.why);
  const bool is_active = bool(engine.registry().find_target(outline.name));
  const Start start{engine, outline, target_class, request.in, is_active};
  const Status status = run_start(start, request.has(CHISCSI_CONTROL_CHECK), &request.why);
  if (!status.is_ok()) return explain_race(status, &request.why);
  request.out.pair("result", is_active ? "reloaded" : "started");
  if (!request.has(CHISCSI_CONTROL_CHECK)) warn(request, outline.name);
  request.out.end_record();
  return Status();
}

Status stop_target(Request& request) {
  Word words[] = {{"target", true}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  return request.engine.remove_target(TargetOwner::administrator(), words[0].value, &request.why);
}

Status list_targets(Request& request) {
  Word words[] = {{"target", false}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  return visit_targets(request, words[0],
                       [&](Target& target) { describe_target(target, request.out); });
}

Status check_is_listed(const LunMap& luns, ConfigError* why) {
  if (luns.is_listed()) return Status();
  why->clear();
  why->add("the LUNs of this target are known to its storage driver alone");
  return Error::kNotSupported;
}

// One LUN, or all when no number is given.
Status flush_some(Target& target, const Word& number, ConfigError* why) {
  uint32_t generation;
  const Ref<LunMap> luns = target.luns(&generation);
  CHISCSI_TRY(check_is_listed(*luns, why));
  return number.given ? flush_numbered(target, *luns, number.value, why)
                      : flush_all(target, *luns, why);
}

Status flush_luns(Request& request) {
  Word words[] = {{"target", true}, {"lun", false}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  Ref<Target> target = CHISCSI_TRY(find_target(request, words[0].value));
  // Before it keeps anybody from the target for nothing.
  uint32_t generation;
  CHISCSI_TRY(check_is_listed(*target->luns(&generation), &request.why));
  // No device moves from one handle to another while it is flushed.
  if (!target->begin_control()) {
    request.why.clear();
    request.why.add("the target is being changed, stopped or flushed by somebody else");
    return Error::kInProgress;
  }
  const Status status = flush_some(*target, words[1], &request.why);
  target->end_control();
  return status;
}

}  // namespace chiscsi::control
