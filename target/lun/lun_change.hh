// SPDX-License-Identifier: GPL-2.0-only
//
// LunChange: from the LUNs a target has to those its new settings name, as a whole or not at all.
//
// prepare() runs every hook that may refuse: options are read, devices that come are attached,
// devices that stay are handed over to their new handles. Until commit() the destructor undoes all
// of it. commit() only publishes; close_leavers() then waits for the commands of the LUNs that
// leave. Lives on the stack of a control plane call, which keeps others off the target
// (Target::begin_control()). Context: process, no lock held.
#pragma once

#include <cstdint>

#include "target/lun/lun_map.hh"
#include "target/target.hh"

namespace chiscsi {

class LunChange {
 public:
  LunChange(Target& target, HandleTable<Lun>& handles) : target_(target), handles_(handles) {}
  ~LunChange();
  LunChange(const LunChange&) = delete;
  LunChange& operator=(const LunChange&) = delete;

  // Errors: kInvalid for a line that no class can serve, kNoMemory, or what a hook returned; the
  // reason is in the log, and in reason().
  Status prepare(const TargetSettings& settings);
  // The LUNs that commit() will publish. Precondition: prepare() was good.
  const LunMap& prepared() const { return *after_; }
  // Whether the device of this place has not been a LUN of the target before.
  bool is_new(size_t place) const {
    return places_.empty() || places_.span()[place].before == nullptr;
  }
  // Why prepare() has refused; may be empty.
  const ConfigError& reason() const { return reason_; }
  // The target has these settings and the LUNs for them from here on.
  void commit(Ref<TargetSettings> settings);
  // Has initiators hear, by the worker, of what is different about devices that have moved. After
  // commit().
  void announce(Worker& worker);
  // Closes the LUNs that have left, each when its last command is over; after `limit_ms` the last
  // command does it.
  void close_leavers(uint64_t limit_ms);
  // Closes all LUNs of a target that has no session (any more), as far as no orphaned command is
  // left. Cannot fail.
  static void close_all(Target& target);

 private:
  // What becomes of a LUN that is there.
  enum class Fate : uint8_t {
    kLeaves,
    kMoves,  // A new Lun has its device.
    kStays,
  };
  // What becomes of one TargetDevice line.
  struct Place {
    Ref<Lun> lun;
    Lun* before = nullptr;  // The Lun whose device it takes over, or which it is itself.
    bool taken_over = false;
    bool is_new() const { return lun && lun.get() != before; }
  };

  Status add_place(const TargetDeviceSettings& device);
  Status open_devices();
  Status make_map();
  Status list_before();
  Lun* take_before(const TargetDeviceSettings& device, const chiscsi_target_lun_class& hooks);
  Status refuse_line(const TargetDeviceSettings& device, const char* why);
  Status refuse(const Lun& lun, Status why, const LunRefusal& refusal);
  Status refuse_all(const char* why);
  void undo();
  static void release(const Target& target, Lun& lun);

  Target& target_;
  HandleTable<Lun>& handles_;
  GrowableArray<Place> places_;
  Ref<LunMap> before_;
  GrowableArray<Fate> fates_;  // Of the LUNs of before_.
  Ref<LunMap> after_;
  ConfigError reason_;
  bool committed_ = false;
};

}  // namespace chiscsi
