// SPDX-License-Identifier: GPL-2.0-only
//
// Conditions for single units are reported before those for all: they are what a command of
// another nexus has done to this very unit.
#include "target/session/unit_attention.hh"

namespace chiscsi {

bool reports_unit_attention(uint8_t operation_code) {
  constexpr uint8_t kRequestSense = 0x03;
  constexpr uint8_t kInquiry = 0x12;
  return operation_code != kRequestSense && operation_code != kInquiry &&
         operation_code != kReportLuns;
}

bool UnitAttentions::Everywhere::is_reported(uint32_t lun) const {
  const uint32_t bit = lun % kUnits;
  return (reported[bit / 32] & (1u << (bit % 32))) != 0;
}

void UnitAttentions::Everywhere::report(uint32_t lun) {
  const uint32_t bit = lun % kUnits;
  reported[bit / 32] |= 1u << (bit % 32);
}

void UnitAttentions::remove_single(uint32_t index) {
  --count_;
  for (; index < count_; ++index)
    singles_[index] = singles_[index + 1];
}

void UnitAttentions::remove_everywhere(uint32_t index) {
  --everywhere_count_;
  for (; index < everywhere_count_; ++index)
    everywhere_[index] = everywhere_[index + 1];
}

// An initiator that hears of a reset examines everything anew.
void UnitAttentions::overflow() {
  count_ = everywhere_count_ = 0;
  establish_everywhere(kResetOccurred);
}

void UnitAttentions::establish(uint32_t lun, SenseCode code) {
  for (uint32_t i = 0; i < count_; ++i) {
    if (singles_[i].lun == lun && singles_[i].code == code) return;
  }
  if (count_ == kPlaces) return overflow();
  singles_[count_++] = {lun, code};
}

void UnitAttentions::establish_everywhere(SenseCode code) {
  for (uint32_t i = 0; i < everywhere_count_; ++i) {
    if (everywhere_[i].code == code) {
      remove_everywhere(i);
      break;
    }
  }
  if (everywhere_count_ == kEverywhere) return overflow();
  everywhere_[everywhere_count_++] = {code, {}};
}

void UnitAttentions::establish_all(const UnitAttentions& other) {
  for (uint32_t i = 0; i < other.count_; ++i)
    establish(other.singles_[i].lun, other.singles_[i].code);
  for (uint32_t i = 0; i < other.everywhere_count_; ++i)
    establish_everywhere(other.everywhere_[i].code);
}

bool UnitAttentions::peek(uint32_t lun, SenseCode* code) const {
  for (uint32_t i = 0; i < count_; ++i) {
    if (singles_[i].lun != lun) continue;
    *code = singles_[i].code;
    return true;
  }
  for (uint32_t i = 0; i < everywhere_count_; ++i) {
    if (everywhere_[i].is_reported(lun)) continue;
    *code = everywhere_[i].code;
    return true;
  }
  return false;
}

bool UnitAttentions::take(uint32_t lun, SenseCode* code) {
  for (uint32_t i = 0; i < count_; ++i) {
    if (singles_[i].lun != lun) continue;
    *code = singles_[i].code;
    remove_single(i);
    return true;
  }
  for (uint32_t i = 0; i < everywhere_count_; ++i) {
    if (everywhere_[i].is_reported(lun)) continue;
    *code = everywhere_[i].code;
    everywhere_[i].report(lun);
    return true;
  }
  return false;
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
