// SPDX-License-Identifier: GPL-2.0-only
//
// A target class with three LUN classes whose configuration hooks are written down: FULL has all
// five, KEEP no fp_reattach, BARE only fp_attach and fp_detach. Handles appear as the names of
// their devices: "attach a", "reattach a" for the move of a device. A test names the call that is
// to fail.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "host.hh"
#include "target/lun/lun_change.hh"

namespace chiscsi::test {

class LunFixture : public testing::Test {
 protected:
  using Calls = std::vector<std::string>;
  static constexpr char kTarget[] = "iqn.2026-11.org.example:target";

  LunFixture() {
    instance_ = this;
    EXPECT_TRUE(handles.create().is_ok());
    allocations_before_ = host_live_allocations();
    target_class = Ref<TargetClass>::adopt(make<TargetClass>(Alloc::kMaySleep));
    target_class->hooks = &class_hooks;
    const char* names[] = {"FULL", "KEEP", "BARE"};
    for (uint32_t i = 0; i < 3; ++i) {
      lun_classes[i].class_name = const_cast<char*>(names[i]);
      lun_classes[i].property = 1u << LUN_CLASS_SCSI_PASS_THRU_BIT;
      set_hooks(lun_classes[i], i);
      target_class->lun_classes[i] = &lun_classes[i];
    }
    target_class->lun_class_count = 3;
    Result<Ref<Target>> made = Target::create(kTarget, this, target_class, {});
    EXPECT_TRUE(made.is_ok());
    target = made.take();
  }
  ~LunFixture() override {
    LunChange::close_all(*target);
    EXPECT_EQ(target_class->luns_open.load(), 0u);
    target.reset();
    target_class.reset();
    EXPECT_FALSE(handles.any());
    EXPECT_EQ(host_live_allocations(), allocations_before_);
  }

  Ref<TargetSettings> settings_of(const std::vector<std::string>& devices) {
    std::string text;
    for (const std::string& device : devices)
      text.append("TargetDevice=" + device).push_back('\0');
    ConfigError error;
    Result<Ref<TargetSettings>> parsed = TargetSettings::parse(
        kTarget, Bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size()), {}, &error);
    EXPECT_TRUE(parsed.is_ok()) << error.c_str();
    return parsed.is_ok() ? parsed.take() : Ref<TargetSettings>();
  }
  // A whole change, as the control plane makes it.
  Status change_to(const std::vector<std::string>& devices) {
    Ref<TargetSettings> settings = settings_of(devices);
    LunChange change(*target, handles);
    CHISCSI_TRY(change.prepare(*settings));
    change.commit(settings);
    change.close_leavers(0);
    return Status();
  }
  Ref<LunMap> map() {
    uint32_t generation;
    return target->luns(&generation);
  }
  std::string device_at(uint32_t number) {
    const Ref<LunMap> luns = map();
    const Lun* lun = luns->find(number);
    return lun == nullptr ? "" : name_of(*lun);
  }
  static std::string name_of(const Lun& lun) {
    return {lun.device().name.data(), lun.device().name.size()};
  }
  // The hooks since the last time.
  Calls calls() {
    std::lock_guard guard(lock_);
    return std::exchange(calls_, {});
  }

  chiscsi_target_class class_hooks = {};
  chiscsi_target_lun_class lun_classes[3] = {};
  HandleTable<Lun> handles;
  Ref<TargetClass> target_class;
  Ref<Target> target;
  std::string fail;  // The call that is to fail, with -EIO.
  // What fp_reattach of FULL does besides.
  std::function<void(unsigned long fresh)> on_reattach;

 private:
  static int note(const char* what, unsigned long handle, char* ebuf) {
    Ref<Lun> lun = instance_->handles.find(handle);
    const std::string call = std::string(what) + " " + (lun ? name_of(*lun) : "?");
    std::lock_guard guard(instance_->lock_);
    instance_->calls_.push_back(call);
    if (instance_->fail != call) return 0;
    if (ebuf != nullptr) strcpy(ebuf, "out of\n%s order");
    return -static_cast<int>(Error::kIo);
  }
  static void set_hooks(chiscsi_target_lun_class& hooks, uint32_t which) {
    hooks.fp_attach = [](unsigned long handle, char* ebuf, int) {
      return note("attach", handle, ebuf);
    };
    hooks.fp_detach = [](unsigned long handle) { note("detach", handle, nullptr); };
    if (which == 2) return;
    hooks.fp_config_parse_options = [](unsigned long handle, char* buf, int buflen, char* ebuf) {
      EXPECT_EQ(strlen(buf), static_cast<size_t>(buflen));
      memset(buf, 'x', static_cast<size_t>(buflen));
      return note("parse", handle, ebuf);
    };
    hooks.fp_flush = [](unsigned long handle) { return note("flush", handle, nullptr); };
    if (which == 1) return;
    hooks.fp_reattach = [](unsigned long handle, unsigned long fresh, char* ebuf, int) {
      EXPECT_NE(handle, fresh);
      if (instance_->on_reattach) instance_->on_reattach(fresh);
      return note("reattach", handle, ebuf);
    };
  }

  static inline LunFixture* instance_ = nullptr;
  uint64_t allocations_before_;
  std::mutex lock_;
  Calls calls_;
};

}  // namespace chiscsi::test
