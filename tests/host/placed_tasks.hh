// SPDX-License-Identifier: GPL-2.0-only
//
// The part of the memory transport that stands for an adapter which places write data by itself.
//
// It keeps what the R2Ts of a connection said about where their data lands, writes there, and lets
// go when it is asked. Until the very moment in which it says so it touches the buffers, so that a
// target which gives them back too early is caught by the sanitizers. What the target may not do is
// noted in violations. All in the turns of one connection.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "common/chiscsi_transport.h"
#include "iscsi/bhs.hh"

namespace chiscsi::test {

class PlacedTasks {
 public:
  struct Task;
  // The data of one R2T.
  struct Range {
    Task* task;
    std::vector<uint8_t*> bytes;  // Where each of them goes.
    uint32_t target_tag;
    uint32_t task_tag;
    uint32_t offset;
    uint32_t done = 0;
    uint32_t merged_away = 0;  // PDUs that the target did not see.
  };
  struct Task {
    bool asked = false;
    std::vector<std::shared_ptr<Range>> ranges;
  };

  ~PlacedTasks();
  // An R2T with a landing was pulled: says to the target that it will be placed, sometimes, and
  // gives it another tag then.
  void offer(chiscsi_conn_port* port, chiscsi_xmit_pdu& pdu);
  // The range that the data of this PDU continues; null: it is to be copied.
  std::shared_ptr<Range> find(const iscsi::Bhs& bhs);
  // The tag that the target knows, and the DataSN.
  void translate(iscsi::Bhs& bhs) const;
  // The next bytes of the range.
  static void write(Range& range, const uint8_t* data, size_t size);
  // The target asks: answers at once, sometimes, else in a later turn.
  void release(chiscsi_conn_port* port, void* task);
  // True when some answer is owed.
  bool owes_answers() const { return !owed_.empty(); }
  void answer(chiscsi_conn_port* port);
  // The connection ends: the last touch.
  void drop_all();

 private:
  void let_go(chiscsi_conn_port* port, Task* task);
  static void touch(const Task& task);

  std::map<Task*, std::unique_ptr<Task>> tasks_;
  std::map<uint32_t, std::shared_ptr<Range>> by_tag_;
  std::deque<Task*> owed_;
  unsigned offered_ = 0;
  unsigned asked_ = 0;
};

}  // namespace chiscsi::test
