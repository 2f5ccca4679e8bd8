// SPDX-License-Identifier: GPL-2.0-only
//
// What a test says at its end about the software adapter: rules that were broken and not meant to
// be, or meant to be and were not, and all that was not given back. Every fixture over the adapter
// asks here, so that none of them forgets a kind.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "offload/sim/sim.h"

namespace chiscsi::test {

struct SimLeftKind {
  const char* name;
  uint64_t sim_stats::*count;
};
inline constexpr SimLeftKind kSimLeftKinds[] = {
    {"messages", &sim_stats::buffers}, {"tids", &sim_stats::tids},
    {"stids", &sim_stats::stids},      {"next hops", &sim_stats::l2t},
    {"addresses", &sim_stats::clip},   {"pods", &sim_stats::pods},
    {"mappings", &sim_stats::mapped},  {"pages", &sim_stats::pages},
    {"credits", &sim_stats::credits},
};

inline std::vector<std::string> sim_left(const struct sim_stats& stats) {
  std::vector<std::string> found;
  for (const SimLeftKind& kind : kSimLeftKinds) {
    if (stats.*kind.count == 0) continue;
    found.push_back(std::string("left: ") + kind.name + " " + std::to_string(stats.*kind.count));
  }
  return found;
}

// Empty when exactly the rules of `broken` were broken, and nothing is left. After the client has
// let go.
inline std::vector<std::string> sim_complaints(lld_device* dev,
                                               const std::set<std::string>& broken = {}) {
  struct sim_stats stats = {};
  sim_stats(dev, &stats);
  std::vector<std::string> found = sim_left(stats);
  for (uint32_t i = 0; const char* rule = sim_check_name(i); ++i) {
    const bool was_broken = sim_violations(dev, rule) != 0;
    if (was_broken == (broken.count(rule) != 0)) continue;
    found.push_back(std::string(was_broken ? "broken: " : "not broken: ") + rule);
  }
  return found;
}

}  // namespace chiscsi::test
