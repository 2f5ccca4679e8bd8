// SPDX-License-Identifier: GPL-2.0-only
//
// See target_state.hh; and -A, which shows and sets access states.
#include "target_state.hh"

#include <algorithm>
#include <cerrno>

#include "common/chiscsi_control.h"

namespace iscsictl {

namespace {

constexpr char kStateIndent[] = "        ";

bool is_wanted(const std::optional<std::string>& key, const char* name) {
  return !key || *key == name;
}

Reply ask_state(Context& context, const std::string& name) {
  Reply reply = context.door.ask(CHISCSI_CONTROL_TARGET_STATE, {"target=" + name});
  if (reply.is_ok() && reply.records.empty()) {
    reply.error = EIO;
    reply.why = "the module has answered nothing";
  }
  return reply;
}

void show_one(const Record& record, const Options& options, Context& context, JsonWriter& json) {
  if (!options.json) {
    context.out << "\nTARGET: " << record.get("target") << '\n';
    print_state(record, kAccessKey, context.out);
    return;
  }
  json.begin_object();
  json.text("target", record.get("target"));
  write_access(record, json);
  json.end_object();
}

// A target that is gone meanwhile is missed only by whoever has named it.
int list_access(const Options& options, const std::vector<std::string>& names, Context& context) {
  int status = kDone;
  JsonWriter json(context.out);
  if (options.json) {
    json.begin_object();
    json.begin_list("targets");
  }
  for (const std::string& name : names) {
    const Reply reply = ask_state(context, name);
    if (reply.is_ok()) {
      show_one(reply.records.front(), options, context, json);
    } else if (reply.error != ENOENT) {
      status = context.refuse(name, reply);
    } else if (!options.targets.empty()) {
      status = context.refuse(name + " is not found");
    }
  }
  if (options.json) {
    json.end_list();
    json.end_object();
  }
  return status;
}

int set_access(const Options& options, const std::vector<std::string>& names, Context& context) {
  int status = kDone;
  for (const std::string& name : names) {
    const Reply reply = context.door.ask(
        CHISCSI_CONTROL_ALUA_SET,
        {"target=" + name, "group=" + *options.group, "state=" + *options.access_state});
    if (!reply.is_ok()) status = context.refuse(name, reply);
  }
  return status;
}

}  // namespace

void print_state(const Record& record, const std::optional<std::string>& key, std::ostream& out) {
  for (const auto& [field, value] : record.fields) {
    if (field == "access" && is_wanted(key, kAccessKey))
      out << kStateIndent << kAccessKey << '=' << value << '\n';
    if (field == "isns_initiator" && is_wanted(key, kIsnsKey))
      out << kStateIndent << kIsnsKey << '=' << value << '\n';
  }
}

void write_access(const Record& record, JsonWriter& json) {
  json.begin_list("access");
  for (const auto& [field, value] : record.fields) {
    if (field != "access") continue;
    const size_t colon = std::min(value.find(':'), value.size());
    json.begin_object();
    json.field("group", value.substr(0, colon));
    json.text("state", value.substr(std::min(colon + 1, value.size())));
    json.end_object();
  }
  json.end_list();
}

void write_state(const Record& record, JsonWriter& json) {
  write_access(record, json);
  if (!record.has("isns_version")) return;
  json.field("isns_version", record.get("isns_version"));
  json.begin_list("isns_initiators");
  for (const auto& [field, value] : record.fields) {
    if (field == "isns_initiator") json.text({}, value);
  }
  json.end_list();
}

int access_states(const Options& options, Context& context) {
  int status = kDone;
  if (!can_ask(context, false, &status)) return status;
  std::vector<std::string> names;
  if (!wanted_targets(options, context, &names)) return kRefused;
  if (options.group) return set_access(options, names, context);
  if (names.empty() && !options.json) context.out << "no active target\n";
  return list_access(options, names, context);
}

}  // namespace iscsictl
