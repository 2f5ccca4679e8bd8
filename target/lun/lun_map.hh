// SPDX-License-Identifier: GPL-2.0-only
//
// LunMap: which LUN a number means, as an immutable snapshot.
//
// A target has one at a time and replaces it as a whole; sessions keep a reference to the one they
// saw last. Context: any, but for the making of it.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "target/lun/lun.hh"

namespace chiscsi {

class LunMap : public RefCounted<LunMap> {
 public:
  // One LUN for every number; an empty reference serves none.
  static Result<Ref<LunMap>> create_for_all(Ref<Lun> lun);

  // Null when there is no such LUN.
  Lun* find(uint32_t number) const;
  // The first LUN of a class, by the class's place within the target class; or null.
  Lun* first_of_class(uint32_t class_index) const;

 private:
  Ref<Lun> all_;
};

}  // namespace chiscsi
