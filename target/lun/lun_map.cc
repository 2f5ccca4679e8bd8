// SPDX-License-Identifier: GPL-2.0-only
//
// LunMap: finding a logical unit by its number. See lun_map.hh.
#include "target/lun/lun_map.hh"

#include "base/alloc.hh"

namespace chiscsi {

Result<Ref<LunMap>> LunMap::create_for_all(Ref<Lun> lun) {
  Ref<LunMap> map = Ref<LunMap>::adopt(make<LunMap>(Alloc::kMaySleep));
  if (!map) return Error::kNoMemory;
  map->all_ = std::move(lun);
  return map;
}

Lun* LunMap::find(uint32_t) const { return all_.get(); }

Lun* LunMap::first_of_class(uint32_t class_index) const {
  return all_ && all_->class_index() == class_index ? all_.get() : nullptr;
}

}  // namespace chiscsi
