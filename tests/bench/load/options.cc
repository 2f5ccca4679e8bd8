// SPDX-License-Identifier: GPL-2.0-only
//
// The command line of the load generator.
#include "options.hh"

#include <getopt.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace chiscsi::load {
namespace {

constexpr char kUsage[] =
    R"(usage: iscsi-load [option...] --target NAME hold|login|io
  hold   logs in and stays until SIGTERM, SIGINT or --seconds; pings are answered
  login  logs in, and out again
  io     logs in, reads and writes
options:
  --portal A[:3260]     where the target listens; an IPv6 address in brackets
  --sessions 1          how many
  --parallel 32         logins under way at one time
  --silent 0            connections that say nothing, opened before and kept
  --names 0             initiator names that the sessions share; 0: one each
  --initiator NAME      what these names begin with
  --source ADDRESS      a local address; may be repeated, then in turn
  --header-digest, --data-digest    CRC32C
  --login-timeout 30    seconds for one login
  --timeout 600         seconds for each phase; and for an answer to I/O at most 60
  --seconds N           of hold (default 3600) or of I/O (default 10)
  --ready-file FILE     gets the number of sessions once all logins have ended
I/O:
  --lun 0
  --depth 32            commands under way, of all sessions together; with fewer than
                        sessions the session that waited longest has the next turn
  --block 4k
  --read-percent 100    0 writes; all data of the LUN is lost
  --sequential          each session from a place of its own on; else random places
  --ios N               end after N I/Os, or after the time
  --ramp-ms 500         I/O before anything is counted
One JSON object goes to standard output. Status 0: all logins and I/Os were good,
1: some were not, 2: the command line is wrong.
)";

enum : int {
  kPortal = 256,
  kTarget,
  kSessions,
  kParallel,
  kSilent,
  kNames,
  kInitiator,
  kSource,
  kHeaderDigest,
  kDataDigest,
  kLoginTimeout,
  kTimeout,
  kSeconds,
  kReadyFile,
  kLun,
  kDepth,
  kBlock,
  kReadPercent,
  kSequential,
  kIos,
  kRampMs,
  kHelp
};

const option kOptions[] = {
    {"portal", required_argument, nullptr, kPortal},
    {"target", required_argument, nullptr, kTarget},
    {"sessions", required_argument, nullptr, kSessions},
    {"parallel", required_argument, nullptr, kParallel},
    {"silent", required_argument, nullptr, kSilent},
    {"names", required_argument, nullptr, kNames},
    {"initiator", required_argument, nullptr, kInitiator},
    {"source", required_argument, nullptr, kSource},
    {"header-digest", no_argument, nullptr, kHeaderDigest},
    {"data-digest", no_argument, nullptr, kDataDigest},
    {"login-timeout", required_argument, nullptr, kLoginTimeout},
    {"timeout", required_argument, nullptr, kTimeout},
    {"seconds", required_argument, nullptr, kSeconds},
    {"ready-file", required_argument, nullptr, kReadyFile},
    {"lun", required_argument, nullptr, kLun},
    {"depth", required_argument, nullptr, kDepth},
    {"block", required_argument, nullptr, kBlock},
    {"read-percent", required_argument, nullptr, kReadPercent},
    {"sequential", no_argument, nullptr, kSequential},
    {"ios", required_argument, nullptr, kIos},
    {"ramp-ms", required_argument, nullptr, kRampMs},
    {"help", no_argument, nullptr, kHelp},
    {nullptr, 0, nullptr, 0},
};

// The options that are numbers: where they go and what they may be.
struct Number {
  int option;
  unsigned Options::*member;
  uint64_t lowest, highest;
};
const Number kNumbers[] = {
    {kSessions, &Options::sessions, 1, 100000},
    {kParallel, &Options::parallel, 1, 100000},
    {kSilent, &Options::silent, 0, 100000},
    {kNames, &Options::names, 0, 100000},
    {kLoginTimeout, &Options::login_timeout, 1, 3600},
    {kTimeout, &Options::timeout, 1, 36000},
    {kSeconds, &Options::seconds, 1, 86400},
    {kLun, &Options::lun, 0, 16383},
    {kDepth, &Options::depth, 1, 60000},
    {kBlock, &Options::block, 512, 4 << 20},
    {kReadPercent, &Options::read_percent, 0, 100},
    {kRampMs, &Options::ramp_ms, 0, 60000},
};

