// SPDX-License-Identifier: GPL-2.0-only
//
// Session: admission, work on commands, and the one way to its end.
//
// The end, in this order:
//   1. end(): the state changes, all connections close; nothing new is accepted.
//   2. connection_lost(), once for each: no PDU refers to its commands any more; they are aborted.
//   3. run_work(), sweep(): commands end, or are orphaned when the driver's time is up.
//   4. finish_end(): fp_session_removed(), out of the target's list, waiters, own reference.
#include "target/session/session.hh"

#include "base/hash.hh"
#include "base/lock.hh"
#include "os/log.h"
#include "target/engine.hh"
#include "target/rx/rx.hh"
#include "target/scsi/driver_port.hh"
#include "target/scsi/reservations.hh"
#include "target/scsi/scsi_layer.hh"
#include "target/scsi/third_party_copy.hh"
#include "target/session/connection.hh"
#include "target/session/write_data.hh"
#include "target/trace.hh"

namespace chiscsi {

namespace {

constexpr uint64_t kSweepMs = 500;
constexpr uint32_t kMaxDiscoverySessions = 1024;
constexpr uint32_t kImmediateReserve = 34;  // And one for each connection.

const char* text_of(EndReason reason) {
  switch (reason) {
    case EndReason::kLogout:
      return "logout";
    case EndReason::kReinstated:
      return "session reinstatement";
    case EndReason::kTargetRemoved:
      return "target removed";
    case EndReason::kDriverRequest:
      return "aborted by storage driver";
    case EndReason::kAdministrator:
      return "dropped by the administrator";
    case EndReason::kTargetReset:
      return "target reset";
    case EndReason::kFormatError:
      return "format error";
    case EndReason::kCrowdedOut:
      return "too many discovery sessions";
    case EndReason::kShutdown:
      return "shutdown";
    default:
      return "connection lost";
  }
}

// Whether the initiator hears of it before its connections close. Of a reinstatement it does not
// (RFC 7143 section 6.3.5).
bool is_announced(EndReason reason) {
  return reason == EndReason::kTargetRemoved || reason == EndReason::kShutdown ||
         reason == EndReason::kTargetReset || reason == EndReason::kDriverRequest ||
         reason == EndReason::kAdministrator;
}

}  // namespace

bool same_port(const SessionParameters& a, const SessionParameters& b) {
  return equal_bytes(Bytes(a.isid, 6), Bytes(b.isid, 6)) &&
         a.portal_group_tag == b.portal_group_tag &&
         a.initiator_name.text() == b.initiator_name.text();
}

uint64_t port_hash(const SessionParameters& parameters) {
  return fnv1a(parameters.initiator_name.text().bytes(), fnv1a(Bytes(parameters.isid, 6)));
}

Session::Session(Engine& engine, Worker& worker, Ref<Target> target)
    : engine_(engine), worker_(worker), target_(std::move(target)) {
  entry.session = this;
  worker_.load.fetch_add(1, std::memory_order_relaxed);
}

Session::~Session() {
  worker_.load.fetch_sub(1, std::memory_order_relaxed);
  if (driver_lock != nullptr) os_spinlock_destroy(driver_lock);
}

Result<Ref<Session>> Session::create(Engine& engine, Worker& worker, Ref<Target> target,
                                     const SessionParameters& parameters, const os_address& portal,
                                     LunRights rights) {
  auto session =
      Ref<Session>::adopt(make<Session>(Alloc::kMaySleep, engine, worker, std::move(target)));
  if (!session) return Error::kNoMemory;
  session->driver_lock = os_spinlock_create();
  if (session->driver_lock == nullptr) return Error::kNoMemory;
  CHISCSI_TRY(session->attention_inbox.create());
  session->roster_ = CHISCSI_TRY(Roster::create());
  session->parameters = parameters;
  session->portal = portal;
  session->rights_ = std::move(rights);
  session->window.start(Serial(parameters.initial_cmd_sn), parameters.max_commands);
  // The last Login Response tells the whole window.
  session->note_told(parameters.initial_cmd_sn, session->window.max_cmd_sn().value());
  session->pool_.set_limit(parameters.max_commands + kImmediateReserve +
                           parameters.max_connections + scsi::CopyResults::kMaxRunning);
  return session;
}

SessionList& Session::list() const {
  return target_ ? target_->sessions() : engine_.discovery_sessions().list();
}

os_mutex* Session::list_mutex() const {
  return target_ ? target_->mutex() : engine_.discovery_sessions().mutex();
}

// Portal groups are a target's: without one the portal takes the place of the group.
bool Session::same_portal(const Session& other) const {
  return target_ || same_endpoint(portal, other.portal);
}

// Only who has proven to be who leads a session may end it. In a discovery session nothing was
// proven to the target: the accounts of discovery are not its own.
bool Session::may_replace(const Session& older) const {
  if (is_discovery() != older.is_discovery()) return !is_discovery();
  const Text account = older.parameters.chap_name.text();
  return account.empty() || account == parameters.chap_name.text();
}

// Discovery may be open to anyone, and such a session may stay for ever: the oldest one goes before
// all of them together keep others out. The list is locked.
void Session::make_room(SessionList& list) {
  if (list.size() < kMaxDiscoverySessions) return;
  uint32_t count = 0;
  SessionEntry* oldest = nullptr;
  list.for_each([&](SessionEntry& other) {
    if (other.session->is_end_requested()) return;
    if (count++ == 0) oldest = &other;
  });
  if (count >= kMaxDiscoverySessions) oldest->session->request_end(EndReason::kCrowdedOut);
}

Status Session::enter(SessionEndWaiter* waiter) {
  MutexGuard guard(list_mutex());
  if (target_ && target_->is_removed()) return Error::kShutdown;
  const uint64_t hash = port_hash(parameters);
  SessionEntry* older = list().find(hash, [&](const SessionEntry& other) {
    return same_port(other.session->parameters, parameters) && same_portal(*other.session);
  });
  if (older != nullptr && !may_replace(*older->session)) return Error::kNotPermitted;
  if (older != nullptr) {
    older->session->end_waiters.push_back(*waiter);
    older->session->request_end(EndReason::kReinstated);
    return Error::kExists;
  }
  if (!target_) make_room(list());
  list().add(entry, hash);
  publish();
  return Status();
}

void Session::publish() {
  parameters.tsih = engine_.tsihs().take();
  ref();
  self_held_ = true;
  engine_.session_handles().add(*this);
}

// Another connection may have asked for a place in between: it is refused on the session's worker.
void Session::abandon() {
  if (!std::exchange(self_held_, false)) return;
  leave_target();
  abandoned_.store(true);
  request_end(EndReason::kConnectionLost);
  unref();
}

Ref<Session> Session::find(Target& target, const SessionParameters& asked) {
  MutexGuard guard(target.mutex());
  SessionEntry* entry = target.sessions().find(port_hash(asked), [&](const SessionEntry& other) {
    return same_port(other.session->parameters, asked) &&
           other.session->parameters.tsih == asked.tsih;
  });
  if (entry == nullptr || entry->session->is_end_requested()) return Ref<Session>();
  return Ref<Session>::share(entry->session);
}

void Session::request_end(EndReason reason) {
  uint32_t none = 0;
  end_requested_.compare_exchange_strong(none, static_cast<uint32_t>(reason));
  ref();  // The message's.
  if (!end_message_.request(worker_)) unref();
}

void Session::on_end_message(WorkerMessage& message) {
  PostedOnce& posted = PostedOnce::of(message);
  posted.begin();
  Session& session = container_of(posted, &Session::end_message_);
  // A session that has not got its connection yet ends when that arrives, if it ever does.
  if (session.state_ == SessionState::kStarting && session.abandoned_.load()) {
    session.state_ = SessionState::kEnded;
    session.consider_waiting();
  }
  if (session.state_ == SessionState::kActive) {
    session.end(static_cast<EndReason>(session.end_requested_.load()));
  }
  session.run_work();
  session.unref();
}

void Session::end(EndReason reason) {
  if (state_ != SessionState::kActive) return;
  state_ = SessionState::kEnding;
  end_reason_ = reason;
  end_requested_.store(static_cast<uint32_t>(reason));
  os_log_limited(OS_LOG_INFO, "%s: session %lu of %s ends: %s",
                 target_ ? target_->name_c_str() : "discovery", handle.value,
                 parameters.initiator_name.c_str(), text_of(reason));
  // Whoever logs out expects no other answer any more (RFC 7143 section 11.14).
  if (reason == EndReason::kLogout) {
    members.for_each([this](Member& member) { terminate_commands(member); });
  }
  close_connections(is_announced(reason));
  // Without a connection whose loss leads on, the next message does.
  if (places_taken_ == 0) request_end(reason);
}

void Session::give_up_holds() {
  preventions.clear();
  if (commands.empty()) scsi::drop_locks_of(*this);
}

const LunMap& Session::luns() {
  if (luns_seen_ != target_->lun_generation()) luns_ = target_->luns(&luns_seen_);
  return *luns_;
}

// A LUN that lets nobody in has left the target's map before it was closed.
Lun* Session::enter_lun(uint32_t number) {
  if (!rights_.may_reach(number)) return nullptr;
  while (true) {
    Lun* lun = luns().find(number);
    if (lun == nullptr || lun->enter()) return lun;
    if (luns_seen_ == target_->lun_generation()) return nullptr;
  }
}

Lun* Session::enter_lun_of_class(uint32_t class_index) {
  while (true) {
    Lun* lun = luns().first_of_class(class_index);
    if (lun == nullptr || lun->enter()) return lun;
    if (luns_seen_ == target_->lun_generation()) return nullptr;
  }
}

void Session::leave_lun(Lun& lun) {
  if (lun.leave_to(engine_.closing_worker())) os_event_signal(target_->progress());
}

Command* Session::new_command() { return pool_.take(); }

void Session::forget_task(Command& command) {
  tasks.remove(command);
  task_sets.leave(command);
  if (command.member != nullptr) command.member->command_over(command);
  if (std::exchange(command.counted, false)) window.command_ended();
  if (std::exchange(command.immediate, false)) --immediate_commands;
}

// One that never had its turn is no command to anybody.
void Session::count(const Command& command) {
  if (command.started_us == 0) return;
  const CommandResult result = command.result();
  if (command.logical_unit != nullptr) count_in(command.logical_unit->counters, result);
  if (command.member != nullptr && command.member->portal) {
    count_in(command.member->portal->commands, result);
  }
  counters_.count(result);
}

void Session::count_in(WorkerCounters& counters, const CommandResult& result) {
  CommandCounters* mine = counters.of_worker(worker_.index, engine_.worker_count());
  if (mine != nullptr) mine->count(result);
}

void Session::free_command(Command& command) {
  if (command.inside != nullptr) command.inside->inner_over(command);
  count(command);
  forget_task(command);
  window.remove(command.sequenced);
  command.work_node.unlink();
  command.tx_node.unlink();
  command.session_node.unlink();
  write_data::cancel(command);
  write_data::release_unsolicited(command);
  scsi_layer::release_data(command);
  if (command.tmf != nullptr) rx::tmf_command_ended(*command.tmf);
  command.tmf = nullptr;
  if (Lun* lun = std::exchange(command.logical_unit, nullptr)) {
    if (command.orphan.node.is_linked()) lun->state().orphans().remove(command.orphan);
    leave_lun(*lun);
  }
  command.set_state(CommandState::kFree);
  if (Member* member = command.member) {
    member->release(command);
    leave(*member);
  }
  pool_.give_back(command);
  // Pauses for want of a command end here.
  while (Member* waiter = command_waiters_.pop_front())
    waiter->connection->command_freed();
}

bool Session::wait_for_command(Member& member) {
  if (commands.empty()) return false;
  if (!member.waiter_node.is_linked()) command_waiters_.push_back(member);
  return true;
}

void Session::add_work(Command& command) {
  if (!command.work_node.is_linked()) work_.push_back(command);
}

void Session::run_command(Command& command) {
  if (command.state == CommandState::kReady && !command.silent) driver_port::deliver(command);
  if (command.state == CommandState::kDormant && !command.silent) driver_port::go_on(command);
  if (command.driver_saw) driver_port::give_back_complete_phases(command);
  if (command.state == CommandState::kAtTarget) scsi_layer::run(command);
  driver_port::end_if_over(command);
}

void Session::run_work() {
  CHISCSI_CHECK(worker_.is_current());
  if (working_) return;
  Ref<Session> keep = Ref<Session>::share(this);
  working_ = true;
  while (true) {
    if (Command* command = work_.pop_front()) {
      run_command(*command);
    } else if (Sequenced* request = requests.pop_front()) {
      rx::execute(*this, OwnPtr<rx::HeldPdu>(static_cast<rx::HeldPdu*>(request)));
    } else if (!rx::run_tmfs(*this)) {
      break;
    }
  }
  working_ = false;
  tell_of_open_window();
  if (waiting_ != 0) consider_waiting();
  if (state_ == SessionState::kEnding && places_taken_ == 0 && commands_are_over()) finish_end();
}

void Session::watch(Command& command, uint64_t limit_ms) {
  command.deadline_ms = os_now_ms() + limit_ms;
  watch_soon();
}

void Session::watch_soon() {
  if (state_ == SessionState::kEnded || sweep_timer_.is_armed()) return;
  worker_.arm(sweep_timer_, kSweepMs);
}

void Session::on_sweep(Timer& timer) { container_of(timer, &Session::sweep_timer_).sweep(); }

void Session::sweep() {
  Ref<Session> keep = Ref<Session>::share(this);
  const uint64_t now = os_now_ms();
  bool watched = state_ == SessionState::kEnding || r2ts_missing;
  write_data::retry_missing_r2ts(*this);
  commands.for_each([&](Command& command) {
    if (command.deadline_ms == 0) return;
    watched = true;
    if (now < command.deadline_ms) return;
    command.deadline_ms = 0;
    if (command.state == CommandState::kAborting) {
      driver_port::give_up(command);
    } else if (command.connection != nullptr) {
      command.connection->drop(command.placed.asked ? "its transport keeps write buffers"
                                                    : "write data did not come in time");
    }
  });
  tmfs.for_each([&](Tmf& tmf) {
    watched = true;
    rx::tmf_watch_data(tmf, now);
    if (now >= tmf.deadline_ms) rx::tmf_give_up(tmf);
  });
  watched |= notices.watch(now);
  if (watched && state_ != SessionState::kEnded) worker_.arm(sweep_timer_, kSweepMs);
  run_work();
}

// All that are left are the driver's alone; their memory waits for it.
bool Session::commands_are_over() {
  const auto unfinished = [](const Command& command) {
    return command.state != CommandState::kOrphaned;
  };
  return commands.find(unfinished) == nullptr;
}

void Session::tell_driver_of_end() {
  if (!driver_knows || target_->hooks().fp_session_removed == nullptr) return;
  target_->hooks().fp_session_removed(handle.value, parameters.initiator_name.mutable_c_str(),
                                      target_->name_for_hook());
}

void Session::leave_target() {
  engine_.session_handles().remove(*this);
  engine_.tsihs().give_back(parameters.tsih);
  MutexGuard guard(list_mutex());
  if (target_ && entry.node.is_linked()) counters_.add_to(&target_->ended_sessions);
  list().remove(entry);
  while (SessionEndWaiter* waiter = end_waiters.pop_front())
    waiter->worker->post(*waiter->message);
  if (target_) os_event_signal(target_->progress());
}

void Session::finish_end() {
  state_ = SessionState::kEnded;
  sweep_timer_.disarm();
  rx::drop_tmfs(*this);
  rx::drop_tmf_parts(*this);
  rx::drop_plugs(*this);
  preventions.clear();
  // From the hook on the handle is dead.
  engine_.session_handles().remove(*this);
  tell_driver_of_end();
  scsi::drop_locks_of(*this);
  trace::session_removed(*this, text_of(end_reason_));
  leave_target();
  Engine& engine = engine_;
  if (std::exchange(self_held_, false)) unref();
  engine.note_progress();
}

}  // namespace chiscsi
