// SPDX-License-Identifier: GPL-2.0-only
//
// Session: the commands of one I_T nexus, and their way through the storage driver.
//
// A session lives on one worker, and so do all its connections; what is marked so may be called
// from anywhere. It is referenced by its connections, by every command that a driver holds, and by
// itself from admission to the end. Commands are ordered by CmdSN over all connections; what
// follows from a command stays on the connection it came by (Member). Ending is one path for every
// cause: close the connections, abort what the driver holds, orphan what it does not answer in
// time, tell the driver, leave the target's list, drop the reference.
#pragma once

#include <cstdint>

#include "base/alloc.hh"
#include "base/ref.hh"
#include "target/handle_table.hh"
#include "target/info/roster.hh"
#include "target/login/parameters.hh"
#include "target/lun/lun_rights.hh"
#include "target/scsi/copy_results.hh"
#include "target/session/attention_inbox.hh"
#include "target/session/command.hh"
#include "target/session/command_pool.hh"
#include "target/session/command_window.hh"
#include "target/session/member.hh"
#include "target/session/notices.hh"
#include "target/session/preventions.hh"
#include "target/session/r2t.hh"
#include "target/session/task_sets.hh"
#include "target/session/task_table.hh"
#include "target/session/tmf.hh"
#include "target/session/unit_attention.hh"
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
  kAdministrator,
  kTargetReset,
  kFormatError,
  kCrowdedOut,
  kShutdown,
};

// Somebody who waits for the end of a session; `message` is posted to `worker` then. Guarded by the
// list_mutex() of its session while it waits.
struct SessionEndWaiter {
  ListNode node;
  Worker* worker = nullptr;
  WorkerMessage* message = nullptr;
};

// Whether they are of one I_T nexus: the same initiator port and target port.
bool same_port(const SessionParameters& a, const SessionParameters& b);
// Equal for parameters that are of the same port.
uint64_t port_hash(const SessionParameters& parameters);

class Session : public RefCounted<Session> {
 public:
  // `portal` is the address at which the leading connection arrived.
  static Result<Ref<Session>> create(Engine& engine, Worker& worker, Ref<Target> target,
                                     const SessionParameters& parameters, const os_address& portal,
                                     LunRights rights = {});
  Session(Engine& engine, Worker& worker, Ref<Target> target);
  ~Session();

  // The login was accepted: the session enters its list, or Error::kShutdown when the target is
  // being removed, or kExists when an older session of the initiator port is still there; `waiter`
  // is then told of its end, which is asked for; or kNotPermitted when that one is not ours to end.
  // Context: the login worker.
  Status enter(SessionEndWaiter* waiter);
  // The list that the session enters, and its mutex: its target's, or that of the discovery
  // sessions without a target.
  SessionList& list() const;
  os_mutex* list_mutex() const;
  // The login failed after all: undoes enter(). Context: the login worker.
  void abandon();
  // The session of the initiator port in `asked` that has the TSIH in `asked`; empty when there is
  // none, or when it is ending. Context: the login worker.
  static Ref<Session> find(Target& target, const SessionParameters& asked);

  // Connections (session_connections.cc).
  // A login asks for a place: it is admitted, refused, or waits for an older connection's end.
  void take_in(Member& member);
  // A login that asked has ended without a connection.
  void withdraw(Member& member);
  // The connection has arrived on the worker. With the leading one full feature phase begins.
  void connection_arrived(Connection& connection);
  // The connection is gone; its memory goes after this call. Its commands end, and with the last
  // connection the session does, for `reason`.
  void connection_lost(Connection& connection, EndReason reason);
  // The connection of this number in full feature phase, or nullptr.
  Connection* find_connection(uint16_t cid);
  // The tasks of a connection that is logged out end without a response (RFC 7143 s11.14.5).
  void terminate_commands(Member& member);
  // What was answered on other connections has to reach the initiator before what is answered on
  // `issuing` (a response fence, RFC 7143 s4.2.2.3): asks for signs of it; clear when all have
  // come.
  void raise_fence(const Connection* issuing);
  bool is_fence_clear(const Connection* issuing);
  // The connection of `member` waits until a command is free; without one alive it could wait for
  // ever: false.
  bool wait_for_command(Member& member);
  // The window as the initiator has last heard of it. Context: any.
  uint32_t told_exp_cmd_sn() const { return told_exp_cmd_sn_.load(std::memory_order_relaxed); }
  uint32_t told_max_cmd_sn() const { return told_max_cmd_sn_.load(std::memory_order_relaxed); }
  void note_told(uint32_t exp_cmd_sn, uint32_t max_cmd_sn) {
    told_exp_cmd_sn_.store(exp_cmd_sn, std::memory_order_relaxed);
    told_max_cmd_sn_.store(max_cmd_sn, std::memory_order_relaxed);
  }

