// SPDX-License-Identifier: GPL-2.0-only
//
// The credit account of a connection: see the header.
#include "offload/tx_credits.hh"

namespace chiscsi {

void TxCredits::reset(uint32_t max, uint32_t dearest) {
  CHISCSI_CHECK(pending_.empty());
  max_ = available_ = max;
  dearest_ = dearest;
  unasked_ = 0;
}

bool TxCredits::wants_completion(uint32_t cost, bool last) const {
  const uint32_t left = cost < available_ ? available_ - cost : 0;
  return last || unasked_ + cost >= max_ / 2 || left < dearest_;
}

void TxCredits::take(TxRecord& record, uint32_t cost, bool completion) {
  CHISCSI_CHECK(can_send(cost));
  record.cost = cost;
  available_ -= cost;
  unasked_ = completion ? 0 : unasked_ + cost;
  pending_.push_back(record);
}

bool TxCredits::accept(uint32_t credits) {
  if (credits > outstanding()) return false;
  available_ += credits;
  if (unasked_ > outstanding()) unasked_ = outstanding();
  return true;
}

TxRecord* TxCredits::pay_head(uint32_t* credits) {
  TxRecord* head = pending_.front();
  if (head == nullptr) return nullptr;
  const uint32_t paid = *credits < head->cost ? *credits : head->cost;
  head->cost -= paid;
  *credits -= paid;
  return head->cost == 0 ? pending_.pop_front() : nullptr;
}

bool TxCredits::holds() {
  uint64_t sum = available_;
  pending_.for_each([&sum](const TxRecord& record) { sum += record.cost; });
  return sum == max_;
}

}  // namespace chiscsi
