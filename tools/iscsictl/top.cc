// SPDX-License-Identifier: GPL-2.0-only
//
// top: what targets and their sessions do, again and again, from differences of the module's
// statistics. One request per look; runs until it is interrupted.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <map>
#include <thread>

#include "commands.hh"
#include "common/chiscsi_control.h"
#include "json.hh"
#include "rates.hh"

namespace iscsictl {

namespace {

using Clock = std::chrono::steady_clock;

struct Row {
  std::string session;  // Its handle; empty for the target itself.
  std::string target, initiator;
  Counters counters;
  // A session by its handle: one that ends and is made again is another one.
  std::string key() const { return session.empty() ? target : session; }
};

using Rows = std::vector<Row>;

// The record of a target stands before those of its sessions.
bool collect(Context& context, Rows* rows) {
  const Reply reply = context.door.ask(CHISCSI_CONTROL_STATISTICS);
  if (!reply.is_ok()) {
    context.refuse("the statistics", reply);
    return false;
  }
  std::string target;
  for (const Record& record : reply.records) {
    if (record.kind() == "target") target = record.get("target");
    const bool is_session = record.kind() == "session";
    if (!is_session && record.kind() != "target") continue;
    rows->push_back({std::string(record.get("session")), target,
                     std::string(record.get("initiator")), Counters::of(record)});
  }
  return true;
}

using Before = std::map<std::string, Counters>;

Before by_key(const Rows& rows) {
  Before before;
  for (const Row& row : rows)
    before[row.key()] = row.counters;
  return before;
}

// A row that was not there before has done all of it since.
Rates rates_of(const Row& row, const Before& before, double seconds) {
  const auto old = before.find(row.key());
  return rates_between(old == before.end() ? Counters() : old->second, row.counters, seconds);
}

std::string mean_text(const Rates& rates) {
  return rates.mean_us ? std::to_string(std::llround(*rates.mean_us)) : "-";
}

std::string most_text(const Rates& rates) {
  if (!rates.most_us) return "-";
  return *rates.most_us == Counters::kMore ? "more" : std::to_string(*rates.most_us);
}

void print_row(Context& context, const Row& row, const Rates& rates) {
  char line[160];
  constexpr double kMega = 1000 * 1000;
  snprintf(line, sizeof(line), "%-10s %10.1f %10.1f %10.0f %10.0f %9s %9s  ",
           row.session.empty() ? "all" : row.session.c_str(), rates.read_bytes / kMega,
           rates.write_bytes / kMega, rates.reads, rates.writes, mean_text(rates).c_str(),
           most_text(rates).c_str());
  context.out << line << row.target << "  " << row.initiator << '\n';
}

void print_rows(Context& context, const Rows& rows, const Before& before, double seconds) {
  if (context.is_terminal) context.out << "\033[H\033[2J";
  context.out << "SESSION     read MB/s write MB/s    reads/s   writes/s   mean us   99% < us"
                 "  TARGET  INITIATOR\n";
  for (const Row& row : rows)
    print_row(context, row, rates_of(row, before, seconds));
  if (rows.empty()) context.out << "no active target\n";
}

std::string decimal(double value) {
  char digits[40];
  snprintf(digits, sizeof(digits), "%.1f", value);
  return digits;
}

void write_row(const Row& row, const Rates& rates, JsonWriter& json) {
  json.begin_object();
  json.text("target", row.target);
  if (!row.session.empty()) {
    json.text("session", row.session);
    json.text("initiator", row.initiator);
  }
  json.number("read_bytes_per_s", decimal(rates.read_bytes));
  json.number("write_bytes_per_s", decimal(rates.write_bytes));
  json.number("reads_per_s", decimal(rates.reads));
  json.number("writes_per_s", decimal(rates.writes));
  json.number("latency_mean_us", rates.mean_us ? decimal(*rates.mean_us) : "null");
  if (rates.most_us) {
    json.field("latency_99_percent_below_us", most_text(rates));
  } else {
    json.number("latency_99_percent_below_us", "null");
  }
  json.end_object();
}

void write_rows(Context& context, const Rows& rows, const Before& before, double seconds) {
  JsonWriter json(context.out);
  json.begin_object();
  json.number("seconds", decimal(seconds));
  json.begin_list("rates");
  for (const Row& row : rows)
    write_row(row, rates_of(row, before, seconds), json);
  json.end_list();
  json.end_object();
}

}  // namespace

int show_top(const Options& options, Context& context) {
  int status = kDone;
  if (!can_ask(context, false, &status)) return status;
  Rows rows;
  Clock::time_point then = Clock::now();
  if (!collect(context, &rows)) return kRefused;
  for (unsigned i = 0; options.count == 0 || i < options.count; ++i) {
    const Before before = by_key(rows);
    std::this_thread::sleep_until(then + std::chrono::seconds(options.interval_s));
    rows.clear();
    const Clock::time_point now = Clock::now();
    if (!collect(context, &rows)) return kRefused;
    const double seconds = std::chrono::duration<double>(now - then).count();
    (options.json ? write_rows : print_rows)(context, rows, before, seconds);
    context.out << (options.json ? "" : "\n") << std::flush;
    if (!context.out) return kRefused;
    then = now;
  }
  return kDone;
}

}  // namespace iscsictl
