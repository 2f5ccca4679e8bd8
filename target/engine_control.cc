// SPDX-License-Identifier: GPL-2.0-only
//
// The control plane: classes, targets and their settings (Guide 5 and 6).
//
// A target starts as a whole or not at all: settings are parsed, devices attached, portals opened,
// and only then does it get a name that a login can find. Removal goes the other way and ends in
// bounded time, whatever the storage driver does. All of it runs in the caller's process context.
#include "base/lock.hh"
#include "os/log.h"
#include "os/module.h"
#include "target/config/address.hh"
#include "target/engine.hh"
#include "target/lun/lun_change.hh"
#include "target/scsi/reservation_handover.hh"

namespace chiscsi {

namespace {

constexpr uint32_t kRemoveStepMs = 100;
// How long a class may take to get its last commands back before its removal is refused.
constexpr uint32_t kClassWaitMs = 30'000;

bool ends_with_nul(Bytes config) { return config.empty() || config[config.size() - 1] == '\0'; }

Status refuse(Error error, const ConfigError& why) {
  os_log(OS_LOG_ERROR, "%s", why.c_str());
  return error;
}

// What can be written and would have no effect is refused rather than ignored: an administrator
// must not believe that a mask is in force. Where one LUN class serves every number, only that
// class knows which LUNs there are, and tells them to everybody.
Status check_supported(const TargetSettings& settings, ConfigError* why) {
  if (!settings.devices().empty()) return Status();
  for (const AccessRule& rule : settings.acl()) {
    if (rule.luns.empty() && rule.access == LunAccess::kReadWrite) continue;
    why->at("ACL").add("lun= needs TargetDevice lines");
    return refuse(Error::kNotSupported, *why);
  }
  return Status();
}

// A target of the administrator is whole or it is not there: nobody else knows its LUNs.
Status check_whole(const TargetSettings& settings, ConfigError* why) {
  const char* missing = settings.devices().empty()         ? "TargetDevice"
                        : settings.portal_groups().empty() ? "PortalGroup"
                                                           : nullptr;
  if (missing == nullptr) return Status();
  why->at(missing).add("is missing");
  return refuse(Error::kInvalid, *why);
}

Result<Ref<TargetSettings>> parse_settings(const TargetOwner& owner, Text name,
                                           const TargetClass& target_class, Bytes config,
                                           ConfigError* why) {
  if (!ends_with_nul(config)) {
    why->at("target configuration").add("the buffer does not end with a NUL");
    return refuse(Error::kInvalid, *why).error();
  }
  TargetParseOptions options;
  options.has_chap_hook = target_class.has_chap_hook;
  if (owner.is_administrator) options.default_max_commands = kDefaultSessionCommandsFile;
  Result<Ref<TargetSettings>> settings = TargetSettings::parse(name, config, options, why);
  if (!settings.is_ok()) {
    os_log(OS_LOG_ERROR, "target configuration: %s", why->c_str());
    return settings;
  }
  if (owner.is_administrator) CHISCSI_TRY(check_whole(*settings.value(), why));
  CHISCSI_TRY(check_supported(*settings.value(), why));
  return settings;
}

// Sessions keep what they have agreed on. Initiators hear of other logical units, of which they
// have a unit attention already. Each connection looks for its portal group itself.
void tell_sessions_of_reload(Target& target, const TargetSettings& before,
                             const TargetSettings& after) {
  const bool luns_changed = !after.has_devices_of(before);
  MutexGuard guard(target.mutex());
  target.sessions().for_each([&](SessionEntry& entry) {
    Notices& notices = entry.session->notices;
    if (luns_changed) notices.post(Notice::kLunsChanged);
    notices.post(Notice::kPortalsChanged);
  });
}

Status open_portals(Portals& portals, const TargetSettings& settings, ConfigError* why) {
  os_address failed;
  const Status opened = portals.open(settings, &failed);
  if (opened.is_ok()) return opened;
  why->clear();
  why->add("portal ").add(format_ip_and_port(failed).text()).add(": cannot listen, error ");
  why->add_number(static_cast<uint64_t>(opened.error()));
  return refuse(opened.error(), *why);
}

// An error that no device has: who gets it may try again.
Status refuse_busy(ConfigError* why) {
  why->clear();
  why->add("the target is being started, changed or stopped by somebody else");
  return Error::kInProgress;
}

// Nobody but who started a target may touch it.
Status check_owner(const Target& target, const TargetOwner& owner, ConfigError* why) {
  if (target.owner() == owner) return Status();
  why->clear();
  why->add("the target belongs to ");
  if (target.owner().is_administrator) {
    why->add("the administrator");
  } else {
    why->add("a storage driver, class ").add(target.target_class().name.text());
  }
  return Error::kNotPermitted;
}

// The hold of an administrator's target on the module; none for a driver, which has its own.
bool hold_for(const TargetOwner& owner) { return !owner.is_administrator || os_module_hold() != 0; }
void release_for(const TargetOwner& owner) {
  if (owner.is_administrator) os_module_release();
}

}  // namespace

Status Engine::add_target(TargetOwner owner, Text name, Text class_name, Bytes config,
                          ConfigError* why) {
  Ref<TargetClass> target_class = CHISCSI_TRY(registry_.hold_class(class_name));
  const Status status = [&]() -> Status {
    Ref<TargetSettings> settings =
        CHISCSI_TRY(parse_settings(owner, name, *target_class, config, why));
    Ref<Target> target =
        CHISCSI_TRY(Target::create(settings->name(), owner, target_class, Ref<TargetSettings>()));
    target->handle = next_handle();
    CHISCSI_TRY(registry_.reserve_name(*target));
    const Status started = hold_and_start(*target, std::move(settings), why);
    if (!started.is_ok()) registry_.give_up_name(*target);
    return started;
  }();
  if (!status.is_ok()) registry_.release_class(*target_class);
  return status;
}

Status Engine::hold_and_start(Target& target, Ref<TargetSettings> settings, ConfigError* why) {
  if (!hold_for(target.owner())) return Error::kShutdown;
  const Status started = start_target(target, std::move(settings), why);
  if (!started.is_ok()) release_for(target.owner());
  return started;
}

// In this order: its devices, its portals, and then the name that a login can find.
Status Engine::start_target(Target& target, Ref<TargetSettings> settings, ConfigError* why) {
  LunChange change(target, lun_handles_);
  const Status prepared = change.prepare(*settings);
  if (!prepared.is_ok()) {
    *why = change.reason();
    return prepared;
  }
  scsi::ReservationHandover registrations(target, change, reservation_keeper_.get());
  CHISCSI_TRY(registrations.prepare(why));
  CHISCSI_TRY(open_portals(portals_, *settings, why));
  registrations.commit();
  change.commit(settings);
  const Status added = registry_.add_target(target);
  if (!added.is_ok()) {
    portals_.close(*settings);
    LunChange::close_all(target);
    return added;
  }
  os_log(OS_LOG_INFO, "%s: target started", target.name_c_str());
  return Status();
}

// In this order: no new login finds it, its portals close, its sessions end, the hooks that logins
// and discoveries are in return, its devices close, its name is free. Afterwards its storage driver
// may be unloaded.
Status Engine::remove_target(TargetOwner owner, Text name, ConfigError* why) {
  Ref<Target> target = CHISCSI_TRY(registry_.find_target(name, why));
  CHISCSI_TRY(check_owner(*target, owner, why));
  if (!target->begin_control()) return refuse_busy(why);
  target->mark_removed();
  portals_.close(*target->settings());
  wait_for_sessions(*target);
  wait_for_hooks(*target);
  LunChange::close_all(*target);
  registry_.remove_target(*target);
  registry_.release_class(target->target_class());
  os_log(OS_LOG_INFO, "%s: target removed", target->name_c_str());
  release_for(owner);
  return Status();
}

// Every session ends by itself within the limits of flushing and of aborts.
void Engine::wait_for_sessions(Target& target) {
  while (true) {
    {
      MutexGuard guard(target.mutex());
      if (target.sessions().empty()) return;
      target.sessions().for_each(
          [](SessionEntry& entry) { entry.session->request_end(EndReason::kTargetRemoved); });
    }
    os_event_wait(target.progress(), kRemoveStepMs);
  }
}

Status Engine::reconfigure_target(TargetOwner owner, Text name, Text class_name, Bytes config,
                                  ConfigError* why) {
  Ref<Target> target = CHISCSI_TRY(registry_.find_target(name, why));
  CHISCSI_TRY(check_owner(*target, owner, why));
  if (!(target->target_class().name.text() == class_name)) {
    why->at("TargetDevice").add("the target has another class, ");
    why->add(target->target_class().name.text());
    return Error::kInvalid;
  }
  Ref<TargetSettings> fresh =
      CHISCSI_TRY(parse_settings(owner, name, target->target_class(), config, why));
  if (!target->begin_control()) return refuse_busy(why);
  const Status changed = change_target(*target, std::move(fresh), why);
  target->end_control();
  return changed;
}

Status Engine::check_target(TargetOwner owner, Text name, Text class_name, Bytes config,
                            ConfigError* why) {
  Ref<TargetClass> target_class = CHISCSI_TRY(registry_.hold_class(class_name));
  const Status status = [&]() -> Status {
    Ref<TargetSettings> settings =
        CHISCSI_TRY(parse_settings(owner, name, *target_class, config, why));
    Ref<Target> target = registry_.find_target(settings->name());
    if (!target) return Status();
    CHISCSI_TRY(check_owner(*target, owner, why));
    return target->settings()->check_reload(*settings, why);
  }();
  registry_.release_class(*target_class);
  return status;
}

// All that can fail comes first; until commit() nothing has changed for anybody.
Status Engine::change_target(Target& target, Ref<TargetSettings> fresh, ConfigError* why) {
  Ref<TargetSettings> current = target.settings();
  const Status allowed = current->check_reload(*fresh, why);
  if (!allowed.is_ok()) {
    os_log(OS_LOG_ERROR, "%s: %s", target.name_c_str(), why->c_str());
    return allowed;
  }
  LunChange change(target, lun_handles_);
  const Status prepared = change.prepare(*fresh);
  if (!prepared.is_ok()) {
    *why = change.reason();
    return prepared;
  }
  scsi::ReservationHandover registrations(target, change, reservation_keeper_.get());
  CHISCSI_TRY(registrations.prepare(why));
  CHISCSI_TRY(open_portals(portals_, *fresh, why));
  registrations.commit();
  change.commit(fresh);
  change.announce(*login_worker_);
  tell_sessions_of_reload(target, *current, *fresh);
  portals_.close(*current);
  change.close_leavers(abort_timeout_ms());
  return Status();
}

Status Engine::keep_reservations(Text folder) {
  reservation_keeper_ = CHISCSI_TRY(scsi::ReservationKeeper::create(folder));
  return Status();
}

// One that somebody else is busy with is waited for: a class cannot go before its last target.
void Engine::remove_administrators_targets(Text class_name) {
  Ref<Target> target = registry_.find_administrators(class_name);
  if (!target) return;
  os_event* pause = os_event_create();
  for (; target; target = registry_.find_administrators(class_name)) {
    ConfigError why;
    const Status removed = remove_target(TargetOwner::administrator(), target->name(), &why);
    if (removed.error() != Error::kInProgress) continue;
    if (pause != nullptr) os_event_wait(pause, kRemoveStepMs);
    os_relax();
  }
  if (pause != nullptr) os_event_destroy(pause);
}

Status Engine::remove_class(Text name) {
  registry_.close_class(name);
  remove_administrators_targets(name);
  const Status status = wait_for_class(name);
  if (!status.is_ok()) registry_.open_class(name);
  return status;
}

Status Engine::remove_lun_class(Text name, Text target_class_name) {
  registry_.close_class(target_class_name);
  remove_administrators_targets(target_class_name);
  const Status status = registry_.remove_lun_class(name, target_class_name);
  registry_.open_class(target_class_name);
  return status;
}

Status Engine::wait_for_class(Text name) {
  for (uint32_t waited = 0;; waited += kRemoveStepMs) {
    Ref<TargetClass> target_class = registry_.find_class(name);
    if (!target_class) return Error::kNoEntry;
    const uint32_t held = target_class->commands_held.load();
    const uint32_t open = target_class->luns_open.load();
    const bool is_over = held == 0 && open == 0;
    if (is_over || registry_.has_targets(name)) return registry_.remove_class(name);
    if (waited >= kClassWaitMs) {
      os_log(OS_LOG_WARNING,
             "class %s: %u commands are held by storage driver, %u LUNs not detached",
             target_class->name.c_str(), held, open);
      return Error::kBusy;
    }
    os_event_wait(progress_, kRemoveStepMs);
  }
}

}  // namespace chiscsi

