// SPDX-License-Identifier: GPL-2.0-only
//
// Command: its states and what can be said of it without its session.
#include "target/session/command.hh"

#include "target/scsi/driver_port.hh"
#include "target/session/session.hh"
#include "target/trace.hh"

namespace chiscsi {

namespace {

constexpr uint32_t kCommandMagic = 0x63734344;

// Indexed by CommandState.
constexpr const char* kStateNames[] = {"free",     "receiving", "held",      "ready",
                                       "dormant",  "at_driver", "at_target", "responding",
                                       "aborting", "orphaned"};
static_assert(sizeof(kStateNames) / sizeof(kStateNames[0]) == kCommandStates);

constexpr uint32_t bit(CommandState state) { return 1u << static_cast<int>(state); }

// For each state, the states that may follow it.
constexpr uint32_t kFollowers[kCommandStates] = {
    /* kFree       */ bit(CommandState::kReceiving),
    /* kReceiving  */ bit(CommandState::kHeld) | bit(CommandState::kReady) |
        bit(CommandState::kFree),
    /* kHeld       */ bit(CommandState::kReady) | bit(CommandState::kFree),
    /* kReady      */ bit(CommandState::kDormant) | bit(CommandState::kAtDriver) |
        bit(CommandState::kAtTarget) | bit(CommandState::kResponding) | bit(CommandState::kFree),
    /* kDormant    */ bit(CommandState::kAtDriver) | bit(CommandState::kAtTarget) |
        bit(CommandState::kResponding) | bit(CommandState::kFree),
    /* kAtDriver   */ bit(CommandState::kResponding) | bit(CommandState::kAborting),
    /* kAtTarget   */ bit(CommandState::kAtDriver) | bit(CommandState::kResponding),
    /* kResponding */ bit(CommandState::kAborting) | bit(CommandState::kFree) |
        bit(CommandState::kOrphaned),
    /* kAborting   */ bit(CommandState::kResponding) | bit(CommandState::kOrphaned) |
        bit(CommandState::kFree),
    /* kOrphaned   */ bit(CommandState::kResponding) | bit(CommandState::kFree),
};

void on_driver_event(WorkerMessage& message);

}  // namespace

const char* command_state_name(CommandState state) { return kStateNames[static_cast<int>(state)]; }

bool command_transition_allowed(CommandState from, CommandState to) {
  return (kFollowers[static_cast<int>(from)] & bit(to)) != 0;
}

Command::Command(Session& owner)
    : TxItem(TxKind::kCommand), scsi{}, session(owner), event(&on_driver_event) {
  magic = kCommandMagic;
  inline_phase.command = this;
  inline_phase.is_inline = true;
}

Command::~Command() { magic = 0; }

Command& Command::of(chiscsi_scsi_command& scsi) { return container_of(scsi, &Command::scsi); }

bool Command::is_live_pointer(const chiscsi_scsi_command* scsi) {
  if (scsi == nullptr) return false;
  const Command& command = of(*const_cast<chiscsi_scsi_command*>(scsi));
  return command.magic == kCommandMagic;
}

void Command::reset() {
  connection = nullptr;
  member = nullptr;
  started_us = concluded_us = 0;
  flags = priority = 0;
  bidi_read_length = 0;
  long_cdb.reset();
  status_qualifier.store(0, std::memory_order_relaxed);
  was_long = false;
  immediate = task_open = counted = driver_saw = silent = conclusion_known = response_queued =
      false;
  ends_later = false;
  copy = inside = nullptr;
  abort_wanted = driver_abort = own_failure = failed = receiving = false;
  pdus_in_flight = 0;
  abort_flag = 0;
  tmf = nullptr;
  deadline_ms = 0;
  unsolicited_received = unsolicited_placed = unsolicited_data_sn = 0;
  unsolicited_open = false;
  placed.forget();
  solicited_to = r2ts_outstanding = r2t_sn = data_sn = burst_sent = data_total = 0;
  response_code = scsi_status = residual_flags = 0;
  residual_count = 0;
  sense_size = 0;
  driver.access = DriverAccess::kNone;
  driver.next_offset = driver.outstanding = 0;
  driver.inline_phase_used = driver.ended = driver.answered = driver.abort_asked = false;
  scsi = {};
}

void Command::set_state(CommandState next) {
  CHISCSI_CHECK(command_transition_allowed(state, next));
  trace::state(*this, command_state_name(state), command_state_name(next));
  state = next;
  ++session.state_entries[static_cast<int>(next)];
}

bool Command::buffers_busy() {
  if (pdus_in_flight != 0 || receiving || placed.exists()) return true;
  return phases.find([](const BufferPhase& phase) { return phase.in_network.load(); }) != nullptr;
}

bool Command::has_tx_work() {
  if (silent || response_queued || connection == nullptr) return false;
  if (is_read()) {
    const auto unsent = [](const BufferPhase& phase) { return phase.pulled < phase.wire_length; };
    if (phases.find(unsent) != nullptr) return true;
  }
  return conclusion_known;
}

CommandResult Command::result() const {
  CommandResult result;
  result.read = is_read();
  result.write = is_write();
  result.aborted = silent || concluded_us == 0;
  result.status = scsi_status;
  result.bytes = data_total;
  if (!result.aborted) result.microseconds = concluded_us - started_us;
  return result;
}

namespace {
void on_driver_event(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  Command& command = container_of(posted, &Command::event);
  driver_port::on_event(command);
}
}  // namespace

}  // namespace chiscsi
