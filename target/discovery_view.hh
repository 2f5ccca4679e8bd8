// SPDX-License-Identifier: GPL-2.0-only
//
// DiscoveryView: the targets that one connection's initiator may see.
//
// Asked by SendTargets. A target is shown when access control lets the initiator log in and its
// class's fp_discovery_target_accessible(), if there is one, says 1 (Guide 5.1.6, 7.2).
#pragma once

#include "target/login/discovery.hh"

namespace chiscsi {

class Connection;
class Target;

class DiscoveryView final : public TargetDirectory {
 public:
  explicit DiscoveryView(Connection& connection) : connection_(connection) {}
  void enumerate(TargetVisitor& visitor) override;

 private:
  bool shows(Target& target, const TargetSettings& settings);
  Connection& connection_;
};

}  // namespace chiscsi
