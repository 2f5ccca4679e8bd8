// SPDX-License-Identifier: GPL-2.0-only
//
// The worker's side of the driver port: handing over, taking back, aborting.
#include "target/scsi/driver_port.hh"

#include "base/lock.hh"
#include "os/log.h"
#include "target/engine.hh"
#include "target/lun/lun.hh"
#include "target/scsi/conclusion.hh"
#include "target/scsi/scsi_layer.hh"
#include "target/scsi/third_party_copy.hh"
#include "target/scsi/write_commands.hh"
#include "target/session/connection.hh"
#include "target/session/session.hh"
#include "target/session/write_data.hh"
#include "target/trace.hh"
#include "target/tx/zero_copy.hh"

namespace chiscsi::driver_port {

namespace {

// What the driver has said, taken out of the guarded part at once.
struct Said {
  PhaseList lent;
  bool ended = false;
  bool answered = false;
  bool abort_asked = false;
};

void take_said(Command& command, Said& said) {
  SpinGuard guard(command.session.driver_lock);
  said.lent.splice_back(command.driver.lent);
  said.ended = std::exchange(command.driver.ended, false);
  said.answered = std::exchange(command.driver.answered, false);
  said.abort_asked = std::exchange(command.driver.abort_asked, false);
}

void prepare_public_part(Command& command) {
  chiscsi_scsi_command& scsi = command.scsi;
  Session& session = command.session;
  scsi.sc_tclass_sess_priv = session.driver_session;
  scsi.sc_ieps = &command.member->endpoints;
  // Numbers travel as pointers in these two fields and are never dereferenced.
  scsi.sc_sess = reinterpret_cast<void*>(session.handle.value);
  scsi.sc_conn = reinterpret_cast<void*>(command.member->number);
  scsi.sc_flag = command.is_write() ? SC_FLAG_WRITE : SC_FLAG_READ;
  if (command.immediate) scsi.sc_flag |= SC_FLAG_IMMEDIATE_CMD;
  scsi.sc_attribute = command.flags & iscsi::kCommandAttributeMask;
  scsi.sc_cmdlen = sizeof(command.cdb);
  scsi.sc_cmd = command.cdb;
  scsi.sc_CmdSN = command.sequenced.cmd_sn.value();
  scsi.sc_itt = command.initiator_task_tag;
  scsi.sc_xfer_len = command.expected_length;
}

// fp_scsi_cmd_cdb_rcved() has returned an error: the command is ours again, unless the driver had
// ended it before.
void take_back_refused(Command& command, int error) {
  {
    SpinGuard guard(command.session.driver_lock);
    if (command.driver.access != DriverAccess::kOpen) return;
    command.driver.access = DriverAccess::kEnded;
  }
  const bool busy =
      error == -static_cast<int>(Error::kBusy) || error == -static_cast<int>(Error::kNoMemory);
  if (busy) {
    conclude_with_status(command, kScsiBusy);
  } else {
    conclude_with_sense(command, kAbortedCommand);
  }
}

void take_phases(Command& command, PhaseList& lent) {
  while (BufferPhase* phase = lent.pop_front()) {
    const uint32_t room =
        command.expected_length > phase->offset ? command.expected_length - phase->offset : 0;
    phase->wire_length = phase->length < room ? phase->length : room;
    command.data_total += phase->wire_length;
    command.phases.push_back(*phase);
    if (command.state != CommandState::kAtDriver) continue;
    if (command.inside != nullptr) {
      if (!command.silent) command.inside->move_data(*phase);
    } else if (command.is_write()) {
      if (phase->wire_length == 0) command.session.add_work(command);
    } else if (command.connection != nullptr && !command.silent) {
      zero_copy::begin(*phase);
      command.connection->queue(command);
    }
  }
  if (command.is_write()) write_data::advance(command);
}

// A loan and a task management function crossed: what was lent goes back by fp_scsi_cmd_abort().
void abort_if_lent_too_late(Command& command, bool ended) {
  const bool at_driver = command.state == CommandState::kAtDriver && !ended;
  if (at_driver && command.silent && !command.phases.empty()) abort(command, SC_FLAG_TMF_ABORT);
}

void finish_driver_abort(Command& command) {
  write_data::drain(command);
  command.driver_abort = true;
  if (command.scsi.sc_status == kScsiGood) {
    conclude_with_sense(command, kAbortedCommand);
  } else {
    conclude_as_driver_said(command);
  }
}

void conclude_after_driver(Command& command) {
  if (command.is_write()) write_data::drain(command);
  if (command.failed) {
    conclude_with_sense(command, command.failure);
  } else {
    conclude_as_driver_said(command);
  }
}

// The driver has answered an abort, or needs not to be asked: nothing is lent any more.
void finish_abort(Command& command) {
  command.deadline_ms = 0;
  trace::step(command, OS_TRACE_ABORT_ANSWERED);
  if (command.failed && !command.silent) {
    conclude_with_sense(command, command.failure);
    write_data::wait_for_rest(command);
  } else {
    command.silent = true;
    command.conclusion_known = command.response_queued = true;
    command.set_state(CommandState::kResponding);
  }
}

void free_phase(Command& command, BufferPhase& phase) {
  zero_copy::end(phase);
  phase.node.unlink();
  {
    SpinGuard guard(command.session.driver_lock);
    --command.driver.outstanding;
    if (phase.is_inline) command.driver.inline_phase_used = false;
  }
  if (!phase.is_inline) destroy(&phase);
}

void drop_phases(Command& command) {
  command.phases.for_each([&](BufferPhase& phase) { free_phase(command, phase); });
}

// The driver will not answer an abort: that is its answer.
void take_refused_abort(Command& command) {
  SpinGuard guard(command.session.driver_lock);
  if (command.driver.access != DriverAccess::kAborting) return;
  command.driver.access = DriverAccess::kEnded;
  command.driver.answered = true;
  command.event.request(command.session.worker());
}

unsigned int abort_reason(const Command& command) {
  return command.abort_flag != 0 ? command.abort_flag : SC_FLAG_TMF_ABORT;
}

// Calls fp_scsi_cmd_abort(), once nothing of ours touches a lent buffer any more.
void ask_driver_to_abort(Command& command) {
  command.set_state(CommandState::kAborting);
  drop_phases(command);
  command.session.watch(command, command.session.engine().abort_timeout_ms());
  chiscsi_target_lun_class& hooks = command.logical_unit->hooks();
  trace::abort_asked(command, abort_reason(command));
  if (hooks.fp_scsi_cmd_abort(&command.scsi) < 0) take_refused_abort(command);
}

// What a command that is given up needs of its driver.
enum class Owed : uint8_t {
  kNothing,
  kAnswer,  // It has lost its right to do more, and is to be asked.
  kEvent,   // It has just said something: that comes first.
};

Owed close_driver_access(Command& command, bool session_ends) {
  SpinGuard guard(command.session.driver_lock);
  // What the driver says it says under this lock, and with an event.
  if (command.event.is_pending()) return Owed::kEvent;
  const bool lent = command.driver.outstanding != 0;
  const bool lent_to_the_end =
      command.driver.access == DriverAccess::kEnded && lent && session_ends;
  if (command.driver.access != DriverAccess::kOpen && !lent_to_the_end) return Owed::kNothing;
  command.driver.access = DriverAccess::kAborting;
  // A call of the driver that crosses the abort is its answer, and can see why. The driver may look
  // at the flags on another CPU until the hook tells it of the abort.
  __atomic_fetch_or(&command.scsi.sc_flag, abort_reason(command), __ATOMIC_RELAXED);
  return Owed::kAnswer;
}

void notify_driver_abort_status(Command& command) {
  chiscsi_target_lun_class& hooks = command.logical_unit->hooks();
  if (!command.driver_abort || hooks.fp_scsi_cmd_abort_status == nullptr) return;
  const BufferPhase* phase = command.phases.front();
  hooks.fp_scsi_cmd_abort_status(
      command.scsi.sc_lun, command.scsi.sc_CmdSN, command.scsi.sc_itt,
      phase != nullptr ? phase->count : 0,
      phase != nullptr ? reinterpret_cast<unsigned char*>(phase->elements) : nullptr,
      command.scsi.sc_sdev_hdl);
}

void clean_up(Command& command) {
  chiscsi_target_lun_class& hooks = command.logical_unit->hooks();
  notify_driver_abort_status(command);
  drop_phases(command);
  {
    SpinGuard guard(command.session.driver_lock);
    command.driver.access = DriverAccess::kNone;
  }
  trace::step(command, OS_TRACE_CLEANED_UP);
  if (hooks.fp_scsi_cmd_cleanup != nullptr) hooks.fp_scsi_cmd_cleanup(&command.scsi);
  command.session.target()->target_class().commands_held.fetch_sub(1);
}

// Of what the target itself did to the unit, its initiators hear by their next command for it; the
// storage driver never sees that command (docs/api-readings.md, "Unit attentions").
bool report_unit_attention(Command& command) {
  UnitAttentions& pending = command.session.unit_attentions;
  SenseCode code{};
  if (pending.empty()) return false;
  if (command.cdb[0] == kReportLuns) pending.clear(kReportedLunsChanged);
  if (!reports_unit_attention(command.cdb[0])) return false;
  const bool passes = command.logical_unit->passes_all_commands();
  if (!pending.take(decode_lun(command.lun), &code, passes)) return false;
  conclude_with_sense(command, code);
  return true;
}

// A unit attention of a reset comes before a reservation conflict, others come after it.
void report_conflict(Command& command) {
  UnitAttentions& pending = command.session.unit_attentions;
  SenseCode code{};
  const bool hears_of_reset = command.inside == nullptr && reports_unit_attention(command.cdb[0]) &&
                              pending.take_reset(decode_lun(command.lun), &code);
  if (hears_of_reset) return conclude_with_sense(command, code);
  conclude_with_status(command, kScsiReservationConflict);
}

// Of a third-party copy that the target runs by itself, each write is looked at on its own.
bool is_own_copy(const Command& command) {
  return scsi::Cdb(command.cdb).opcode() == scsi::Opcode::kThirdPartyCopyOut &&
         !command.logical_unit->passes_all_commands();
}

// Where the ACL lets the initiator read and no more, it changes nothing for others either.
Sense check_rights(Command& command) {
  if (command.logical_unit == nullptr) return {};
  Session& session = command.session;
  const Bytes cdb = command.whole_cdb();
  if (!session.rights().may_write(command.scsi.sc_lun)) {
    if (scsi::changes_medium(cdb) && !is_own_copy(command)) return kWriteProtected;
    if (scsi::changes_unit(cdb)) return kAccessDenied;
  }
  if (scsi::changes_target(cdb) && !session.rights().covers_for_writing(session.luns())) {
    return kAccessDenied;
  }
  return {};
}

// The command is enabled: what it finds is reported, run by the target, or handed over. Unit
// attentions are for commands of the initiator.
void begin_enabled(Command& command) {
  Session& session = command.session;
  const bool is_inner = command.inside != nullptr;
  if (is_inner && !command.inside->is_meant(command.logical_unit)) {
    return conclude_with_sense(command, kCopyTargetNotReachable);
  }
  session.attention_inbox.take_into(session.unit_attentions);
  if (scsi_layer::conflicts(command)) return report_conflict(command);
  if (!is_inner && command.logical_unit != nullptr && report_unit_attention(command)) return;
  const Sense refused = check_rights(command);
  if (!refused.is_good()) return conclude_with_sense(command, refused);
  if (!scsi_layer::takes(command)) hand_over(command);
}

}  // namespace

// The single-level forms of SAM-5 section 4.7: peripheral, flat and extended flat addressing.
uint32_t decode_lun(const uint8_t* lun) {
  constexpr uint32_t kNoLun = 0xffffffff;
  for (int i = 4; i < 8; ++i) {
    if (lun[i] != 0) return kNoLun;
  }
  const uint8_t method = lun[0] >> 6;
  const bool one_level = lun[2] == 0 && lun[3] == 0;
  if (method == 0 && lun[0] == 0 && one_level) return lun[1];
  if (method == 1 && one_level) return ((lun[0] & 0x3fu) << 8) | lun[1];
  if (lun[0] == 0xd2) return (static_cast<uint32_t>(lun[1]) << 16) | (lun[2] << 8) | lun[3];
  return kNoLun;
}

void deliver(Command& command) {
  if (command.failed) return conclude_with_sense(command, command.failure);
  Session& session = command.session;
  prepare_public_part(command);
  command.scsi.sc_lun = decode_lun(command.lun);
  command.logical_unit = session.enter_lun(command.scsi.sc_lun);
  const Lun* lun = command.logical_unit;
  // A command inside of another one has the other's turn.
  if (lun == nullptr || lun->passes_all_commands() || command.inside != nullptr) {
    return begin_enabled(command);
  }
  switch (session.task_sets.enter(command)) {
    case TaskSets::Verdict::kEnabled:
      return begin_enabled(command);
    case TaskSets::Verdict::kDormant:
      return command.set_state(CommandState::kDormant);
    case TaskSets::Verdict::kNoMemory:
      return conclude_with_status(command, kScsiTaskSetFull);
  }
}

// One whose data is wrong waits for nobody, as if that had been known before.
void go_on(Command& command) {
  if (command.failed) return conclude_with_sense(command, command.failure);
  if (command.task_place.state == TaskSetPlace::State::kEnabled) begin_enabled(command);
}

void hand_over(Command& command) {
  Session& session = command.session;
  command.scsi.sc_lun_hndl = command.logical_unit->handle.value;
  command.scsi.sc_lun_priv = command.logical_unit->driver_private();
  command.set_state(CommandState::kAtDriver);
  command.driver_saw = true;
  session.ref();  // The driver's hold on the command keeps the session's memory.
  session.target()->target_class().commands_held.fetch_add(1);
  {
    SpinGuard guard(session.driver_lock);
    command.driver.access = DriverAccess::kOpen;
  }
  trace::step(command, OS_TRACE_DELIVERED);
  const int rc = command.logical_unit->hooks().fp_scsi_cmd_cdb_rcved(&command.scsi);
  if (rc < 0) take_back_refused(command, rc);
}

void on_event(Command& command) {
  Said said;
  take_said(command, said);
  const bool active = command.state == CommandState::kAtDriver;
  take_phases(command, said.lent);
  abort_if_lent_too_late(command, said.ended || said.abort_asked);
  if (command.state == CommandState::kAborting || command.state == CommandState::kOrphaned) {
    if (said.answered) finish_abort(command);
  } else if (active && said.abort_asked) {
    finish_driver_abort(command);
  } else if (active && said.ended) {
    conclude_after_driver(command);
  }
  Session& session = command.session;
  session.ref();
  session.add_work(command);
  session.run_work();
  session.unref();
}

namespace {
// MODE SELECT may have switched the cache off since the command was handed over: what is answered
// from here on has to be stable. The class may be looking at the flags.
void look_at_write_cache(Command& command) {
  const Lun& lun = *command.logical_unit;
  if (!command.is_write() || lun.passes_all_commands() || !lun.must_write_through()) return;
  __atomic_fetch_or(&command.scsi.sc_flag, SC_FLAG_WRITE_THROUGH, __ATOMIC_RELAXED);
}
}  // namespace

void give_back_complete_phases(Command& command) {
  if (command.placed.exists()) return;
  chiscsi_target_lun_class& hooks = command.logical_unit->hooks();
  while (BufferPhase* phase = command.phases.front()) {
    if (command.state == CommandState::kAborting || command.state == CommandState::kOrphaned)
      return;
    if (phase->done < phase->wire_length || phase->in_network.load()) return;
    chiscsi_sgvec* elements = phase->elements;
    const uint32_t count = phase->count, offset = phase->offset, length = phase->length;
    free_phase(command, *phase);
    trace::data(command, OS_TRACE_DATA_COMPLETE, offset, length);
    look_at_write_cache(command);
    const int rc = hooks.fp_scsi_cmd_data_xfer_status(
        &command.scsi, reinterpret_cast<unsigned char*>(elements), count, offset, length);
    if (rc < 0) {
      write_data::drain(command);
      take_back_refused(command, rc);
    }
  }
}

namespace {
// The driver's final status, with data, and a task management function have crossed: nothing of the
// data will be sent, and the lists go back as if it had been.
void give_back_unsent_data(Command& command) {
  if (!command.driver_saw || !command.is_read()) return;
  command.phases.for_each([](BufferPhase& phase) { phase.done = phase.wire_length; });
  give_back_complete_phases(command);
}
}  // namespace

void abort(Command& command, unsigned int flag) {
  command.silent = command.abort_wanted = true;
  command.abort_flag |= flag;
  if ((flag & SC_FLAG_SESS_ABORT) != 0) {
    write_data::cancel(command);
  } else {
    write_data::drain(command);
  }
  command.tx_node.unlink();
  command.session.add_work(command);
}

bool end_if_over(Command& command) {
  // No PDU refers to the buffers any more: the network is asked to let go of them.
  if (command.silent && command.pdus_in_flight == 0) {
    command.phases.for_each([](BufferPhase& phase) { zero_copy::end(phase); });
  }
  if (command.buffers_busy() || command.event.is_pending()) return false;
  const bool giving_up = command.abort_wanted || command.failed;
  const bool session_ends = (command.abort_flag & SC_FLAG_SESS_ABORT) != 0;
  if (giving_up && (command.state == CommandState::kAtDriver ||
                    (command.state == CommandState::kResponding && command.silent))) {
    const Owed owed = close_driver_access(command, session_ends);
    if (owed == Owed::kAnswer) ask_driver_to_abort(command);
    if (owed != Owed::kNothing) return false;
    if (command.state == CommandState::kAtDriver) return false;  // Its event is on the way.
  }
  if (command.silent && command.state == CommandState::kResponding) {
    command.conclusion_known = command.response_queued = true;
    give_back_unsent_data(command);
  }
  const bool never_delivered = command.silent && (command.state == CommandState::kReady ||
                                                  command.state == CommandState::kDormant);
  const bool over = command.state == CommandState::kResponding && command.response_queued &&
                    command.r2ts_outstanding == 0 && !command.tx_node.is_linked();
  if (!over && !never_delivered) return false;
  const bool still_lent = command.driver_saw && !command.phases.empty();
  if (command.is_read() && still_lent && !command.silent) return false;

  Session& session = command.session;
  const bool held_session = command.driver_saw;
  if (command.driver_saw) clean_up(command);
  session.free_command(command);
  if (held_session) session.unref();
  return true;
}

void give_up(Command& command) {
  if (command.state != CommandState::kAborting) return;
  os_log_limited(OS_LOG_WARNING, "sc 0x%p, itt 0x%x, held by storage driver",
                 static_cast<const void*>(&command.scsi), command.initiator_task_tag);
  command.set_state(CommandState::kOrphaned);
  Lun& lun = *command.logical_unit;
  if (!lun.passes_all_commands()) lun.state().orphans().add(command.orphan, command.session);
  trace::step(command, OS_TRACE_ORPHANED);
  write_data::cancel(command);
  // Towards the initiator it is gone: its tag and its place in the window are free.
  command.session.forget_task(command);
  if (command.inside != nullptr) command.inside->inner_lost();
}

}  // namespace chiscsi::driver_port
