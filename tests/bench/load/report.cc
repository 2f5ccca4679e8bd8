// SPDX-License-Identifier: GPL-2.0-only
//
// The figures of a run as one JSON object.
#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "load.hh"

namespace chiscsi::load {
namespace {

// Writes members of JSON objects, with the commas between them.
class Json {
 public:
  explicit Json(FILE* out) : out_(out) { fputc('{', out_); }
  void open(const char* name) {
    key(name);
    fputc('{', out_);
    first_ = true;
  }
  void close() {
    fputc('}', out_);
    first_ = false;
  }
  void number(const char* name, uint64_t value) {
    key(name);
    fprintf(out_, "%" PRIu64, value);
  }
  void number(const char* name, double value) {
    key(name);
    fprintf(out_, "%.3f", value);
  }
  void boolean(const char* name, bool value) {
    key(name);
    fputs(value ? "true" : "false", out_);
  }
  void text(const char* name, const std::string& value) {
    key(name);
    quoted(value);
  }
  void end() { fputs("}\n", out_); }

 private:
  void key(const char* name) {
    if (!first_) fputs(", ", out_);
    first_ = false;
    quoted(name);
    fputs(": ", out_);
  }
  void quoted(const std::string& value) {
    fputc('"', out_);
    for (char c : value) {
      const auto byte = static_cast<unsigned char>(c);
      if (c == '"' || c == '\\') fputc('\\', out_);
      if (byte < 0x20 || byte > 0x7e) {
        fprintf(out_, "\\u%04x", byte);
      } else {
        fputc(c, out_);
      }
    }
    fputc('"', out_);
  }

  FILE* out_;
  bool first_ = true;
};

double per_second(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

void percentiles(Json& json, const Histogram& values) {
  json.number("mean", values.mean());
  json.number("p50", values.percentile(0.5));
  json.number("p99", values.percentile(0.99));
  json.number("p999", values.percentile(0.999));
  json.number("highest", values.highest());
}

}  // namespace

void Load::report(FILE* out) const {
  const char* const modes[] = {"hold", "login", "io"};
  Json json(out);
  json.text("mode", modes[static_cast<int>(chosen_.mode)]);
  json.text("target", chosen_.target);
  json.number("sessions", uint64_t{chosen_.sessions});
  json.number("parallel", uint64_t{chosen_.parallel});

  json.open("logins");
  json.number("done", uint64_t{logged_in_});
  json.number("failed", uint64_t{failed_logins_});
  json.number("not_ended", uint64_t{chosen_.sessions - logged_in_ - failed_logins_});
  json.number("seconds", login_seconds_);
  json.number("per_second", per_second(logged_in_, login_seconds_));
  json.open("us");
  percentiles(json, login_us_);
  json.close();
  json.close();

  json.open("silent");
  json.number("connected", uint64_t{silent_.size()});
  json.number("closed_by_target", uint64_t{silent_closed_});
  json.close();

  if (chosen_.mode == Mode::kHold) {
    json.open("hold");
    json.number("seconds", hold_seconds_);
    json.number("alive", uint64_t{alive_});
    json.close();
  }
  if (chosen_.mode == Mode::kIo) {
    uint64_t lowest = UINT64_MAX, highest = 0, active = 0;
    for (const auto& session : sessions_) {
      if (session->blocks() == 0) continue;
      ++active;
      lowest = std::min(lowest, session->done);
      highest = std::max(highest, session->done);
    }
    const double mean = active == 0 ? 0 : static_cast<double>(ios_) / static_cast<double>(active);
    json.open("io");
    json.number("block", uint64_t{chosen_.block});
    json.number("depth", uint64_t{chosen_.depth});
    json.boolean("turns", rotates());
    json.number("read_percent", uint64_t{chosen_.read_percent});
    json.boolean("sequential", chosen_.sequential);
    json.number("seconds", io_seconds_);
    json.number("ios", ios_);
    json.number("iops", per_second(ios_, io_seconds_));
    json.number("mb_per_second", per_second(ios_ * chosen_.block, io_seconds_) / 1e6);
    json.open("latency_us");
    percentiles(json, latency_us_);
    json.close();
    json.open("per_session");
    json.number("sessions", active);
    json.number("lowest", active == 0 ? 0 : lowest);
    json.number("mean", mean);
    json.number("highest", highest);
    json.number("lowest_to_mean", mean > 0 ? static_cast<double>(lowest) / mean : 0.0);
    json.close();
    json.open("again");
    json.number("busy", busy);
    json.number("task_set_full", task_set_full);
    json.number("unit_attention", unit_attentions);
    json.close();
    json.close();
  }

  json.number("pings_answered", pings);
  json.open("end");
  json.number("lost", uint64_t{lost_});
  json.number("logged_out", uint64_t{logged_out_});
  json.number("seconds", end_seconds_);
  json.close();
  json.open("keys");
  for (const auto& [key, value] : sessions_[0]->keys())
    json.text(key.c_str(), value);
  json.close();
  json.open("problems");
  for (const auto& [what, times] : problems_)
    json.number(what.c_str(), times);
  json.close();
  json.end();
}

}  // namespace chiscsi::load
