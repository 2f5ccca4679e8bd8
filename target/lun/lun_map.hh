// SPDX-License-Identifier: GPL-2.0-only
//
// LunMap: which LUN a number means, as an immutable snapshot.
//
// LUN n is the n-th TargetDevice line; without such lines one Lun serves every number. A target has
// one map at a time and replaces it as a whole; sessions keep a reference to the one they saw last.
// Context: any, but for the making of it.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "target/config/growable_array.hh"
#include "target/lun/lun.hh"

namespace chiscsi {

class LunMap : public RefCounted<LunMap> {
 public:
  // Numbers of flat addressing, which REPORT LUNS can tell in two bytes.
  static constexpr uint32_t kMaxLuns = 16384;

  // One Lun for every number; an empty reference serves none.
  static Result<Ref<LunMap>> create_for_all(Ref<Lun> lun);
  // Takes the references out of `luns`; the place is the number.
  static Result<Ref<LunMap>> create(GrowableArray<Ref<Lun>> luns);

  // Null when there is no such LUN.
  Lun* find(uint32_t number) const;
  // The number of a unit that the target speaks for. False: it is not there.
  bool find_number(const UnitState& unit, uint32_t* number) const;
  // The same by a Lun that the unit has, or had before a reload.
  bool find_number(const Lun& lun, uint32_t* number) const;
  // The first LUN of a class, by the class's place within the target class; or null.
  Lun* first_of_class(uint32_t class_index) const;

  // False: one Lun serves all numbers, and only its class knows which of them exist.
  bool is_listed() const { return !all_; }
  Span<const Ref<Lun>> list() const { return list_.span(); }

 private:
  Ref<Lun> all_;
  GrowableArray<Ref<Lun>> list_;
  Lun* first_[TargetClass::kMaxLunClasses] = {};
};

}  // namespace chiscsi
