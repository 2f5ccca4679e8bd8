// SPDX-License-Identifier: GPL-2.0-only
//
// Lun: entering, leaving and the end of a logical unit. See lun.hh.
#include "target/lun/lun.hh"

namespace chiscsi {

Lun::Lun(Ref<TargetClass> target_class, uint32_t class_index)
    : target_class_(std::move(target_class)), class_index_(class_index) {}

}  // namespace chiscsi
