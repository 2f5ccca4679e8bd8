// SPDX-License-Identifier: GPL-2.0-only
//
// See rates.hh.
#include "rates.hh"

#include <charconv>

namespace iscsictl {

namespace {

constexpr unsigned kMostPercent = 99;

uint64_t number_in(std::string_view text) {
  uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// "8:3,16:1,more:2".
std::map<uint64_t, uint64_t> parse_latency(std::string_view text) {
  std::map<uint64_t, uint64_t> latency;
  while (!text.empty()) {
    const std::string_view field = text.substr(0, text.find(','));
    text.remove_prefix(field.size() == text.size() ? field.size() : field.size() + 1);
    const size_t colon = field.find(':');
    if (colon == field.npos) continue;
    const std::string_view limit = field.substr(0, colon);
    latency[limit == "more" ? Counters::kMore : number_in(limit)] +=
        number_in(field.substr(colon + 1));
  }
  return latency;
}

uint64_t count_at(const std::map<uint64_t, uint64_t>& latency, uint64_t limit) {
  const auto found = latency.find(limit);
  return found == latency.end() ? 0 : found->second;
}

bool has_gone_back(const Counters& before, const Counters& now) {
  if (now.reads < before.reads || now.writes < before.writes ||
      now.read_bytes < before.read_bytes || now.write_bytes < before.write_bytes ||
      now.latency_total_us < before.latency_total_us) {
    return true;
  }
  for (const auto& [limit, count] : before.latency) {
    if (count_at(now.latency, limit) < count) return true;
  }
  return false;
}

double per_second(uint64_t now, uint64_t before, double seconds) {
  return seconds > 0 ? static_cast<double>(now - before) / seconds : 0;
}

}  // namespace

Counters Counters::of(const Record& record) {
  Counters counters;
  counters.reads = number_in(record.get("reads"));
  counters.writes = number_in(record.get("writes"));
  counters.read_bytes = number_in(record.get("read_bytes"));
  counters.write_bytes = number_in(record.get("write_bytes"));
  counters.latency_total_us = number_in(record.get("latency_total_us"));
  counters.latency = parse_latency(record.get("latency_us"));
  return counters;
}

std::optional<uint64_t> limit_of(const std::map<uint64_t, uint64_t>& latency, unsigned percent) {
  uint64_t all = 0, below = 0;
  for (const auto& bucket : latency)
    all += bucket.second;
  // Rounded up without a product that could be too large.
  const uint64_t wanted = all / 100 * percent + (all % 100 * percent + 99) / 100;
  for (const auto& [limit, count] : latency) {
    below += count;
    if (below != 0 && below >= wanted) return limit;
  }
  return {};
}

Rates rates_between(const Counters& before, const Counters& now, double seconds) {
  if (has_gone_back(before, now)) return rates_between({}, now, seconds);
  Rates rates;
  rates.reads = per_second(now.reads, before.reads, seconds);
  rates.writes = per_second(now.writes, before.writes, seconds);
  rates.read_bytes = per_second(now.read_bytes, before.read_bytes, seconds);
  rates.write_bytes = per_second(now.write_bytes, before.write_bytes, seconds);
  std::map<uint64_t, uint64_t> latency;
  uint64_t ended = 0;
  for (const auto& [limit, count] : now.latency) {
    latency[limit] = count - count_at(before.latency, limit);
    ended += latency[limit];
  }
  if (ended == 0) return rates;
  rates.mean_us = static_cast<double>(now.latency_total_us - before.latency_total_us) /
                  static_cast<double>(ended);
  rates.most_us = limit_of(latency, kMostPercent);
  return rates;
}

}  // namespace iscsictl