[[noreturn]] void wrong(const std::string& text) {
  fprintf(stderr, "iscsi-load: %s; see --help\n", text.c_str());
  exit(2);
}

bool take_number(int option, const char* value, Options& options) {
  for (const Number& number : kNumbers) {
    if (number.option != option) continue;
    uint64_t taken = 0;
    if (!parse_number(value, number.lowest, number.highest, taken))
      wrong(std::string("'") + value + "' is no number from " + std::to_string(number.lowest) +
            " to " + std::to_string(number.highest));
    options.*number.member = static_cast<unsigned>(taken);
    return true;
  }
  return false;
}

void take_text(int option, const char* value, Options& options) {
  switch (option) {
    case kPortal:
      if (!parse_portal(value, options.address, options.port))
        wrong(std::string("'") + value + "' is no ADDRESS:PORT");
      break;
    case kTarget:
      options.target = value;
      break;
    case kInitiator:
      options.initiator = value;
      break;
    case kSource:
      options.sources.emplace_back(value);
      break;
    case kReadyFile:
      options.ready_file = value;
      break;
    case kIos:
      if (!parse_number(value, 1, uint64_t{1} << 40, options.ios))
        wrong(std::string("'") + value + "' is no number of I/Os");
      break;
    default:
      wrong("unknown option");
  }
}

void take(int option, const char* value, Options& options) {
  switch (option) {
    case kHelp:
      fputs(kUsage, stdout);
      exit(0);
    case kHeaderDigest:
      options.header_digest = true;
      break;
    case kDataDigest:
      options.data_digest = true;
      break;
    case kSequential:
      options.sequential = true;
      break;
    default:
      if (!take_number(option, value, options)) take_text(option, value, options);
  }
}

Mode mode_of(const char* word) {
  if (strcmp(word, "hold") == 0) return Mode::kHold;
  if (strcmp(word, "login") == 0) return Mode::kLogin;
  if (strcmp(word, "io") == 0) return Mode::kIo;
  wrong(std::string("'") + word + "' is not hold, login or io");
}

}  // namespace

bool parse_number(const char* text, uint64_t lowest, uint64_t highest, uint64_t& value) {
  if (*text < '0' || *text > '9') return false;
  char* end = nullptr;
  errno = 0;
  uint64_t number = strtoull(text, &end, 10);
  if (errno != 0) return false;
  unsigned shift = 0;
  if (*end == 'k') shift = 10;
  if (*end == 'm') shift = 20;
  if (shift != 0) ++end;
  if (*end != '\0' || number > highest >> shift) return false;
  number <<= shift;
  if (number < lowest) return false;
  value = number;
  return true;
}

bool parse_portal(const std::string& text, std::string& address, uint16_t& port) {
  size_t end = text.size();
  std::string host;
  if (!text.empty() && text[0] == '[') {
    end = text.find(']');
    if (end == std::string::npos) return false;
    host = text.substr(1, end - 1);
    ++end;
  } else {
    end = text.find(':');
    host = text.substr(0, end);
    if (end == std::string::npos) end = text.size();
  }
  uint64_t number = 3260;
  if (end < text.size() &&
      (text[end] != ':' || !parse_number(text.c_str() + end + 1, 1, 65535, number)))
    return false;
  if (host.empty()) return false;
  address = host;
  port = static_cast<uint16_t>(number);
  return true;
}

Options parse_options(int argc, char** argv) {
  Options options;
  int option = 0;
  while ((option = getopt_long(argc, argv, "h", kOptions, nullptr)) != -1) {
    if (option == '?') exit(2);
    take(option == 'h' ? static_cast<int>(kHelp) : option, optarg, options);
  }
  if (optind + 1 != argc) wrong("one of hold, login, io");
  options.mode = mode_of(argv[optind]);
  if (options.target.empty()) wrong("--target is missing");
  if (options.block % 512 != 0) wrong("--block is no multiple of 512");
  if (options.seconds == 0) options.seconds = options.mode == Mode::kHold ? 3600 : 10;
  return options;
}

}  // namespace chiscsi::load
