// SPDX-License-Identifier: GPL-2.0-only
//
// A model of a task set (SAM-5 section 8) for tests: each pair of commands is looked at, nothing is
// counted.
#pragma once

#include <vector>

#include "target/session/task_set.hh"

namespace chiscsi::test {

struct ModelTask {
  TaskAttribute attribute;
  bool enabled = false;
  bool over = false;
};

class TaskSetModel {
 public:
  void come(TaskAttribute attribute) {
    tasks.push_back({attribute});
    settle();
  }
  void end(size_t number) {
    tasks[number].over = true;
    settle();
  }
  std::vector<ModelTask> tasks;

 private:
  // Whether `mine` has to wait for the other one, which has not ended.
  static bool waits(const ModelTask& mine, const ModelTask& other, bool other_is_older) {
    if (mine.attribute == TaskAttribute::kHeadOfQueue) return false;
    if (other.attribute == TaskAttribute::kHeadOfQueue) return true;
    if (!other_is_older) return false;
    return mine.attribute == TaskAttribute::kOrdered || other.attribute == TaskAttribute::kOrdered;
  }
  bool may_begin(size_t number) const {
    for (size_t i = 0; i < tasks.size(); ++i) {
      if (i == number || tasks[i].over) continue;
      if (waits(tasks[number], tasks[i], i < number)) return false;
    }
    return true;
  }
  void settle() {
    for (size_t i = 0; i < tasks.size(); ++i) {
      if (!tasks[i].over && !tasks[i].enabled && may_begin(i)) tasks[i].enabled = true;
    }
  }
};

}  // namespace chiscsi::test
