// SPDX-License-Identifier: GPL-2.0-only
//
// The conformance driver as a whole: its classes and its target, and what a script can do to them.
#pragma once

#include "conformance/errdev.hh"

namespace conformance {

// By what the target knows us.
struct Identity {
  void* owner;
  char* target_name;
  char* class_name;
  char* lun_class_name;
  char* keys;
  u32 keys_length;
};
Identity identity();

}  // namespace conformance
