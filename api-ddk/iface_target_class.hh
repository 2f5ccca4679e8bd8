// SPDX-License-Identifier: GPL-2.0-only
//
// The target class of the sample driver: who may see the target, who may log in, and with which
// CHAP secrets.
#pragma once

#include "chiscsi_driver.hh"
#include "iface_config.hh"

namespace iface {

// The target class, ready to be registered, with the rules of `config`, which must stay until it is
// deregistered.
chiscsi_target_class& target_class(const Config& config);

}  // namespace iface
