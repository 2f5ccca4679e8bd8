// SPDX-License-Identifier: GPL-2.0-only
//
// See offload_run.hh.
#include "offload_run.hh"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>

#include "offload/offload.h"
#include "offload/sim/sim.h"
#include "sim_complaints.hh"

namespace chiscsi::test {

namespace {

lld_device* the_adapter = nullptr;

const char* setting() {
  const char* name = std::getenv("CHISCSI_TEST_TRANSPORT");
  return name != nullptr ? name : "";
}

}  // namespace

bool OffloadRun::chosen() { return strncmp(setting(), "offload", 7) == 0; }

void OffloadRun::start() {
  sim_config config = {};
  config.name = "sim0";
  config.chip = strcmp(setting(), "offload5") == 0 ? 5 : 6;
  config.completion_moderation = config.chip == 6 ? 1 : 0;
  config.has_iso = 1;
  config.ack_policy = config.chip == 6 ? SIM_ACK_PARTIAL : SIM_ACK_COMPLETION;
  config.bounce = 1;
  config.cut_headers = 1;
  config.fragment_size = 1000;
  config.address_count = 1;
  // All of IPv4.
  config.addresses[0] = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0}, 0, 0, 0};
  the_adapter = sim_create(&config);
  ASSERT_NE(the_adapter, nullptr);
  ASSERT_EQ(offload_start(), 0);
  ASSERT_EQ(offload_add_backend(sim_backend()), 0);
}

void OffloadRun::stop() {
  offload_stop();
  for (const std::string& complaint : sim_complaints(the_adapter))
    ADD_FAILURE() << complaint;
  if (std::getenv("CHISCSI_SHOW_OFFLOAD") != nullptr) {
    struct sim_stats stats = {};
    sim_stats(the_adapter, &stats);
    printf("connections %lu placed %lu/%lu iso %lu/%lu pods %lu acks %lu stalls %lu\n",
           stats.connections, stats.placed_pdus, stats.placed_bytes, stats.iso_wrs, stats.iso_pdus,
           stats.pod_writes, stats.acks, stats.window_stalls);
  }
  sim_destroy(the_adapter);
  the_adapter = nullptr;
}

}  // namespace chiscsi::test
