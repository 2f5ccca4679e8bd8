// SPDX-License-Identifier: GPL-2.0-only
//
// What storage does on the simulated host: one job at a time, in the order of asking, when the
// engine's threads have had their turn.
#include "storage_jobs.hh"

#include <deque>
#include <utility>

#include "host.hh"
#include "jobs.hh"
#include "simulation.hh"

namespace {

bool requests_are_held = false;

// Never destroyed: they live as long as the program.
std::deque<std::function<void()>>& steps() {
  static auto* all = new std::deque<std::function<void()>>;
  return *all;
}
std::deque<std::function<void()>>& requests() {
  static auto* all = new std::deque<std::function<void()>>;
  return *all;
}

bool run_first(std::deque<std::function<void()>>& jobs) {
  if (jobs.empty()) return false;
  const auto job = std::move(jobs.front());
  jobs.pop_front();
  job();
  return true;
}

}  // namespace

namespace chiscsi::simulation {

bool run_storage_job() {
  return run_first(steps()) || (!requests_are_held && run_first(requests()));
}

}  // namespace chiscsi::simulation

void host_storage_step(std::function<void()> job) { steps().push_back(std::move(job)); }
void host_storage_request(std::function<void()> job) { requests().push_back(std::move(job)); }
void host_storage_pause() { chiscsi::simulation::settle(); }
void host_hold_storage(bool held) { requests_are_held = held; }
