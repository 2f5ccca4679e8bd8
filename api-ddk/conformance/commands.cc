// SPDX-License-Identifier: GPL-2.0-only
//
// The life of a command under the script: the hooks of the LUN class and the steps between them.
#include "conformance/errdev.hh"

namespace conformance {
namespace commands_detail {

using chiscsi_driver::BufferList;
using chiscsi_driver::Extent;
using chiscsi_driver::TaskManagement;

constexpr chiscsi_driver::SenseCode kScripted(u32 sense) {
  return {static_cast<u8>(sense >> 16), static_cast<u8>(sense >> 8), static_cast<u8>(sense)};
}

// ---- Before the first step ----

void check_arrival(const chiscsi_scsi_command& raw) {
  const u32 direction = raw.sc_flag & (SC_FLAG_READ | SC_FLAG_WRITE);
  const bool fine =
      raw.sc_cmd != nullptr && raw.sc_cmdlen == 16 && raw.sc_status == 0 && raw.sc_response == 0 &&
      raw.sc_sense_key == 0 && raw.sc_sense_buf[0] == 0 && raw.sc_xfer_residualcount == 0 &&
      raw.sc_sdev_hdl == nullptr && raw.sc_ieps != nullptr && raw.sc_sess != nullptr &&
      raw.sc_conn != nullptr && (direction == SC_FLAG_READ || direction == SC_FLAG_WRITE) &&
      (raw.sc_flag & ~(direction | SC_FLAG_IMMEDIATE_CMD | SC_FLAG_WRITE_THROUGH)) == 0 &&
      raw.sc_attribute <= ISCSI_TASK_ATTRIBUTES_ACA;
  check(Rule::kCdbFields, fine, "fields of a new command: itt, flags", raw.sc_itt, raw.sc_flag);
  check(Rule::kCdbSession, session_is_live(raw.sc_tclass_sess_priv),
        "a command of a session that is not there", raw.sc_itt, raw.sc_tclass_sess_priv);
}

void remember(Record& record, CommandView view) {
  record.task_tag = view.initiator_task_tag();
  record.cmd_sn = view.cmd_sn();
  record.lun = view.lun();
  record.session = view.session();
  record.cdb = view.cdb();
  record.expected = view.transfer_length();
  record.write = view.is_write();
  record.flags = view.raw()->sc_flag;
}

bool moves_medium(const Record& record) {
  return record.plan.kind == Plan::Kind::kReadMedia || record.plan.kind == Plan::Kind::kWriteMedia;
}

// What the script wants beyond what the command needs.
void apply_residual(Record& record) {
  if (!moves_medium(record) || record.how.residual == Residual::kNone) return;
  const u32 bytes = record.how.residual_bytes;
  if (record.how.residual == Residual::kOver && record.length == record.expected) {
    record.surplus = bytes;
    record.transfer.flag = SC_FLAG_XFER_OVERFLOW;
    record.transfer.residual = bytes;
  } else if (record.how.residual == Residual::kUnder && bytes <= record.length) {
    record.length -= bytes;
    record.transfer.flag = SC_FLAG_XFER_UNDERFLOW;
    record.transfer.residual = record.expected - record.length;
  }
}

bool fill_buffers(Record& record) {
  Settings how = record.how;
  if (!is_multi_phase()) how.phase = 0;
  if (how.buffer == Kind::kDmaOnly) how.buffer = Kind::kBoth;
  if (record.length == 0) return true;
  if (!record.buffers.create(how, record.length + record.surplus)) return false;
  for (u32 i = 0; i < record.buffers.loan_count() && !record.write; ++i) {
    const Loan& loan = record.buffers.loan(i);
    if (record.plan.kind == Plan::Kind::kReadMedia) {
      record.buffers.copy_from_medium(loan, medium(record.lun), record.plan.offset, record.length);
    } else {
      record.buffers.copy_from(loan, record.response, record.length);
    }
  }
  return true;
}

bool prepare(Record& record) {
  record.plan = plan_command(devices(), record.lun, record.cdb, record.response);
  record.transfer = fit_transfer(record.plan, record.expected, record.write);
  record.length = record.transfer.length;
  apply_residual(record);
  return fill_buffers(record);
}

// ---- Steps, under the lock ----

void set_residual(Record& record) {
  const CommandView view = record.command.view();
  if (record.transfer.flag == SC_FLAG_XFER_OVERFLOW) view.set_overflow(record.transfer.residual);
  if (record.transfer.flag == SC_FLAG_XFER_UNDERFLOW) {
    view.set_underflow(record.length, record.transfer.residual);
  }
}

// A call that is legal for all the driver knows. Refused as stale: an abort is on its way here.
void note_legal(Record& record, const char* call, int result) {
  note("%s itt 0x%x: %d", call, record.task_tag, result);
  if (result == chiscsi_driver::kStale) {
    record.saw_stale = true;
  } else {
    check(Rule::kTaken, result >= 0, call, record.task_tag, static_cast<u64>(-result));
  }
}

// The command has ended for the driver: another end has to be refused.
void end_again_locked(Record& record) {
  if (!record.how.twice) return;
  const int rc = chiscsi_scsi_cmd_execution_status(record.command.view().raw(), nullptr, 0, 0, 0);
  note("second end of itt 0x%x: %d", record.task_tag, rc);
  if (rc >= 0) {
    record.double_taken = true;
  } else {
    check(Rule::kRefuseDouble, true, "");
  }
}

void finish_locked(Record& record) {
  set_residual(record);
  const int rc = record.command.finish();
  note_legal(record, "execution_status", rc);
  record.final_taken = rc >= 0;
  if (record.final_taken) end_again_locked(record);
}

// A list the CPU cannot reach: a target that has to copy refuses it, and nothing changes hands.
void offer_dma_only_locked(Record& record, const Loan& loan) {
  chiscsi_sgvec element{};
  element.sg_flag = ISCSI_SG_SBUF_DMABLE;
  element.sg_dma_addr = 0x1000;
  element.sg_length = loan.extent.length;
  const BufferList list{&element, 1};
  const int rc = record.write ? record.command.lend(list, loan.extent)
                              : record.command.send(list, loan.extent, Command::Part::kMore);
  check(Rule::kRefuseDmaOnly, rc < 0, "a list with bus addresses only was taken", record.task_tag);
}

bool ask_for_abort_locked(Record& record) {
  if (!record.command.is_open() || record.how.own_abort == 0 || record.own_abort ||
      record.task_tag % record.how.own_abort != 0) {
    return false;
  }
  record.own_abort = true;
  const int rc = record.command.abort();
  note_legal(record, "abort", rc);
  if (rc < 0) record.own_abort = false;
  return rc >= 0;
}

void lend_one_locked(Record& record) {
  Loan& loan = record.buffers.loan(record.next_loan);
  const bool last = ++record.next_loan == record.buffers.loan_count();
  if (record.how.buffer == Kind::kDmaOnly) offer_dma_only_locked(record, loan);
  if (last) set_residual(record);
  loan.lent = true;
  ++record.outstanding;
  const bool ends = last && !record.write;
  const int rc = record.write
                     ? record.command.lend(loan.list, loan.extent)
                     : record.command.send(loan.list, loan.extent,
                                           ends ? Command::Part::kLast : Command::Part::kMore);
  note_legal(record, record.write ? "buffer_ready" : "execution_status with data", rc);
  if (rc < 0) {
    loan.lent = false;
    --record.outstanding;
    return;
  }
  if (ends) record.final_taken = true;
  if (record.how.early_scribble) record.buffers.poison(loan);
  if (ends) end_again_locked(record);
}

void lend_locked(Record& record) {
  // A read ends with its last list, so a single one leaves nothing to abort.
  const bool ends_at_once = !record.write && record.buffers.loan_count() == 1;
  if (ends_at_once && ask_for_abort_locked(record)) return;
  while (record.next_loan < record.buffers.loan_count() && record.outstanding <= record.how.ahead &&
         record.command.is_open()) {
    lend_one_locked(record);
    if (ask_for_abort_locked(record)) return;
  }
}

bool all_returned(const Record& record, Buffers& buffers) {
  return record.outstanding == 0 && record.next_loan == buffers.loan_count();
}

void start_locked(Record& record) {
  const CommandView view = record.command.view();
  if (record.plan.failed()) {
    view.set_sense({record.plan.sense.key, record.plan.sense.asc, record.plan.sense.ascq});
  } else if (record.transfer.sense.key != 0) {
    const Sense sense = record.transfer.sense;
    view.set_sense({sense.key, sense.asc, sense.ascq});
  } else if (record.how.sense != 0) {
    record.transfer = Transfer{};
    record.next_loan = record.buffers.exist() ? record.buffers.loan_count() : 0;
    view.set_sense(kScripted(record.how.sense));
    return finish_locked(record);
  }
  if (record.length == 0) {
    if (!ask_for_abort_locked(record)) finish_locked(record);
  } else {
    lend_locked(record);
  }
}

// ---- The hooks ----

int receive(Command command) {
  const CommandView view = command.view();
  check_arrival(*view.raw());
  Record* record = make_record();
  if (record == nullptr) return command.refuse(chiscsi_driver::kNoMemory);
  remember(*record, view);
  record->command = static_cast<Command&&>(command);
  HookScope scope("cdb_rcved", record);
  view.set_data(record);
  {
    const DriverGuard guard;
    record->how = take_settings_locked(record->cdb);
    enter_record_locked(*record);
  }
  const bool prepared = prepare(*record);
  if (!prepared || record->how.refuse != 0) {
    record->refused = true;
    return record->command.refuse(prepared ? -static_cast<int>(record->how.refuse)
                                           : chiscsi_driver::kNoMemory);
  }
  if (record->how.wrong_calls) {
    const DriverGuard guard;
    make_wrong_calls_locked(*record);
  }
  schedule(*record);
  maybe_abort_session(Hook::kCdb, record->session);
  return 0;
}

// The list that is due to come back. Several lists of a write may come as one.
Loan* take_returned_locked(Record& record, BufferList list, Extent part, u32* count) {
  Loan* first = nullptr;
  u32 covered = 0;
  *count = 0;
  for (u32 i = 0; i < record.next_loan && covered < part.length; ++i) {
    Loan& loan = record.buffers.loan(i);
    if (!loan.lent || loan.returned) continue;
    if (first == nullptr) first = &loan;
    loan.returned = true;
    --record.outstanding;
    covered += loan.extent.length;
    ++*count;
  }
  const bool merged = *count > 1;
  check(Rule::kXferOrder,
        first != nullptr && part.offset == first->extent.offset && covered == part.length &&
            (merged || (list.elements == first->list.elements && list.count == first->list.count)),
        "a list came back out of order, or not whole: offset, length", part.offset, part.length);
  return first;
}

void take_data_back(Record& record, Loan* loan, u32 count) {
  for (; count > 0; --count, ++loan) {
    check(Rule::kXferGuard, record.buffers.guards_are_whole(*loan),
          "memory around a buffer changed: itt, offset", record.task_tag, loan->extent.offset);
    if (record.write && moves_medium(record)) {
      record.buffers.copy_to_medium(*loan, medium(record.lun), record.plan.offset, record.length);
    }
    record.buffers.poison(*loan);
  }
}

void transferred(Record& record, BufferList list, Extent part) {
  Loan* loan = nullptr;
  u32 count = 0;
  bool next = false;
  {
    const DriverGuard guard;
    check(Rule::kXferData, record.outstanding != 0, "data_xfer_status without a list: itt",
          record.task_tag);
    check(Rule::kAbortOnce, !record.aborting, "data_xfer_status after the abort: itt",
          record.task_tag);
    if (record.outstanding == 0 || record.aborting) return;
    loan = take_returned_locked(record, list, part, &count);
    next = record.command.is_open() && !record.own_abort;
  }
  if (loan != nullptr) take_data_back(record, loan, count);
  maybe_abort_session(Hook::kXfer, record.session);
  if (next) schedule(record);
}

void check_abort_locked(Record& record, u32 flags) {
  constexpr u32 kReasons = SC_FLAG_TMF_ABORT | SC_FLAG_SESS_ABORT | SC_FLAG_CMD_ABORT;
  check(Rule::kAbortReason, (flags & kReasons) != 0 && (flags & SC_FLAG_CMD_ABORT) == 0,
        "no reason in sc_flag: itt, flags", record.task_tag, flags);
  check(Rule::kAbortOnce, !record.abort_owed, "a second abort before the first was answered: itt",
        record.task_tag);
  check(Rule::kAbortFinal, !record.final_taken || (flags & SC_FLAG_SESS_ABORT) != 0,
        "a task management function aborts a command that has ended: itt", record.task_tag);
}

// Everything that is lent is the driver's again from this hook on.
void take_loans_back(Record& record) {
  for (u32 i = 0; i < record.next_loan; ++i) {
    Loan& loan = record.buffers.loan(i);
    if (!loan.lent || loan.returned) continue;
    loan.returned = true;
    check(Rule::kXferGuard, record.buffers.guards_are_whole(loan),
          "memory around a buffer changed before an abort: itt", record.task_tag);
    record.buffers.poison(loan);
  }
}

int abort(Record& record) {
  {
    const DriverGuard guard;
    check_abort_locked(record, record.command.view().raw()->sc_flag);
    record.aborting = true;
    record.outstanding = 0;
    record.command.on_abort();
  }
  take_loans_back(record);
  maybe_abort_session(Hook::kAbort, record.session);
  const DriverGuard guard;
  record.abort_owed = record.how.abort != Abort::kRefuse;
  switch (record.how.abort) {
    case Abort::kRefuse:
      record.command.release();
      return kEinval;
    case Abort::kNever:
      return 0;
    case Abort::kLate:
      conf_deferred_start(record.later, CONF_ON_SOFTIRQ, record.how.delay_ms);
      return 0;
    default:
      answer_abort_locked(record);
      return 0;
  }
}

// The driver held the command to the end, and what it lent came back.
void check_end_locked(Record& record) {
  check(Rule::kCleanupOnce, !record.cleaned, "a second cleanup: itt", record.task_tag);
  record.cleaned = true;
  check(Rule::kTaken, !record.saw_stale || record.aborting,
        "a call was refused as stale and no abort came: itt", record.task_tag);
  check(Rule::kRefuseDouble, !record.double_taken || record.aborting, "a second end was taken: itt",
        record.task_tag);
  const bool ended_well = record.final_taken && !record.aborting && !record.own_abort;
  check(Rule::kXferReturned, !ended_well || record.write || record.outstanding == 0,
        "cleaned up, and a list of a read did not come back: itt", record.task_tag);
}

void clean_up(CommandView view) {
  auto* record = view.data<Record>();
  check(Rule::kCleanupLast, record != nullptr, "cleanup of a command that is gone");
  if (record == nullptr) return;
  HookScope scope("cleanup", record);
  maybe_abort_session(Hook::kCleanup, record->session);
  conf_deferred_cancel(record->later);
  take_loans_back(*record);
  bool over;
  {
    const DriverGuard guard;
    check_end_locked(*record);
    if (record->how.wrong_calls) make_stale_calls_locked(view.raw());
    record->command.forget();
    record->due = record->abort_owed = false;
    over = !record->own_abort || record->own_abort_done;
    if (over) leave_record_locked(*record);
  }
  scope.leave();
  if (!over) return;
  view.set_data(nullptr);
  free_record(record);
}

// May come before or after the cleanup; the later of the two frees the record.
void abort_done(const chiscsi_driver::AbortedCommand& command) {
  const HookScope scope("abort_status");
  auto* record = static_cast<Record*>(command.data);
  check(Rule::kAbortStatus, record != nullptr, "abort_status without sc_sdev_hdl",
        command.initiator_task_tag);
  if (record == nullptr) return;
  bool over;
  {
    const DriverGuard guard;
    check(Rule::kAbortStatus,
          record->own_abort && !record->own_abort_done && command.lun == record->lun &&
              command.cmd_sn == record->cmd_sn && command.initiator_task_tag == record->task_tag,
          "abort_status that nobody asked for, or with other numbers: itt",
          command.initiator_task_tag);
    record->own_abort_done = true;
    record->outstanding = 0;
    over = record->cleaned;
    if (over) leave_record_locked(*record);
  }
  note("abort_status itt 0x%x", command.initiator_task_tag);
  if (over) free_record(record);
}

class ErrdevLun : public chiscsi_driver::LunClass<ErrdevLun> {
 public:
  static int command_received(Command command) { return receive(static_cast<Command&&>(command)); }
  static int data_transferred(CommandView view, BufferList list, Extent part) {
    auto* record = view.data<Record>();
    check(Rule::kCleanupLast, record != nullptr, "data_xfer_status of a command that is gone");
    if (record == nullptr) return 0;
    const HookScope scope("data_xfer_status", record);
    commands_detail::transferred(*record, list, part);
    return 0;
  }
  static int abort(CommandView view) {
    auto* record = view.data<Record>();
    check(Rule::kCleanupLast, record != nullptr, "abort of a command that is gone");
    if (record == nullptr) return kEinval;
    const HookScope scope("abort", record);
    return commands_detail::abort(*record);
  }
  static void cleanup(CommandView view) { clean_up(view); }
  static void abort_done(const chiscsi_driver::AbortedCommand& command) {
    commands_detail::abort_done(command);
  }
  static int task_management(TaskManagement tmf) {
    return execute_function(static_cast<TaskManagement&&>(tmf));
  }
};

constinit char g_lun_class_name[] = "conformance-lun";
constinit ErrdevLun g_lun_class;

}  // namespace commands_detail

using namespace commands_detail;  // NOLINT: this file's own.

// Whatever is due now: the first step, the next list, or the end of a write.
void advance_locked(Record& record) {
  if (record.aborting || !record.command.is_open()) return;
  if (!record.started) {
    record.started = true;
    start_locked(record);
  } else if (record.write && all_returned(record, record.buffers)) {
    finish_locked(record);
  } else {
    lend_locked(record);
  }
}

void answer_abort_locked(Record& record) {
  const CommandView view = record.command.view();
  const bool session = (view.raw()->sc_flag & SC_FLAG_SESS_ABORT) != 0;
  record.abort_owed = false;
  view.set_sense(chiscsi_driver::kAborted);
  int rc;
  if (record.how.abort == Abort::kOther) {
    record.command.release();
    rc = session ? chiscsi_scsi_cmd_execution_status(view.raw(), nullptr, 0, 0, 0)
                 : chiscsi_scsi_cmd_abort_status(view.raw());
  } else {
    rc = record.command.finish();
  }
  note("answer to the abort of itt 0x%x: %d", record.task_tag, rc);
  // An end of ours that crossed the abort was the answer.
  check(Rule::kAbortAnswer, rc >= 0 || record.final_taken,
        "the answer to an abort was refused: itt", record.task_tag, static_cast<u64>(-rc));
  if (record.how.abort != Abort::kTwice) return;
  const int again = session ? chiscsi_scsi_cmd_abort_status(view.raw())
                            : chiscsi_scsi_cmd_execution_status(view.raw(), nullptr, 0, 0, 0);
  check(Rule::kRefuseDouble, again < 0, "a second answer to an abort was taken: itt",
        record.task_tag);
}

void end_command_locked(Record& record) {
  if (record.abort_owed) return answer_abort_locked(record);
  if (!record.command.is_open()) return;
  record.due = false;
  record.command.view().set_sense(chiscsi_driver::kAborted);
  const int rc = record.command.finish();
  note_legal(record, "execution_status for a function", rc);
  record.final_taken = rc >= 0;
}

chiscsi_target_lun_class& lun_class() { return g_lun_class.table(); }

chiscsi_target_lun_class& make_lun_class() {
  u32 property = 1U << LUN_CLASS_SCSI_PASS_THRU_BIT | 1U << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  if (is_multi_phase()) property |= 1U << LUN_CLASS_MULTI_PHASE_DATA_BIT;
  return g_lun_class.make_table(g_lun_class_name, property);
}

}  // namespace conformance
