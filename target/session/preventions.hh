// SPDX-License-Identifier: GPL-2.0-only
//
// Preventions: the media whose removal one I_T nexus prevents (SPC-5 section 6.15).
//
// They end with the nexus. Belongs to the session's worker.
#pragma once

#include "base/alloc.hh"
#include "base/list.hh"
#include "target/lun/unit_state.hh"

namespace chiscsi {

class Preventions {
 public:
  Preventions() = default;
  ~Preventions() { clear(); }
  Preventions(const Preventions&) = delete;
  Preventions& operator=(const Preventions&) = delete;

  // May sleep for memory. More than one of a nexus for a unit count once.
  Status prevent(UnitState& unit);
  void allow(const UnitState& unit);
  void clear();

 private:
  struct Prevention {
    ListNode node;
    Ref<UnitState> unit;
    uint32_t epoch = 0;
  };
  void remove(Prevention& prevention);

  List<Prevention, &Prevention::node> list_;
};

}  // namespace chiscsi
