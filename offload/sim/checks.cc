// SPDX-License-Identifier: GPL-2.0-only
//
// Names, counters and log lines of the rules and faults of the software adapter.
#include "offload/sim/checks.hh"

#include "os/log.h"

namespace chiscsi::sim {

namespace {
struct CheckText {
  const char* name;
  const char* text;
};
constexpr CheckText kCheckTexts[] = {
#define CHISCSI_SIM_CHECK(name, text) {#name, text},
    CHISCSI_SIM_CHECKS(CHISCSI_SIM_CHECK)
#undef CHISCSI_SIM_CHECK
};
constexpr const char* kFaultNames[] = {
#define CHISCSI_SIM_FAULT(name) #name,
    CHISCSI_SIM_FAULTS(CHISCSI_SIM_FAULT)
#undef CHISCSI_SIM_FAULT
};
constexpr uint32_t kCheckCount = static_cast<uint32_t>(Check::kCount);
constexpr uint32_t kFaultCount = static_cast<uint32_t>(Fault::kCount);
}  // namespace

const char* check_name(Check check) { return kCheckTexts[static_cast<uint32_t>(check)].name; }
const char* check_text(Check check) { return kCheckTexts[static_cast<uint32_t>(check)].text; }

const char* fault_name(Fault fault) { return kFaultNames[static_cast<uint32_t>(fault)]; }

Check check_by_name(const char* name) {
  uint32_t i = 0;
  while (i < kCheckCount && __builtin_strcmp(kCheckTexts[i].name, name) != 0)
    ++i;
  return static_cast<Check>(i);
}

Fault fault_by_name(const char* name) {
  uint32_t i = 0;
  while (i < kFaultCount && __builtin_strcmp(kFaultNames[i], name) != 0)
    ++i;
  return static_cast<Fault>(i);
}

void Checks::broken(const char* adapter, Check check, uint32_t tid, uint64_t detail) {
  os_log(OS_LOG_ERROR, "%s: rule %s broken: %s (tid %u, 0x%llx)", adapter, check_name(check),
         check_text(check), tid, static_cast<unsigned long long>(detail));
  // Last, so that who sees the count finds the line.
  counts_[static_cast<uint32_t>(check)].fetch_add(1, std::memory_order_release);
}

uint64_t Checks::count(Check check) const {
  return counts_[static_cast<uint32_t>(check)].load(std::memory_order_relaxed);
}

uint64_t Checks::total() const {
  uint64_t sum = 0;
  for (const auto& count : counts_)
    sum += count.load(std::memory_order_relaxed);
  return sum;
}

void Faults::set(Fault fault, uint32_t count) {
  counts_[static_cast<uint32_t>(fault)].store(count, std::memory_order_relaxed);
}

uint32_t Faults::left(Fault fault) const {
  return counts_[static_cast<uint32_t>(fault)].load(std::memory_order_relaxed);
}

bool Faults::take(Fault fault) {
  auto& count = counts_[static_cast<uint32_t>(fault)];
  uint32_t left = count.load(std::memory_order_relaxed);
  while (left != 0) {
    if (!count.compare_exchange_weak(left, left - 1, std::memory_order_relaxed)) continue;
    done_[static_cast<uint32_t>(fault)].fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  return false;
}

uint64_t Faults::done(Fault fault) const {
  return done_[static_cast<uint32_t>(fault)].load(std::memory_order_relaxed);
}

}  // namespace chiscsi::sim
