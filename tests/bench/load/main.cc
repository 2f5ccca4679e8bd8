// SPDX-License-Identifier: GPL-2.0-only
//
// iscsi-load: many iSCSI sessions from one program, to measure a target. `--help` tells the rest.
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>

#include "load.hh"
#include "options.hh"

namespace {

void interrupt(int) { chiscsi::load::interrupted = 1; }

void take_signals() {
  struct sigaction action = {};
  action.sa_handler = interrupt;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

// One descriptor for each connection; root may raise the limit.
bool raise_limit(rlim_t wanted) {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur >= wanted) return true;
  limit.rlim_cur = wanted;
  if (limit.rlim_max < wanted) limit.rlim_max = wanted;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  const chiscsi::load::Options options = chiscsi::load::parse_options(argc, argv);
  if (!raise_limit(options.sessions + options.silent + 64)) {
    fprintf(stderr, "iscsi-load: no %u open files: %s\n", options.sessions + options.silent + 64,
            strerror(errno));
    return 1;
  }
  take_signals();
  try {
    chiscsi::load::Load load(options);
    const bool good = load.run();
    load.report(stdout);
    return good ? 0 : 1;
  } catch (const chiscsi::load::SessionError& error) {
    fprintf(stderr, "iscsi-load: %s\n", error.what());
    return 1;
  }
}
