// SPDX-License-Identifier: GPL-2.0-only
//
// The driver's side of the driver port: the bodies of the exported calls on commands.
//
// They run in whatever context the driver is in, check the call against the command, record it
// under the session's driver lock and post the command to its worker. The log lines are those of
// the Guide's appendix D, which operators search for.
#include "base/lock.hh"
#include "os/log.h"
#include "target/engine.h"
#include "target/lun/lun.hh"
#include "target/scsi/driver_port.hh"
#include "target/session/session.hh"
#include "target/trace.hh"

namespace chiscsi {

namespace driver_port {

namespace {

std::atomic<uint64_t> refused_count{0};

constexpr int kInvalid = -static_cast<int>(Error::kInvalid);
constexpr int kStale = -static_cast<int>(Error::kStale);
constexpr int kNoMemory = -static_cast<int>(Error::kNoMemory);

// A list that a driver wants to lend.
struct Loan {
  const char* call;
  chiscsi_sgvec* elements;
  uint32_t count;
  uint32_t offset;
  uint32_t length;
};

int refuse(const char* call, const chiscsi_scsi_command* scsi, const char* why) {
  refused_count.fetch_add(1, std::memory_order_relaxed);
  os_log_limited(OS_LOG_WARNING, "%s: sc 0x%p refused, %s", call, static_cast<const void*>(scsi),
                 why);
  return kInvalid;
}

int refuse_stale(const char* call, const Command& command) {
  refused_count.fetch_add(1, std::memory_order_relaxed);
  os_log_limited(OS_LOG_WARNING, "%s: itt 0x%x, command is not with the storage driver", call,
                 command.initiator_task_tag);
  return kStale;
}

int refuse_loan(const Command& command, const Loan& loan, const char* what, const char* after) {
  refused_count.fetch_add(1, std::memory_order_relaxed);
  os_log_limited(OS_LOG_ERROR, "%s: itt 0x%x, %s, %u+%u/%u%s", loan.call,
                 command.initiator_task_tag, what, loan.offset, loan.length,
                 command.expected_length, after);
  return kInvalid;
}

// Every element can be reached by us, and together they are as long as the loan says.
int check_elements(const Command& command, const Loan& loan) {
  uint64_t total = 0;
  for (uint32_t i = 0; i < loan.count; ++i) {
    const chiscsi_sgvec& element = loan.elements[i];
    total += element.sg_length;
    if (element.sg_page != nullptr || element.sg_addr != nullptr) continue;
    refused_count.fetch_add(1, std::memory_order_relaxed);
    os_log_limited(OS_LOG_ERROR,
                   "No DDP: sgcnt %u sgl 0x%p, sg_flag 0x%x, sg_addr NULL, Cannot copy data!",
                   loan.count, static_cast<const void*>(loan.elements), element.sg_flag);
    return kInvalid;
  }
  return total >= loan.length ? 0 : refuse_loan(command, loan, "sgl shorter than buflen", "");
}

int check_loan(const Command& command, const Loan& loan) {
  if (loan.elements == nullptr) return refuse_loan(command, loan, "data buf NULL", "");
  if (loan.count == 0) return refuse_loan(command, loan, "sg 0, exp. sgl", "");
  if (loan.length == 0) return refuse_loan(command, loan, "buflen 0", "");
  return check_elements(command, loan);
}

bool is_multi_phase(const Command& command) {
  return command.logical_unit->has_property(LUN_CLASS_MULTI_PHASE_DATA_BIT);
}

// What becomes of a loan. It is decided under the driver lock and said when the lock is gone.
enum class Verdict : uint8_t { kTaken, kStale, kOffset, kOverflow, kUnderflow, kNoMemory };

// Offset and length against what was lent before and what the initiator expects.
Verdict check_extent_locked(const Command& command, const Loan& loan) {
  if (loan.offset != command.driver.next_offset) return Verdict::kOffset;
  const uint64_t end = static_cast<uint64_t>(loan.offset) + loan.length;
  const unsigned int flags = command.scsi.sc_flag;
  if (end > command.expected_length && (flags & SC_FLAG_XFER_OVERFLOW) == 0) {
    return Verdict::kOverflow;
  }
  const bool may_be_short = (flags & SC_FLAG_XFER_UNDERFLOW) != 0 || is_multi_phase(command) ||
                            command.scsi.sc_status != 0;
  return end < command.expected_length && !may_be_short ? Verdict::kUnderflow : Verdict::kTaken;
}

int say(const Command& command, const Loan& loan, Verdict verdict, uint32_t expected_offset) {
  switch (verdict) {
    case Verdict::kTaken:
      return 0;
    case Verdict::kNoMemory:
      return kNoMemory;
    case Verdict::kStale:
      return refuse_stale(loan.call, command);
    case Verdict::kOffset:
      refused_count.fetch_add(1, std::memory_order_relaxed);
      os_log_limited(OS_LOG_ERROR, "%s: itt 0x%x, buf off %u+%u, exp %u+%u", loan.call,
                     command.initiator_task_tag, loan.offset, loan.length, expected_offset,
                     loan.length);
      return kInvalid;
    default:
      refused_count.fetch_add(1, std::memory_order_relaxed);
      os_log_limited(OS_LOG_ERROR, "%s: itt 0x%x, buf %s, %u!=%u+%u.", loan.call,
                     command.initiator_task_tag,
                     verdict == Verdict::kOverflow ? "overflow" : "underflow",
                     command.expected_length, loan.offset, loan.length);
      return kInvalid;
  }
}

bool inline_phase_is_free(Command& command) {
  SpinGuard guard(command.session.driver_lock);
  return !command.driver.inline_phase_used;
}

// The inline phase, or else the one that was allocated before the lock was taken.
BufferPhase* take_phase_locked(Command& command, OwnPtr<BufferPhase>& allocated) {
  BufferPhase* phase = allocated.get();
  if (!command.driver.inline_phase_used) {
    command.driver.inline_phase_used = true;
    phase = &command.inline_phase;
  } else if (phase != nullptr) {
    static_cast<void>(allocated.release());
    phase->command = &command;
  }
  return phase;
}

// Read data ends the command's execution with the list that completes it.
bool completes_read(const Command& command, const Loan& loan) {
  const unsigned int kLast = SC_FLAG_XFER_OVERFLOW | SC_FLAG_XFER_UNDERFLOW;
  const uint64_t end = static_cast<uint64_t>(loan.offset) + loan.length;
  return end >= command.expected_length || (command.scsi.sc_flag & kLast) != 0 ||
         command.scsi.sc_status != 0 || !is_multi_phase(command);
}

// The end of execution without (more) data, or the answer to an abort. False: the driver does not
// have the command.
bool take_end_locked(Command& command) {
  switch (command.driver.access) {
    case DriverAccess::kOpen:
      command.driver.ended = true;
      break;
    case DriverAccess::kAborting:
      command.driver.answered = true;
      break;
    default:
      return false;
  }
  command.driver.access = DriverAccess::kEnded;
  command.event.request(command.session.worker());
  return true;
}

// Read data that would have ended the command and crossed the abort: the driver has let go of it. A
// phase with more to come has not, so it is refused and the driver is still to answer.
bool answers_abort_locked(const Command& command, const Loan& loan, bool may_complete) {
  return may_complete && command.driver.access == DriverAccess::kAborting &&
         completes_read(command, loan);
}

Verdict take_loan_locked(Command& command, const Loan& loan, bool may_complete,
                         OwnPtr<BufferPhase>& allocated) {
  if (answers_abort_locked(command, loan, may_complete)) {
    take_end_locked(command);
    return Verdict::kTaken;
  }
  if (command.driver.access != DriverAccess::kOpen) return Verdict::kStale;
  const Verdict extent = check_extent_locked(command, loan);
  if (extent != Verdict::kTaken) return extent;
  BufferPhase* phase = take_phase_locked(command, allocated);
  if (phase == nullptr) return Verdict::kNoMemory;
  phase->elements = loan.elements;
  phase->count = loan.count;
  phase->offset = loan.offset;
  phase->length = loan.length;
  phase->pulled = phase->done = 0;
  command.driver.lent.push_back(*phase);
  command.driver.next_offset += loan.length;
  ++command.driver.outstanding;
  trace::data(command, OS_TRACE_LENT, loan.offset, loan.length);
  if (may_complete && completes_read(command, loan)) {
    command.driver.access = DriverAccess::kEnded;
    command.driver.ended = true;
  }
  command.event.request(command.session.worker());
  return Verdict::kTaken;
}

// With an answer nobody looks at the list any more.
bool take_answer_to_abort(Command& command, const Loan& loan, bool may_complete) {
  SpinGuard guard(command.session.driver_lock);
  return answers_abort_locked(command, loan, may_complete) && take_end_locked(command);
}

// When a loan was taken the command may be gone at once: nothing of it is touched after the lock.
int lend(Command& command, const Loan& loan, bool may_complete) {
  if (take_answer_to_abort(command, loan, may_complete)) return 0;
  const int bad = check_loan(command, loan);
  if (bad != 0) return bad;
  OwnPtr<BufferPhase> allocated;
  if (!inline_phase_is_free(command)) allocated = make<BufferPhase>(Alloc::kAtomic);
  uint32_t expected_offset;
  Verdict verdict;
  {
    SpinGuard guard(command.session.driver_lock);
    expected_offset = command.driver.next_offset;
    verdict = take_loan_locked(command, loan, may_complete, allocated);
  }
  return verdict == Verdict::kTaken ? 0 : say(command, loan, verdict, expected_offset);
}

int finish(Command& command, const char* call) {
  bool taken;
  {
    SpinGuard guard(command.session.driver_lock);
    taken = take_end_locked(command);
  }
  return taken ? 0 : refuse_stale(call, command);
}

bool take_abort_request(Command& command) {
  SpinGuard guard(command.session.driver_lock);
  if (command.driver.access != DriverAccess::kOpen) return false;
  command.driver.access = DriverAccess::kEnded;
  command.driver.abort_asked = true;
  command.event.request(command.session.worker());
  return true;
}

DriverAccess access_of(Command& command) {
  SpinGuard guard(command.session.driver_lock);
  return command.driver.access;
}

bool abort_is_pending(Command& command) { return access_of(command) == DriverAccess::kAborting; }

}  // namespace

uint64_t refused_calls() { return refused_count.load(std::memory_order_relaxed); }

}  // namespace driver_port

}  // namespace chiscsi

