// SPDX-License-Identifier: GPL-2.0-only
//
// The sessions the target has told of: each is added once, removed once, and replaced only after it
// was removed.
#include "conformance/errdev.hh"

namespace conformance {
namespace sessions_detail {

constexpr u32 kSessions = 256;

struct SessionEntry {
  unsigned long number;  // 0: free
  unsigned long handle;
  u8 isid[6];
  char initiator[224];
};
// Under the lock of the driver.
constinit SessionEntry* g_sessions = nullptr;
constinit unsigned long g_last = 0;

SessionEntry* find_handle(unsigned long handle) {
  for (u32 i = 0; i < kSessions; ++i) {
    if (g_sessions[i].number != 0 && g_sessions[i].handle == handle) return &g_sessions[i];
  }
  return nullptr;
}

SessionEntry* find_number(unsigned long number) {
  for (u32 i = 0; i < kSessions; ++i) {
    if (number != 0 && g_sessions[i].number == number) return &g_sessions[i];
  }
  return nullptr;
}

bool port_is_live_locked(const u8* isid, const char* initiator) {
  for (u32 i = 0; i < kSessions; ++i) {
    const SessionEntry& entry = g_sessions[i];
    if (entry.number != 0 && __builtin_memcmp(entry.isid, isid, sizeof(entry.isid)) == 0 &&
        Text(entry.initiator) == Text(initiator)) {
      return true;
    }
  }
  return false;
}

// Commands of the session that were neither cleaned up nor asked back.
u32 forgotten_commands_locked(unsigned long number) {
  u32 forgotten = 0;
  for (Record* r = first_record_locked(); r != nullptr; r = next_record_locked(*r)) {
    if (r->session == number && !r->cleaned && !r->abort_owed) ++forgotten;
  }
  return forgotten;
}

}  // namespace sessions_detail

using namespace sessions_detail;  // NOLINT: this file's own.

bool sessions_create() {
  g_sessions = static_cast<SessionEntry*>(iface_os_alloc(kSessions * sizeof(SessionEntry)));
  return g_sessions != nullptr;
}

void sessions_destroy() {
  iface_os_free(g_sessions);
  g_sessions = nullptr;
}

unsigned long session_enter(unsigned long handle, const unsigned char* isid,
                            const chiscsi_driver::Nexus& nexus) {
  const DriverGuard guard;
  check(Rule::kSessionOnce, find_handle(handle) == nullptr, "a handle is used twice", handle);
  check(Rule::kSessionReplace, !port_is_live_locked(isid, nexus.initiator),
        "added while the older session of the same port is there", handle);
  const unsigned long number = ++g_last;
  for (u32 i = 0; i < kSessions; ++i) {
    SessionEntry& entry = g_sessions[i];
    if (entry.number != 0) continue;
    entry.number = number;
    entry.handle = handle;
    __builtin_memcpy(entry.isid, isid, sizeof(entry.isid));
    conf_print(entry.initiator, sizeof(entry.initiator), "%s", nexus.initiator);
    return number;
  }
  note("more sessions than this driver can follow");
  return number;
}

void session_leave(unsigned long handle, const chiscsi_driver::Nexus& nexus) {
  const DriverGuard guard;
  SessionEntry* entry = find_handle(handle);
  check(Rule::kSessionOnce, entry != nullptr, "removed twice, or never added", handle);
  if (entry == nullptr) return;
  check(Rule::kSessionOnce, Text(entry->initiator) == Text(nexus.initiator),
        "removed with another initiator's name", handle);
  const u32 forgotten = forgotten_commands_locked(entry->number);
  check(Rule::kSessionCommands, forgotten == 0,
        "removed with commands that were neither cleaned up nor asked back", handle, forgotten);
  entry->number = 0;
}

bool session_is_live(unsigned long number) {
  const DriverGuard guard;
  return find_number(number) != nullptr;
}

unsigned long session_handle(unsigned long number) {
  const DriverGuard guard;
  const SessionEntry* entry = find_number(number);
  return entry != nullptr ? entry->handle : 0;
}

u32 abort_all_sessions() {
  u32 asked = 0;
  for (u32 i = 0; i < kSessions; ++i) {
    unsigned long handle = 0;
    {
      const DriverGuard guard;
      if (g_sessions[i].number != 0) handle = g_sessions[i].handle;
    }
    if (handle != 0 && chiscsi_target_session_abort(handle) >= 0) ++asked;
  }
  return asked;
}

u32 live_sessions() {
  const DriverGuard guard;
  u32 live = 0;
  for (u32 i = 0; i < kSessions; ++i)
    live += g_sessions[i].number != 0 ? 1 : 0;
  return live;
}

}  // namespace conformance
