// SPDX-License-Identifier: GPL-2.0-only
//
// TargetClass: a storage driver's target class with its LUN classes (Guide 5.1, 5.2).
#pragma once

#include <atomic>
#include <cstdint>

#include "base/list.hh"
#include "base/ref.hh"
#include "base/text.hh"
#include "common/chiscsi.h"

namespace chiscsi {

struct TargetClass : RefCounted<TargetClass> {
  static constexpr uint32_t kMaxLunClasses = 8;

  FixedText<CHISCSI_CLASS_NAME_MAX> name;
  chiscsi_target_class* hooks = nullptr;
  // What is asked of `hooks` while nothing keeps the class from going. Constant.
  bool has_chap_hook = false;
  // Commands that the driver holds, in all sessions; the class cannot go before they did.
  std::atomic<uint32_t> commands_held{0};
  // LUNs of TargetDevice lines that owe their class an fp_detach(); the same holds for them.
  std::atomic<uint32_t> luns_open{0};

  // Guarded by the registry's mutex; constant while a target of the class exists.
  chiscsi_target_lun_class* lun_classes[kMaxLunClasses] = {};
  uint32_t lun_class_count = 0;
  uint32_t target_count = 0;
  bool is_closed = false;  // No more targets.
  ListNode registry_node;

  // The class that serves the LUNs of targets without TargetDevice lines; or nullptr.
  chiscsi_target_lun_class* default_lun_class() const {
    return lun_class_count != 0 ? lun_classes[0] : nullptr;
  }
  bool has_lun_class(Text wanted) const {
    for (uint32_t i = 0; i < lun_class_count; ++i) {
      if (Text(lun_classes[i]->class_name) == wanted) return true;
    }
    return false;
  }
  bool is_in_use() const {
    return target_count != 0 || commands_held.load() != 0 || luns_open.load() != 0;
  }
};

}  // namespace chiscsi
