// SPDX-License-Identifier: GPL-2.0-only
//
// Which targets an initiator may see.
#include "target/discovery_view.hh"

#include "target/engine.hh"

namespace chiscsi {

bool DiscoveryView::shows(Target& target, const TargetSettings& settings) {
  if (target.is_removed()) return false;
  Session& session = *connection_.session();
  AccessSubject subject;
  subject.initiator_name = session.parameters.initiator_name.text();
  subject.initiator = connection_.conn().peer_address();
  subject.target = connection_.conn().local_address();
  const Ref<InitiatorList> listed = target.allowed_initiators();
  const AclSourceOrder order = connection_.engine().globals().get()->acl_order();
  if (check_login(settings, listed.get(), order, subject) == LoginGrant::kRefused) return false;
  const auto hook = target.hooks().fp_discovery_target_accessible;
  return hook == nullptr ||
         hook(session.handle.value, session.parameters.initiator_name.mutable_c_str(),
              target.name_for_hook(), &connection_.endpoints) > 0;
}

void DiscoveryView::enumerate(TargetVisitor& visitor) {
  Registry& registry = connection_.engine().registry();
  for (Ref<Target> target = registry.next_target(Ref<Target>()); target;
       target = registry.next_target(target)) {
    const Ref<TargetSettings> settings = target->settings();
    if (shows(*target, *settings) && !visitor.visit(*settings)) return;
  }
}

}  // namespace chiscsi
