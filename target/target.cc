// SPDX-License-Identifier: GPL-2.0-only
//
// Target: creation and its settings snapshot.
#include "target/target.hh"

#include "base/lock.hh"
#include "target/session/attention_inbox.hh"

namespace chiscsi {

Target::Target(Ref<TargetClass> target_class, Ref<TargetSettings> settings, TargetOwner owner)
    : class_(std::move(target_class)), owner_(owner), settings_(std::move(settings)) {}

Target::~Target() {
  if (progress_ != nullptr) os_event_destroy(progress_);
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

Result<Ref<Target>> Target::create(Text name, TargetOwner owner, Ref<TargetClass> target_class,
                                   Ref<TargetSettings> settings) {
  auto target = Ref<Target>::adopt(
      make<Target>(Alloc::kMaySleep, std::move(target_class), std::move(settings), owner));
  if (!target) return Error::kNoMemory;
  if (!target->name_.assign(name)) return Error::kNameTooLong;
  target->mutex_ = os_mutex_create();
  target->progress_ = os_event_create();
  if (target->mutex_ == nullptr || target->progress_ == nullptr) return Error::kNoMemory;
  CHISCSI_TRY(target->serve_all_luns());
  return target;
}

// The first LUN class of the target class serves all LUNs.
Status Target::serve_all_luns() {
  if (class_->default_lun_class() != nullptr) {
    any_lun_ = Ref<Lun>::adopt(make<Lun>(Alloc::kMaySleep, class_, 0u));
    if (!any_lun_) return Error::kNoMemory;
  }
  luns_ = CHISCSI_TRY(LunMap::create_for_all(any_lun_));
  return Status();
}

Ref<LunMap> Target::luns(uint32_t* generation) const {
  MutexGuard guard(mutex_);
  *generation = lun_generation_.load(std::memory_order_relaxed);
  return luns_;
}

Ref<TargetSettings> Target::settings() const {
  MutexGuard guard(mutex_);
  return settings_;
}

// Whoever sees the new generation fetches the map under the mutex, so the unit attention is there
// before its first command for another device.
void Target::replace(Ref<TargetSettings> settings, Ref<LunMap> luns) {
  MutexGuard guard(mutex_);
  // Who hears of it looks for the new LUNs, and waits for the mutex until they are there.
  lun_generation_.fetch_add(1, std::memory_order_release);
  if (settings_ && !settings->has_devices_of(*settings_)) {
    tell_nexuses_everywhere_locked(*this, nullptr, kReportedLunsChanged);
  }
  std::swap(settings_, settings);
  std::swap(luns_, luns);
}

Ref<InitiatorList> Target::allowed_initiators() const {
  MutexGuard guard(mutex_);
  return allowed_initiators_;
}

Status Target::allow_initiators(Ref<InitiatorList> fresh) {
  MutexGuard guard(mutex_);
  if (allowed_initiators_) {
    if (allowed_initiators_->holder() != fresh->holder()) return Error::kBusy;
    if (allowed_initiators_->version() >= fresh->version()) return Error::kStale;
  }
  std::swap(allowed_initiators_, fresh);
  return Status();
}

bool Target::forget_initiators(unsigned long holder) {
  Ref<InitiatorList> gone;
  MutexGuard guard(mutex_);
  if (!allowed_initiators_ || allowed_initiators_->holder() != holder) return false;
  std::swap(allowed_initiators_, gone);
  return true;
}

}  // namespace chiscsi
