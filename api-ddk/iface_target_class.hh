// SPDX-License-Identifier: GPL-2.0-only
//
// The target class of the sample driver: who may see the target, who may log in, and with which
// CHAP secrets.
#pragma once

#include "iface_config.hh"
#include "iscsi_target_class.h"

namespace iface {

// Registers the class with the rules of `config`, which must stay until deregistration. Process
// context.
int target_class_register(const Config& config);
int target_class_deregister();

// Name of the class, as the API wants it.
char* target_class_name();

}  // namespace iface
