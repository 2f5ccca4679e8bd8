// SPDX-License-Identifier: GPL-2.0-only
//
// Start and end of the sample driver, called by the module's init and exit functions in process
// context. Starting goes: parameters, logical units, classes, target. Ending goes the other way
// round and frees nothing the target might still look at.
#include "iface_lun_class.hh"
#include "iface_target_class.hh"

namespace iface {
namespace {

constinit Config* g_config = nullptr;

// Names us as the owner of the target.
void* owner() { return g_config; }

int register_classes() {
  if (const int error = target_class_register(*g_config)) return error;
  const int error = luns_register(target_class_name());
  if (error != 0) target_class_deregister();
  return error;
}

int start_target() {
  if (const int error = register_classes()) {
    iface_os_log(IFACE_OS_ERROR, "the classes were not registered: error %d", error);
    return error;
  }
  const int error = chiscsi_target_add(owner(), g_config->target_name, target_class_name(),
                                       g_config->keys, static_cast<int>(g_config->keys_length));
  if (error == 0) return 0;
  iface_os_log(IFACE_OS_ERROR, "target %s was not added: error %d", g_config->target_name, error);
  luns_deregister(target_class_name());
  target_class_deregister();
  return error;
}

// Commands of a driver that played dead are given back only now, late.
void wait_for_commands() {
  constexpr u32 kRounds = 12, kRoundMilliseconds = 10 * 1000;
  luns_close();
  for (u32 i = 0; i < kRounds; ++i) {
    if (luns_wait_idle(kRoundMilliseconds)) return;
    iface_os_log(IFACE_OS_WARNING, "waiting for the target to give back commands");
  }
}

// The target refuses while one of our hooks may still be called, so there is nothing to do but
// wait: afterwards the code of the hooks is gone.
void deregister(int (*step)(), const char* what) {
  constexpr u32 kRoundMilliseconds = 100, kRoundsPerMessage = 300;
  constexpr int kEbusy = -16;
  iface_os_event* pause = iface_os_event_create();
  for (u32 round = 1; step() == kEbusy; ++round) {
    if (pause != nullptr) iface_os_event_wait(pause, kRoundMilliseconds);
    if (round % kRoundsPerMessage == 0) {
      iface_os_log(IFACE_OS_WARNING, "the %s class is still in use", what);
    }
  }
  if (pause != nullptr) iface_os_event_destroy(pause);
}

void stop_target() {
  const int error = chiscsi_target_remove(owner(), g_config->target_name);
  if (error != 0) iface_os_log(IFACE_OS_WARNING, "target not removed: error %d", error);
  wait_for_commands();
  deregister([] { return luns_deregister(target_class_name()); }, "LUN");
  deregister(target_class_deregister, "target");
}

void free_all() {
  luns_destroy();
  destroy(g_config);
  g_config = nullptr;
}

int start(const iface_params& params) {
  g_config = make<Config>();
  if (g_config == nullptr) return kEnomem;
  if (const int error = parse_config(params, *g_config)) return error;
  luns_set_stuck(params.stuck);
  if (const int error = luns_create(*g_config)) return error;
  return start_target();
}

}  // namespace
}  // namespace iface

int iface_start(const iface_params* params) {
  const int error = iface::start(*params);
  if (error != 0) iface::free_all();
  return error;
}

void iface_stop() { iface::stop_target(); }

void iface_free() { iface::free_all(); }

void iface_set_stuck(int stuck) { iface::luns_set_stuck(stuck != 0); }
