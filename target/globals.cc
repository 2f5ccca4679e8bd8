// SPDX-License-Identifier: GPL-2.0-only
//
// See globals.hh. What is asked for often is pushed to where it is looked at; the rest is read from
// the snapshot by whoever wants to know.
#include "target/globals.hh"

#include "base/lock.hh"
#include "os/log.h"
#include "os/trace.h"

namespace chiscsi {

namespace {

static_assert(kLogErrors == OS_LOG_BIT_ERROR && kLogWarnings == OS_LOG_BIT_WARNING &&
              kLogNotices == OS_LOG_BIT_INFO && kLogDebug == OS_LOG_BIT_DEBUG);
static_assert(kDebugCommands == OS_TRACE_LOG_COMMANDS && kDebugData == OS_TRACE_LOG_DATA &&
              kDebugDriver == OS_TRACE_LOG_DRIVER && kDebugStates == OS_TRACE_LOG_STATES);
constexpr uint32_t kDebugSteps = kDebugCommands | kDebugData | kDebugDriver | kDebugStates;

}  // namespace

Status Globals::create(uint32_t login_time_s) {
  mutex_ = os_mutex_create();
  if (mutex_ == nullptr) return Error::kNoMemory;
  ConfigError why;
  settings_ = CHISCSI_TRY(GlobalSettings::parse(Bytes(), &why));
  why.clear();
  why.add("iscsi_login_complete_time=").add_number(login_time_s);
  ConfigError bad;
  settings_ = CHISCSI_TRY(GlobalSettings::update(*settings_, why.text().bytes(), &bad));
  apply_locked();
  return Status();
}

Globals::~Globals() {
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

Ref<GlobalSettings> Globals::get() const {
  MutexGuard guard(mutex_);
  return settings_;
}

Status Globals::set(Bytes buffer, bool defaults, bool only_check, ConfigError* why) {
  Ref<GlobalSettings> before;  // Goes after the lock.
  MutexGuard guard(mutex_);
  Ref<GlobalSettings> fresh =
      CHISCSI_TRY(defaults ? GlobalSettings::parse(buffer, why)
                           : GlobalSettings::update(*settings_, buffer, why));
  if (only_check) return Status();
  before = std::move(settings_);
  settings_ = std::move(fresh);
  apply_locked();
  return Status();
}

void Globals::apply_locked() {
  const uint32_t messages = settings_->message_mask();
  os_select_log(messages);
  os_trace_log((messages & kLogDebug) != 0 ? settings_->debug_mask() & kDebugSteps : 0);
  if (settings_->offload_mode() == OffloadMode::kToe) {
    os_log(OS_LOG_WARNING, "iscsi_offload_mode: TOE means the same as AUTO");
  }
  if (settings_->discovery_auth().has_short_secret()) {
    os_log(OS_LOG_WARNING, "DISC_Auth_CHAP_*: a secret is shorter than 12 bytes");
  }
}

}  // namespace chiscsi
