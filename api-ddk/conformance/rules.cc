// SPDX-License-Identifier: GPL-2.0-only
//
// Verdicts and log of the conformance driver, under a lock of their own, which is the innermost.
// Called in any context; allocates only at the start and never waits.
#include "conformance/rules.hh"

namespace conformance {
namespace rules_detail {

constexpr u32 kRules = static_cast<u32>(Rule::kCount);
constexpr u32 kLogSize = 192 * 1024;
constexpr u32 kLineMax = 200;

constexpr const char* kNames[kRules] = {
    "hook-context",     "hook-overlap",    "hook-deregistered", "cdb-fields",     "cdb-session",
    "read-only",        "xfer-order",      "xfer-data",         "xfer-returned",  "xfer-guard",
    "after-return",     "after-abort",     "abort-reason",      "abort-once",     "abort-final",
    "abort-answer",     "abort-status",    "cleanup-once",      "cleanup-last",   "session-once",
    "session-commands", "session-replace", "login-order",       "login-names",    "chap-flags",
    "tmf-arguments",    "taken",           "refuse-null",       "refuse-foreign", "refuse-stale",
    "refuse-double",    "refuse-list",     "refuse-dma-only",   "refuse-handle",  "refuse-control",
    "class-busy",       "control"};

struct Verdict {
  u64 checks;
  u64 breaches;
  char first[kLineMax];
};

// Guarded by g_log_lock.
constinit conf_lock* g_log_lock = nullptr;
constinit Verdict g_verdicts[kRules] = {};
constinit char* g_log = nullptr;
constinit u32 g_log_used = 0;
constinit u64 g_log_lost = 0;

class LogGuard {
 public:
  LogGuard() : flags_(conf_lock_take(g_log_lock)) {}
  ~LogGuard() { conf_lock_drop(g_log_lock, flags_); }
  LogGuard(const LogGuard&) = delete;
  LogGuard& operator=(const LogGuard&) = delete;

 private:
  unsigned long flags_;
};

void append_locked(const char* line, u32 length) {
  if (g_log_used + length + 1 > kLogSize) {
    ++g_log_lost;
    return;
  }
  __builtin_memcpy(g_log + g_log_used, line, length);
  g_log_used += length;
  g_log[g_log_used++] = '\n';
}

u32 put_verdict(const char* name, const Verdict& verdict, char* text, u32 size) {
  const int length = verdict.breaches != 0
                         ? conf_print(text, size, "conformance: %s FAILED %llu of %llu: %s\n", name,
                                      verdict.breaches, verdict.checks, verdict.first)
                     : verdict.checks != 0
                         ? conf_print(text, size, "conformance: %s ok %llu\n", name, verdict.checks)
                         : conf_print(text, size, "conformance: %s not seen\n", name);
  return static_cast<u32>(length);
}

}  // namespace rules_detail

using namespace rules_detail;  // NOLINT: this file's own.

bool rules_create() {
  g_log_lock = conf_lock_create(CONF_LOCK_INNER);
  g_log = static_cast<char*>(iface_os_alloc(kLogSize));
  return g_log_lock != nullptr && g_log != nullptr;
}

void rules_destroy() {
  iface_os_free(g_log);
  g_log = nullptr;
  if (g_log_lock != nullptr) conf_lock_destroy(g_log_lock);
  g_log_lock = nullptr;
}

void check(Rule rule, bool kept, const char* what, u64 a, u64 b) {
  const LogGuard guard;
  Verdict& verdict = g_verdicts[static_cast<u32>(rule)];
  ++verdict.checks;
  if (kept) return;
  char line[kLineMax];
  const int length = conf_print(line, sizeof(line), "BREACH %s: %s (%llu, %llu)",
                                kNames[static_cast<u32>(rule)], what, a, b);
  append_locked(line, static_cast<u32>(length));
  if (verdict.breaches++ == 0) {
    conf_print(verdict.first, sizeof(verdict.first), "%s (%llu, %llu)", what, a, b);
  }
}

void note(const char* format, ...) {
  char line[kLineMax];
  __builtin_va_list arguments;
  __builtin_va_start(arguments, format);
  const int length = conf_vprint(line, sizeof(line), format, &arguments);
  __builtin_va_end(arguments);
  const LogGuard guard;
  append_locked(line, static_cast<u32>(length));
}

void log_clear() {
  const LogGuard guard;
  g_log_used = 0;
  g_log_lost = 0;
}

u32 write_report(char* text, u32 size) {
  const LogGuard guard;
  u32 used = 0;
  for (u32 i = 0; i < kRules; ++i)
    used += put_verdict(kNames[i], g_verdicts[i], text + used, size - used);
  return used;
}

u32 write_log(char* text, u32 size) {
  const LogGuard guard;
  const u32 used = min(g_log_used, size);
  __builtin_memcpy(text, g_log, used);
  if (g_log_lost == 0) return used;
  const int more = conf_print(text + used, size - used, "... %llu lines lost\n", g_log_lost);
  return used + static_cast<u32>(more);
}

u32 broken_rules() {
  const LogGuard guard;
  u32 broken = 0;
  for (const Verdict& verdict : g_verdicts)
    broken += verdict.breaches != 0 ? 1 : 0;
  return broken;
}

void log_verdict() {
  u32 seen = 0;
  for (u32 i = 0; i < kRules; ++i) {
    seen += g_verdicts[i].checks != 0 ? 1 : 0;
    if (g_verdicts[i].breaches == 0) continue;
    iface_os_log(IFACE_OS_ERROR, "%s FAILED %llu of %llu: %s", kNames[i], g_verdicts[i].breaches,
                 g_verdicts[i].checks, g_verdicts[i].first);
  }
  iface_os_log(IFACE_OS_INFO, "%u of %u rules seen, %u broken", seen, kRules, broken_rules());
}

}  // namespace conformance
