// SPDX-License-Identifier: GPL-2.0-only
//
// Start and end of the sample driver, called by the module's init and exit functions in process
// context. Starting goes: parameters, sessions, logical units, classes, target. Ending goes the
// other way round and frees nothing the target might still look at.
#include "iface_lun_class.hh"
#include "iface_sessions.hh"
#include "iface_target_class.hh"

namespace iface {
namespace {

// How a Registration waits while the target still uses something of ours.
struct Pause {
  iface_os_event* event;

  void operator()(const char* what, u32 round) const {
    constexpr u32 kRoundMilliseconds = 100, kRoundsPerMessage = 300;
    iface_os_event_wait(event, kRoundMilliseconds);
    if (round % kRoundsPerMessage == 0) {
      iface_os_log(IFACE_OS_WARNING, "the %s is still in use", what);
    }
  }
};
using Registration = chiscsi_driver::Registration<Pause>;

constinit Config* g_config = nullptr;
constinit iface_os_event* g_pause = nullptr;
constinit Registration* g_registration = nullptr;

// Names us as the owner of the target.
void* owner() { return g_config; }

int make_registration() {
  g_pause = iface_os_event_create();
  if (g_pause == nullptr) return kEnomem;
  void* memory = iface_os_alloc(sizeof(Registration));
  if (memory == nullptr) return kEnomem;
  g_registration = new (memory, InPlace{}) Registration(Pause{g_pause});
  return 0;
}

int start_target() {
  if (const int error = make_registration()) return error;
  if (const int error = g_registration->start(target_class(*g_config), luns_class())) {
    iface_os_log(IFACE_OS_ERROR, "the classes were not registered: error %d", error);
    return error;
  }
  const int error = g_registration->add_target(owner(), g_config->target_name, g_config->keys,
                                               static_cast<int>(g_config->keys_length));
  if (error == 0) return 0;
  iface_os_log(IFACE_OS_ERROR, "target %s was not added: error %d", g_config->target_name, error);
  g_registration->stop();
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

void stop_target() {
  const int error = g_registration->remove_target();
  if (error != 0) iface_os_log(IFACE_OS_WARNING, "target not removed: error %d", error);
  wait_for_commands();
  g_registration->stop();
}

void free_all() {
  destroy(g_registration);
  g_registration = nullptr;
  if (g_pause != nullptr) iface_os_event_destroy(g_pause);
  g_pause = nullptr;
  luns_destroy();
  sessions_destroy();
  destroy(g_config);
  g_config = nullptr;
}

int start(const iface_params& params) {
  g_config = make<Config>();
  if (g_config == nullptr) return kEnomem;
  if (const int error = parse_config(params, *g_config)) return error;
  luns_set_stuck(params.stuck);
  if (const int error = sessions_create()) return error;
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
