// SPDX-License-Identifier: GPL-2.0-only
//
// What tests say to the memory transport, and what it has seen.
#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <utility>

#include "memory_transport.hh"

namespace chiscsi::test {

namespace {

constexpr unsigned kPlacingMaxBurst = 100000;  // No multiple of anything.

std::mutex notes_mutex;
std::condition_variable noted;
std::vector<std::string> notes;
std::vector<std::string> wrongs;

bool is_chosen(const char* transport) {
  const char* name = std::getenv("CHISCSI_TEST_TRANSPORT");
  return name != nullptr && std::string(name) == transport;
}

}  // namespace

MemoryTransport::Script MemoryTransport::script;
MemoryTransport::Counts MemoryTransport::counts;

void MemoryTransport::reset() {
  script.places = placing_chosen();
  script.max_burst = placing_chosen() ? kPlacingMaxBurst : 0;
  script.places_some = script.merges = true;
  for (std::atomic<bool>* flag :
       {&script.holds_releases, &script.ends_at_incomplete, &script.swallows_a_byte,
        &script.lies_about_place, &script.holds_ends, &script.binds})
    *flag = false;
  script.recv_limit = script.xmit_limit = 0;
  for (std::atomic<unsigned>* count :
       {&counts.r2ts_placed, &counts.pdus_placed, &counts.pdus_merged, &counts.bursts,
        &counts.releases_asked, &counts.releases_answered})
    *count = 0;
  const std::lock_guard guard(notes_mutex);
  notes.clear();
}

void MemoryTransport::note(const std::string& call) {
  const std::lock_guard guard(notes_mutex);
  notes.push_back(call);
  noted.notify_all();
}

bool MemoryTransport::wait_for(const std::string& call, long times) {
  std::unique_lock lock(notes_mutex);
  return noted.wait_for(lock, std::chrono::minutes(1),
                        [&] { return std::count(notes.begin(), notes.end(), call) >= times; });
}

std::vector<std::string> MemoryTransport::calls() {
  const std::lock_guard guard(notes_mutex);
  return notes;
}

void MemoryTransport::violate(const std::string& what) {
  const std::lock_guard guard(notes_mutex);
  wrongs.push_back(what);
}

std::vector<std::string> MemoryTransport::take_violations() {
  const std::lock_guard guard(notes_mutex);
  return std::exchange(wrongs, {});
}

bool MemoryTransport::placing_chosen() { return is_chosen("placing"); }
bool MemoryTransport::chosen() { return is_chosen("memory") || placing_chosen(); }

}  // namespace chiscsi::test
