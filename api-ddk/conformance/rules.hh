// SPDX-License-Identifier: GPL-2.0-only
//
// The rules of the API that the conformance driver checks, and what it saw of each: one verdict per
// rule, and a log of every hook and every call with its result.
//
// A rule is checked wherever the driver can see it, in any context. The first breach of a rule is
// described; all are counted. Nothing here stops or changes what the driver does.
#pragma once

#include "conformance/linux/conformance_os.h"
#include "iface_types.hh"

namespace conformance {

using namespace iface;  // NOLINT: the vocabulary of the sample driver.

// README.md says what each demands, in this order.
enum class Rule : u8 {
  // The target's side.
  kHookContext,
  kHookOverlap,
  kHookDeregistered,
  kCdbFields,
  kCdbSession,
  kReadOnly,
  kXferOrder,
  kXferData,
  kXferReturned,
  kXferGuard,
  kAfterReturn,
  kAfterAbort,
  kAbortReason,
  kAbortOnce,
  kAbortFinal,
  kAbortAnswer,
  kAbortStatus,
  kCleanupOnce,
  kCleanupLast,
  kSessionOnce,
  kSessionCommands,
  kSessionReplace,
  kLoginOrder,
  kLoginNames,
  kChapFlags,
  kTmfArguments,
  // What the target makes of the driver's calls.
  kTaken,
  kRefuseNull,
  kRefuseForeign,
  kRefuseStale,
  kRefuseDouble,
  kRefuseList,
  kRefuseDmaOnly,
  kRefuseHandle,
  kRefuseControl,
  kClassBusy,
  kControl,
  kCount
};

// Notes that `rule` was kept or broken; `what` and the two numbers describe a breach.
void check(Rule rule, bool kept, const char* what, u64 a = 0, u64 b = 0);

// A line of the log.
void note(const char* format, ...) __attribute__((format(printf, 1, 2)));

bool rules_create();
void rules_destroy();
// Forgets the log; verdicts stay.
void log_clear();
// One line per rule: "conformance: NAME ok N", "... FAILED n of N: ..." or "... not seen".
u32 write_report(char* text, u32 size);
u32 write_log(char* text, u32 size);
// Rules that were broken.
u32 broken_rules();
// The report into the kernel log: broken rules and a total.
void log_verdict();

}  // namespace conformance
