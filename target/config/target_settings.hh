// SPDX-License-Identifier: GPL-2.0-only
//
// TargetSettings: one target's configuration as an immutable snapshot held by reference.
//
// parse() reads the buffer of chiscsi_target_add() (key=value strings, each ended by a NUL byte);
// the same parser serves the tool, the module and the fuzzer. A reload makes a new snapshot and
// publishes it; logins that hold the old one finish with it. The snapshot owns one copy of the
// text, all Text members are slices of it, and the copy is wiped when the last reference goes.
// Context: parse() runs in process context; everything else reads only and may run anywhere.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/own_ptr.hh"
#include "base/ref.hh"
#include "base/text.hh"
#include "target/config/access_list.hh"
#include "target/config/auth_settings.hh"
#include "target/config/config_errors.hh"
#include "target/config/key_table.hh"
#include "target/config/message_line.hh"
#include "target/config/portal_group.hh"
#include "target/config/target_device.hh"

namespace chiscsi {

inline constexpr uint32_t kMaxSessionCommands = 2048;
inline constexpr uint32_t kDefaultSessionCommandsFile = 64;
inline constexpr uint32_t kDefaultSessionCommandsApi = 128;
// MaxRecvDataSegmentLength that a target declares. With the 8192 that RFC 7143 assumes of one who
// declares nothing, a write of 256 KiB comes in 32 PDUs.
inline constexpr uint32_t kDefaultReceiveLimit = 256 * 1024;
// No configuration of a target is longer: 16,384 LUNs with 128 bytes each.
inline constexpr uint32_t kMaxConfigBytes = 2 * 1024 * 1024;

// Memory for configuration text with secrets in it: wiped before it is freed.
class ConfigText {
 public:
  ConfigText() = default;
  ConfigText(ConfigText&& other) noexcept { *this = static_cast<ConfigText&&>(other); }
  ConfigText& operator=(ConfigText&& other) noexcept;
  ~ConfigText() { wipe(); }
  // Errors: kNoMemory. Context: process.
  Status assign(Bytes text);
  Text text() const { return {reinterpret_cast<const char*>(buffer_.data()), size_}; }

 private:
  void wipe();
  Buffer buffer_;
  size_t size_ = 0;
};

// What parse() cannot know from the buffer.
struct TargetParseOptions {
  bool has_chap_hook = false;  // The target's class has fp_chap_info_get.
  bool from_file = false;      // There has to be a PortalGroup and a TargetDevice.
  uint32_t default_max_commands = kDefaultSessionCommandsApi;
};

class TargetSettings : public RefCounted<TargetSettings> {
 public:
  // Parses a whole target. `target_name` must be a valid iSCSI name; a TargetName in the buffer
  // must equal it, and when `target_name` is empty the buffer must have one. With `all` every
  // mistake is reported there and `error` holds the last one. Errors: kInvalid with the reason in
  // `error`, kNoMemory. Source: Guide 6.1.1.
  static Result<Ref<TargetSettings>> parse(Text target_name, Bytes buffer,
                                           const TargetParseOptions& options, ConfigError* error,
                                           ConfigErrors* all = nullptr);
  // Whether a key of a target has this name.
  static bool knows(Text key);
  static void offer_keys(class KeyHint* hint);

  // The key=value strings it was made of, secrets among them.
  Bytes keys() const { return text_.text().bytes(); }

  // Whether a running target may take over `fresh`: TargetSessionMaxCmd, ACL_Enable and ACL must
  // not change. Errors: kInvalid with the reason in `error`.
  Status check_reload(const TargetSettings& fresh, ConfigError* error) const;

  Text name() const { return name_.text(); }
  const char* name_c_str() const { return name_.c_str(); }
  Text alias() const { return alias_; }
  // What the target offers; values are not limited by what a transport or the engine can do.
  const SessionKeys& session_keys() const { return session_; }
  uint32_t max_recv_data_segment_length() const { return max_recv_data_segment_length_; }
  const DigestChoice& header_digests() const { return header_digests_; }
  const DigestChoice& data_digests() const { return data_digests_; }
  const AuthSettings& auth() const { return auth_; }
  uint32_t max_commands() const { return max_commands_; }
  bool has_max_commands() const { return has_max_commands_; }  // The key was in the buffer.
  bool shadow_mode() const { return shadow_mode_; }
  bool registers_isns() const { return registers_isns_; }

  Span<const PortalGroupSettings> portal_groups() const { return portal_groups_.span(); }
  const PortalGroupSettings* find_portal_group(uint16_t tag) const;
  // The group that listens at `local` (exact portal before wildcard), or nullptr.
  const PortalGroupSettings* portal_group_at(const os_address& local) const;
  // False for a group that lives on another machine: named for redirection, with ShadowMode=Yes.
  bool is_local(const PortalGroupSettings& group) const;
  // How many portals the groups that `group` redirects to have together.
  uint32_t count_redirect_portals(const PortalGroupSettings& group) const;
  // Portal number `turn` (modulo their count) of the groups that `group` redirects to, or nullptr
  // when it does not redirect.
  const os_address* redirect_portal(const PortalGroupSettings& group, uint32_t turn) const;

  Span<const TargetDeviceSettings> devices() const { return devices_.span(); }
  // The same lines in the same order.
  bool has_devices_of(const TargetSettings& other) const;

  bool acl_enabled() const { return acl_enabled_; }
  Span<const AccessRule> acl() const { return acl_.span(); }
  // The values of the ACL lines as they were written.
  Span<const Text> acl_lines() const { return acl_lines_.span(); }
  // True when the ACL is off or a rule applies to `subject`.
  bool may_log_in(const AccessSubject& subject) const;
  // What `subject` may do with `lun`; everything when the ACL is off.
  LunAccess lun_access(const AccessSubject& subject, uint32_t lun) const;

 private:
  friend class TargetParser;
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc mode, Args&&... args);
  TargetSettings() = default;

  ConfigText text_;
  FixedText<iscsi::kMaxNameLength> name_;
  Text alias_;
  SessionKeys session_;
  uint32_t max_recv_data_segment_length_ = kDefaultReceiveLimit;
  uint32_t max_commands_ = 0;
  DigestChoice header_digests_;
  DigestChoice data_digests_;
  AuthSettings auth_;
  GrowableArray<PortalGroupSettings> portal_groups_;
  GrowableArray<TargetDeviceSettings> devices_;
  GrowableArray<AccessRule> acl_;
  GrowableArray<Text> acl_lines_;
  bool has_max_commands_ = false;
  bool acl_enabled_ = false;
  bool shadow_mode_ = false;
  bool registers_isns_ = true;
};

}  // namespace chiscsi
