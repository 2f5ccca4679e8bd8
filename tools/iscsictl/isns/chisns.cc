// SPDX-License-Identifier: GPL-2.0-only
//
// chisns: registers the active targets with an iSNS server until it is told to end.
#include <getopt.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cctype>
#include <csignal>
#include <cstdio>

#include "isns/kernel_targets.hh"
#include "isns/wake.hh"

namespace {

constexpr char kUsage[] =
    "usage: chisns server=<address>[:<port>] [id=<entity>] [query=<seconds>]\n";
constexpr char kHelp[] =
    "Registers the active targets of this host with an iSNS server (RFC 4171), follows their\n"
    "starts, stops and reloads, and tells the module which initiators the server allows.\n"
    "Runs in the foreground; SIGTERM and SIGINT deregister and end it.\n"
    "\n"
    "  server=   the iSNS server; port 3205 unless it is given; IPv6 as [address]:port\n"
    "  id=       the name of this host at the server; default: the host name\n"
    "  query=    seconds between two looks, 1 to 86400; default 60\n"
    "  -h        this text\n";

constexpr unsigned kMinQuery = 1, kMaxQuery = 86400;
constexpr size_t kMaxEntity = 255;

struct Arguments {
  isns::RegistrarOptions options;
  bool help = false;
};

std::string host_name() {
  char name[kMaxEntity + 1] = "";
  if (gethostname(name, sizeof(name) - 1) != 0) return "chiscsi";
  return name;
}

bool parse_query(const std::string& text, std::chrono::seconds* query) {
  if (text.empty() || text.size() > 5) return false;
  unsigned number = 0;
  for (const char c : text) {
    if (std::isdigit(static_cast<unsigned char>(c)) == 0) return false;
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  *query = std::chrono::seconds(number);
  return number >= kMinQuery && number <= kMaxQuery;
}

bool is_entity(const std::string& text) {
  if (text.empty() || text.size() > kMaxEntity) return false;
  for (const char c : text) {
    if (std::isgraph(static_cast<unsigned char>(c)) == 0) return false;
  }
  return true;
}

// One `name=value`. False after a line that says why not.
bool take(const std::string& argument, Arguments* arguments) {
  const size_t equals = argument.find('=');
  const std::string key = argument.substr(0, equals);
  const std::string value = equals == std::string::npos ? "" : argument.substr(equals + 1);
  if (key == "server" && !value.empty()) {
    arguments->options.server = value;
  } else if (key == "id" && is_entity(value)) {
    arguments->options.entity = value;
  } else if (key != "query" || !parse_query(value, &arguments->options.query)) {
    std::fprintf(stderr, "chisns: bad argument '%s'\n%s", argument.c_str(), kUsage);
    return false;
  }
  return true;
}

bool parse(int argc, char** argv, Arguments* arguments) {
  arguments->options.entity = host_name();
  constexpr option kLong[] = {{"help", no_argument, nullptr, 'h'}, {}};
  for (int c; (c = getopt_long(argc, argv, "h", kLong, nullptr)) != -1;) {
    if (c != 'h') return false;
    arguments->help = true;
  }
  for (int i = optind; i < argc; ++i) {
    if (!take(argv[i], arguments)) return false;
  }
  if (!arguments->help && arguments->options.server.empty()) {
    std::fprintf(stderr, "chisns: server= is missing\n%s", kUsage);
    return false;
  }
  return true;
}

// A descriptor that becomes readable when the program is to end.
isns::Descriptor end_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  return isns::Descriptor(signalfd(-1, &signals, SFD_CLOEXEC));
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) return 2;
  if (arguments.help) {
    std::printf("%s\n%s", kUsage, kHelp);
    return 0;
  }
  iscsictl::KernelDoor door;
  if (door.state() == iscsictl::Door::State::kNotPermitted) {
    std::fprintf(stderr, "chisns: only root can look at the targets\n");
    return 1;
  }
  try {
    // A server that has no such name is a mistake of whoever typed it; one that is down is not.
    isns::resolve(arguments.options.server, isns::kServerPort);
    const isns::Descriptor end = end_signals();
    const isns::WakeSocket wake;
    isns::KernelTargets targets(door);
    isns::Registrar registrar(arguments.options, targets);
    registrar.run(end.get(), wake.fd());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "chisns: %s\n", error.what());
    return 1;
  }
  return 0;
}
