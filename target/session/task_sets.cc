// SPDX-License-Identifier: GPL-2.0-only
//
// TaskSets: between the commands of a session and their task sets. See task_sets.hh.
#include "target/session/task_sets.hh"

#include "target/lun/lun.hh"
#include "target/session/session.hh"

namespace chiscsi {

UnitTaskSet* TaskSets::find(const UnitState& unit) {
  return sets_.find([&](const UnitTaskSet& set) { return set.unit == &unit; });
}

// Commands that have come before are all SIMPLE and enabled.
UnitTaskSet* TaskSets::begin(const UnitState& unit) {
  UnitTaskSet* set = make<UnitTaskSet>(Alloc::kMaySleep).release();
  if (set == nullptr) return nullptr;
  set->unit = &unit;
  sets_.push_back(*set);
  session_.commands.for_each([&](Command& older) {
    if (older.task_unit != &unit) return;
    older.task_set = set;
    set->tasks.enter_enabled(older.task_place);
  });
  return set;
}

TaskSets::Verdict TaskSets::enter(Command& command) {
  const UnitState& unit = command.logical_unit->state();
  TaskSetPlace& place = command.task_place;
  place.attribute = task_attribute(command.flags & iscsi::kCommandAttributeMask);
  UnitTaskSet* set = sets_.empty() ? nullptr : find(unit);
  if (set == nullptr && place.attribute != TaskAttribute::kSimple) {
    if ((set = begin(unit)) == nullptr) return Verdict::kNoMemory;
  }
  command.task_unit = &unit;
  command.task_set = set;
  return set == nullptr || set->tasks.enter(place) ? Verdict::kEnabled : Verdict::kDormant;
}

void TaskSets::leave(Command& command) {
  command.task_unit = nullptr;
  UnitTaskSet* set = std::exchange(command.task_set, nullptr);
  if (set == nullptr) return;
  set->tasks.leave(command.task_place);
  while (TaskSetPlace* next = set->tasks.enable_next())
    session_.add_work(container_of(*next, &Command::task_place));
  if (!set->tasks.is_empty()) return;
  sets_.remove(*set);
  destroy(set);
}

}  // namespace chiscsi
