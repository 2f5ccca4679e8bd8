// SPDX-License-Identifier: GPL-2.0-only
//
// Conditions for single units are reported before those for all: they are what a command of
// another nexus has done to this very unit.
#include "target/session/unit_attention.hh"

#include <utility>

namespace chiscsi {

namespace {

bool is_noted(const uint32_t* bits, uint32_t place) {
  return (bits[place / 32] & 1u << place % 32) != 0;
}
void note(uint32_t* bits, uint32_t place) { bits[place / 32] |= 1u << place % 32; }

bool tells_of_reset(SenseCode code) {
  constexpr uint8_t kUnitAttentionKey = 0x06, kResetAsc = 0x29;
  return code.key == kUnitAttentionKey && code.asc == kResetAsc;
}

}  // namespace

bool reports_unit_attention(uint8_t operation_code) {
  constexpr uint8_t kRequestSense = 0x03;
  constexpr uint8_t kInquiry = 0x12;
  return operation_code != kRequestSense && operation_code != kInquiry &&
         operation_code != kReportLuns;
}

bool ReportedUnits::has(uint32_t unit) const {
  unit %= kMost;
  if (unit < kLow) return is_noted(low_, unit);
  return high_ && is_noted(high_->bits, unit - kLow);
}

void ReportedUnits::add(uint32_t unit) {
  unit %= kMost;
  if (unit < kLow) return note(low_, unit);
  if (!high_) high_ = make<High>(Alloc::kAtomic);
  if (high_) note(high_->bits, unit - kLow);
}

// It concerns the unit, and was not reported for it yet.
bool UnitAttentions::Everywhere::is_for(uint32_t lun, bool passes) const {
  return !reported.has(lun) && (scope == Scope::kAll || !passes);
}

void UnitAttentions::remove_single(uint32_t index) {
  --count_;
  for (; index < count_; ++index)
    singles_[index] = singles_[index + 1];
}

void UnitAttentions::remove_everywhere(uint32_t index) {
  --everywhere_count_;
  for (; index < everywhere_count_; ++index)
    everywhere_[index] = std::move(everywhere_[index + 1]);
  everywhere_[everywhere_count_] = {};
}

// An initiator that hears of a reset examines everything anew.
void UnitAttentions::overflow() {
  count_ = everywhere_count_ = 0;
  establish_everywhere(kResetOccurred);
}

bool UnitAttentions::is_pending(uint32_t lun, SenseCode code) const {
  constexpr bool kPasses = true;
  for (uint32_t i = 0; i < count_; ++i) {
    if (singles_[i].lun == lun && singles_[i].code == code) return true;
  }
  for (uint32_t i = 0; i < everywhere_count_; ++i) {
    if (everywhere_[i].code == code && everywhere_[i].is_for(lun, kPasses)) return true;
  }
  return false;
}

void UnitAttentions::establish(uint32_t lun, SenseCode code) {
  if (is_pending(lun, code)) return;
  if (count_ == kPlaces) merge_singles();
  if (!is_pending(lun, code)) singles_[count_++] = {lun, code};
}

uint32_t UnitAttentions::count_singles(SenseCode code) const {
  uint32_t count = 0;
  for (uint32_t i = 0; i < count_; ++i)
    count += singles_[i].code == code ? 1 : 0;
  return count;
}

void UnitAttentions::merge_singles() {
  SenseCode commonest = singles_[0].code;
  uint32_t most = 0;
  for (uint32_t i = 0; i < count_; ++i) {
    const uint32_t count = count_singles(singles_[i].code);
    if (count <= most) continue;
    most = count;
    commonest = singles_[i].code;
  }
  for (uint32_t i = count_; i-- != 0;) {
    if (singles_[i].code == commonest) remove_single(i);
  }
  establish_everywhere(commonest);
}

// One that is for all units stays beside one of its kind that is for less of them.
void UnitAttentions::establish_everywhere(SenseCode code, Scope scope) {
  for (uint32_t i = everywhere_count_; i-- != 0;) {
    const Everywhere& other = everywhere_[i];
    if (other.code == code && (scope == Scope::kAll || other.scope == scope)) remove_everywhere(i);
  }
  if (everywhere_count_ == kEverywhere) return overflow();
  everywhere_[everywhere_count_++] = {code, scope, {}};
}

void UnitAttentions::establish_all(const UnitAttentions& other) {
  for (uint32_t i = 0; i < other.count_; ++i)
    establish(other.singles_[i].lun, other.singles_[i].code);
  for (uint32_t i = 0; i < other.everywhere_count_; ++i)
    establish_everywhere(other.everywhere_[i].code, other.everywhere_[i].scope);
}

bool UnitAttentions::find(uint32_t lun, bool passes, bool resets_only, SenseCode* code) const {
  const auto is_meant = [&](SenseCode found) { return !resets_only || tells_of_reset(found); };
  for (uint32_t i = 0; i < count_; ++i) {
    if (singles_[i].lun != lun || !is_meant(singles_[i].code)) continue;
    *code = singles_[i].code;
    return true;
  }
  for (uint32_t i = 0; i < everywhere_count_; ++i) {
    if (!everywhere_[i].is_for(lun, passes) || !is_meant(everywhere_[i].code)) continue;
    *code = everywhere_[i].code;
    return true;
  }
  return false;
}

void UnitAttentions::end(uint32_t lun, bool passes, SenseCode code) {
  for (uint32_t i = 0; i < count_; ++i) {
    if (singles_[i].lun == lun && singles_[i].code == code) return remove_single(i);
  }
  for (uint32_t i = 0; i < everywhere_count_; ++i) {
    Everywhere& other = everywhere_[i];
    if (other.code == code && other.is_for(lun, passes)) other.reported.add(lun);
  }
}

bool UnitAttentions::peek(uint32_t lun, SenseCode* code, bool passes) const {
  return find(lun, passes, false, code);
}

bool UnitAttentions::take(uint32_t lun, SenseCode* code, bool passes) {
  if (!find(lun, passes, false, code)) return false;
  end(lun, passes, *code);
  return true;
}

bool UnitAttentions::take_reset(uint32_t lun, SenseCode* code) {
  if (!find(lun, false, true, code)) return false;
  end(lun, false, *code);
  return true;
}

void UnitAttentions::clear(SenseCode code) {
  for (uint32_t i = count_; i-- != 0;) {
    if (singles_[i].code == code) remove_single(i);
  }
  for (uint32_t i = everywhere_count_; i-- != 0;) {
    if (everywhere_[i].code == code) remove_everywhere(i);
  }
}

}  // namespace chiscsi
