// SPDX-License-Identifier: GPL-2.0-only
//
// TxCredits: what a connection may still give to the adapter, and what the adapter still holds.
//
// Every work request on the data queue is taken here before it is sent, but ABORT_REQ and
// ABORT_RPL, whose cost is held back. CPL_FW4_ACK returns credits, in the order of the requests
// and sometimes for a part of one; a request that is paid back is done: the adapter no longer reads
// its memory. Records are the caller's, it embeds or allocates them; this class only links them.
// One user at a time: the connection's owner. It never allocates. FLOWC goes with the first
// request behind it: one record with the cost of both.
#pragma once

#include <cstdint>

#include "base/list.hh"

namespace chiscsi {

// A request that the adapter holds. The caller reads `owner`, `kind` and `count` as it likes.
struct TxRecord {
  ListNode node;
  uint32_t cost = 0;  // TxCredits: what is yet to be paid back.
  uint32_t kind = 0;
  uint32_t count = 0;
  void* owner = nullptr;
};

class TxCredits {
 public:
  // `max`: those of the adapter less wr::kAbortCost. `dearest`: of the requests that may come.
  // Precondition: nothing is pending.
  void reset(uint32_t max, uint32_t dearest);

  uint32_t max() const { return max_; }
  uint32_t available() const { return available_; }
  uint32_t outstanding() const { return max_ - available_; }
  bool idle() { return pending_.empty(); }
  bool can_send(uint32_t cost) const { return cost <= available_; }

  // Whether the next request has to ask for a CPL_FW4_ACK: half of the credits were spent since
  // the last that did, or there might be none left for another one. With `last` (nothing more is
  // to be sent for now) always: else its memory would be held until there is traffic again.
  bool wants_completion(uint32_t cost, bool last) const;

  // Spends the credits of a request; best when lld_ops.send() has taken it, since there is no way
  // back. `completion`: it asks for an ack. Precondition: can_send(cost), not linked.
  void take(TxRecord& record, uint32_t cost, bool completion);

  // CPL_FW4_ACK. Calls `done(TxRecord&)` for each request that is paid back, in order; the record
  // is unlinked then and may be freed or used again, but the account must not be called. False:
  // more than is outstanding came back, nothing was changed; the connection is to be aborted.
  template <typename Done>
  [[nodiscard]] bool ack(uint32_t credits, Done done) {
    if (!accept(credits)) return false;
    while (TxRecord* record = pay_head(&credits))
      done(*record);
    return holds();
  }

  // Gives back all records, in order; the credits are as new. For the end of a connection: when the
  // adapter has said that it is over.
  template <typename Done>
  void purge(Done done) {
    available_ = max_;
    unasked_ = 0;
    while (TxRecord* record = pending_.pop_front())
      done(*record);
  }

  // INVARIANT: available + what is pending = max.
  bool holds();

 private:
  bool accept(uint32_t credits);
  // Pays the first record from `*credits`; returns it unlinked when nothing is left to be paid.
  TxRecord* pay_head(uint32_t* credits);

  List<TxRecord, &TxRecord::node> pending_;
  uint32_t max_ = 0;
  uint32_t available_ = 0;
  uint32_t dearest_ = 0;
  uint32_t unasked_ = 0;  // Spent since the last request that asks for an ack.
};

}  // namespace chiscsi
