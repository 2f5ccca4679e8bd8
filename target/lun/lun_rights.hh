// SPDX-License-Identifier: GPL-2.0-only
//
// LunRights: what one session may do with each LUN, by the ACL of its target.
//
// Decided once, when the session is made, by the name of its initiator and the addresses of its
// leading connection: an ACL does not change under a session. A LUN without a right does not exist
// for the session. Looking up is one comparison and one read. Context: any, but for decide().
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "target/config/access_list.hh"

namespace chiscsi {

class LunMap;
class TargetSettings;

class LunRights {
 public:
  // Errors: kNoMemory. Context: process.
  Status decide(const TargetSettings& settings, const AccessSubject& subject);

  LunAccess of(uint32_t number) const {
    return number < listed_ ? static_cast<LunAccess>(table_.data()[number]) : rest_;
  }
  bool may_reach(uint32_t number) const { return of(number) != LunAccess::kNone; }
  bool may_write(uint32_t number) const { return of(number) == LunAccess::kReadWrite; }
  // Whether all LUNs of the map can be reached.
  bool covers(const LunMap& luns) const;

 private:
  Buffer table_;         // A LunAccess for each number below `listed_`.
  uint32_t listed_ = 0;  // 0: all numbers are alike.
  LunAccess rest_ = LunAccess::kReadWrite;
};

}  // namespace chiscsi