using namespace chiscsi;               // NOLINT: this part of the file is the C interface.
using namespace chiscsi::driver_port;  // NOLINT

extern "C" {

int engine_scsi_cmd_buffer_ready(chiscsi_scsi_command* scmd, unsigned char* sc_xfer_sreq_buf,
                                 unsigned int sc_xfer_sgcnt, unsigned int sc_xfer_offset,
                                 unsigned int sc_xfer_buflen) {
  constexpr const char* kCall = "chiscsi_scsi_cmd_buffer_ready";
  if (!Command::is_live_pointer(scmd)) return refuse(kCall, scmd, "not a command");
  Command& command = Command::of(*scmd);
  if (!command.is_write()) return refuse(kCall, scmd, "not a write command");
  auto* elements = reinterpret_cast<chiscsi_sgvec*>(sc_xfer_sreq_buf);
  return lend(command, {kCall, elements, sc_xfer_sgcnt, sc_xfer_offset, sc_xfer_buflen}, false);
}

int engine_scsi_cmd_execution_status(chiscsi_scsi_command* scmd, unsigned char* sc_xfer_sreq_buf,
                                     unsigned int sc_xfer_sgcnt, unsigned int sc_xfer_offset,
                                     unsigned int sc_xfer_buflen) {
  constexpr const char* kCall = "chiscsi_scsi_cmd_execution_status";
  if (!Command::is_live_pointer(scmd)) return refuse(kCall, scmd, "not a command");
  Command& command = Command::of(*scmd);
  const bool brings_data = command.is_read() && sc_xfer_sreq_buf != nullptr && sc_xfer_buflen != 0;
  auto* elements = reinterpret_cast<chiscsi_sgvec*>(sc_xfer_sreq_buf);
  const Loan loan{kCall, elements, sc_xfer_sgcnt, sc_xfer_offset, sc_xfer_buflen};
  return brings_data ? lend(command, loan, true) : finish(command, kCall);
}

int engine_scsi_cmd_abort_status(chiscsi_scsi_command* scmd) {
  constexpr const char* kCall = "chiscsi_scsi_cmd_abort_status";
  if (!Command::is_live_pointer(scmd)) return refuse(kCall, scmd, "not a command");
  Command& command = Command::of(*scmd);
  if (!abort_is_pending(command)) return refuse_stale(kCall, command);
  return finish(command, kCall);
}

int engine_scsi_cmd_abort(chiscsi_scsi_command* scmd) {
  constexpr const char* kCall = "chiscsi_scsi_cmd_abort";
  if (!Command::is_live_pointer(scmd)) return refuse(kCall, scmd, "not a command");
  Command& command = Command::of(*scmd);
  return take_abort_request(command) ? 0 : refuse_stale(kCall, command);
}

const unsigned char* engine_scsi_cmd_cdb(chiscsi_scsi_command* scmd, unsigned int* cdb_len) {
  *cdb_len = 0;
  if (!Command::is_live_pointer(scmd)) {
    refuse("chiscsi_scsi_cmd_cdb", scmd, "not a command");
    return nullptr;
  }
  Command& command = Command::of(*scmd);
  if (access_of(command) == DriverAccess::kNone) {
    refuse_stale("chiscsi_scsi_cmd_cdb", command);
    return nullptr;
  }
  const Bytes cdb = command.whole_cdb();
  *cdb_len = static_cast<unsigned int>(cdb.size());
  return cdb.data();
}

int engine_scsi_cmd_priority(chiscsi_scsi_command* scmd) {
  constexpr const char* kCall = "chiscsi_scsi_cmd_priority";
  if (!Command::is_live_pointer(scmd)) return refuse(kCall, scmd, "not a command");
  Command& command = Command::of(*scmd);
  if (access_of(command) == DriverAccess::kNone) return refuse_stale(kCall, command);
  return command.priority;
}

// The caller has the command, so its LUN is there.
int engine_scsi_cmd_must_be_stable(chiscsi_scsi_command* scmd) {
  const Lun& lun = *Command::of(*scmd).logical_unit;
  return !lun.passes_all_commands() && lun.must_write_through();
}

int engine_scsi_cmd_set_status_qualifier(chiscsi_scsi_command* scmd, unsigned short qualifier) {
  constexpr const char* kCall = "chiscsi_scsi_cmd_set_status_qualifier";
  if (!Command::is_live_pointer(scmd)) return refuse(kCall, scmd, "not a command");
  Command& command = Command::of(*scmd);
  if (access_of(command) != DriverAccess::kOpen) return refuse_stale(kCall, command);
  command.status_qualifier.store(qualifier, std::memory_order_relaxed);
  return 0;
}

void engine_iscsi_command_dump(chiscsi_scsi_command* scmd) {
  if (!Command::is_live_pointer(scmd)) {
    refuse("chiscsi_iscsi_command_dump", scmd, "not a command");
    return;
  }
  Command& command = Command::of(*scmd);
  os_log(OS_LOG_INFO,
         "sc 0x%p: itt 0x%x, cmdsn %u, lun %u, opcode 0x%x, flag 0x%x, xfer_len %u, access %d, "
         "status 0x%x, response 0x%x, sense %x/%x/%x, residual %u",
         static_cast<const void*>(scmd), scmd->sc_itt, scmd->sc_CmdSN, scmd->sc_lun, command.cdb[0],
         scmd->sc_flag, scmd->sc_xfer_len, static_cast<int>(access_of(command)), scmd->sc_status,
         scmd->sc_response, scmd->sc_sense_key, scmd->sc_sense_asc, scmd->sc_sense_ascq,
         scmd->sc_xfer_residualcount);
}

}  // extern "C"
