// SPDX-License-Identifier: GPL-2.0-only
//
// GlobalSettings: the `global:` block as an immutable snapshot held by reference.
//
// parse() takes the keys of a whole block, update() those that change; both read a buffer of
// key=value strings, each ended by a NUL byte, as the file parser and the control device hand it
// over. A change makes a new snapshot and publishes it. The snapshot owns its text, the Text
// members are slices of it, and it is wiped when the last reference goes.
// Context: parse(), update() and print() run in process context; reading may happen anywhere.
#pragma once

#include <cstdint>

#include "base/error.hh"
#include "base/ref.hh"
#include "base/text.hh"
#include "os/socket.h"
#include "target/config/auth_settings.hh"
#include "target/config/config_errors.hh"
#include "target/config/message_line.hh"
#include "target/config/target_settings.hh"
#include "target/config/text_builder.hh"

namespace chiscsi {

enum class AuthOrder : uint8_t { kChap, kAcl };          // What a login is checked for first.
enum class OffloadMode : uint8_t { kAuto, kToe, kUlp };  // kToe means no more than kAuto.
enum class AclSourceOrder : uint8_t { kConfig, kIsns };  // Which list is asked first.

// iscsi_verbose_level: the bits of the message mask ...
inline constexpr uint32_t kLogErrors = 0x1;
inline constexpr uint32_t kLogWarnings = 0x2;
inline constexpr uint32_t kLogNotices = 0x4;  // Targets, sessions and settings that come and go.
inline constexpr uint32_t kLogDebug = 0x8;    // What the debug mask selects.
inline constexpr uint32_t kDefaultMessageMask = kLogErrors | kLogWarnings | kLogNotices;
// ... and those of the debug mask. 0xf,0xc82000 traces every step of a SCSI command (Guide appendix
// D); which bit stands for which step is ours.
inline constexpr uint32_t kDebugCommands = 0x002000;  // A command arrives, its response leaves.
inline constexpr uint32_t kDebugData = 0x080000;      // Data-In, Data-Out and R2T.
inline constexpr uint32_t kDebugDriver = 0x400000;    // Calls between target and storage.
inline constexpr uint32_t kDebugStates = 0x800000;    // Every change of a command's state.

inline constexpr uint32_t kMaxLoginTime = 3600;
inline constexpr uint32_t kDefaultLoginTime = 300;
inline constexpr uint16_t kIsnsPort = 3205;
inline constexpr uint32_t kDefaultIsnsQuery = 60;
inline constexpr uint32_t kMaxVendorId = 8;
inline constexpr uint32_t kMaxGlobalText = 255;

class GlobalSettings : public RefCounted<GlobalSettings> {
 public:
  // All keys of a block; what is absent has its default. With `all` every mistake is reported there
  // and `error` holds the last one. Errors: kInvalid with the reason in `error`, kNoMemory.
  static Result<Ref<GlobalSettings>> parse(Bytes buffer, ConfigError* error,
                                           ConfigErrors* all = nullptr);
  // What `current` says, but for the keys of `buffer`. An empty value takes the accounts of a key
  // away, and isns_server and isns_id. Errors: as above.
  static Result<Ref<GlobalSettings>> update(const GlobalSettings& current, Bytes buffer,
                                            ConfigError* error);
  // Whether a global key has this name.
  static bool knows(Text key);
  static void offer_keys(class KeyHint* hint);

  // Adds `key=value` and `end` for every key that has a value, defaults among them. Without
  // `secrets` these are printed as ***. Ask out->is_ok() afterwards.
  void print(TextBuilder* out, bool secrets, char end = '\n') const;

  // Discovery sessions; its methods are either None or CHAP.
  const AuthSettings& discovery_auth() const { return auth_; }
  AuthOrder auth_order() const { return auth_order_; }
  AclSourceOrder acl_order() const { return acl_order_; }
  OffloadMode offload_mode() const { return offload_mode_; }
  uint32_t login_complete_time_s() const { return login_time_s_; }  // 0: no limit.
  uint32_t message_mask() const { return message_mask_; }
  uint32_t debug_mask() const { return debug_mask_; }
  Text vendor_id() const { return vendor_id_; }
  // A part of the names of Chelsio initiators.
  Text chelsio_initiator() const { return chelsio_initiator_; }
  bool ha_mode() const { return ha_mode_; }  // Shown; no effect.

  bool has_isns_server() const { return isns_server_.port != 0; }
  const os_address& isns_server() const { return isns_server_; }
  Text isns_id() const { return isns_id_; }  // Empty: the host's name.
  uint32_t isns_query_s() const { return isns_query_s_; }

 private:
  friend class GlobalParser;
  template <typename T, typename... Args>
  friend OwnPtr<T> make(Alloc mode, Args&&... args);
  GlobalSettings() = default;

  ConfigText text_;
  AuthSettings auth_;
  AuthOrder auth_order_ = AuthOrder::kChap;
  AclSourceOrder acl_order_ = AclSourceOrder::kConfig;
  OffloadMode offload_mode_ = OffloadMode::kAuto;
  bool ha_mode_ = false;
  uint32_t login_time_s_ = kDefaultLoginTime;
  uint32_t message_mask_ = kDefaultMessageMask;
  uint32_t debug_mask_ = 0;
  Text vendor_id_ = "CHISCSI";
  Text chelsio_initiator_ = "cxgb4i";
  os_address isns_server_ = {};
  Text isns_id_;
  uint32_t isns_query_s_ = kDefaultIsnsQuery;
};

}  // namespace chiscsi
