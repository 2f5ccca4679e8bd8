// SPDX-License-Identifier: GPL-2.0-only
//
// See target_settings.hh: what a snapshot answers. How it is made is target_parser.cc's business.
#include "target/config/target_settings.hh"

#include "target/config/address.hh"

namespace chiscsi {

ConfigText& ConfigText::operator=(ConfigText&& other) noexcept {
  if (this != &other) {
    wipe();
    buffer_ = std::move(other.buffer_);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Status ConfigText::assign(Bytes text) {
  Buffer copy = Buffer::allocate(text.size() + 1);
  if (!copy) return Error::kNoMemory;
  copy_bytes(copy.bytes(), text);
  wipe();
  buffer_ = std::move(copy);
  size_ = text.size();
  return {};
}

void ConfigText::wipe() {
  if (buffer_) os_wipe(buffer_.data(), buffer_.size());
}

const PortalGroupSettings* TargetSettings::find_portal_group(uint16_t tag) const {
  for (const PortalGroupSettings& group : portal_groups_) {
    if (group.tag == tag) return &group;
  }
  return nullptr;
}

const PortalGroupSettings* TargetSettings::portal_group_at(const os_address& local) const {
  const PortalGroupSettings* wildcard = nullptr;
  for (const PortalGroupSettings& group : portal_groups_) {
    if (!is_local(group)) continue;
    for (const os_address& portal : group.portals) {
      if (portal.port == local.port && same_ip(portal, local)) return &group;
    }
    if (wildcard == nullptr && group.has_portal(local)) wildcard = &group;
  }
  return wildcard;
}

bool TargetSettings::is_local(const PortalGroupSettings& group) const {
  if (!shadow_mode_) return true;
  for (const PortalGroupSettings& other : portal_groups_) {
    if (other.redirect_tags.contains(group.tag)) return false;
  }
  return true;
}

uint32_t TargetSettings::count_redirect_portals(const PortalGroupSettings& group) const {
  size_t count = 0;
  for (const uint16_t tag : group.redirect_tags) {
    const PortalGroupSettings* other = find_portal_group(tag);
    if (other != nullptr) count += other->portals.size();
  }
  return static_cast<uint32_t>(count);
}

const os_address* TargetSettings::redirect_portal(const PortalGroupSettings& group,
                                                  uint32_t turn) const {
  const uint32_t count = count_redirect_portals(group);
  if (count == 0) return nullptr;
  size_t index = turn % count;
  for (const uint16_t tag : group.redirect_tags) {
    const PortalGroupSettings* other = find_portal_group(tag);
    if (other == nullptr) continue;
    if (index < other->portals.size()) return &other->portals[index];
    index -= other->portals.size();
  }
  return nullptr;
}

bool TargetSettings::may_log_in(const AccessSubject& subject) const {
  if (!acl_enabled_) return true;
  for (const AccessRule& rule : acl_) {
    if (rule.applies_to(subject)) return true;
  }
  return false;
}

LunAccess TargetSettings::lun_access(const AccessSubject& subject, uint32_t lun) const {
  if (!acl_enabled_) return LunAccess::kReadWrite;
  LunAccess best = LunAccess::kNone;
  for (const AccessRule& rule : acl_) {
    if (rule.access > best && rule.applies_to(subject) && rule.covers(lun)) best = rule.access;
  }
  return best;
}

bool TargetSettings::has_devices_of(const TargetSettings& other) const {
  if (devices_.size() != other.devices_.size()) return false;
  for (size_t i = 0; i < devices_.size(); ++i) {
    if (devices_[i].line != other.devices_[i].line) return false;
  }
  return true;
}

Status TargetSettings::check_reload(const TargetSettings& fresh, ConfigError* error) const {
  const bool same_acl_lines = [&] {
    if (acl_lines_.size() != fresh.acl_lines_.size()) return false;
    for (size_t i = 0; i < acl_lines_.size(); ++i) {
      if (acl_lines_[i] != fresh.acl_lines_[i]) return false;
    }
    return true;
  }();
  const struct {
    const char* key;
    bool same;
  } kFixed[] = {
      {"TargetName", name() == fresh.name()},
      {"TargetSessionMaxCmd", max_commands_ == fresh.max_commands_},
      {"ACL_Enable", acl_enabled_ == fresh.acl_enabled_},
      {"ACL", same_acl_lines},
  };
  for (const auto& fixed : kFixed) {
    if (fixed.same) continue;
    error->at(fixed.key).add("cannot change while the target is active");
    return Error::kInvalid;
  }
  return {};
}

}  // namespace chiscsi
