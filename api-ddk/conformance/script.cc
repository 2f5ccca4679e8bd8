// SPDX-License-Identifier: GPL-2.0-only
#include "conformance/script.hh"

#include "conformance/errdev.hh"

namespace conformance {
namespace script_detail {

constinit Settings g_settings{};

// The words of an enumeration, in its order.
constexpr const char* kRun[] = {"inline", "thread", "cpu", "softirq", "never", nullptr};
constexpr const char* kKind[] = {"both", "page", "address", "mixed", "odd", "zero", "dma", nullptr};
constexpr const char* kResidual[] = {"none", "over", "under", nullptr};
constexpr const char* kAbort[] = {"inline", "late", "never", "other", "twice", "refuse", nullptr};
constexpr const char* kFunction[] = {"inline", "late",        "never",  "twice",
                                     "reject", "unsupported", "before", nullptr};
constexpr const char* kLogin[] = {"accept", "late", "never", "twice", "refuse", nullptr};
constexpr const char* kHook[] = {"none",    "cdb",   "xfer", "abort",
                                 "cleanup", "added", "tmf",  nullptr};

struct WordSetting {
  const char* name;
  const char* const* words;
  void (*set)(Settings&, u8);
};
constexpr WordSetting kWords[] = {
    {"run", kRun, [](Settings& s, u8 n) { s.run = static_cast<Run>(n); }},
    {"buffer", kKind, [](Settings& s, u8 n) { s.buffer = static_cast<Kind>(n); }},
    {"residual", kResidual, [](Settings& s, u8 n) { s.residual = static_cast<Residual>(n); }},
    {"abort", kAbort, [](Settings& s, u8 n) { s.abort = static_cast<Abort>(n); }},
    {"tmf", kFunction, [](Settings& s, u8 n) { s.tmf = static_cast<Function>(n); }},
    {"first", kLogin, [](Settings& s, u8 n) { s.first = static_cast<Login>(n); }},
    {"stage", kLogin, [](Settings& s, u8 n) { s.stage = static_cast<Login>(n); }},
    {"session_abort", kHook, [](Settings& s, u8 n) { s.session_abort = static_cast<Hook>(n); }},
};

struct NumberSetting {
  const char* name;
  u32 Settings::*member;
  u32 most;
};
constexpr NumberSetting kNumbers[] = {
    {"delay", &Settings::delay_ms, 60'000},
    {"reorder", &Settings::reorder, 64},
    {"count", &Settings::count, 1'000'000},
    {"piece", &Settings::piece, 64 * 1024},
    {"phase", &Settings::phase, 1024 * 1024},
    {"ahead", &Settings::ahead, 64},
    {"residual_bytes", &Settings::residual_bytes, 1024 * 1024},
    {"sense", &Settings::sense, 0xffffff},
    {"refuse", &Settings::refuse, 4095},
    {"own_abort", &Settings::own_abort, 1'000'000},
    {"login_status", &Settings::login_status, 0xffff},
    {"max_cmd", &Settings::max_cmd, 0xffffffff},
    {"chap_flags", &Settings::chap_flags, 0xff},
};

struct SwitchSetting {
  const char* name;
  bool Settings::*member;
};
constexpr SwitchSetting kSwitches[] = {
    {"all_commands", &Settings::all_commands},
    {"twice", &Settings::twice},
    {"wrong_calls", &Settings::wrong_calls},
    {"early_scribble", &Settings::early_scribble},
};

bool set_word(Settings& fresh, Text name, Text value) {
  for (const WordSetting& setting : kWords) {
    if (!(name == setting.name)) continue;
    for (u8 i = 0; setting.words[i] != nullptr; ++i) {
      if (!(value == setting.words[i])) continue;
      setting.set(fresh, i);
      return true;
    }
  }
  return false;
}

bool set_number(Settings& fresh, Text name, Text value) {
  u32 number = 0;
  if (!parse_number(value, &number)) return false;
  for (const SwitchSetting& setting : kSwitches) {
    if (!(name == setting.name) || number > 1) continue;
    fresh.*setting.member = number != 0;
    return true;
  }
  for (const NumberSetting& setting : kNumbers) {
    if (!(name == setting.name) || number > setting.most) continue;
    fresh.*setting.member = number;
    return setting.member != &Settings::piece || number >= 512;
  }
  return false;
}

int run_line(Text line) {
  const Text name = line.split(' ');
  if (name.empty() || name[0] == '#') return 0;
  if (name == "do") {
    const Text action = line.split(' ');
    return perform(action, line);
  }
  const DriverGuard guard;
  if (name == "reset") {
    g_settings = Settings{};
    return 0;
  }
  return set_word(g_settings, name, line) || set_number(g_settings, name, line) ? 0 : kEinval;
}

}  // namespace script_detail

using namespace script_detail;  // NOLINT: this file's own.

Settings& settings() { return g_settings; }

bool parse_number(Text text, u32* number) {
  const bool hex = text.starts_with("0x");
  if (hex) text = text.skip(2);
  u64 value = 0;
  for (u32 i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool is_digit = c >= '0' && c <= '9';
    if (!is_digit && !(hex && c >= 'a' && c <= 'f')) return false;
    value = value * (hex ? 16 : 10) + static_cast<u32>(is_digit ? c - '0' : c - 'a' + 10);
    if (value > 0xffffffff) return false;
  }
  *number = static_cast<u32>(value);
  return !text.empty();
}

int run_script(const char* text) {
  Text rest(text);
  while (!rest.empty()) {
    const Text line = rest.split('\n');
    const int error = run_line(line);
    note("script \"%.*s\": %d", static_cast<int>(line.size()), line.data(), error);
    if (error != 0) return error;
  }
  return 0;
}

}  // namespace conformance
