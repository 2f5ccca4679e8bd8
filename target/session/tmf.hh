// SPDX-License-Identifier: GPL-2.0-only
//
// Tmf: one task management function from its request to its response.
//
// The response leaves when every command it names has ended and the storage driver has answered,
// or when the limit for that has passed. The driver answers from any context by the handle; `done`
// and `response` are then its, everything else belongs to the session's worker.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/list.hh"
#include "base/ref.hh"
#include "target/handle_table.hh"
#include "transport/worker.hh"

namespace chiscsi {

class Connection;
class Lun;
class Session;
struct Command;

struct Tmf : RefCounted<Tmf> {
  explicit Tmf(Ref<Session> owner);
  ~Tmf();

  Handle handle;
  Ref<Session> session;

  // Worker-owned.
  ListNode session_node;
  Connection* connection = nullptr;  // The response goes there; null when it is gone.
  uint32_t initiator_task_tag = 0;
  uint8_t function = 0;
  uint32_t commands_left = 0;  // Of those it names, how many have not ended.
  bool waits_for_driver = false;
  bool fence_raised = false;
  Lun* logical_unit = nullptr;  // Entered while its class runs the function.
  uint32_t classes_told = 0;    // A bit for each LUN class that a target reset went to.
  uint8_t outcome = 0;          // The first bad answer of these.
  uint64_t deadline_ms = 0;
  // The call of fp_tmf_execute() that is still to be made.
  struct {
    bool wanted = false;
    bool immediate = false;
    uint32_t lun = 0;
    Command* command = nullptr;  // Compared, and used only while it is named by this function.
  } call;

  // The driver's answer.
  // The handle that an answer is awaited for. Whoever takes it has answered; who comes later is
  // refused.
  std::atomic<unsigned long> awaited{0};
  std::atomic<bool> done{false};  // `response` is valid.
  std::atomic<uint8_t> response{0};
  PostedOnce answered;
};
using TmfList = List<Tmf, &Tmf::session_node>;

}  // namespace chiscsi
