// SPDX-License-Identifier: GPL-2.0-only
//
// LunMap: finding a logical unit by its number. See lun_map.hh.
#include "target/lun/lun_map.hh"

#include "base/alloc.hh"
#include "base/wire_index.hh"

namespace chiscsi {

Result<Ref<LunMap>> LunMap::create_for_all(Ref<Lun> lun) {
  Ref<LunMap> map = Ref<LunMap>::adopt(make<LunMap>(Alloc::kMaySleep));
  if (!map) return Error::kNoMemory;
  map->all_ = std::move(lun);
  if (map->all_) map->first_[map->all_->class_index()] = map->all_.get();
  return map;
}

Result<Ref<LunMap>> LunMap::create(GrowableArray<Ref<Lun>> luns) {
  Ref<LunMap> map = Ref<LunMap>::adopt(make<LunMap>(Alloc::kMaySleep));
  if (!map) return Error::kNoMemory;
  map->list_ = std::move(luns);
  for (const Ref<Lun>& lun : map->list_) {
    Lun*& first = map->first_[lun->class_index()];
    if (first == nullptr) first = lun.get();
  }
  return map;
}

Lun* LunMap::find(uint32_t number) const {
  if (all_) return all_.get();
  if (number >= list_.size()) return nullptr;
  return list_.span()[wire_index(number, list_.size())].get();
}

bool LunMap::find_number(const Lun& lun, uint32_t* number) const {
  return !lun.passes_all_commands() && find_number(lun.state(), number);
}

bool LunMap::find_number(const UnitState& unit, uint32_t* number) const {
  const Span<const Ref<Lun>> list = list_.span();
  for (*number = 0; *number < list.size(); ++*number) {
    const Lun& lun = *list[*number];
    if (!lun.passes_all_commands() && &lun.state() == &unit) return true;
  }
  return false;
}

Lun* LunMap::first_of_class(uint32_t class_index) const {
  return class_index < TargetClass::kMaxLunClasses ? first_[class_index] : nullptr;
}

}  // namespace chiscsi
