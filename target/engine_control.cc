// SPDX-License-Identifier: GPL-2.0-only
//
// The control plane: classes, targets and their settings (Guide 5 and 6).
//
// A target starts as a whole or not at all: settings are parsed, devices attached, portals opened,
// and only then does it get a name that a login can find. Removal goes the other way and ends in
// bounded time, whatever the storage driver does. All of it runs in the caller's process context.
#include "base/lock.hh"
#include "os/log.h"
#include "target/config/address.hh"
#include "target/engine.hh"
#include "target/lun/lun_change.hh"

namespace chiscsi {

namespace {

constexpr uint32_t kRemoveStepMs = 100;
// How long a class may take to get its last commands back before its removal is refused.
constexpr uint32_t kClassWaitMs = 30'000;

bool ends_with_nul(Bytes config) { return config.empty() || config[config.size() - 1] == '\0'; }

// What can be written and would have no effect is refused rather than ignored: an administrator
// must not believe that a mask is in force.
Status check_supported(const TargetSettings& settings) {
  for (const AccessRule& rule : settings.acl()) {
    if (rule.luns.empty() && rule.access == LunAccess::kReadWrite) continue;
    os_log(OS_LOG_ERROR, "%s: ACL: lun= is not enforced yet", settings.name_c_str());
    return Error::kNotSupported;
  }
  return Status();
}

Result<Ref<TargetSettings>> parse_settings(Text name, const TargetClass& target_class,
                                           Bytes config) {
  if (!ends_with_nul(config)) {
    os_log(OS_LOG_ERROR, "target configuration: the buffer does not end with a NUL");
    return Error::kInvalid;
  }
  TargetParseOptions options;
  options.has_chap_hook = target_class.hooks->fp_chap_info_get != nullptr;
  ConfigError error;
  Result<Ref<TargetSettings>> settings = TargetSettings::parse(name, config, options, &error);
  if (!settings.is_ok()) {
    os_log(OS_LOG_ERROR, "target configuration: %s", error.c_str());
    return settings;
  }
  CHISCSI_TRY(check_supported(*settings.value()));
  return settings;
}

bool same_devices(Span<const TargetDeviceSettings> a, Span<const TargetDeviceSettings> b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(a[i].line == b[i].line)) return false;
  }
  return true;
}

// Sessions keep what they have agreed on. Initiators hear of other logical units, and are asked to
// log out where their portal group is gone.
void tell_sessions_of_reload(Target& target, const TargetSettings& before,
                             const TargetSettings& after) {
  const bool luns_changed = !same_devices(before.devices(), after.devices());
  MutexGuard guard(target.mutex());
  target.sessions().for_each([&](SessionEntry& entry) {
    Session& session = *entry.session;
    if (luns_changed) session.notices.post(Notice::kLunsChanged);
    if (after.find_portal_group(session.parameters.portal_group_tag) == nullptr) {
      session.notices.post(Notice::kLogoutWanted);
    }
  });
}

Status open_portals(Portals& portals, const TargetSettings& settings) {
  os_address failed;
  const Status opened = portals.open(settings, &failed);
  if (!opened.is_ok()) {
    os_log(OS_LOG_ERROR, "portal %s: cannot listen, error %d", format_ip_and_port(failed).c_str(),
           static_cast<int>(opened.error()));
  }
  return opened;
}

}  // namespace

Status Engine::add_target(void* driver_private, Text name, Text class_name, Bytes config) {
  Ref<TargetClass> target_class = CHISCSI_TRY(registry_.hold_class(class_name));
  const Status status = [&]() -> Status {
    Ref<TargetSettings> settings = CHISCSI_TRY(parse_settings(name, *target_class, config));
    if (registry_.find_target(settings->name())) return Error::kExists;
    Ref<Target> target = CHISCSI_TRY(
        Target::create(settings->name(), driver_private, target_class, Ref<TargetSettings>()));
    target->handle = next_handle();
    return start_target(*target, std::move(settings));
  }();
  if (!status.is_ok()) registry_.release_class(*target_class);
  return status;
}

