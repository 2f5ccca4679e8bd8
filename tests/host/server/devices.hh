// SPDX-License-Identifier: GPL-2.0-only
//
// A target of the built-in LUN classes for chiscsi-host-server, in the place of the sample
// driver's.
#pragma once

// Adds the target. `portal`: the value of a PortalGroup key; `keys`: more of them; `devices`:
// values of TargetDevice. The latter two are lists with ';' between their elements. Returns 0 or a
// negative errno.
int devices_start(const char* target_name, const char* portal, const char* keys,
                  const char* devices);
void devices_stop(const char* target_name);
