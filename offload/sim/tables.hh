// SPDX-License-Identifier: GPL-2.0-only
//
// Tables: which connection and server indices and which local addresses are in use.
//
// The client's calls come in any context, the worker's on the worker; a spinlock is between them.
// Each call says whether it was right; the device counts what was not.
#pragma once

#include "base/own_ptr.hh"
#include "os/socket.h"
#include "os/thread.h"

namespace chiscsi::sim {

enum class TidState : uint8_t {
  kFree,
  kOffered,  // PASS_ACCEPT_REQ went out, or will.
  kLive,     // From PASS_ACCEPT_RPL to the end of the connection.
  kReset,    // The peer has ended it: nothing is written any more. The client has to answer.
  kDead,     // The adapter is done with it; the client has to release it.
};

inline bool same_ip(const os_address& a, const os_address& b) {
  return a.is_ipv6 == b.is_ipv6 && __builtin_memcmp(a.ip, b.ip, sizeof(a.ip)) == 0;
}
bool is_wildcard(const os_address& address);

class Tables {
 public:
  ~Tables();
  // Context: process.
  bool init(uint32_t tid_base, uint32_t tid_count);

  // ---- Connections. ----
  static constexpr uint32_t kNoTid = ~0u;
  // The lowest free tid becomes kOffered; kNoTid when there is none.
  uint32_t tid_take();
  void tid_set(uint32_t tid, TidState state);
  TidState tid_state(uint32_t tid);
  bool tid_is_inserted(uint32_t tid);
  // The client's.
  bool tid_insert(uint32_t tid);
  bool tid_remove(uint32_t tid);
  void tid_free_all();
  uint32_t tids();
  uint32_t tid_base() const { return tid_base_; }
  uint32_t tid_count() const { return tid_count_; }

  // ---- Servers: an IPv6 one takes two indices. ----
  static constexpr uint32_t kFirstStid = 0x800;
  static constexpr uint32_t kStids = 64;
  // A negative errno when there is none.
  int stid_take(bool is_ipv6);
  bool stid_free(uint32_t stid, bool is_ipv6);
  // False when it is not allocated, or has a server already (or none).
  bool stid_set_server(uint32_t stid, bool has_server);
  uint32_t stids();

  // ---- Local addresses. ----
  int clip_get(const os_address& address);
  bool clip_release(const os_address& address);
  uint32_t clips();

 private:
  struct Tid {
    TidState state;
    bool inserted;
  };
  struct Stid {
    bool used, is_ipv6, has_server;
  };
  struct Clip {
    os_address address;
    uint32_t users;
  };
  static constexpr uint32_t kClips = 32;

  Tid* find_tid(uint32_t tid) {
    return tid - tid_base_ < tid_count_ ? &tids_[tid - tid_base_] : nullptr;
  }
  Stid* find_stid(uint32_t stid) {
    return stid - kFirstStid < kStids && stids_[stid - kFirstStid].used ? &stids_[stid - kFirstStid]
                                                                        : nullptr;
  }

  os_spinlock* lock_ = nullptr;
  Buffer memory_;
  Tid* tids_ = nullptr;
  uint32_t tid_base_ = 0;
  uint32_t tid_count_ = 0;
  Stid stids_[kStids] = {};
  Clip clips_[kClips] = {};
};

}  // namespace chiscsi::sim
