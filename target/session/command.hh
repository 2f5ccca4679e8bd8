// SPDX-License-Identifier: GPL-2.0-only
//
// Command: one SCSI command from its PDU to its cleanup.
//
// The public chiscsi_scsi_command lies inside. A command belongs to its session's worker; the few
// fields that a storage driver's calls change are grouped apart and guarded by the session's driver
// lock (DriverPort). Commands come from a pool of their session and are reused oldest first, so
// that a late call for a dead command finds a dead command.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/list.hh"
#include "common/chiscsi_scsi_command.h"
#include "iscsi/bhs.hh"
#include "os/socket.h"
#include "target/info/command_counters.hh"
#include "target/lun/orphans.hh"
#include "target/scsi/sense_code.hh"
#include "target/session/command_window.hh"
#include "target/session/task_set.hh"
#include "target/session/tx_item.hh"
#include "transport/conn.hh"
#include "transport/worker.hh"

namespace chiscsi {

class Connection;
class Lun;
class Session;
class UnitState;
struct Command;
struct Member;
struct Tmf;
struct UnitTaskSet;
namespace scsi {
class ThirdPartyCopy;
}

enum class CommandState : uint8_t {
  kFree,
  kReceiving,   // The command PDU is arriving.
  kHeld,        // Waits in the command window for its CmdSN.
  kReady,       // Waits for the end of the receive pass to be handed over.
  kDormant,     // Waits in its task set for commands before it (TaskSets).
  kAtDriver,    // The storage driver has it.
  kAtTarget,    // The target runs it: parameter data is arriving, or it ends later.
  kResponding,  // Execution has ended; data, status or buffers are still with us.
  kAborting,    // fp_scsi_cmd_abort() was called; the driver owes an answer.
  kOrphaned,    // The answer did not come in time. Only the driver's call brings it back.
};
inline constexpr int kCommandStates = 10;
// For traces and tests.
const char* command_state_name(CommandState state);
// Whether a command may go from one state to the other.
bool command_transition_allowed(CommandState from, CommandState to);

// A buffer list that the driver lent us: from its call until fp_scsi_cmd_data_xfer_status().
struct BufferPhase {
  Command* command = nullptr;
  ListNode node;
  chiscsi_sgvec* elements = nullptr;
  uint32_t count = 0;
  uint32_t offset = 0;                  // Into the command's data.
  uint32_t length = 0;                  // As the driver gave it.
  uint32_t wire_length = 0;             // What of it goes over the wire.
  uint32_t pulled = 0;                  // Of a read: bytes in PDUs that the transport has pulled.
  uint32_t done = 0;                    // Bytes accepted by the network, or received.
  bool is_inline = false;               // The member of Command; else from the heap.
  bool notice_held = false;             // The notice was started and not yet put.
  std::atomic<bool> in_network{false};  // The network still refers to the memory.
  os_send_notice notice;

  SgList list() const { return {elements, count}; }
};
using PhaseList = List<BufferPhase, &BufferPhase::node>;

// What a storage driver may do with a command right now. Guarded by the driver lock.
enum class DriverAccess : uint8_t {
  kNone,     // Nothing: not handed over yet, or given back.
  kOpen,     // Lend buffers, end it, abort it.
  kEnded,    // Its final status was taken.
  kAborting  // Answer the abort.
};

struct Command : TxItem {
  explicit Command(Session& owner);
  ~Command();

  static Command& of(TxItem& item) { return static_cast<Command&>(item); }
  // The command of a public structure; the caller has checked is_live_pointer().
  static Command& of(chiscsi_scsi_command& scsi);
  // Whether `scsi` is one of ours, as far as its own memory can tell.
  static bool is_live_pointer(const chiscsi_scsi_command* scsi);

  // Makes a free command ready for its next life.
  void reset();
  void set_state(CommandState next);
  bool is_write() const { return (flags & iscsi::kCommandWrite) != 0; }
  bool is_read() const { return (flags & iscsi::kCommandRead) != 0; }
  // True while memory of the driver may be read or written on behalf of this command: a PDU of it
  // is being sent or received, the network still refers to a buffer, or the transport places data.
  bool buffers_busy();
  // True when there is a PDU of this command to be pulled.
  bool has_tx_work();
  // What statistics are to know of it when it is over.
  CommandResult result() const;

  chiscsi_scsi_command scsi;
  Session& session;

