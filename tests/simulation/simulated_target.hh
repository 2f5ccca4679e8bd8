// SPDX-License-Identifier: GPL-2.0-only
//
// The fixture of the tests on the simulated host: an engine with one target whose storage driver
// does as it is told, and the check that everything was given back. Peers come and go with the
// test's own scopes; end() ends what is there.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "host.hh"
#include "simulation/peer.hh"
#include "simulation/simulation.hh"
#include "simulation/storage.hh"
#include "target/engine.h"

namespace chiscsi::simulation {

inline constexpr uint16_t kPort = 3260;
inline constexpr char kTarget[] = "iqn.2026-11.org.example:target";

class SimulatedTarget {
 public:
  SimulatedTarget() : allocations_before_(host_live_allocations()) {
    login.target_name = kTarget;
    target_keys = {"PortalGroup=1@127.0.0.1:3260",
                   "HeaderDigest=None,CRC32C",
                   "DataDigest=None,CRC32C",
                   "InitialR2T=No",
                   "ImmediateData=Yes",
                   "FirstBurstLength=65536",
                   "MaxBurstLength=262144",
                   "MaxOutstandingR2T=16",
                   "MaxRecvDataSegmentLength=65536"};
  }
  ~SimulatedTarget() {
    set_read_piece(0);
    hold_notices(false);
    end();
    EXPECT_EQ(host_live_allocations(), allocations_before_);
    EXPECT_EQ(open_sockets(), 0u);
  }

  // 0, or the first error; then nothing is left behind.
  int start() {
    if (const int rc = engine_start(&options)) return rc;
    started_ = true;
    if (adapter_starts) adapter_starts();
    int rc = storage.start();
    registered_ = rc == 0;
    if (rc == 0) rc = storage.add_target(kTarget, target_keys);
    target_there_ = rc == 0;
    return rc;
  }
  // In any state, in bounded time.
  void end() {
    storage.answer_everything();
    settle();
    release_notices();
    for (int i = 0; i < 20 && storage.held() != 0; ++i) {
      storage.answer_everything();
      advance(1000);
      release_notices();
    }
    if (std::exchange(target_there_, false)) {
      EXPECT_EQ(storage.remove_target(), 0);
    }
    EXPECT_EQ(storage.held(), 0u);
    if (std::exchange(registered_, false)) {
      EXPECT_EQ(storage.stop(), 0);
    }
    if (std::exchange(started_, false)) {
      if (adapter_ends) adapter_ends();
      engine_stop();
    }
    release_notices();
    EXPECT_EQ(storage.counts.sessions, storage.counts.ended);
    EXPECT_EQ(storage.counts.commands, storage.counts.cleanups);
  }

  // A connection that has sent the login; with memory enough it is in full feature phase.
  std::unique_ptr<Peer> log_in() {
    auto peer = std::make_unique<Peer>(kPort);
    peer->log_in(login);
    peer->collect();
    settle();
    return peer;
  }

  engine_options options = {2, 30, 1, 8};
  std::vector<std::string> target_keys;
  Peer::Login login;
  Storage storage;
  // What comes up after the engine, before it has portals, and ends behind them.
  std::function<void()> adapter_starts, adapter_ends;

 private:
  const uint64_t allocations_before_;
  bool started_ = false;
  bool registered_ = false;
  bool target_there_ = false;
};

}  // namespace chiscsi::simulation
