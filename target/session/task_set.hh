// SPDX-License-Identifier: GPL-2.0-only
//
// TaskSet: which commands of one I_T nexus a logical unit may run, by their task attributes (SAM-5
// section 8).
//
// A command that has come is enabled, or dormant until those it has to wait for have ended. SIMPLE
// waits for the ORDERED and HEAD OF QUEUE ones before it, ORDERED for all before it, HEAD OF QUEUE
// for none; and whatever is dormant also waits for a HEAD OF QUEUE that comes after it. Counters
// and one list, every step in constant time; no I/O, no allocation, no lock: one owner.
#pragma once

#include <cstdint>

#include "base/list.hh"

namespace chiscsi {

enum class TaskAttribute : uint8_t { kSimple, kOrdered, kHeadOfQueue };
// Of the ATTR field of a SCSI Command PDU (RFC 7143 section 11.3.1). What has no meaning for us
// counts as SIMPLE, as untagged does.
TaskAttribute task_attribute(unsigned attr);

// The place of a command in its task set. Commands have one inside.
struct TaskSetPlace {
  enum class State : uint8_t { kOutside, kDormant, kEnabled };

  TaskAttribute attribute = TaskAttribute::kSimple;
  State state = State::kOutside;
  ListNode node;  // Among the dormant ones.
};

class TaskSet {
 public:
  // A command has come. True: it is enabled.
  bool enter(TaskSetPlace& place);
  // One that was enabled before there was a set: nothing is asked of it.
  void enter_enabled(TaskSetPlace& place);
  // It has ended, however that came, or will never begin. enable_next() may have more then.
  void leave(TaskSetPlace& place);
  // The oldest dormant one, enabled now because nothing is left that it waits for; null when there
  // is none such. To be called until it is.
  TaskSetPlace* enable_next();

  bool is_empty() const { return enabled_ == 0 && dormant_.empty(); }

 private:
  void enable(TaskSetPlace& place);

  List<TaskSetPlace, &TaskSetPlace::node> dormant_;  // The oldest first.
  uint32_t enabled_ = 0;
  uint32_t restricting_ = 0;  // Of these, ORDERED and HEAD OF QUEUE.
};

}  // namespace chiscsi