// In this order: its devices, its portals, and then the name that a login can find.
Status Engine::start_target(Target& target, Ref<TargetSettings> settings) {
  LunChange change(target, lun_handles_);
  CHISCSI_TRY(change.prepare(*settings));
  CHISCSI_TRY(restore_reservations(target, change.prepared()));
  CHISCSI_TRY(open_portals(portals_, *settings));
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
Status Engine::remove_target(void* driver_private, Text name) {
  Ref<Target> target = registry_.find_target(name);
  if (!target) return Error::kNoEntry;
  if (target->driver_private() != driver_private) return Error::kNotPermitted;
  if (!target->begin_control()) return Error::kBusy;
  target->mark_removed();
  portals_.close(*target->settings());
  wait_for_sessions(*target);
  wait_for_hooks(*target);
  LunChange::close_all(*target);
  registry_.remove_target(*target);
  registry_.release_class(target->target_class());
  os_log(OS_LOG_INFO, "%s: target removed", target->name_c_str());
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

Status Engine::reconfigure_target(void* driver_private, Text name, Text class_name, Bytes config) {
  Ref<Target> target = registry_.find_target(name);
  if (!target) return Error::kNoEntry;
  if (target->driver_private() != driver_private) return Error::kNotPermitted;
  if (!(target->target_class().name.text() == class_name)) return Error::kInvalid;
  Ref<TargetSettings> fresh = CHISCSI_TRY(parse_settings(name, target->target_class(), config));
  if (!target->begin_control()) return Error::kBusy;
  const Status changed = change_target(*target, std::move(fresh));
  target->end_control();
  return changed;
}

// All that can fail comes first; until commit() nothing has changed for anybody.
Status Engine::change_target(Target& target, Ref<TargetSettings> fresh) {
  Ref<TargetSettings> current = target.settings();
  ConfigError error;
  const Status allowed = current->check_reload(*fresh, &error);
  if (!allowed.is_ok()) {
    os_log(OS_LOG_ERROR, "%s: %s", target.name_c_str(), error.c_str());
    return allowed;
  }
  LunChange change(target, lun_handles_);
  CHISCSI_TRY(change.prepare(*fresh));
  CHISCSI_TRY(restore_reservations(target, change.prepared()));
  CHISCSI_TRY(open_portals(portals_, *fresh));
  change.commit(fresh);
  tell_sessions_of_reload(target, *current, *fresh);
  portals_.close(*current);
  change.close_leavers(abort_timeout_ms());
  return Status();
}

Status Engine::keep_reservations(Text folder) {
  reservation_keeper_ = CHISCSI_TRY(scsi::ReservationKeeper::create(folder));
  return Status();
}

// Before anybody can send a command. Without what was stored the target does not start: commands
// of those whom a reservation keeps away would go through. Two LUNs with one identity would
// overwrite each other's record, so only the first is kept.
Status Engine::restore_reservations(const Target& target, const LunMap& luns) {
  if (!reservation_keeper_) return Status();
  const Span<const Ref<Lun>> list = luns.list();
  for (size_t i = 0; i < list.size(); ++i) {
    if (list[i]->passes_all_commands()) continue;
    scsi::UnitReservations& unit = list[i]->state().reservations();
    if (unit.is_attached()) continue;
    bool is_first = true;
    for (size_t other = 0; other < i && is_first; ++other)
      is_first = !equal_bytes(list[other]->identity().naa, list[i]->identity().naa);
    if (!is_first) {
      os_log(OS_LOG_WARNING, "%s: LUN %zu has the identity of another: no APTPL for it",
             target.name_c_str(), i);
      continue;
    }
    const Status attached =
        unit.attach(*reservation_keeper_, scsi::unit_name(target.name(), list[i]->identity()));
    if (!attached.is_ok()) {
      os_log(OS_LOG_ERROR, "%s: LUN %zu: stored registrations cannot be read, error %d",
             target.name_c_str(), i, static_cast<int>(attached.error()));
      return attached;
    }
    os_relax();
  }
  return Status();
}

Status Engine::remove_class(Text name) {
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
  return Engine::instance()
      .registry()
      .remove_lun_class(lun_class_name, target_class_name)
      .to_errno();
}

int engine_target_add(void* sdev_priv, const char* target_name, const char* target_class_name,
                      const char* config_buffer, int buflen) {
  if (!are_names(target_name, target_class_name)) return kBadArgument;
  return Engine::instance()
      .add_target(sdev_priv, target_name, target_class_name, config_bytes(config_buffer, buflen))
      .to_errno();
}

int engine_target_remove(void* sdev_priv, const char* target_name) {
  if (target_name == nullptr) return kBadArgument;
  return Engine::instance().remove_target(sdev_priv, target_name).to_errno();
}

int engine_target_reconfig(void* sdev_priv, const char* target_name, const char* target_class_name,
                           const char* config_buffer, int buflen) {
  if (!are_names(target_name, target_class_name)) return kBadArgument;
  return Engine::instance()
      .reconfigure_target(sdev_priv, target_name, target_class_name,
                          config_bytes(config_buffer, buflen))
      .to_errno();
}

int engine_target_session_abort(unsigned long sess_hdl) {
  // A session in the table has a reference of its own, so it is not destroyed here, in softirq.
  const bool found = Engine::instance().session_handles().visit(
      sess_hdl, [](Session& session) { session.request_end(EndReason::kDriverRequest); });
  return found ? 0 : -static_cast<int>(Error::kStale);
}

}  // extern "C"
