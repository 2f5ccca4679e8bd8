// SPDX-License-Identifier: GPL-2.0-only
//
// Rates: what a session or a target has done between two looks at its counters.
//
// The module counts and resets nothing (docs/control.md, "Statistics"), so everything here is made
// of differences. Latencies come as a sum, which gives the mean, and as numbers of commands below
// powers of two, which give the limit that a share of them stayed below.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>

#include "door.hh"

namespace iscsictl {

struct Counters {
  // Above all limits that the module has.
  static constexpr uint64_t kMore = ~uint64_t{0};

  uint64_t reads = 0, writes = 0, read_bytes = 0, write_bytes = 0;
  uint64_t latency_total_us = 0;
  std::map<uint64_t, uint64_t> latency;  // Commands below this limit in us, and not below the one
                                         // before.

  // Of a record of STATISTICS. What is no number counts as 0.
  static Counters of(const Record& record);
};

struct Rates {
  double reads = 0, writes = 0, read_bytes = 0, write_bytes = 0;  // Per second.
  // Nothing when no command has ended.
  std::optional<double> mean_us;
  std::optional<uint64_t> most_us;  // 99 of 100 took less; Counters::kMore: no limit is known.
};

// Counters that have gone back are those of another life: all they say happened since `before`.
Rates rates_between(const Counters& before, const Counters& now, double seconds);

// The lowest limit below which `percent` of the commands are; nothing when there is none.
std::optional<uint64_t> limit_of(const std::map<uint64_t, uint64_t>& latency, unsigned percent);

}  // namespace iscsictl
