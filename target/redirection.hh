// SPDX-License-Identifier: GPL-2.0-only
//
// Where a login goes that arrived at a portal group which redirects (Guide 5.1.7).
//
// The storage driver chooses if it has fp_select_redirection_portal; else the portals of the groups
// named in the configuration take turns, but for those that would send the login back. Runs on the
// login worker.
#pragma once

#include "iscsi/opcodes.hh"
#include "target/config/address.hh"
#include "target/target.hh"

namespace chiscsi {

// A login that is to be redirected.
struct RedirectedLogin {
  const TargetSettings& settings;
  os_address arrived_at;  // Our end of its connection.
  char* initiator_name;   // A copy that a hook may be given.
  chiscsi_tcp_endpoints endpoints;
};

// Whether a login that arrived at `arrived_at` may be sent to `portal`: an address and a port, not
// the portal it has just come from, and with ShadowMode=No one that this target listens at. With
// ShadowMode=Yes it may be on any machine.
bool is_redirection_portal(const TargetSettings& settings, const os_address& arrived_at,
                           const os_address& portal);

// kMovedTemporarily with the chosen `portal`, or the status that ends the login. Calls the hook,
// which may sleep; no lock is held.
iscsi::LoginStatus select_redirection_portal(Target& target, const RedirectedLogin& login,
                                             os_address* portal);

}  // namespace chiscsi
