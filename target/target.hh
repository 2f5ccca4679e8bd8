// SPDX-License-Identifier: GPL-2.0-only
//
// Target: what a storage driver serves.
//
// The login thread and the control plane use them; the data path holds references and never looks
// anything up. Target's mutex guards its settings, its map of LUNs and its list of sessions; hooks
// are called with no lock held. Lock order: docs/locking.md.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/alloc.hh"
#include "base/list.hh"
#include "base/ref.hh"
#include "base/text.hh"
#include "common/chiscsi.h"
#include "os/thread.h"
#include "target/config/initiator_list.hh"
#include "target/config/target_settings.hh"
#include "target/info/command_counters.hh"
#include "target/lun/lun_map.hh"
#include "target/scsi/alua.hh"
#include "target/session_list.hh"
#include "target/target_class.hh"

namespace chiscsi {

// Who has started a target; nobody else may change or remove it.
struct TargetOwner {
  // A storage driver, by what it gave chiscsi_target_add(). Implicit: that is all it is.
  TargetOwner(void* driver_private) : driver_private(driver_private) {}
  // Whoever has the control device.
  static TargetOwner administrator() {
    TargetOwner owner(nullptr);
    owner.is_administrator = true;
    return owner;
  }
  bool operator==(const TargetOwner& other) const {
    return driver_private == other.driver_private && is_administrator == other.is_administrator;
  }
  void* driver_private;
  bool is_administrator = false;
};

class Target : public RefCounted<Target> {
 public:
  static Result<Ref<Target>> create(Text name, TargetOwner owner, Ref<TargetClass> target_class,
                                    Ref<TargetSettings> settings);
  Target(Ref<TargetClass> target_class, Ref<TargetSettings> settings, TargetOwner owner);
  ~Target();

  Text name() const { return name_.text(); }
  const char* name_c_str() const { return name_.c_str(); }
  // For hooks, whose prototypes lack const.
  char* name_for_hook() { return name_.mutable_c_str(); }
  TargetClass& target_class() const { return *class_; }
  const chiscsi_target_class& hooks() const { return *class_->hooks; }
  const TargetOwner& owner() const { return owner_; }

  Ref<TargetSettings> settings() const;
  // Both at once; sessions that may see other LUNs from here on find the unit attention for it.
  void replace(Ref<TargetSettings> settings, Ref<LunMap> luns);

  // The LUNs as they are now. `generation` tells whether they have changed since: a session that
  // has seen lun_generation() needs not to ask again. Context: process; any for the number.
  Ref<LunMap> luns(uint32_t* generation) const;
  // The LUN of every number of a target without TargetDevice lines; may be empty.
  const Ref<Lun>& any_lun() const { return any_lun_; }
  uint32_t lun_generation() const { return lun_generation_.load(std::memory_order_acquire); }

  // A target that is being removed takes no sessions any more.
  bool is_removed() const { return removed_.load(std::memory_order_acquire); }
  void mark_removed() { removed_.store(true, std::memory_order_release); }

  // Keeps removals and reconfigurations of a target apart, without a lock that hooks would be
  // called under. False: somebody else is at it. Who removes the target never ends it.
  bool begin_control() { return !in_control_.exchange(true, std::memory_order_acq_rel); }
  void end_control() { in_control_.store(false, std::memory_order_release); }

  // The initiators that an iSNS server allows; empty while nobody has said.
  Ref<InitiatorList> allowed_initiators() const;
  // Takes the place of the older list of the same holder. Errors: kBusy for the list of another
  // one, kStale for one that is not newer; nothing has changed then.
  Status allow_initiators(Ref<InitiatorList> fresh);
  // The list of this holder is forgotten. False when it has none.
  bool forget_initiators(unsigned long holder);

  // In which state each portal group is. Changed under mutex().
  scsi::AccessStates& access_states() { return access_states_; }

  // Guards the settings, the LUNs, the allowed initiators and the list of sessions. Sleeps.
  os_mutex* mutex() const { return mutex_; }
  // Guarded by mutex().
  const TargetSettings& settings_locked() const { return *settings_; }
  // In full feature phase or on their way out of it. Guarded by mutex().
  SessionList& sessions() { return sessions_; }
  // What the sessions that have left the list have done. Guarded by mutex().
  CommandCounters::Sum ended_sessions;
  // Signalled when a session has left the list, or the last command a LUN that is leaving. Whoever
  // is in control waits for it.
  os_event* progress() const { return progress_; }

  unsigned long handle = 0;  // Its name towards storage drivers; set before it can be found.
  // Turns for redirection to several portals.
  std::atomic<uint32_t> redirect_turn{0};
  // Its small number for administrators, from Registry::add_target() on; free again after removal.
  uint32_t id = 0;
  ListNode registry_node;  // Guarded by the registry's mutex.
  uint64_t serial = 0;     // Never used again, in the order of Registry::add_target().

 private:
  Status serve_all_luns();

  FixedText<iscsi::kMaxNameLength> name_;
  Ref<TargetClass> class_;
  TargetOwner owner_;
  os_mutex* mutex_ = nullptr;
  os_event* progress_ = nullptr;
  Ref<TargetSettings> settings_;
  Ref<InitiatorList> allowed_initiators_;
  Ref<Lun> any_lun_;  // Of targets without TargetDevice lines.
  Ref<LunMap> luns_;
  std::atomic<uint32_t> lun_generation_{1};
  SessionList sessions_;
  scsi::AccessStates access_states_;
  std::atomic<bool> removed_{false};
  std::atomic<bool> in_control_{false};
};

}  // namespace chiscsi
