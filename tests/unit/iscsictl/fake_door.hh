// SPDX-License-Identifier: GPL-2.0-only
//
// FakeDoor: a module in memory for the tests of iscsictl. Keys are read by the real parser, and the
// answers have the form that include/common/chiscsi_control.h describes.
#pragma once

#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "common/chiscsi_control.h"
#include "door.hh"
#include "target/config/global_settings.hh"
#include "target/config/initiator_list.hh"
#include "target/config/target_settings.hh"

namespace iscsictl {

struct FakeTarget {
  unsigned id = 0;
  std::string owner = "administrator";
  Keys keys;
  std::vector<Record> sessions;
  std::map<std::string, std::string> access;  // Of portal groups, by their tags.
  chiscsi::Ref<chiscsi::InitiatorList> allowed;
};

class FakeDoor : public Door {
 public:
  FakeDoor() {
    chiscsi::ConfigError error;
    globals = chiscsi::GlobalSettings::parse({}, &error).take();
  }
  State state() override { return current; }
  Reply ask(unsigned op, const Keys& keys, unsigned flags) override {
    std::string buffer;
    for (const std::string& key : keys)
      buffer += key + '\0';
    return ask_raw(op, buffer, flags);
  }
  Reply ask_raw(unsigned op, std::string_view buffer, unsigned flags) override;
  bool load_module(std::string* why) override {
    ++loads;
    if (!can_load) *why = "modprobe could not load chiscsi.ko";
    if (can_load) current = State::kOpen;
    return can_load;
  }

  State current = State::kOpen;
  bool can_load = true;
  unsigned loads = 0;
  std::vector<Record> statistics, later_statistics;  // Of the first look, and of all others.
  bool has_other_holder = false;  // Another process has given the lists of initiators.
  unsigned busy = 0;              // So many starts, stops and flushes meet somebody else...
  bool keeps_target = false;      // ... who has stopped the target at the end, or not.
  std::vector<unsigned> asked;    // The operations, in order.
  std::map<std::string, FakeTarget> targets;
  chiscsi::Ref<chiscsi::GlobalSettings> globals;

 private:
  bool is_of_driver(const std::string& name) const {
    const auto target = targets.find(name);
    return target != targets.end() && target->second.owner == "driver";
  }
  Reply start(std::string_view buffer);
  Reply list(const std::string& name);
  Reply show(const std::string& name, bool secrets);
  Reply set_access(FakeTarget& target, std::string_view buffer);
  Reply allow(FakeTarget& target, std::string_view buffer);
  static Reply state_of(const std::string& name, const FakeTarget& target);
  Reply set_globals(std::string_view buffer, unsigned flags);
  unsigned next_id_ = 1;
};

}  // namespace iscsictl
