// SPDX-License-Identifier: GPL-2.0-only
//
// Lun: one logical unit of a target, or all of them where one class serves every number.
//
// Commands and task management functions enter it before its class sees them and leave it when they
// are over; that is what keeps the class's handle valid for them. A LUN that leaves its target lets
// nobody in any more and is closed by the last one out.
#pragma once

#include <atomic>
#include <cstdint>

#include "target/target_class.hh"

namespace chiscsi {

class Lun : public RefCounted<Lun> {
 public:
  // Serves all numbers of a target without TargetDevice lines. It lives as long as its target, and
  // nobody is counted in or out.
  Lun(Ref<TargetClass> target_class, uint32_t class_index);

  chiscsi_target_lun_class& hooks() const { return *target_class_->lun_classes[class_index_]; }
  // The place of the LUN class within its target class.
  uint32_t class_index() const { return class_index_; }
  bool has_property(lun_class_property_bits bit) const {
    return (hooks().property & (1u << bit)) != 0;
  }

  // Context: the worker of the session that enters or leaves. False: it is leaving its target.
  bool enter() { return true; }
  // For somebody who is in already: once more, in any case.
  void enter_again() {}
  void leave() {}

 private:
  Ref<TargetClass> target_class_;
  uint32_t class_index_;
};

}  // namespace chiscsi
