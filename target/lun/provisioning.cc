// SPDX-License-Identifier: GPL-2.0-only
//
// See provisioning.hh; and what the Lun does when its class says how much is used.
#include "target/lun/provisioning.hh"

namespace chiscsi {

namespace provisioning_detail {

constexpr uint32_t kSetBytes = 1024 * 1024;
constexpr uint64_t kMostSets = 0xffffffff;

bool is_on_by_line(const Lun& lun) { return lun.state().line_threshold() != 0; }

// The percentage of the line, in sets.
uint32_t count_of_line(const Lun& lun) {
  const uint64_t blocks = lun.blocks();
  const uint32_t percent = lun.state().line_threshold();
  const uint64_t place = blocks / 100 * percent + blocks % 100 * percent / 100;
  return static_cast<uint32_t>(place >> threshold_exponent(lun));
}

// Half a set above and below the place.
bool is_above(uint64_t used, uint64_t place, uint64_t half) { return used > place + half; }
bool is_below(uint64_t used, uint64_t place, uint64_t half) { return used + half < place; }

}  // namespace provisioning_detail

uint8_t threshold_exponent(const Lun& lun) {
  namespace detail = provisioning_detail;
  if (!lun.tells_usage()) return 0;
  uint8_t exponent = 0;
  while (uint64_t{lun.block_size()} << exponent < detail::kSetBytes ||
         lun.blocks() >> exponent > detail::kMostSets)
    ++exponent;
  return exponent;
}

uint32_t sets_used(const Lun& lun) {
  const uint8_t exponent = threshold_exponent(lun);
  const uint64_t used = lun.usage().used, whole = used >> exponent;
  return static_cast<uint32_t>(whole + (whole << exponent != used ? 1 : 0));
}

uint32_t sets_available(const Lun& lun) {
  return static_cast<uint32_t>(lun.usage().available >> threshold_exponent(lun));
}

Threshold threshold_of(const Lun& lun, const ModeValues& values) {
  namespace detail = provisioning_detail;
  const bool by_line = detail::is_on_by_line(lun);
  Threshold threshold{by_line != values.has(ModeValues::kReportingInverted), by_line, 0};
  if (values.has(ModeValues::kThresholdChosen)) {
    threshold.enabled = values.has(ModeValues::kThresholdEnabled);
    threshold.count = values.threshold_count;
  } else if (by_line) {
    threshold.count = detail::count_of_line(lun);
  }
  return threshold;
}

void choose_threshold(const Lun& lun, bool enabled, uint32_t count, ModeValues* values) {
  const Threshold now = threshold_of(lun, *values);
  if (now.enabled == enabled && now.count == count) return;
  values->set(ModeValues::kThresholdChosen, true);
  values->set(ModeValues::kThresholdEnabled, enabled);
  values->threshold_count = count;
}

void choose_reporting(const Lun& lun, bool reports, ModeValues* values) {
  values->set(ModeValues::kReportingInverted, reports != provisioning_detail::is_on_by_line(lun));
}

// ---- Lun ----

// A file system may take more for a file than its size.
Status Lun::set_usage(uint64_t used, uint64_t available) {
  if (!is_counted() || !has_geometry()) return Error::kInvalid;
  const uint64_t most = blocks();
  used_.store(used < most ? used : most, std::memory_order_relaxed);
  if (available != CHISCSI_LUN_NOT_KNOWN && available > most) available = most;
  available_.store(available, std::memory_order_relaxed);
  knows_usage_.store(true, std::memory_order_release);
  look_at_threshold();
  return Status();
}

void Lun::look_at_threshold() {
  namespace detail = provisioning_detail;
  if (!tells_usage()) return;
  UnitState& state = this->state();
  const Threshold threshold = threshold_of(*this, state.mode());
  const uint64_t used = usage().used;
  const uint64_t place = uint64_t{threshold.count} << threshold_exponent(*this);
  const uint64_t half = (uint64_t{1} << threshold_exponent(*this)) / 2;
  if (!threshold.reports || !threshold.enabled || detail::is_below(used, place, half)) {
    state.arm_threshold();
  } else if (detail::is_above(used, place, half) && state.reach_threshold()) {
    news_.fetch_or(kThresholdNews);
  }
}

}  // namespace chiscsi
