// SPDX-License-Identifier: GPL-2.0-only
//
// TaskSet: coming, ending, and who is next. See task_set.hh.
#include "target/session/task_set.hh"

namespace chiscsi {

TaskAttribute task_attribute(unsigned attr) {
  constexpr unsigned kOrderedAttr = 2, kHeadOfQueueAttr = 3;
  if (attr == kOrderedAttr) return TaskAttribute::kOrdered;
  return attr == kHeadOfQueueAttr ? TaskAttribute::kHeadOfQueue : TaskAttribute::kSimple;
}

void TaskSet::enable(TaskSetPlace& place) {
  place.state = TaskSetPlace::State::kEnabled;
  ++enabled_;
  if (place.attribute != TaskAttribute::kSimple) ++restricting_;
}

// While any is dormant, an ORDERED or HEAD OF QUEUE one is before it: whoever comes then and is not
// HEAD OF QUEUE stands behind that one, too.
bool TaskSet::enter(TaskSetPlace& place) {
  const bool waits_for_ordered = restricting_ != 0 || !dormant_.empty();
  const bool waits = (place.attribute == TaskAttribute::kSimple && waits_for_ordered) ||
                     (place.attribute == TaskAttribute::kOrdered && !is_empty());
  if (!waits) {
    enable(place);
    return true;
  }
  place.state = TaskSetPlace::State::kDormant;
  dormant_.push_back(place);
  return false;
}

void TaskSet::enter_enabled(TaskSetPlace& place) { enable(place); }

void TaskSet::leave(TaskSetPlace& place) {
  if (place.state == TaskSetPlace::State::kDormant) {
    dormant_.remove(place);
  } else if (place.state == TaskSetPlace::State::kEnabled) {
    --enabled_;
    if (place.attribute != TaskAttribute::kSimple) --restricting_;
  }
  place.state = TaskSetPlace::State::kOutside;
}

TaskSetPlace* TaskSet::enable_next() {
  TaskSetPlace* first = dormant_.front();
  if (first == nullptr) return nullptr;
  const uint32_t awaited = first->attribute == TaskAttribute::kSimple ? restricting_ : enabled_;
  if (awaited != 0) return nullptr;
  dormant_.remove(*first);
  enable(*first);
  return first;
}

}  // namespace chiscsi
