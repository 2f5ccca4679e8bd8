// SPDX-License-Identifier: GPL-2.0-only
//
// See options.hh.
#include "options.hh"

#include <getopt.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <string_view>

#include "target/config/key_hint.hh"
#include "target/config/target_settings.hh"
#include "target_state.hh"

namespace iscsictl {

const char kShortUsage[] =
    "usage: iscsictl -S [target=NAME,...|ALL] [-f FILE] [-x FILE]   start or reload\n"
    "       iscsictl -s target=NAME,...|ALL [--if-exists]           stop\n"
    "       iscsictl -c [target=NAME,...|ALL] [-k KEY] [--json]     show targets\n"
    "       iscsictl -r target=NAME [-k initiator=NAME] [--json]    show sessions\n"
    "       iscsictl -A [target=NAME,...|ALL] [--json]              show access states (ALUA)\n"
    "       iscsictl -A target=NAME group=TAG state=STATE           set one\n"
    "       iscsictl --check [-f FILE]                              look at a file, change "
    "nothing\n"
    "       iscsictl -g | -G KEY=VALUE... | -D HANDLE | -F ... | -W -f FILE | status | top\n"
    "`iscsictl -h` and iscsictl(8) say more.\n";

const char kLongUsage[] =
    "usage: iscsictl OPTION...\n"
    "\n"
    "Targets: target=NAME[,NAME...] or target=ALL, as often as you like, in any place.\n"
    "\n"
    "  -S, --start [TARGETS]     start targets of the configuration file, reload those that are\n"
    "                            active; without TARGETS reload what is active and nothing else.\n"
    "                            The file's globals are taken over, too. Loads chiscsi.ko\n"
    "      -f, --file FILE       this file, - for standard input; without it\n"
    "                            /etc/chiscsi/chiscsi.conf, or when there is none\n"
    "                            /etc/chelsio-iscsi/chiscsi.conf\n"
    "      -x, --globals-from FILE   take the global: block from this file instead\n"
    "  -s, --stop TARGETS        stop targets: their sessions end\n"
    "          --if-exists       a target that is not active is no error\n"
    "  -c, --show [TARGETS]      show the active targets; named ones with all their keys\n"
    "      -k, --key KEY         of these keys only this one\n"
    "  -F, --flush [TARGETS]     write cached data back to the devices\n"
    "      -k, --key lun=N       of this LUN only\n"
    "  -r, --sessions target=NAME    show the sessions of one target and their connections\n"
    "      -k, --key initiator=NAME  those of this initiator only\n"
    "  -A, --access [TARGETS]    show the access states (ALUA) of portal groups\n"
    "      group=TAG state=STATE put this group of one target into optimized, non-optimized,\n"
    "                            standby, unavailable or transitioning; initiators are told\n"
    "  -D, --drop HANDLE         end a session; -r shows the handle, in hexadecimal\n"
    "  -g, --globals             show the global settings\n"
    "  -G, --set KEY=VALUE...    change global settings of the running target\n"
    "  -W, --write -f FILE       write the globals and the active targets to FILE; what it held "
    "is\n"
    "                            kept as FILE.bak\n"
    "      --check [-f FILE]     tell every mistake in a file; needs no module and no root\n"
    "  status                    whether the module is loaded, and what it serves\n"
    "  top                       what targets and sessions do, every two seconds, and how long it "
    "took\n"
    "      --interval SECONDS, --count TIMES\n"
    "      --json                -A, -c, -g, -r, status and top as JSON\n"
    "  -h, --help   -v, --version\n"
    "\n"
    "Exit status: 0 all was done; 1 something was refused; 2 the command line is wrong;\n"
    "3 from status: the module is not loaded; 4 from -S: some of the targets were refused.\n"
    "Files: chiscsi.conf(5). Manual page: iscsictl(8).\n";

namespace {

enum Long { kJsonOption = 256, kIfExistsOption, kCheckOption, kIntervalOption, kCountOption };

const option kLongOptions[] = {
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'v'},
    {"file", required_argument, nullptr, 'f'},
    {"globals-from", required_argument, nullptr, 'x'},
    {"show", no_argument, nullptr, 'c'},
    {"key", required_argument, nullptr, 'k'},
    {"flush", no_argument, nullptr, 'F'},
    {"globals", no_argument, nullptr, 'g'},
    {"set", no_argument, nullptr, 'G'},
    {"stop", no_argument, nullptr, 's'},
    {"start", no_argument, nullptr, 'S'},
    {"sessions", no_argument, nullptr, 'r'},
    {"access", no_argument, nullptr, 'A'},
    {"drop", required_argument, nullptr, 'D'},
    {"write", no_argument, nullptr, 'W'},
    {"check", no_argument, nullptr, kCheckOption},
    {"json", no_argument, nullptr, kJsonOption},
    {"if-exists", no_argument, nullptr, kIfExistsOption},
    {"interval", required_argument, nullptr, kIntervalOption},
    {"count", required_argument, nullptr, kCountOption},
    {nullptr, 0, nullptr, 0},
};

// -f goes with any: other software gives it where it means nothing.
struct ModeOption {
  int option;
  Mode mode;
  const char* name;
  unsigned extras;
};
constexpr ModeOption kModes[] = {
    {'h', Mode::kHelp, "-h", ~0u},
    {'v', Mode::kVersion, "-v", 0},
    {'A', Mode::kAccess, "-A", kTargets | kJson},
    {'c', Mode::kShow, "-c", kTargets | kKey | kJson},
    {'D', Mode::kDrop, "-D", 0},
    {'F', Mode::kFlush, "-F", kTargets | kKey},
    {'g', Mode::kGlobals, "-g", kJson},
    {'G', Mode::kSet, "-G", 0},
    {'r', Mode::kSessions, "-r", kTargets | kKey | kJson},
    {'s', Mode::kStop, "-s", kTargets | kIfExists},
    {'S', Mode::kStart, "-S", kTargets | kGlobalsFile},
    {'W', Mode::kWrite, "-W", 0},
    {kCheckOption, Mode::kCheck, "--check", 0},
    {-1, Mode::kStatus, "status", kJson},
    {-1, Mode::kTop, "top", kJson | kInterval | kCount},
};

struct ExtraName {
  Extra extra;
  const char* name;
};
constexpr ExtraName kExtras[] = {
    {kTargets, "target="},      {kGlobalsFile, "-x"},      {kKey, "-k"},        {kJson, "--json"},
    {kIfExists, "--if-exists"}, {kInterval, "--interval"}, {kCount, "--count"},
};

using Complaint = std::optional<std::string>;

std::string name_of(Mode mode) {
  for (const ModeOption& known : kModes) {
    if (known.mode == mode) return known.name;
  }
  return "";
}

Complaint set_mode(Mode mode, Options* options) {
  // The long text is an answer to anything.
  if (options->mode == Mode::kHelp || options->mode == mode) return {};
  if (options->mode != Mode::kNone && mode != Mode::kHelp) {
    return name_of(options->mode) + " and " + name_of(mode) + " exclude each other";
  }
  options->mode = mode;
  return {};
}

bool parse_seconds(const char* text, unsigned* value) {
  char* end = nullptr;
  const unsigned long number = strtoul(text, &end, 10);
  if (*text < '0' || *text > '9' || *end != '\0' || number > 86400) return false;
  *value = static_cast<unsigned>(number);
  return true;
}

template <typename T>
Complaint set_once(std::optional<T>* slot, const char* value, const char* name) {
  if (slot->has_value()) return std::string(name) + " is given twice";
  *slot = value;
  return {};
}

Complaint set_key(std::string_view text, Options* options) {
  const size_t equals = text.find('=');
  const std::string key(text.substr(0, equals));
  if (key.empty()) return "-k wants KEY or KEY=VALUE";
  if (auto complaint = set_once(&options->key, key.c_str(), "-k")) return complaint;
  if (equals != text.npos) options->key_value = text.substr(equals + 1);
  return {};
}

Complaint take_option(int option, Options* options) {
  for (const ModeOption& known : kModes) {
    if (known.option != option) continue;
    if (option == 'D') options->handle = optarg;
    return set_mode(known.mode, options);
  }
  switch (option) {
    case 'f':
      return set_once(&options->file, optarg, "-f");
    case 'x':
      options->extras |= kGlobalsFile;
      return set_once(&options->globals_file, optarg, "-x");
    case 'k':
      options->extras |= kKey;
      return set_key(optarg, options);
    case kJsonOption:
      options->extras |= kJson;
      options->json = true;
      return {};
    case kIfExistsOption:
      options->extras |= kIfExists;
      options->if_exists = true;
      return {};
    case kIntervalOption:
      options->extras |= kInterval;
      if (parse_seconds(optarg, &options->interval_s) && options->interval_s != 0) return {};
      return "--interval wants a number of seconds from 1 to 86400";
    case kCountOption:
      options->extras |= kCount;
      if (parse_seconds(optarg, &options->count)) return {};
      return "--count wants a number from 0 to 86400";
    default:
      return std::string(option == ':' ? "an argument is missing" : "unknown option");
  }
}

Complaint take_targets(std::string_view list, Options* options) {
  options->extras |= kTargets;
  while (true) {
    const size_t comma = list.find(',');
    const std::string name(list.substr(0, comma));
    if (name.empty()) return "target= wants names separated by commas, or ALL";
    if (name == "ALL") {
      options->all_targets = true;
    } else if (std::find(options->targets.begin(), options->targets.end(), name) ==
               options->targets.end()) {
      options->targets.push_back(name);
    }
    if (comma == list.npos) return {};
    list.remove_prefix(comma + 1);
  }
}

Complaint take_word(std::string_view word, Options* options) {
  if (options->mode == Mode::kSet) {
    options->assignments.emplace_back(word);
    return {};
  }
  if (options->mode == Mode::kAccess && word.substr(0, 6) == "group=")
    return set_once(&options->group, word.data() + 6, "group=");
  if (options->mode == Mode::kAccess && word.substr(0, 6) == "state=")
    return set_once(&options->access_state, word.data() + 6, "state=");
  constexpr std::string_view kTarget = "target=";
  if (word.substr(0, kTarget.size()) == kTarget) {
    return take_targets(word.substr(kTarget.size()), options);
  }
  if (options->mode == Mode::kNone && word == "status") return set_mode(Mode::kStatus, options);
  if (options->mode == Mode::kNone && word == "top") return set_mode(Mode::kTop, options);
  return "what is \"" + std::string(word) + "\"? Targets are target=NAME";
}

// "-c, -r and -F"
std::string modes_with(Extra extra) {
  std::string names;
  size_t last = 0;
  for (const ModeOption& known : kModes) {
    if (known.mode == Mode::kHelp || (known.extras & extra) == 0) continue;
    last = names.size();
    names += std::string(names.empty() ? "" : ", ") + known.name;
  }
  return last == 0 ? names : names.replace(last, 2, " and ");
}

// What would do nothing is more likely a mistake: `top` of one target, all written for one.
Complaint check_extras(const Options& options) {
  const auto mode = std::find_if(std::begin(kModes), std::end(kModes),
                                 [&](const ModeOption& one) { return one.mode == options.mode; });
  for (const ExtraName& known : kExtras) {
    if ((options.extras & known.extra & ~mode->extras) != 0)
      return std::string(known.name) + " goes with " + modes_with(known.extra);
  }
  return {};
}

// A key of -c: of a target, or one of those that stand in no file.
Complaint check_shown_key(const std::string& key) {
  const chiscsi::Text text(key.data(), key.size());
  chiscsi::KeyHint hint(text);
  chiscsi::TargetSettings::offer_keys(&hint);
  hint.offer(kAccessKey);
  hint.offer(kIsnsKey);
  if (hint.best() == text) return {};
  chiscsi::ConfigError error;
  (void)chiscsi::refuse_unknown_key(text, hint.best(), &error);
  return "-k " + std::string(error.c_str());
}

Complaint check(const Options& options) {
  if (options.mode == Mode::kNone) return "nothing to do";
  if (auto complaint = check_extras(options)) return complaint;
  switch (options.mode) {
    case Mode::kStop:
      if (!options.names_targets()) return "-s wants target=NAME or target=ALL";
      break;
    case Mode::kSet:
      if (options.assignments.empty()) return "-G wants KEY=VALUE";
      break;
    case Mode::kWrite:
      if (!options.file) return "-W wants -f FILE";
      if (*options.file == "-") return "-W cannot write to -";
      break;
    case Mode::kSessions:
      if (options.all_targets || options.targets.size() != 1) return "-r wants one target=NAME";
      if (options.key && (*options.key != "initiator" || !options.key_value)) {
        return "-r knows no -k but -k initiator=NAME";
      }
      break;
    case Mode::kAccess:
      if (options.group.has_value() != options.access_state.has_value()) {
        return "-A wants group=TAG and state=STATE, or none of them";
      }
      if (options.group && (options.all_targets || options.targets.size() != 1)) {
        return "-A sets the state of one target=NAME";
      }
      break;
    case Mode::kFlush:
      if (options.key && (*options.key != "lun" || !options.key_value)) {
        return "-F knows no -k but -k lun=N";
      }
      break;
    case Mode::kShow:
      if (options.key_value) return "-c knows -k KEY, without a value";
      if (options.key) return check_shown_key(*options.key);
      break;
    case Mode::kStart:
      if (options.file == "-" && options.globals_file == "-") return "-f and -x cannot both be -";
      break;
    default:
      break;
  }
  return {};
}

}  // namespace

Complaint parse_options(int argc, char* const* argv, Options* options) {
  optind = 0;  // GNU: start over, for whoever parses more than once.
  opterr = 0;
  while (true) {
    const int option = getopt_long(argc, argv, ":hvf:x:ck:FgGsSrD:WA", kLongOptions, nullptr);
    if (option == -1) break;
    auto complaint = take_option(option, options);
    if (!complaint) continue;
    if (option == '?' || option == ':') *complaint += ": " + std::string(argv[optind - 1]);
    return complaint;
  }
  for (int i = optind; i < argc; ++i) {
    if (auto complaint = take_word(argv[i], options)) return complaint;
  }
  return options->mode == Mode::kHelp ? Complaint() : check(*options);
}

}  // namespace iscsictl
