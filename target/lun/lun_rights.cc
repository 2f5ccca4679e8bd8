// SPDX-License-Identifier: GPL-2.0-only
//
// From ACL rules to a table. See lun_rights.hh.
#include "target/lun/lun_rights.hh"

#include "target/config/target_settings.hh"
#include "target/lun/lun_map.hh"

namespace chiscsi {

namespace lun_rights_detail {

// One more than the highest number that a rule for the subject names.
uint32_t count_named(const TargetSettings& settings, const AccessSubject& subject) {
  uint32_t count = 0;
  for (const AccessRule& rule : settings.acl()) {
    if (!rule.applies_to(subject)) continue;
    for (const LunRange& range : rule.luns) {
      if (range.last >= count) count = range.last + 1;
    }
  }
  return count;
}

void raise(uint8_t* place, LunAccess access) {
  if (*place < static_cast<uint8_t>(access)) *place = static_cast<uint8_t>(access);
}

}  // namespace lun_rights_detail

Status LunRights::decide(const TargetSettings& settings, const AccessSubject& subject,
                         LoginGrant grant) {
  namespace detail = lun_rights_detail;
  static_assert(static_cast<uint8_t>(LunAccess::kNone) == 0);
  // Beyond what rules name, those for all LUNs are left.
  rest_ = settings.lun_access(subject, kMaxConfiguredLun + 1);
  table_.reset();
  listed_ = 0;
  if (grant == LoginGrant::kByIsns && !settings.may_log_in(subject)) {
    rest_ = LunAccess::kReadWrite;
    return Status();
  }
  const uint32_t count = settings.acl_enabled() ? detail::count_named(settings, subject) : 0;
  if (count == 0) return Status();
  table_ = Buffer::allocate(count);
  if (!table_) return Error::kNoMemory;
  listed_ = count;
  uint8_t* table = table_.data();
  for (uint32_t number = 0; number < count; ++number)
    detail::raise(&table[number], rest_);
  for (const AccessRule& rule : settings.acl()) {
    if (!rule.applies_to(subject)) continue;
    for (const LunRange& range : rule.luns) {
      for (uint32_t number = range.first; number <= range.last; ++number)
        detail::raise(&table[number], rule.access);
    }
  }
  return Status();
}

bool LunRights::same_as(const LunRights& other) const {
  const uint32_t count = listed_ > other.listed_ ? listed_ : other.listed_;
  for (uint32_t number = 0; number < count; ++number) {
    if (of(number) != other.of(number)) return false;
  }
  return rest_ == other.rest_;
}

bool LunRights::covers(const LunMap& luns, LunAccess wanted) const {
  const auto count = static_cast<uint32_t>(luns.list().size());
  if (listed_ == 0) return rest_ >= wanted;
  for (uint32_t number = 0; number < count; ++number) {
    if (of(number) < wanted) return false;
  }
  return true;
}

}  // namespace chiscsi
