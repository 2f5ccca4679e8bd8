// SPDX-License-Identifier: GPL-2.0-only
//
// Globals: the global settings in force, as an immutable snapshot that is replaced as a whole.
//
// The control device changes them; a login takes the snapshot that it begins with and keeps it.
// The mutex is held for the exchange and while a change is put together: no hook, no wait and no
// other lock is inside. Context of all: process.
#pragma once

#include "base/error.hh"
#include "os/thread.h"
#include "target/config/global_settings.hh"

namespace chiscsi {

class Globals {
 public:
  // Everything has its default but the time for a login. Errors: kNoMemory, kInvalid.
  Status create(uint32_t login_time_s);
  ~Globals();

  Ref<GlobalSettings> get() const;
  // Changes the keys in `buffer`; with `defaults` all others go back to theirs. With `only_check`
  // nothing changes. All or nothing. Errors: kInvalid with a line, kNoMemory.
  Status set(Bytes buffer, bool defaults, bool only_check, ConfigError* why);

 private:
  void apply_locked();

  os_mutex* mutex_ = nullptr;
  Ref<GlobalSettings> settings_;
};

}  // namespace chiscsi
