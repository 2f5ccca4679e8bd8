// SPDX-License-Identifier: GPL-2.0-only
//
// Notices of the network on the buffers of a phase.
#include "target/tx/zero_copy.hh"

#include "base/lock.hh"
#include "target/session/session.hh"

namespace chiscsi::zero_copy {

namespace {

// Below this a copy is cheaper than a notice.
constexpr uint32_t kThreshold = 32 * 1024;

// Runs in any context. The lock makes sure that the worker, which takes it before it frees anything
// of the command, sees either both of the effects or none.
void on_released(os_send_notice* notice) {
  BufferPhase& phase = container_of(*notice, &BufferPhase::notice);
  Command& command = *phase.command;
  SpinGuard guard(command.session.driver_lock);
  phase.in_network.store(false);
  command.event.request(command.session.worker());
}

bool made_of_pages(const BufferPhase& phase) {
  for (uint32_t i = 0; i < phase.count; ++i) {
    if (phase.elements[i].sg_page == nullptr) return false;
  }
  return true;
}

}  // namespace

void begin(BufferPhase& phase) {
  if (phase.wire_length < kThreshold || !made_of_pages(phase)) return;
  os_send_notice_init(&phase.notice, &on_released);
  phase.notice_held = true;
  phase.in_network.store(true);
}

void end(BufferPhase& phase) {
  if (!phase.notice_held) return;
  phase.notice_held = false;
  os_send_notice_put(&phase.notice);
}

}  // namespace chiscsi::zero_copy