using namespace chiscsi;  // NOLINT: this part of the file is the C interface.

namespace {

Bytes config_bytes(const char* buffer, int size) {
  return {reinterpret_cast<const uint8_t*>(buffer),
          buffer != nullptr && size > 0 ? static_cast<size_t>(size) : 0};
}

bool are_names(const char* a, const char* b) { return a != nullptr && b != nullptr; }

constexpr int kBadArgument = -static_cast<int>(Error::kInvalid);

// Storage drivers are told of another call for the same target by -EBUSY.
int for_driver(Status status) {
  return status.error() == Error::kInProgress ? Status(Error::kBusy).to_errno() : status.to_errno();
}

}  // namespace

extern "C" {

int engine_target_class_register(chiscsi_target_class* target_class) {
  return Engine::instance().registry().add_class(target_class).to_errno();
}

int engine_target_class_deregister(const char* class_name) {
  if (class_name == nullptr) return kBadArgument;
  return Engine::instance().remove_class(class_name).to_errno();
}

int engine_target_lun_class_register(chiscsi_target_lun_class* lun_class,
                                     const char* target_class_name) {
  if (target_class_name == nullptr) return kBadArgument;
  return Engine::instance().registry().add_lun_class(lun_class, target_class_name).to_errno();
}

int engine_target_lun_class_deregister(const char* lun_class_name, const char* target_class_name) {
  if (!are_names(lun_class_name, target_class_name)) return kBadArgument;
  return Engine::instance().remove_lun_class(lun_class_name, target_class_name).to_errno();
}

int engine_target_add(void* sdev_priv, const char* target_name, const char* target_class_name,
                      const char* config_buffer, int buflen) {
  if (!are_names(target_name, target_class_name)) return kBadArgument;
  ConfigError why;  // Is in the log.
  return Engine::instance()
      .add_target(sdev_priv, target_name, target_class_name, config_bytes(config_buffer, buflen),
                  &why)
      .to_errno();
}

int engine_target_remove(void* sdev_priv, const char* target_name) {
  if (target_name == nullptr) return kBadArgument;
  ConfigError why;
  return for_driver(Engine::instance().remove_target(sdev_priv, target_name, &why));
}

int engine_target_reconfig(void* sdev_priv, const char* target_name, const char* target_class_name,
                           const char* config_buffer, int buflen) {
  if (!are_names(target_name, target_class_name)) return kBadArgument;
  ConfigError why;
  return for_driver(Engine::instance().reconfigure_target(
      sdev_priv, target_name, target_class_name, config_bytes(config_buffer, buflen), &why));
}

int engine_target_session_abort(unsigned long sess_hdl) {
  // A session in the table has a reference of its own, so it is not destroyed here, in softirq.
  const bool found = Engine::instance().session_handles().visit(
      sess_hdl, [](Session& session) { session.request_end(EndReason::kDriverRequest); });
  return found ? 0 : -static_cast<int>(Error::kStale);
}

}  // extern "C"
