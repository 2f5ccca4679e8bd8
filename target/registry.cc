// SPDX-License-Identifier: GPL-2.0-only
//
// Registration of classes and targets (Guide 5.1, 5.2).
#include "target/registry.hh"

#include "base/lock.hh"
#include "os/log.h"

namespace chiscsi {

namespace {

// What a storage driver always has to set (Guide 5.2.4) and has not; nullptr when all is there.
// fp_scsi_cmd_abort_status is missed only by a driver that aborts commands, and fp_scsi_cmd_cleanup
// is optional by the text.
const char* missing_hook(const chiscsi_target_lun_class& hooks) {
  if (hooks.fp_scsi_cmd_cdb_rcved == nullptr) return "fp_scsi_cmd_cdb_rcved";
  if (hooks.fp_scsi_cmd_data_xfer_status == nullptr) return "fp_scsi_cmd_data_xfer_status";
  if (hooks.fp_scsi_cmd_abort == nullptr) return "fp_scsi_cmd_abort";
  if (hooks.fp_tmf_execute == nullptr) return "fp_tmf_execute";
  return nullptr;
}

bool has_known_properties(const chiscsi_target_lun_class& hooks) {
  constexpr unsigned int kKnown = 1u << LUN_CLASS_SCSI_PASS_THRU_BIT |
                                  1u << LUN_CLASS_MULTI_PHASE_DATA_BIT |
                                  1u << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  return (hooks.property & ~kKnown) == 0;
}

bool is_good_name(const char* name) {
  return name != nullptr && name[0] != '\0' && Text(name).size() <= CHISCSI_CLASS_NAME_MAX;
}

}  // namespace

Status Registry::create() {
  mutex_ = os_mutex_create();
  return mutex_ != nullptr ? Status() : Status(Error::kNoMemory);
}

Registry::~Registry() {
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

TargetClass* Registry::class_locked(Text name) {
  return classes_.find([&](const TargetClass& other) { return other.name.text() == name; });
}

Target* Registry::target_locked(Text name) {
  return targets_.find([&](const Target& other) { return other.name() == name; });
}

Status Registry::add_class(chiscsi_target_class* hooks) {
  if (hooks == nullptr || !is_good_name(hooks->class_name)) return Error::kInvalid;
  OwnPtr<TargetClass> fresh = make<TargetClass>(Alloc::kMaySleep);
  if (!fresh) return Error::kNoMemory;
  fresh->hooks = hooks;
  fresh->has_chap_hook = hooks->fp_chap_info_get != nullptr;
  if (!fresh->name.assign(hooks->class_name)) return Error::kNameTooLong;
  MutexGuard guard(mutex_);
  if (class_locked(hooks->class_name) != nullptr) return Error::kExists;
  classes_.push_back(*fresh.release());
  return Status();
}

Status Registry::remove_class(Text name) {
  Ref<TargetClass> gone;
  MutexGuard guard(mutex_);
  TargetClass* found = class_locked(name);
  if (found == nullptr) return Error::kNoEntry;
  if (found->is_in_use()) return Error::kBusy;
  classes_.remove(*found);
  gone = Ref<TargetClass>::adopt(found);
  return Status();
}

Status Registry::add_lun_class(chiscsi_target_lun_class* hooks, Text target_class_name) {
  if (hooks == nullptr || !is_good_name(hooks->class_name)) return Error::kInvalid;
  if (const char* missing = missing_hook(*hooks)) {
    os_log(OS_LOG_ERROR, "LUN class %s: %s is not set", hooks->class_name, missing);
    return Error::kInvalid;
  }
  if (!has_known_properties(*hooks)) {
    os_log(OS_LOG_ERROR, "LUN class %s: unknown bits in property 0x%x", hooks->class_name,
           hooks->property);
    return Error::kInvalid;
  }
  MutexGuard guard(mutex_);
  TargetClass* owner = class_locked(target_class_name);
  if (owner == nullptr) return Error::kNoEntry;
  for (uint32_t i = 0; i < owner->lun_class_count; ++i) {
    if (Text(owner->lun_classes[i]->class_name) == hooks->class_name) return Error::kExists;
  }
  if (owner->lun_class_count == TargetClass::kMaxLunClasses) return Error::kNoSpace;
  owner->lun_classes[owner->lun_class_count++] = hooks;
  return Status();
}

Status Registry::remove_lun_class(Text name, Text target_class_name) {
  MutexGuard guard(mutex_);
  TargetClass* owner = class_locked(target_class_name);
  if (owner == nullptr) return Error::kNoEntry;
  uint32_t at = 0;
  while (at < owner->lun_class_count && !(Text(owner->lun_classes[at]->class_name) == name))
    ++at;
  if (at == owner->lun_class_count) return Error::kNoEntry;
  if (owner->is_in_use()) return Error::kBusy;
  for (; at + 1 < owner->lun_class_count; ++at)
    owner->lun_classes[at] = owner->lun_classes[at + 1];
  --owner->lun_class_count;
  return Status();
}

void Registry::close_class(Text name) {
  MutexGuard guard(mutex_);
  if (TargetClass* found = class_locked(name)) found->is_closed = true;
}

void Registry::open_class(Text name) {
  MutexGuard guard(mutex_);
  if (TargetClass* found = class_locked(name)) found->is_closed = false;
}

Ref<Target> Registry::find_administrators(Text class_name) {
  MutexGuard guard(mutex_);
  return Ref<Target>::share(targets_.find([&](const Target& target) {
    const bool of_class = class_name.empty() || target.target_class().name.text() == class_name;
    return of_class && target.owner().is_administrator;
  }));
}

bool Registry::has_targets(Text class_name) {
  MutexGuard guard(mutex_);
  const TargetClass* found = class_locked(class_name);
  return found != nullptr && found->target_count != 0;
}

Result<Ref<TargetClass>> Registry::hold_class(Text class_name) {
  MutexGuard guard(mutex_);
  TargetClass* found = class_locked(class_name);
  if (found == nullptr) return Error::kNoEntry;
  if (found->is_closed) return Error::kShutdown;
  if (found->lun_class_count == 0) return Error::kInvalid;
  ++found->target_count;
  return Ref<TargetClass>::share(found);
}

void Registry::release_class(TargetClass& target_class) {
  MutexGuard guard(mutex_);
  --target_class.target_count;
}

Ref<TargetClass> Registry::find_class(Text name) {
  MutexGuard guard(mutex_);
  return Ref<TargetClass>::share(class_locked(name));
}

Ref<TargetClass> Registry::find_class_with(Text lun_class_name, Text first_choice) {
  MutexGuard guard(mutex_);
  TargetClass* preferred = class_locked(first_choice);
  if (preferred != nullptr && preferred->has_lun_class(lun_class_name)) {
    return Ref<TargetClass>::share(preferred);
  }
  return Ref<TargetClass>::share(
      classes_.find([&](const TargetClass& other) { return other.has_lun_class(lun_class_name); }));
}

// The smallest that no target has, looked for 64 at a time.
uint32_t Registry::free_id_locked() {
  for (uint32_t first = 1;; first += 64) {
    uint64_t taken = 0;
    targets_.for_each([&](const Target& other) {
      if (other.id >= first && other.id - first < 64) taken |= uint64_t{1} << (other.id - first);
    });
    if (~taken != 0) return first + static_cast<uint32_t>(__builtin_ctzll(~taken));
  }
}

Status Registry::reserve_name(Target& target) {
  MutexGuard guard(mutex_);
  const auto has_name = [&](const Target& other) { return other.name() == target.name(); };
  if (targets_.find(has_name) != nullptr || starting_.find(has_name) != nullptr) {
    return Error::kExists;
  }
  starting_.push_back(target);
  return Status();
}

void Registry::give_up_name(Target& target) {
  MutexGuard guard(mutex_);
  target.registry_node.unlink();
}

Status Registry::add_target(Target& target) {
  MutexGuard guard(mutex_);
  if (target_locked(target.name()) != nullptr) return Error::kExists;
  target.registry_node.unlink();  // From those that start.
  target.id = free_id_locked();
  target.serial = ++last_serial_;
  target.ref();
  targets_.push_back(target);
  return Status();
}

void Registry::remove_target(Target& target) {
  {
    MutexGuard guard(mutex_);
    if (!target.registry_node.is_linked()) return;
    targets_.remove(target);
  }
  target.unref();
}

Ref<Target> Registry::find_target(Text name) {
  MutexGuard guard(mutex_);
  return Ref<Target>::share(target_locked(name));
}

Result<Ref<Target>> Registry::find_target(Text name, ConfigError* why) {
  Ref<Target> target = find_target(name);
  if (target) return target;
  why->clear();
  why->add("no such target");
  return Error::kNoEntry;
}

Ref<Target> Registry::next_target(const Ref<Target>& previous) {
  MutexGuard guard(mutex_);
  if (!previous) return Ref<Target>::share(targets_.front());
  if (previous->registry_node.is_linked()) return Ref<Target>::share(targets_.next(*previous));
  // It has gone meanwhile: on with the first that came after it.
  return Ref<Target>::share(
      targets_.find([&](const Target& other) { return other.serial > previous->serial; }));
}

}  // namespace chiscsi
