// SPDX-License-Identifier: GPL-2.0-only
//
// LunRights: what one session may do with each LUN, by the ACL of its target.
//
// Decided once, when the session is made, by the name of its initiator and the addresses of its
// leading connection: an ACL does not change under a session, and a connection whose addresses
// would give it other rights does not join one. A LUN without a right does not exist
// for the session. Looking up is one comparison and one read. Context: any, but for decide().
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "base/wire_index.hh"
#include "target/config/access_list.hh"
#include "target/config/initiator_list.hh"

namespace chiscsi {

class LunMap;
class TargetSettings;

class LunRights {
 public:
  // Whom the iSNS server has let in and no rule names may do everything. Errors: kNoMemory.
  // Context: process.
  Status decide(const TargetSettings& settings, const AccessSubject& subject,
                LoginGrant grant = LoginGrant::kByAcl);

  LunAccess of(uint32_t number) const {
    if (number >= listed_) return rest_;
    return static_cast<LunAccess>(table_.data()[wire_index(number, listed_)]);
  }
  bool may_reach(uint32_t number) const { return of(number) != LunAccess::kNone; }
  bool may_write(uint32_t number) const { return of(number) == LunAccess::kReadWrite; }
  bool same_as(const LunRights& other) const;
  // Whether all LUNs of the map can be reached, or be written.
  bool covers(const LunMap& luns) const { return covers(luns, LunAccess::kReadOnly); }
  bool covers_for_writing(const LunMap& luns) const { return covers(luns, LunAccess::kReadWrite); }

 private:
  bool covers(const LunMap& luns, LunAccess wanted) const;

  Buffer table_;         // A LunAccess for each number below `listed_`.
  uint32_t listed_ = 0;  // 0: all numbers are alike.
  LunAccess rest_ = LunAccess::kReadWrite;
};

}  // namespace chiscsi
