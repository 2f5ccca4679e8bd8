// SPDX-License-Identifier: GPL-2.0-only
//
// TaskSets: the task sets of a session, one for each logical unit that leaves SCSI to the target.
//
// A task set is that of one nexus (TST 001b in the control mode page), so all of it lives on the
// session's worker and needs no lock. As long as a unit gets SIMPLE commands alone there is nothing
// to keep: its TaskSet comes with the first ORDERED or HEAD OF QUEUE one, counts what is there
// already, and goes when its last command has ended. Units are told apart by their state, which
// stays the same when a reload moves a device to another Lun.
#pragma once

#include "base/list.hh"
#include "target/session/task_set.hh"

namespace chiscsi {

class Session;
class UnitState;
struct Command;

// The task set of one unit.
struct UnitTaskSet {
  ListNode node;
  const UnitState* unit = nullptr;
  TaskSet tasks;
};

class TaskSets {
 public:
  enum class Verdict : uint8_t { kEnabled, kDormant, kNoMemory };

  explicit TaskSets(Session& session) : session_(session) {}
  TaskSets(const TaskSets&) = delete;
  TaskSets& operator=(const TaskSets&) = delete;

  // A command that has entered its unit, in its turn. One that is dormant becomes work of the
  // session when it is enabled. May sleep.
  Verdict enter(Command& command);
  // Its status leaves, or it was aborted. What was in no set, or has left it, is taken as well.
  void leave(Command& command);

 private:
  UnitTaskSet* find(const UnitState& unit);
  UnitTaskSet* begin(const UnitState& unit);

  Session& session_;
  List<UnitTaskSet, &UnitTaskSet::node> sets_;  // Each has a command in it.
};

}  // namespace chiscsi
