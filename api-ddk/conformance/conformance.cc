// SPDX-License-Identifier: GPL-2.0-only
//
// Start and end of the conformance driver, and the actions of a script. All in process context.
#include "conformance/conformance.hh"

#include "iface_config.hh"

namespace conformance {
namespace main_detail {

struct Pause {
  void operator()(const char* what, u32 round) const {
    conf_sleep_ms(100);
    if (round % 300 == 0) iface_os_log(IFACE_OS_WARNING, "the %s is still in use", what);
  }
};
using Registration = chiscsi_driver::Registration<Pause>;

constinit Config* g_config = nullptr;
constinit Registration* g_registration = nullptr;

Registration* make_registration() {
  void* memory = iface_os_alloc(sizeof(Registration));
  return memory != nullptr ? new (memory, InPlace{}) Registration(Pause{}) : nullptr;
}

int read_parameters(const conf_params& given) {
  iface_params params{};
  params.target_name = given.target_name;
  params.portal = given.portal;
  params.keys = given.keys;
  params.lun_sizes_mb = "1";
  params.chap = "none";
  params.init_name = params.vendor = params.product = params.serial = "";
  params.chap_initiator_name = params.chap_initiator_secret = "";
  params.chap_target_name = params.chap_target_secret = "";
  params.chunk_kb = 64;
  params.block_size = 512;
  g_config = make<Config>();
  if (g_config == nullptr) return kEnomem;
  if (given.size_mb == 0 || given.size_mb > 1024) {
    iface_os_log(IFACE_OS_ERROR, "size_mb: 1 to 1024");
    return kEinval;
  }
  return parse_config(params, *g_config);
}

int create_all(const conf_params& given) {
  if (!rules_create() || !sessions_create()) return kEnomem;
  if (const int error = read_parameters(given)) return error;
  set_multi_phase(given.multi_phase != 0);
  if (!device_create(g_config->target_name, given.size_mb)) return kEnomem;
  g_registration = make_registration();
  return g_registration != nullptr ? 0 : kEnomem;
}

int register_all() {
  set_registered(true);
  int error = g_registration->start(make_target_class(), make_lun_class());
  if (error == 0) {
    error = g_registration->add_target(g_config, g_config->target_name, g_config->keys,
                                       static_cast<int>(g_config->keys_length));
  }
  if (error == 0) return 0;
  iface_os_log(IFACE_OS_ERROR, "the target was not started: error %d", error);
  g_registration->stop();
  return error;
}

// Whatever the script held back is answered before the classes go.
void deregister_all() {
  {
    const DriverGuard guard;
    settings() = Settings{};
  }
  release_all();
  g_registration->remove_target();
  release_all();
  g_registration->stop();
  set_registered(false);
}

int add_target() {
  return g_registration->add_target(g_config, g_config->target_name, g_config->keys,
                                    static_cast<int>(g_config->keys_length));
}

// The configuration once more, with keys of the user behind it, separated by blanks.
int reconfigure(Text keys) {
  auto* buffer = static_cast<char*>(iface_os_alloc(sizeof(g_config->keys) + keys.size() + 1));
  if (buffer == nullptr) return kEnomem;
  u32 length = g_config->keys_length;
  __builtin_memcpy(buffer, g_config->keys, length);
  while (!keys.empty()) {
    const Text key = keys.split(' ');
    __builtin_memcpy(buffer + length, key.data(), key.size());
    length += key.size() + 1;
  }
  const int error = g_registration->reconfigure_target(buffer, static_cast<int>(length));
  iface_os_free(buffer);
  return error;
}

// Everything away and back again; no hook may come in between.
int cycle() {
  deregister_all();
  make_calls_after_deregistration();
  conf_sleep_ms(100);
  return register_all();
}

int sleep_for(Text argument) {
  u32 milliseconds = 0;
  if (!parse_number(argument, &milliseconds) || milliseconds > 10'000) return kEinval;
  conf_sleep_ms(milliseconds);
  return 0;
}

struct Action {
  const char* name;
  int (*perform)(Text argument);
  bool is_legal;  // Success is a rule of its own.
};
constexpr Action kActions[] = {
    {"release",
     [](Text) {
       release_all();
       return 0;
     },
     false},
    {"clear",
     [](Text) {
       log_clear();
       return 0;
     },
     false},
    {"judge",
     [](Text) {
       flush_quarantine();
       return 0;
     },
     false},
    {"sleep", sleep_for, false},
    {"wrong_calls",
     [](Text) {
       make_strange_calls();
       return make_wrong_control_calls();
     },
     false},
    {"session_abort", [](Text) { return abort_all_sessions() != 0 ? 0 : kEinval; }, true},
    {"target_remove", [](Text) { return g_registration->remove_target(); }, true},
    {"target_add", [](Text) { return add_target(); }, true},
    {"reconfigure", reconfigure, false},
    {"cycle", [](Text) { return cycle(); }, true},
};

void destroy_all() {
  destroy(g_registration);
  g_registration = nullptr;
  destroy_logins();
  destroy_functions();
  device_destroy();
  destroy(g_config);
  g_config = nullptr;
  sessions_destroy();
  rules_destroy();
}

}  // namespace main_detail

using namespace main_detail;  // NOLINT: this file's own.

Identity identity() {
  return {g_config,       g_config->target_name, target_class().class_name, lun_class().class_name,
          g_config->keys, g_config->keys_length};
}

int perform(Text name, Text argument) {
  for (const Action& action : kActions) {
    if (!(name == action.name)) continue;
    const int error = action.perform(argument);
    if (action.is_legal) {
      check(Rule::kControl, error == 0, action.name, static_cast<u64>(-error));
    }
    return error;
  }
  return kEinval;
}

}  // namespace conformance

using namespace conformance;               // NOLINT: this part of the file is the C interface.
using namespace conformance::main_detail;  // NOLINT

int conf_start(const conf_params* params) {
  int error = create_all(*params);
  if (error == 0) error = register_all();
  if (error != 0) destroy_all();
  return error;
}

void conf_stop() {
  deregister_all();
  flush_quarantine();
  log_verdict();
  destroy_all();
}

unsigned int conf_read(int file, char* buffer) {
  switch (file) {
    case CONF_FILE_REPORT:
      return write_report(buffer, CONF_FILE_SIZE);
    case CONF_FILE_LOG:
      return write_log(buffer, CONF_FILE_SIZE);
    default:
      return write_state(buffer, CONF_FILE_SIZE);
  }
}

int conf_script(const char* text) { return run_script(text); }
