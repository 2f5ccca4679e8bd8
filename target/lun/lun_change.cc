// SPDX-License-Identifier: GPL-2.0-only
//
// LunChange: the order of the hooks of Guide 5.2.3, and the way back. See lun_change.hh.
#include "target/lun/lun_change.hh"

#include "base/lock.hh"
#include "os/log.h"

namespace chiscsi {

namespace {

constexpr uint32_t kStepMs = 100;
constexpr uint32_t kNoClass = ~0u;

// The LUN class that the line names; one without a name goes to FILE, or to the first class of a
// driver that has none of that name.
uint32_t find_class(const TargetClass& target_class, const TargetDeviceSettings& device) {
  for (uint32_t i = 0; i < target_class.lun_class_count; ++i) {
    if (Text(target_class.lun_classes[i]->class_name) == device.lun_class) return i;
  }
  return device.names_class || target_class.lun_class_count == 0 ? kNoClass : 0;
}

// A class serves TargetDevice lines if it can open and close what they name.
const char* why_not_served(const chiscsi_target_lun_class& hooks,
                           const TargetDeviceSettings& device) {
  if (hooks.fp_attach == nullptr || hooks.fp_detach == nullptr) {
    return "its LUN class has no fp_attach and fp_detach";
  }
  if (!device.foreign_option.empty() && hooks.fp_config_parse_options == nullptr) {
    return "unknown option, and its LUN class reads none";
  }
  return nullptr;
}

}  // namespace

LunChange::~LunChange() {
  if (!committed_) undo();
}

Status LunChange::refuse_line(const TargetDeviceSettings& device, const char* why) {
  reason_.at("TargetDevice").add_quoted(device.line).add(": ").add(why);
  os_log(OS_LOG_ERROR, "%s: %s", target_.name_c_str(), reason_.c_str());
  return Error::kInvalid;
}

Status LunChange::refuse_all(const char* why) {
  reason_.at("TargetDevice").add(why);
  os_log(OS_LOG_ERROR, "%s: %s", target_.name_c_str(), reason_.c_str());
  return Error::kInvalid;
}

Status LunChange::prepare(const TargetSettings& settings) {
  CHISCSI_TRY(list_before());
  static_assert(kMaxTargetDevices <= LunMap::kMaxLuns, "the parser refuses more lines");
  for (const TargetDeviceSettings& device : settings.devices()) {
    CHISCSI_TRY(add_place(device));
    os_relax();
  }
  CHISCSI_TRY(open_devices());
  return make_map();
}

Status LunChange::list_before() {
  uint32_t generation;
  before_ = target_.luns(&generation);
  for (size_t i = 0; i < before_->list().size(); ++i)
    CHISCSI_TRY(fates_.append(Fate::kLeaves));
  return Status();
}

Status LunChange::add_place(const TargetDeviceSettings& device) {
  const TargetClass& target_class = target_.target_class();
  const uint32_t class_index = find_class(target_class, device);
  if (class_index == kNoClass) {
    return refuse_line(device, "no LUN class of the target has this name");
  }
  const chiscsi_target_lun_class& hooks = *target_class.lun_classes[class_index];
  if (const char* why = why_not_served(hooks, device)) return refuse_line(device, why);
  CHISCSI_TRY(places_.append(Place()));
  Place& place = places_.back();
  place.before = take_before(device, hooks);
  if (place.before != nullptr && hooks.fp_reattach == nullptr) {
    place.lun = Ref<Lun>::share(place.before);
    return Status();
  }
  place.lun = CHISCSI_TRY(Lun::create(handles_, Ref<TargetClass>::share(&target_.target_class()),
                                      class_index, target_.name(), device.line));
  return Status();
}

// The Lun that has the device of this line open now, first of all that of the same number. A class
// that cannot move a device keeps it only as long as the line is the same.
Lun* LunChange::take_before(const TargetDeviceSettings& device,
                            const chiscsi_target_lun_class& hooks) {
  const Span<const Ref<Lun>> list = before_->list();
  const bool moves = hooks.fp_reattach != nullptr;
  for (size_t i = 0; i < list.size(); ++i) {
    const size_t at = (places_.size() - 1 + i) % list.size();
    Lun& lun = *list[at];
    const bool same = moves ? lun.device().name == device.name : lun.device().line == device.line;
    if (&lun.hooks() != &hooks || !same || fates_[at] != Fate::kLeaves) continue;
    fates_[at] = moves ? Fate::kMoves : Fate::kStays;
    return &lun;
  }
  return nullptr;
}

Status LunChange::refuse(const Lun& lun, Status why, const LunRefusal& refusal) {
  reason_.at("TargetDevice").add_quoted(lun.device().line).add(": ").add(refusal.step);
  reason_.add(" by LUN class ").add(lun.class_name()).add(", error ");
  reason_.add_number(static_cast<uint64_t>(why.error())).add(": ").add(refusal.text.text());
  os_log(OS_LOG_ERROR, "%s: %s", target_.name_c_str(), reason_.c_str());
  return why;
}

// Options first, since nothing has to be undone for them outside of the class; then what comes;
// what stays last, because a device that was handed over has to be handed back.
Status LunChange::open_devices() {
  LunRefusal refusal;
  for (Place& place : places_.span()) {
    if (!place.is_new()) continue;
    os_relax();
    const Status parsed = place.lun->parse_options(&refusal);
    if (!parsed.is_ok()) return refuse(*place.lun, parsed, refusal);
  }
  for (Place& place : places_.span()) {
    if (place.before != nullptr) continue;
    os_relax();
    const Status attached = place.lun->attach(&refusal);
    if (!attached.is_ok()) return refuse(*place.lun, attached, refusal);
  }
  for (Place& place : places_.span()) {
    if (place.before == nullptr || !place.is_new()) continue;
    os_relax();
    const Status moved = place.lun->take_over(*place.before, &refusal);
    if (!moved.is_ok()) return refuse(*place.lun, moved, refusal);
    place.taken_over = true;
  }
  return Status();
}

Status LunChange::make_map() {
  if (places_.empty()) {
    const chiscsi_target_lun_class* all = target_.target_class().default_lun_class();
    if (all != nullptr && (all->property & (1u << LUN_CLASS_SCSI_PASS_THRU_BIT)) == 0) {
      return refuse_all("without such lines the LUN class has to take all commands");
    }
    after_ = CHISCSI_TRY(LunMap::create_for_all(target_.any_lun()));
    return Status();
  }
  GrowableArray<Ref<Lun>> luns;
  for (const Place& place : places_)
    CHISCSI_TRY(luns.append(place.lun));
  after_ = CHISCSI_TRY(LunMap::create(std::move(luns)));
  return Status();
}

// In the reverse order. No command has seen a new Lun, so each is closed at once.
void LunChange::undo() {
  LunRefusal refusal;
  for (size_t i = places_.size(); i-- != 0;) {
    Place& place = places_[i];
    if (!place.taken_over) continue;
    os_relax();
    const Status back = place.before->take_over(*place.lun, &refusal);
    // The class has lost the device: what comes to the old handle is for it to refuse.
    if (!back.is_ok()) static_cast<void>(refuse(*place.before, back, refusal));
  }
  for (size_t i = places_.size(); i-- != 0;) {
    if (places_[i].is_new()) places_[i].lun->release();
  }
}

void LunChange::commit(Ref<TargetSettings> settings) {
  committed_ = true;
  target_.replace(std::move(settings), after_);
}

void LunChange::announce(Worker& worker) {
  for (const Place& place : places_) {
    if (place.taken_over) place.lun->succeed(Ref<Lun>::share(place.before), worker);
  }
}

void LunChange::close_leavers(uint64_t limit_ms) {
  const Span<const Ref<Lun>> list = before_->list();
  for (size_t i = 0; i < list.size(); ++i) {
    if (fates_[i] != Fate::kStays) list[i]->retire();
  }
  const uint64_t deadline = os_now_ms() + limit_ms;
  for (size_t i = 0; i < list.size(); ++i) {
    if (fates_[i] == Fate::kStays) continue;
    os_relax();
    // One whose device has moved closes when its last command does, and nobody waits for that.
    while (fates_[i] == Fate::kLeaves && !list[i]->is_idle() && os_now_ms() < deadline) {
      os_event_wait(target_.progress(), kStepMs);
    }
    release(target_, *list[i]);
  }
}

void LunChange::close_all(Target& target) {
  uint32_t generation;
  const Ref<LunMap> luns = target.luns(&generation);
  for (const Ref<Lun>& lun : luns->list())
    release(target, *lun);
}

void LunChange::release(const Target& target, Lun& lun) {
  lun.retire();
  if (!lun.is_idle()) {
    os_log(OS_LOG_INFO, "%s: LUN handle %lu has commands and is detached after the last of them",
           target.name_c_str(), lun.handle.value);
  }
  lun.release();
}

}  // namespace chiscsi
