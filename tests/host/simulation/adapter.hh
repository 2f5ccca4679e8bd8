// SPDX-License-Identifier: GPL-2.0-only
//
// The offload transport over one software adapter, on the simulated host. Started after the engine
// and before its portals; ended after the target, before the engine.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "offload/sim/sim.h"

struct lld_ops;

namespace chiscsi::simulation {

class Adapter {
 public:
  Adapter();
  // Its client is the offload transport, or whatever `ops` puts in between. 0 or the first error.
  int start(const lld_ops* ops = sim_backend());
  // The adapter is let go, and is still there to be asked.
  void stop();
  void destroy();
  // What test::sim_complaints() says. After stop().
  std::vector<std::string> complaints(const std::set<std::string>& broken = {});

  // Before start(). A T6 at the loop-back address.
  sim_config config = {};
  lld_device* device = nullptr;

 private:
  bool runs_ = false;
};

}  // namespace chiscsi::simulation
