// SPDX-License-Identifier: GPL-2.0-only
//
// Tmf: one task management function from its request to its response.
//
// A function names commands; those end without a word to the initiator. Where it reaches the
// commands of other sessions of the target, it has a part in each of them: a Tmf of its own that
// lives on that session's worker, names its commands there, and knows the whole. Whole and parts
// tell each other by messages what they have done; nobody waits longer than until `deadline_ms`.
// The storage driver answers from any context by the handle of the whole; `done` and `response` are
// then its. What is not marked otherwise belongs to the worker of `session`.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/list.hh"
#include "base/ref.hh"
#include "base/serial.hh"
#include "target/handle_table.hh"
#include "transport/worker.hh"

namespace chiscsi {

class Connection;
class Lun;
class Session;
class UnitState;
struct Command;
namespace scsi {
class Reservations;
}

enum class TmfStage : uint8_t {
  kGathering,  // Waits for the commands before it, by CmdSN; nothing is named yet.
  kNaming,     // Its commands are named; other sessions may still be naming theirs.
  kDriver,     // fp_tmf_execute() was called, or will not be.
  kEnding,     // The driver has answered: what is left is aborted command by command.
};

// The function of a PREEMPT AND ABORT, which no request on the wire can ask for: it ends the
// commands of the nexuses that were preempted.
inline constexpr uint8_t kTmfPreempt = 0x80;

struct Tmf : RefCounted<Tmf> {
  explicit Tmf(Ref<Session> owner);
  ~Tmf();
  // Has the worker of `session` look at it. Context: any.
  void wake();
  bool is_part() const { return static_cast<bool>(whole); }

  Handle handle;

  // Immutable once it is known to more than one worker.
  Ref<Session> session;  // The one that sent the function, or the one a part is in.
  Ref<Tmf> whole;        // Of a part.
  uint32_t initiator_task_tag = 0;
  uint32_t referenced_task_tag = 0;  // Of ABORT TASK.
  uint8_t function = 0;
  bool immediate = false;
  uint32_t lun = 0;
  Serial cmd_sn;
  uint64_t deadline_ms = 0;
  // Of a function of one unit that the target speaks for: a reload may give its device another
  // number.
  Ref<UnitState> unit;

  // Worker-owned.
  ListNode session_node;
  Connection* connection = nullptr;  // The response goes there; null when it is gone.
  TmfStage stage = TmfStage::kGathering;
  uint32_t commands_left = 0;     // Of those it waits for, how many have not ended.
  uint64_t data_deadline_ms = 0;  // Of the wait for data of its commands; 0 when there is none.
  bool tells_driver = false;      // fp_tmf_execute() is to be called in its turn.
  bool asked = false;             // It was called, for the class whose turn it is.
  bool fence_raised = false;
  bool counted = false;           // Has a place in the window, as a command has.
  bool over = false;              // Of a part: the whole has been told.
  Lun* logical_unit = nullptr;    // Entered while its class runs the function.
  uint32_t classes_told = 0;      // A bit for each LUN class that a target reset went to.
  uint8_t outcome = 0;            // The first bad answer of these.
  Command* command = nullptr;     // Of ABORT TASK. Used only while it is named by this function.
  Command* preempting = nullptr;  // The PREEMPT AND ABORT that ends with this function.
  Ref<scsi::Reservations> before, after;  // Of that one.
  ListNode part_node;                     // In `parts`, which belongs to the worker of the whole.
  List<Tmf, &Tmf::part_node> parts;

  // Between the workers of whole and parts. Of the whole:
  std::atomic<uint32_t> parts_naming{0};  // Have not named their commands yet.
  std::atomic<uint32_t> parts_left{0};    // Have commands that have not ended.
  std::atomic<bool> dropped{false};       // It is over: nobody is to be told.
  // A driver may still have commands that it was to end, or some session could not be told of it,
  // for want of memory.
  std::atomic<bool> incomplete{false};
  // Of a part: the driver was told, what it still holds is to be aborted.
  std::atomic<bool> abort_rest{false};

  // The driver's answer.
  // The handle that an answer is awaited for. Whoever takes it has answered; who comes later is
  // refused.
  std::atomic<unsigned long> awaited{0};
  std::atomic<bool> done{false};  // `response` is valid.
  std::atomic<uint8_t> response{0};
  PostedOnce message;
};
using TmfList = List<Tmf, &Tmf::session_node>;

}  // namespace chiscsi
