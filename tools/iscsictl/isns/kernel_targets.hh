// SPDX-License-Identifier: GPL-2.0-only
//
// The targets of chiscsi.ko, as an iSNS server is to see them.
#pragma once

#include <functional>

#include "door.hh"
#include "isns/registrar.hh"

namespace isns {

// The addresses of this host that a portal at 0.0.0.0 or [::] listens on; those that only this host
// reaches when there are no others.
std::vector<in6_addr> host_addresses(bool ipv6);

class KernelTargets : public TargetHost {
 public:
  using Addresses = std::function<std::vector<in6_addr>(bool ipv6)>;
  explicit KernelTargets(iscsictl::Door& door, Addresses addresses = host_addresses)
      : door_(door), addresses_(std::move(addresses)) {}

  // No module is no target. Throws NetworkError when the module gives no answer otherwise.
  std::vector<TargetNode> targets() override;
  void allow(const std::string& target, const std::vector<std::string>& initiators) override;

 private:
  bool add(const std::string& name, std::vector<TargetNode>* nodes);
  iscsictl::Door& door_;
  Addresses addresses_;
};

}  // namespace isns
