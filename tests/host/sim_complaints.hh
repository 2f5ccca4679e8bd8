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

// Counters of struct sim_stats, and what they count.
// clang-format off
#define CHISCSI_SIM_LEFT_KINDS(X) \
  X(buffers, "messages") X(tids, "tids") X(stids, "stids") X(l2t, "next hops") \
  X(clip, "addresses") X(pods, "pods") X(mapped, "mappings") X(pages, "pages") \
  X(credits, "credits")
// clang-format on

struct SimLeftKind {
  const char* name;
  uint64_t sim_stats::*count;
};
inline constexpr SimLeftKind kSimLeftKinds[] = {
#define CHISCSI_SIM_LEFT_KIND(counter, name) {name, &sim_stats::counter},
    CHISCSI_SIM_LEFT_KINDS(CHISCSI_SIM_LEFT_KIND)
#undef CHISCSI_SIM_LEFT_KIND
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
