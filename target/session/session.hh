// SPDX-License-Identifier: GPL-2.0-only
//
// Session: the commands of one I_T nexus, and their way through the storage driver.
//
// A session lives on one worker; what is marked so may be called from anywhere. It is referenced by
// its connection, by every command that a driver holds, and by itself from admission to the end.
// Ending is one path for every cause: leave the connection, abort what the driver holds, orphan
// what it does not answer in time, tell the driver, leave the target's list, drop the reference.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/ref.hh"
#include "target/handle_table.hh"
#include "target/login/parameters.hh"
#include "target/session/command.hh"
#include "target/session/command_pool.hh"
#include "target/session/command_window.hh"
#include "target/session/r2t.hh"
#include "target/session/task_table.hh"
#include "target/session/tmf.hh"
#include "target/target.hh"
#include "transport/bounce_pool.hh"
#include "transport/worker.hh"

namespace chiscsi {

class Connection;
class Engine;

enum class SessionState : uint8_t { kStarting, kActive, kEnding, kEnded };

enum class EndReason : uint8_t {
  kNone,
  kConnectionLost,
  kLogout,
  kReinstated,
  kTargetRemoved,
  kDriverRequest,
  kTargetReset,
  kShutdown,
};

// Somebody who waits for the end of a session; `message` is posted to `worker` then. Guarded by the
// target's mutex while it waits.
struct SessionEndWaiter {
  ListNode node;
  Worker* worker = nullptr;
  WorkerMessage* message = nullptr;
};

struct SessionCounters {
  uint64_t read_bytes = 0;
  uint64_t write_bytes = 0;
  uint64_t read_commands = 0;
  uint64_t write_commands = 0;
};

class Session : public RefCounted<Session> {
 public:
  static Result<Ref<Session>> create(Engine& engine, Worker& worker, Ref<Target> target,
                                     const SessionParameters& parameters);
  Session(Engine& engine, Worker& worker, Ref<Target> target);
  ~Session();

  // The login was accepted: the session enters its target's list, or Error::kShutdown when the
  // target is being removed, or kExists when an older session of the initiator port is still there;
  // `waiter` is then told of its end, which is asked for. Context: the login worker.
  Status enter_target(SessionEndWaiter* waiter);
  // The same for a discovery session, which has no target.
  void enter_discovery();
  // The login failed after all: undoes enter_*(). Context: the login worker.
  void abandon();
  // The leading connection has arrived on the worker: full feature phase begins.
  void connection_arrived(Connection& connection);
  // The connection is gone; its memory goes after this call.
  void connection_lost(Connection& connection);

  // Asks for the session's end. Context: any.
  void request_end(EndReason reason);
  // The same on the worker, at once. Never destroys the session before it returns.
  void end(EndReason reason);
  bool is_active() const { return state_ == SessionState::kActive; }
  // Full feature phase has ended or is about to. Context: any.
  bool is_end_requested() const { return end_requested_.load() != 0; }

  // Hands ready commands and complete write phases to the driver. Called with no lock held.
  void run_work();
  void add_work(Command& command);
  // A request whose turn it is; executed by run_work().
  void add_request(Sequenced& request) { requests_.push_back(request); }

  // Null when there is none without sleeping; stock_commands() may help, from any place that may
  // sleep.
  Command* new_command();
  bool stock_commands() { return pool_.stock(); }
  void free_command(Command& command);
  // The initiator's side of a command is over: its tag and its place in the window are free.
  void forget_task(Command& command);

  // A command's deadline is watched from here on.
  void watch(Command& command, uint64_t limit_ms);
  void watch_soon();

  Worker& worker() { return worker_; }
  Engine& engine() { return engine_; }
  Target* target() { return target_.get(); }  // Null in a discovery session.
  // The LUNs of the target as they are now; not in a discovery session.
  const LunMap& luns();
  // Enters the LUN with this number for a command or a task management function; null when there is
  // none. Whoever has entered leaves it by Lun::leave().
  Lun* enter_lun(uint32_t number);
  // The same for the first LUN of a class, by the place of the class.
  Lun* enter_lun_of_class(uint32_t class_index);
  bool is_discovery() const { return parameters.type == SessionType::kDiscovery; }
  Connection* connection() { return connection_; }

  // Immutable.
  SessionParameters parameters;
  chiscsi_tcp_endpoints endpoints{};  // Of the leading connection; commands point to it.
  Handle handle;
  os_spinlock* driver_lock = nullptr;  // See Command::driver.

  // Worker-owned.
  CommandWindow window;
  TaskTable tasks;
  R2tPool r2ts;
  TmfList tmfs;
  List<Command, &Command::session_node> commands;  // All that are not free.
  uint32_t immediate_commands = 0;
  bool r2ts_missing = false;         // Some command waits for an R2T of the pool.
  unsigned long driver_session = 0;  // What fp_session_added returned.
  bool driver_knows = false;         // fp_session_added was called.
  SessionCounters counters;          // Written by the worker, read by anyone.
  uint64_t state_entries[kCommandStates] = {};

  // Guarded by the target's mutex.
  SessionEntry entry;
  List<SessionEndWaiter, &SessionEndWaiter::node> end_waiters;

 private:
  static void on_end_message(WorkerMessage& message);
  static void on_sweep(Timer& timer);
  void sweep();
  void publish();
  void run_command(Command& command);
  void abort_all_commands();
  bool commands_are_over();
  void finish_end();
  void leave_target();
  void tell_driver_of_end();

  Engine& engine_;
  Worker& worker_;
  Ref<Target> target_;
  Ref<LunMap> luns_;
  uint32_t luns_seen_ = 0;  // Of Target::lun_generation().
  CommandPool pool_{*this};
  Connection* connection_ = nullptr;
  List<Command, &Command::work_node> work_;
  List<Sequenced, &Sequenced::window_node> requests_;  // HeldPdus, in order.
  SessionState state_ = SessionState::kStarting;
  EndReason end_reason_ = EndReason::kNone;
  std::atomic<uint32_t> end_requested_{0};
  PostedOnce end_message_{&Session::on_end_message};
  Timer sweep_timer_{&Session::on_sweep};
  bool working_ = false;
  bool self_held_ = false;  // The reference from admission to the end.
};

}  // namespace chiscsi