  // Asks for the session's end. Context: any.
  void request_end(EndReason reason);
  // The same on the worker, at once. Never destroys the session before it returns.
  void end(EndReason reason);
  // What the initiator holds of units, by PREVENT and RESERVE, shall be free when it sees the
  // answer to its logout (RFC 7143 section 11.15): its next session may be another nexus. Not so a
  // reservation while commands are left that may still write; the end of the session gives up all.
  void give_up_holds();
  bool is_active() const { return state_ == SessionState::kActive; }
  bool has_ended() const { return state_ == SessionState::kEnded; }
  // Full feature phase has ended or is about to. Context: any.
  bool is_end_requested() const { return end_requested_.load() != 0; }

  // Hands ready commands and complete write phases to the driver. Called with no lock held.
  void run_work();
  void add_work(Command& command);
  // A request whose turn it is; executed by run_work().
  void add_request(Sequenced& request) { requests.push_back(request); }

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
  // What its initiator may do with them. Constant. Context: any.
  const LunRights& rights() const { return rights_; }
  // Whether there is a LUN with this number, as far as the initiator is concerned.
  bool has_lun(uint32_t number) {
    return rights_.may_reach(number) && luns().find(number) != nullptr;
  }
  // Enters the LUN with this number for a command or a task management function; null when there is
  // none, or no right to it. Whoever has entered leaves it again; that may call hooks.
  Lun* enter_lun(uint32_t number);
  // The same for the first LUN of a class, by the place of the class.
  Lun* enter_lun_of_class(uint32_t class_index);
  void leave_lun(Lun& lun);
  bool is_discovery() const { return parameters.type == SessionType::kDiscovery; }
  // Its connections as status readers may see them. Context: process.
  Roster& roster() { return *roster_; }
  // Of its commands that are over. Context: any.
  const CommandCounters& counters() const { return counters_; }

  // Immutable.
  SessionParameters parameters;
  os_address portal = {};
  Handle handle;
  os_spinlock* driver_lock = nullptr;  // See Command::driver.
  Notices notices{*this};
  AttentionInbox attention_inbox;  // What others have for `unit_attentions`.

  // Worker-owned.
  CommandWindow window;
  TaskTable tasks;
  TaskSets task_sets{*this};
  R2tPool r2ts;
  TmfList tmfs;
  UnitAttentions unit_attentions;
  Preventions preventions;
  scsi::CopyResults copies;  // Third-party copies, running and over.
  MemberList members;        // The connections, those to come, and those gone with commands left.
  List<Sequenced, &Sequenced::window_node> requests;  // HeldPdus to be executed, in order.
  List<Command, &Command::session_node> commands;     // All that are not free.
  uint32_t immediate_commands = 0;
  bool r2ts_missing = false;         // Some command waits for an R2T of the pool.
  unsigned long driver_session = 0;  // What fp_session_added returned.
  bool driver_knows = false;         // fp_session_added was called.
  uint64_t state_entries[kCommandStates] = {};

  // Guarded by list_mutex().
  SessionEntry entry;
  List<SessionEndWaiter, &SessionEndWaiter::node> end_waiters;

 private:
  bool may_replace(const Session& older) const;
  static void on_end_message(WorkerMessage& message);
  static void on_sweep(Timer& timer);
  void sweep();
  void publish();
  static void make_room(SessionList& list);
  bool same_portal(const Session& other) const;
  void start_full_feature(Connection& connection);
  void run_command(Command& command);
  void count(const Command& command);
  void count_in(WorkerCounters& counters, const CommandResult& result);
  void consider(Member& member);
  void consider_waiting();
  bool is_a_connection_ending();
  void refuse(Member& member, iscsi::LoginStatus status);
  void leave(Member& member);
  void close_connections(bool announce);
  void announce_loss(const Member& lost);
  void note_termination(const Command& command);
  void tell_of_open_window();
  void end_if_deserted(EndReason reason);
  bool commands_are_over();
  void finish_end();
  void leave_target();
  void tell_driver_of_end();

  Engine& engine_;
  Worker& worker_;
  Ref<Target> target_;
  Ref<Roster> roster_;
  LunRights rights_;
  Ref<LunMap> luns_;
  uint32_t luns_seen_ = 0;  // Of Target::lun_generation().
  CommandCounters counters_;
  CommandPool pool_{*this};
  List<Command, &Command::work_node> work_;
  List<Member, &Member::waiter_node> command_waiters_;
  uint32_t places_taken_ = 0;  // Members that are admitted or active.
  uint32_t waiting_ = 0;       // Members that wait.
  SessionState state_ = SessionState::kStarting;
  EndReason end_reason_ = EndReason::kNone;
  std::atomic<uint32_t> end_requested_{0};
  std::atomic<bool> abandoned_{false};
  std::atomic<uint32_t> told_exp_cmd_sn_{0};
  std::atomic<uint32_t> told_max_cmd_sn_{0};
  PostedOnce end_message_{&Session::on_end_message};
  Timer sweep_timer_{&Session::on_sweep};
  bool working_ = false;
  bool self_held_ = false;  // The reference from admission to the end.
};

}  // namespace chiscsi
