// SPDX-License-Identifier: GPL-2.0-only
//
// status and top: what the module does, once and again and again.
//
// top counts what the sessions of all targets have read and written since it last looked. It takes
// no more from the module than -r does, and runs until it is interrupted.
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

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

struct Traffic {
  uint64_t reads = 0, writes = 0, read_bytes = 0, write_bytes = 0;
};

struct Row {
  std::string target, initiator;
  Traffic total;
};

Traffic traffic_of(const Record& record) {
  return {number_of(record, "read_commands"), number_of(record, "write_commands"),
          number_of(record, "read_bytes"), number_of(record, "write_bytes")};
}

std::string counted(uint64_t number, const char* what) {
  return std::to_string(number) + ' ' + what + (number == 1 ? "" : "s");
}

using Clock = std::chrono::steady_clock;

// By handle: one that ends and is made again is another session.
using Rows = std::map<std::string, Row>;

bool collect(Context& context, Rows* rows) {
  std::vector<std::string> names;
  if (!active_targets(context, &names)) return false;
  for (const std::string& name : names) {
    const Reply reply = context.door.ask(CHISCSI_CONTROL_SESSION_LIST, {"target=" + name});
    if (reply.error == ENOENT) continue;
    if (!reply.is_ok()) {
      context.refuse(name, reply);
      return false;
    }
    for (const Record& record : reply.records) {
      if (record.kind() != "session") continue;
      (*rows)[std::string(record.get("session"))] = {name, std::string(record.get("initiator")),
                                                     traffic_of(record)};
    }
  }
  return true;
}

// More than before, per second; a counter that went back starts anew.
double rate(uint64_t now, uint64_t before, double seconds) {
  return now >= before && seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

void print_row(Context& context, const std::string& handle, const Row& row, const Row* before,
               double seconds) {
  const Traffic old = before == nullptr ? row.total : before->total;
  char line[160];
  constexpr double kMega = 1000 * 1000;
  snprintf(line, sizeof(line), "%-10s %10.1f %10.1f %10.0f %10.0f  ", handle.c_str(),
           rate(row.total.read_bytes, old.read_bytes, seconds) / kMega,
           rate(row.total.write_bytes, old.write_bytes, seconds) / kMega,
           rate(row.total.reads, old.reads, seconds), rate(row.total.writes, old.writes, seconds));
  context.out << line << row.target << "  " << row.initiator << '\n';
}

void print_rows(Context& context, const Rows& rows, const Rows& before, double seconds) {
  if (context.is_terminal) context.out << "\033[H\033[2J";
  context.out << "SESSION     read MB/s write MB/s    reads/s   writes/s  TARGET  INITIATOR\n";
  for (const auto& [handle, row] : rows) {
    const auto old = before.find(handle);
    print_row(context, handle, row, old == before.end() ? nullptr : &old->second, seconds);
  }
  if (rows.empty()) context.out << "no session\n";
  context.out << '\n' << std::flush;
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

int show_top(const Options& options, Context& context) {
  int status = kDone;
  if (!can_ask(context, false, &status)) return status;
  Rows before;
  Clock::time_point then = Clock::now();
  if (!collect(context, &before)) return kRefused;
  for (unsigned i = 0; options.count == 0 || i < options.count; ++i) {
    std::this_thread::sleep_until(then + std::chrono::seconds(options.interval_s));
    Rows rows;
    const Clock::time_point now = Clock::now();
    if (!collect(context, &rows)) return kRefused;
    print_rows(context, rows, before, std::chrono::duration<double>(now - then).count());
    if (!context.out) return kRefused;
    before = std::move(rows);
    then = now;
  }
  return kDone;
}

}  // namespace iscsictl