  // Worker-owned.
  CommandState state = CommandState::kFree;
  Connection* connection = nullptr;  // It came by; null when that is gone.
  Member* member = nullptr;          // The place of that connection, which stays.
  uint64_t started_us = 0;           // Its turn has come; 0: not yet.
  uint64_t concluded_us = 0;         // Its status is known; 0: it is not.
  Lun* logical_unit = nullptr;       // Entered from delivery to the end.
  uint32_t initiator_task_tag = iscsi::kReservedTag;
  uint32_t expected_length = 0;  // Expected Data Transfer Length.
  uint8_t lun[8] = {};
  uint8_t flags = 0;
  uint8_t priority = 0;           // Of RFC 7144; 0 without it.
  uint32_t bidi_read_length = 0;  // Of a bidirectional command, which we refuse.
  bool immediate = false;
  bool was_long = false;          // Its CDB had 32 bytes, and has 16 now.
  bool task_open = false;         // One of the member's open commands.
  bool counted = false;           // Occupies a place of the command window.
  bool driver_saw = false;        // fp_scsi_cmd_cdb_rcved() was called.
  bool silent = false;            // Aborted: no response, no data to the initiator.
  bool conclusion_known = false;  // The response's fields below are final.
  bool response_queued = false;   // The status has left in a PDU, or is pulled.
  bool abort_wanted = false;      // fp_scsi_cmd_abort() is to be called if the driver has it.
  unsigned int abort_flag = 0;    // Why: SC_FLAG_SESS_ABORT or SC_FLAG_TMF_ABORT.
  bool driver_abort = false;      // chiscsi_scsi_cmd_abort() was called for it.
  bool own_failure = false;       // We end it: the sense below counts, not the driver's.
  bool failed = false;            // `failure` is to be its answer.
  bool receiving = false;         // A data segment is being placed for it right now.
  uint32_t pdus_in_flight = 0;    // Pulled by the transport and not sent yet.
  Tmf* tmf = nullptr;             // The task management function that waits for it.
  Sequenced sequenced;
  const UnitState* task_unit = nullptr;  // Of the task set that it is in; null: in none.
  UnitTaskSet* task_set = nullptr;       // Where its unit has one that is kept.
  TaskSetPlace task_place;
  Orphan orphan;             // In its unit's list, when the driver does not give it back.
  ListNode table_node;       // In the task table, by Initiator Task Tag.
  ListNode session_node;     // In the session's list of live commands, or its free list.
  ListNode work_node;        // In the session's list of commands with hooks to call.
  uint64_t deadline_ms = 0;  // Of a wait for data or for the driver; 0 when there is none.

  // Unsolicited data, kept until the driver has lent buffers.
  Buffer unsolicited;
  uint32_t unsolicited_received = 0;
  uint32_t unsolicited_placed = 0;
  uint32_t unsolicited_data_sn = 0;
  bool unsolicited_open = false;  // More unsolicited Data-Out PDUs are to come.

  // Data transfer.
  PhaseList phases;           // Lent to us, in order of their offset.
  uint32_t solicited_to = 0;  // Everything before was solicited, or came unsolicited.
  uint32_t r2ts_outstanding = 0;
  uint32_t r2t_sn = 0;
  uint32_t data_sn = 0;     // Of Data-In PDUs.
  uint32_t burst_sent = 0;  // Bytes of the current Data-In sequence.
  uint32_t data_total = 0;  // Bytes of all phases that go over the wire.
  PlacedTask placed;        // While the transport writes to the phases by itself.
  BufferPhase inline_phase;
  // Of a command that the target runs.
  Buffer own_data;          // Its answer or its parameter data; the inline phase refers to it.
  bool ends_later = false;  // scsi_layer::finish() ends it, and it stays until then.
  scsi::ThirdPartyCopy* copy = nullptr;    // Of EXTENDED COPY: its execution.
  scsi::ThirdPartyCopy* inside = nullptr;  // It is a read or a write of that copy.

  // The response.
  SenseCode failure{};
  uint8_t response_code = 0;
  uint8_t scsi_status = 0;
  uint8_t residual_flags = 0;
  uint32_t residual_count = 0;
  uint16_t sense_size = 0;
  std::atomic<uint16_t> status_qualifier{0};  // Set by the driver, before its final status.
  uint8_t sense[2 + SCSI_SENSE_BUFFERSIZE];

  // Guarded by the driver lock.
  struct {
    DriverAccess access = DriverAccess::kNone;
    PhaseList lent;  // Not yet seen by the worker.
    uint32_t next_offset = 0;
    uint32_t outstanding = 0;  // Lists lent and not given back.
    bool inline_phase_used = false;
    bool ended = false;        // Final status, for the worker to take.
    bool answered = false;     // The abort was answered, for the worker to take.
    bool abort_asked = false;  // chiscsi_scsi_cmd_abort(), for the worker to take.
  } driver;
  PostedOnce event;  // Asks the worker to look at `driver`.

  // The whole CDB: a longer one has a buffer of its own, and its first bytes are in both places.
  Bytes whole_cdb() const { return long_cdb ? Bytes(long_cdb.bytes()) : Bytes(cdb); }
  uint8_t cdb[iscsi::kBhsCdbSize] = {};
  Buffer long_cdb;
  uint32_t magic;
};

}  // namespace chiscsi
