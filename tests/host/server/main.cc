// SPDX-License-Identifier: GPL-2.0-only
//
// chiscsi-host-server: the engine and the sample storage driver as one user-space program.
//
// Arguments are key=value with the names of the parameters of chiscsi.ko and ifacedriver.ko, and a
// few of its own. With devices='a,MEM;/b,FILE' the target has these LUNs of the built-in classes in
// the place of the sample driver's. It prints READY when logins are accepted and ends, in the order
// of rmmod, after seconds=N or at SIGINT or SIGTERM; SIGUSR1 turns the driver's `stuck` on and off.
// The exit status is 0 only when everything was given back.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "devices.hh"
#include "host.hh"
#include "linux/iface_os.h"
#include "target/engine.h"

namespace {

struct Own {
  const char* devices = "";
  unsigned seconds = 0;
  unsigned log = 6;
  unsigned read_piece = 0;
  unsigned send_limit = 0;
  unsigned notice_delay_ms = 0;
  unsigned storage_delay_ms = 0;
};

engine_options engine = {0, 300, 30, 1024};
iface_params driver = {};
Own own;

struct TextParameter {
  const char* name;
  const char** value;
  const char* first;
};
const TextParameter kTexts[] = {
    {"target_name", &driver.target_name, "iqn.2026-11.org.example:iface"},
    {"init_name", &driver.init_name, ""},
    {"portal", &driver.portal, "PortalGroup=1@127.0.0.1:3260"},
    {"lun_sizes_mb", &driver.lun_sizes_mb, "64"},
    {"keys", &driver.keys, ""},
    {"chap", &driver.chap, "none"},
    {"chap_initiator_name", &driver.chap_initiator_name, ""},
    {"chap_initiator_secret", &driver.chap_initiator_secret, ""},
    {"chap_target_name", &driver.chap_target_name, ""},
    {"chap_target_secret", &driver.chap_target_secret, ""},
    {"vendor", &driver.vendor, "CHISCSI"},
    {"product", &driver.product, "IFACE RAM DISK"},
    {"serial", &driver.serial, ""},
    {"devices", &own.devices, ""},
};

struct NumberParameter {
  const char* name;
  unsigned* value;
};
const NumberParameter kNumbers[] = {
    {"workers", &engine.workers},
    {"login_timeout", &engine.login_timeout_s},
    {"abort_timeout", &engine.abort_timeout_s},
    {"max_pending_logins", &engine.max_pending_logins},
    {"max_cmd", &driver.max_cmd},
    {"phase_kb", &driver.phase_kb},
    {"chunk_kb", &driver.chunk_kb},
    {"block_size", &driver.block_size},
    {"seconds", &own.seconds},
    {"log", &own.log},
    {"read_piece", &own.read_piece},
    {"send_limit", &own.send_limit},
    {"notice_delay_ms", &own.notice_delay_ms},
    {"storage_delay_ms", &own.storage_delay_ms},
};

struct FlagParameter {
  const char* name;
  unsigned char* value;
};
const FlagParameter kFlags[] = {
    {"chap_mutual_required", &driver.chap_mutual_required},
    {"acl", &driver.acl},
    {"discard_data", &driver.discard_data},
    {"inline_exec", &driver.inline_exec},
    {"stuck", &driver.stuck},
};

bool set_parameter(const std::string& name, const char* value) {
  for (const TextParameter& parameter : kTexts) {
    if (name == parameter.name) return *parameter.value = value, true;
  }
  char* end = nullptr;
  const unsigned long number = strtoul(value, &end, 0);
  if (*value == '\0' || *end != '\0') return false;
  for (const NumberParameter& parameter : kNumbers) {
    if (name == parameter.name) return *parameter.value = static_cast<unsigned>(number), true;
  }
  for (const FlagParameter& parameter : kFlags) {
    if (name == parameter.name) return *parameter.value = number != 0, true;
  }
  return false;
}

bool parse(int count, char** arguments) {
  driver.chunk_kb = 64;
  driver.block_size = 512;
  for (const TextParameter& parameter : kTexts)
    *parameter.value = parameter.first;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const size_t equals = argument.find('=');
    if (equals == std::string::npos ||
        !set_parameter(argument.substr(0, equals), arguments[i] + equals + 1)) {
      fprintf(stderr, "%s: bad argument '%s'; known are:", arguments[0], arguments[i]);
      for (const auto& parameter : kTexts)
        fprintf(stderr, " %s=", parameter.name);
      for (const auto& parameter : kNumbers)
        fprintf(stderr, " %s=", parameter.name);
      for (const auto& parameter : kFlags)
        fprintf(stderr, " %s=", parameter.name);
      fputc('\n', stderr);
      return false;
    }
  }
  return true;
}

// Blocks the signals in this and all later threads; serve() takes them.
sigset_t take_over_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (int number : {SIGINT, SIGTERM, SIGUSR1})
    sigaddset(&signals, number);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

void serve(const sigset_t& signals) {
  bool stuck = driver.stuck != 0;
  const timespec limit = {own.seconds == 0 ? 1 << 30 : static_cast<time_t>(own.seconds), 0};
  for (;;) {
    const int number = sigtimedwait(&signals, nullptr, &limit);
    if (number != SIGUSR1) return;
    if (*own.devices != '\0') continue;
    stuck = !stuck;
    iface_set_stuck(stuck ? 1 : 0);
    printf("stuck=%d\n", stuck ? 1 : 0);
  }
}

int serve_sample_driver(const sigset_t& signals) {
  const int error = iface_start(&driver);
  if (error != 0) return error;
  puts("READY");
  serve(signals);
  iface_stop();
  iface_free();
  return 0;
}

int serve_devices(const sigset_t& signals) {
  const int error = devices_start(driver.target_name, driver.portal, driver.keys, own.devices);
  if (error != 0) return error;
  puts("READY");
  serve(signals);
  devices_stop(driver.target_name);
  return 0;
}

int report_leaks() {
  if (host_live_allocations() == 0 && host_open_sockets() == 0) return 0;
  fprintf(stderr, "left over: %llu allocations, %zu sockets\n",
          static_cast<unsigned long long>(host_live_allocations()), host_open_sockets());
  return 1;
}

}  // namespace

int main(int count, char** arguments) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  if (!parse(count, arguments)) return 2;
  host_set_log_level(static_cast<int>(own.log));
  host_set_read_piece(own.read_piece);
  host_set_send_limit(own.send_limit);
  host_set_notice_delay(own.notice_delay_ms);
  host_set_storage_delay(own.storage_delay_ms);
  const sigset_t signals = take_over_signals();

  int error = engine_start(&engine);
  if (error == 0) {
    error = *own.devices != '\0' ? serve_devices(signals) : serve_sample_driver(signals);
    engine_stop();
    host_drain_sockets();
  }
  if (error != 0) {
    fprintf(stderr, "cannot start: error %d\n", error);
    return 1;
  }
  return report_leaks();
}
