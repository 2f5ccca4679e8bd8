// SPDX-License-Identifier: GPL-2.0-only
//
// See adapter.hh.
#include "adapter.hh"

#include <cerrno>
#include <utility>

#include "offload/lld.h"
#include "offload/offload.h"
#include "sim_complaints.hh"

namespace chiscsi::simulation {

Adapter::Adapter() {
  config.name = "sim0";
  config.has_iso = 1;
  config.completion_moderation = 1;
  config.tid_count = 16;
  config.ppod_size = 16 * 1024;
  config.address_count = 1;
  config.addresses[0] = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127, 0, 0, 1}, 0, 0, 0};
}

int Adapter::start(const lld_ops* ops) {
  device = sim_create(&config);
  if (device == nullptr) return -ENOMEM;
  int rc = offload_start();
  runs_ = rc == 0;
  return rc == 0 ? offload_add_backend(ops) : rc;
}

void Adapter::stop() {
  if (std::exchange(runs_, false)) offload_stop();
}

void Adapter::destroy() {
  stop();
  sim_destroy(std::exchange(device, nullptr));
}

std::vector<std::string> Adapter::complaints(const std::set<std::string>& broken) {
  return test::sim_complaints(device, broken);
}

}  // namespace chiscsi::simulation
