// SPDX-License-Identifier: GPL-2.0-only
//
// The script: what the driver does with the commands, logins and functions that come next, as a
// user wrote it. README.md describes each word.
//
// A command takes a copy of the settings when it arrives, so a script never changes the course of
// one that is under way. Written by one user at a time; read by anyone under the lock.
#pragma once

#include "conformance/rules.hh"

namespace conformance {

enum class Run : u8 { kInline, kThread, kCpu, kSoftirq, kNever };
enum class Kind : u8 { kBoth, kPage, kAddress, kMixed, kOdd, kZero, kDmaOnly };
enum class Residual : u8 { kNone, kOver, kUnder };
enum class Abort : u8 { kInline, kLate, kNever, kOther, kTwice, kRefuse };
enum class Function : u8 { kInline, kLate, kNever, kTwice, kReject, kUnsupported, kBefore };
enum class Login : u8 { kAccept, kLate, kNever, kTwice, kRefuse };
// Where the driver asks for the end of a session, once.
enum class Hook : u8 { kNone, kCdb, kXfer, kAbort, kCleanup, kAdded, kTmf };

struct Settings {
  Run run = Run::kInline;
  Kind buffer = Kind::kBoth;
  Residual residual = Residual::kNone;
  Abort abort = Abort::kInline;
  Function tmf = Function::kInline;
  Login first = Login::kAccept;
  Login stage = Login::kAccept;
  Hook session_abort = Hook::kNone;
  bool all_commands = false;    // Not only reads and writes of the medium.
  bool twice = false;           // Ends commands twice.
  bool wrong_calls = false;     // Makes every call that has to be refused.
  bool early_scribble = false;  // Breaks the contract: changes a buffer that is lent.
  u32 delay_ms = 0;
  u32 reorder = 0;        // Gathers that many commands and runs them backwards.
  u32 count = 0;          // Applies to that many commands only; 0: no limit.
  u32 piece = 16 * 1024;  // Bytes of one element.
  u32 phase = 0;          // Bytes of one list; 0: all at once.
  u32 ahead = 0;          // Lists that are lent before the first comes back.
  u32 residual_bytes = 0;
  u32 sense = 0;         // Key, ASC and ASCQ; 0: good.
  u32 refuse = 0;        // Error number that fp_scsi_cmd_cdb_rcved returns.
  u32 own_abort = 0;     // Asks the target to abort every n-th command.
  u32 login_status = 0;  // Class and detail of a refusal.
  u32 max_cmd = 0;
  u32 chap_flags = 0;  // Those the driver sets.
};

// The settings in force. Under the driver's lock.
Settings& settings();

// Takes lines of "NAME VALUE..." and "do ACTION...". Stops at the first bad one. Process context.
int run_script(const char* text);

// What "do" can do: in conformance.cc. Returns 0 or a negative error.
int perform(Text action, Text argument);

// A number, decimal or 0x.
bool parse_number(Text text, u32* number);

}  // namespace conformance
