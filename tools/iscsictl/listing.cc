// SPDX-License-Identifier: GPL-2.0-only
//
// -c, -g and -r: what the module has, as text or as JSON.
//
// Other software reads the text of -c: an empty line, then "TARGET: <name>, id=<n>, login_ip=0",
// then eight blanks and a key=value per line. It takes the first line with a name in it for that
// target's, so no name may stand above its own line.
#include <algorithm>
#include <array>
#include <cerrno>

#include "commands.hh"
#include "common/chiscsi_control.h"
#include "json.hh"
#include "target_state.hh"

namespace iscsictl {

namespace {

constexpr char kIndent[] = "        ";
constexpr char kDefaultVendor[] = "CHISCSI";

// The keys of a target that may come more than once: lists in JSON.
constexpr std::array<std::string_view, 4> kRepeatable = {"PortalGroup", "TargetDevice", "ACL",
                                                         "Auth_CHAP_Initiator"};

struct TargetView {
  Record summary;  // Of TARGET_LIST.
  Record config;   // Of TARGET_CONFIG.
  Record state;    // Of TARGET_STATE, for those that are named; empty for others.
};

// False when the target has gone, or when it cannot be shown.
bool fetch(Context& context, const std::string& name, bool with_state, TargetView* view,
           Reply* failure) {
  const Keys keys = {"target=" + name};
  Reply list = context.door.ask(CHISCSI_CONTROL_TARGET_LIST, keys);
  Reply config = list.is_ok() ? context.door.ask(CHISCSI_CONTROL_TARGET_CONFIG, keys) : list;
  if (!config.is_ok() || list.records.empty() || config.records.empty()) {
    *failure = config;
    if (failure->error == 0) failure->why = "the module has answered nothing";
    return false;
  }
  view->summary = std::move(list.records.front());
  view->config = std::move(config.records.front());
  if (!with_state) return true;
  Reply state = context.door.ask(CHISCSI_CONTROL_TARGET_STATE, keys);
  if (!state.records.empty()) view->state = std::move(state.records.front());
  return true;
}

bool is_shown(const Options& options, std::string_view key) {
  if (options.key) return key == *options.key;
  const bool is_brief = options.all_targets || options.targets.empty();
  return !is_brief || key == "PortalGroup" || key == "TargetDevice";
}

void print_target(const Options& options, Context& context, const TargetView& view) {
  context.out << "\nTARGET: " << view.summary.get("target") << ", id=" << view.summary.get("id")
              << ", login_ip=0\n";
  for (const auto& [key, value] : view.config.fields) {
    if (is_shown(options, key)) context.out << kIndent << key << '=' << value << '\n';
  }
  print_state(view.state, options.key, context.out);
}

void write_keys(const Options& options, const Record& config, JsonWriter& json) {
  json.begin_object("keys");
  std::vector<std::string_view> done;
  for (const auto& [key, value] : config.fields) {
    const bool may_repeat =
        std::find(kRepeatable.begin(), kRepeatable.end(), key) != kRepeatable.end();
    if (!is_shown(options, key) || std::find(done.begin(), done.end(), key) != done.end()) continue;
    if (!may_repeat) {
      json.text(key, value);
      continue;
    }
    done.push_back(key);
    json.begin_list(key);
    for (const auto& [other, text] : config.fields) {
      if (other == key) json.text({}, text);
    }
    json.end_list();
  }
  json.end_object();
}

void write_target(const Options& options, const TargetView& view, JsonWriter& json) {
  json.begin_object();
  json.fields(view.summary);
  write_keys(options, view.config, json);
  if (!view.state.fields.empty() && !options.key) write_state(view.state, json);
  json.end_object();
}

// Other software looks for the words in the output; in JSON there is no place for them.
int tell_missing(const Options& options, Context& context, const std::string& name) {
  (options.json ? context.err : context.out) << name << " NOT found\n";
  return kRefused;
}

int tell_all_missing(const Options& options, Context& context) {
  int status = kDone;
  for (const std::string& name : options.targets)
    status = tell_missing(options, context, name);
  return status;
}

void print_connection(Context& context, const Record& record) {
  context.out << kIndent << "CONNECTION: cid=" << record.get("connection");
  for (size_t i = 1; i < record.fields.size(); ++i)
    context.out << ", " << record.fields[i].first << '=' << record.fields[i].second;
  context.out << '\n';
}

void print_session(Context& context, const Record& record) {
  context.out << "\nSESSION: handle=" << record.get("session");
  for (size_t i = 1; i < record.fields.size(); ++i)
    context.out << ", " << record.fields[i].first << '=' << record.fields[i].second;
  context.out << '\n';
}

void write_sessions(const std::vector<Record>& records, JsonWriter& json) {
  json.begin_list("sessions");
  for (size_t i = 0; i < records.size();) {
    if (records[i].kind() != "session") {  // Not without a session before it.
      ++i;
      continue;
    }
    json.begin_object();
    json.fields(records[i++], "connections");
    json.begin_list("connections");
    for (; i < records.size() && records[i].kind() == "connection"; ++i) {
      json.begin_object();
      json.fields(records[i]);
      json.end_object();
    }
    json.end_list();
    json.end_object();
  }
  json.end_list();
}

}  // namespace

int show_targets(const Options& options, Context& context) {
  int status = kDone;
  const bool names_some = !options.all_targets && !options.targets.empty();
  std::vector<std::string> names;
  if (context.door.state() == Door::State::kNotLoaded && (names_some || options.json)) {
    if (options.json) context.out << "{\n  \"targets\": []\n}\n";
    return names_some ? tell_all_missing(options, context) : kDone;
  }
  if (!can_ask(context, true, &status)) return status;
  if (!wanted_targets(options, context, &names)) return kRefused;
  if (names.empty() && !options.json) context.out << "no active target\n";
  JsonWriter json(context.out);
  if (options.json) {
    json.begin_object();
    json.begin_list("targets");
  }
  for (const std::string& name : names) {
    TargetView view;
    Reply failure;
    if (fetch(context, name, names_some, &view, &failure)) {
      if (options.json) {
        write_target(options, view, json);
      } else {
        print_target(options, context, view);
      }
    } else if (failure.error != ENOENT) {
      status = context.refuse(name, failure);
    } else if (names_some) {
      status = tell_missing(options, context, name);
    }
  }
  if (options.json) {
    json.end_list();
    json.end_object();
  }
  return status;
}

int show_globals(const Options& options, Context& context) {
  int status = kDone;
  if (!can_ask(context, false, &status)) return status;
  const Reply reply = context.door.ask(CHISCSI_CONTROL_GLOBAL_GET);
  if (!reply.is_ok()) return context.refuse("the globals", reply);
  const Record record = reply.records.empty() ? Record() : reply.records.front();
  if (!options.json) {
    for (const auto& [key, value] : record.fields) {
      if (key != "iscsi_target_vendor_id" || value != kDefaultVendor)
        context.out << key << '=' << value << '\n';
    }
    return kDone;
  }
  constexpr char kAccounts[] = "DISC_Auth_CHAP_Initiator";
  JsonWriter json(context.out);
  json.begin_object();
  json.begin_object("globals");
  for (const auto& [key, value] : record.fields) {
    if (key != kAccounts) json.text(key, value);
  }
  json.begin_list(kAccounts);
  for (const auto& [key, value] : record.fields) {
    if (key == kAccounts) json.text({}, value);
  }
  json.end_list();
  json.end_object();
  json.end_object();
  return kDone;
}

int show_sessions(const Options& options, Context& context) {
  int status = kDone;
  const std::string& name = options.targets.front();
  if (context.door.state() == Door::State::kNotLoaded) return tell_all_missing(options, context);
  if (!can_ask(context, false, &status)) return status;
  Keys keys = {"target=" + name};
  if (options.key) keys.push_back("initiator=" + *options.key_value);
  const Reply reply = context.door.ask(CHISCSI_CONTROL_SESSION_LIST, keys);
  if (reply.error == ENOENT) return tell_missing(options, context, name);
  if (!reply.is_ok()) return context.refuse(name, reply);
  if (options.json) {
    JsonWriter json(context.out);
    json.begin_object();
    json.text("target", name);
    write_sessions(reply.records, json);
    json.end_object();
    return kDone;
  }
  if (reply.records.empty()) context.out << "no session\n";
  for (const Record& record : reply.records) {
    if (record.kind() == "session") print_session(context, record);
    if (record.kind() == "connection") print_connection(context, record);
  }
  return kDone;
}

}  // namespace iscsictl
