// SPDX-License-Identifier: GPL-2.0-only
//
// The targets of chiscsi.ko, as an iSNS server is to see them.
#pragma once

#include <functional>
#include <map>

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
  // The whole list goes to the module. One that the module does not take is worse than none, so the
  // older one is taken back then. What is wrong is said once on stderr and throws nothing: it is no
  // trouble with the server.
  void allow(const std::string& target, const std::vector<std::string>& initiators) override;
  void forget(const std::string& target) override;

 private:
  bool add(const std::string& name, std::vector<TargetNode>* nodes);
  void take_back(const std::string& target);
  void complain(const std::string& target, const std::string& what);

  iscsictl::Door& door_;
  Addresses addresses_;
  uint64_t version_ = 0;                           // Of the last list.
  std::map<std::string, std::string> complaints_;  // The last one about each target.
};

}  // namespace isns
