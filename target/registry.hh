// SPDX-License-Identifier: GPL-2.0-only
//
// Registry: the target classes, their LUN classes, and the targets that exist.
//
// The control plane changes it and the login thread looks names up; the data path never comes here.
// One mutex, held for list work only: no hook and no wait under it. Context of all: process.
#pragma once

#include "base/list.hh"
#include "target/target.hh"

namespace chiscsi {

class Registry {
 public:
  Status create();
  ~Registry();

  Status add_class(chiscsi_target_class* hooks);
  // kBusy while targets of the class exist or its driver holds commands. Its LUN classes go with
  // it.
  Status remove_class(Text name);
  // Error::kInvalid without a name or a mandatory hook.
  Status add_lun_class(chiscsi_target_lun_class* hooks, Text target_class_name);
  Status remove_lun_class(Text name, Text target_class_name);
  // No target of the class can be made from here on, until it is opened again: its driver is about
  // to go. Both do nothing without the class.
  void close_class(Text name);
  void open_class(Text name);
  // A target of the class, or of any for an empty name, that the administrator started; or empty.
  Ref<Target> find_administrators(Text class_name);
  // Whether a target of the class exists. False without the class.
  bool has_targets(Text class_name);
  // Keeps the class and its LUN classes from going: for a target that is made, until it is gone.
  // Errors: kNoEntry, kInvalid for a class without LUN classes, kShutdown for a closed one.
  Result<Ref<TargetClass>> hold_class(Text class_name);
  void release_class(TargetClass& target_class);
  // Empty when there is no such class.
  Ref<TargetClass> find_class(Text name);
  // The class whose LUN class of this name serves a TargetDevice line: `first_choice` if it has
  // one, else the oldest that has. Empty when there is none.
  Ref<TargetClass> find_class_with(Text lun_class_name, Text first_choice);

  // Takes the target's name for it while it starts, before anything of it is opened, so that of two
  // starts of one name the second one does not meet the first one's devices and portals. Ends with
  // add_target() or give_up_name(); until then nobody finds the target. Error::kExists when an
  // active target or another start has the name.
  Status reserve_name(Target& target);
  void give_up_name(Target& target);
  // Gives the target its id. Error::kExists when the name is taken. Precondition: the class of the
  // target is held.
  Status add_target(Target& target);
  void remove_target(Target& target);
  Ref<Target> find_target(Text name);
  // The same for whoever wants to hear why there is none: kNoEntry.
  Result<Ref<Target>> find_target(Text name, ConfigError* why);
  // The target after `previous` in the order of their creation; the first one for an empty
  // `previous`; empty at the end. One that stays is neither missed nor repeated, whatever comes or
  // goes meanwhile.
  Ref<Target> next_target(const Ref<Target>& previous);

 private:
  TargetClass* class_locked(Text name);
  uint32_t free_id_locked();
  Target* target_locked(Text name);

  os_mutex* mutex_ = nullptr;
  List<TargetClass, &TargetClass::registry_node> classes_;
  List<Target, &Target::registry_node> targets_;   // In the order of their serials.
  List<Target, &Target::registry_node> starting_;  // They have their names and nothing else.
  uint64_t last_serial_ = 0;
};

}  // namespace chiscsi
