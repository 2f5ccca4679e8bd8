// SPDX-License-Identifier: GPL-2.0-only
//
// Engine: the composition root. It makes the workers and owns what there is one of.
//
// One instance exists between engine_start() and engine_stop(). Objects of the engine hold
// references to it; only the C interface asks for instance().
#pragma once

#include <atomic>

#include "target/engine.h"
#include "target/globals.hh"
#include "target/handle_table.hh"
#include "target/login/chap.hh"
#include "target/login_service.hh"
#include "target/lun/lun.hh"
#include "target/portals.hh"
#include "target/registry.hh"
#include "target/scsi/reservation_keeper.hh"
#include "target/session/connection.hh"
#include "target/session/discovery_sessions.hh"
#include "target/session/session.hh"
#include "target/session/tmf.hh"
#include "target/tsih_pool.hh"

namespace chiscsi {

class LunChange;

class Engine final : public Acceptor {
 public:
  static Result<OwnPtr<Engine>> create(const engine_options& options);
  explicit Engine(const engine_options& options);
  ~Engine();
  // Precondition: the engine is started.
  static Engine& instance();

  // Acceptor, on the login worker.
  void on_accept(OwnPtr<Conn> conn) override;
  // A connection leaves the login phase: for its session, or for good.
  void login_succeeded(Connection& connection);
  void login_ended(Connection& connection);

  // The control plane (engine_control.cc). Context: process.
  // With an error, `why` says what is wrong, if there is more to say than the number does.
  Status add_target(TargetOwner owner, Text name, Text class_name, Bytes config, ConfigError* why);
  Status remove_target(TargetOwner owner, Text name, ConfigError* why);
  Status reconfigure_target(TargetOwner owner, Text name, Text class_name, Bytes config,
                            ConfigError* why);
  // Would add_target() or reconfigure_target() take this? Nothing changes, and no hook is called.
  Status check_target(TargetOwner owner, Text name, Text class_name, Bytes config,
                      ConfigError* why);
  // Both first remove the targets of the class that the administrator started: its driver knows
  // nothing of them.
  Status remove_class(Text name);
  // Registrations that persist are stored in this folder. Before the first target.
  Status keep_reservations(Text folder);
  Status remove_lun_class(Text name, Text target_class_name);

  Worker& login_worker() { return *login_worker_; }
  // For what takes as long as a device likes: the end of a LUN that its last command has left.
  Worker& closing_worker() { return *closing_worker_; }
  // The worker for a new session: the one with the least to serve, or that of `cpu`, where its
  // packets arrive, when it has at most an eighth more.
  Worker& pick_worker(int cpu);
  // Those that serve sessions.
  uint32_t worker_count() const { return worker_count_; }

  Registry& registry() { return registry_; }
  Portals& portals() { return portals_; }
  HandleTable<Session>& session_handles() { return session_handles_; }
  HandleTable<LoginCheck>& login_handles() { return login_handles_; }
  HandleTable<Tmf>& tmf_handles() { return tmf_handles_; }
  HandleTable<Lun>& lun_handles() { return lun_handles_; }
  ChallengeRegistry& challenges() { return challenges_; }
  Globals& globals() { return globals_; }
  // A login or a session has ended: whoever waits in a stop looks again. Context: any.
  void note_progress() { os_event_signal(progress_); }
  // A number for an object that drivers are told of and never name back: a connection, a target.
  // Never used twice. Context: any.
  unsigned long next_handle() { return last_handle_.fetch_add(1, std::memory_order_relaxed) + 1; }
  TsihPool& tsihs() { return tsihs_; }
  DiscoverySessions& discovery_sessions() { return discovery_sessions_; }

  // 0: no limit. Context: process.
  uint64_t login_timeout_ms() const { return globals_.get()->login_complete_time_s() * 1000ull; }
  uint64_t abort_timeout_ms() const { return options_.abort_timeout_s * 1000ull; }

 private:
  static constexpr uint32_t kMaxWorkers = 1024;
  Status start_workers();
  void end_logins();
  bool make_room_for_login();
  void end_sessions();
  static void on_end_logins(WorkerMessage& message);
  void wait_for_sessions(Target& target);
  void wait_for_hooks(Target& target);
  Status hold_and_start(Target& target, Ref<TargetSettings> settings, ConfigError* why);
  Status start_target(Target& target, Ref<TargetSettings> settings, ConfigError* why);
  Status change_target(Target& target, Ref<TargetSettings> fresh, ConfigError* why);
  Status wait_for_class(Text name);
  void remove_administrators_targets(Text class_name);

  const engine_options options_;
  os_event* progress_ = nullptr;
  OwnPtr<Worker> login_worker_;
  OwnPtr<Worker> closing_worker_;
  OwnPtr<Worker>* workers_ = nullptr;
  uint32_t worker_count_ = 0;
  Globals globals_;
  Registry registry_;
  Portals portals_;
  HandleTable<Session> session_handles_;
  HandleTable<LoginCheck> login_handles_;
  HandleTable<Tmf> tmf_handles_;
  HandleTable<Lun> lun_handles_;
  std::atomic<unsigned long> last_handle_{0};
  TsihPool tsihs_;
  DiscoverySessions discovery_sessions_;
  OwnPtr<scsi::ReservationKeeper> reservation_keeper_;  // Null: nothing is stored.

  // Login worker's.
  List<Connection, &Connection::login_node> logins_;
  ChallengeRegistry challenges_;
  std::atomic<uint32_t> login_count_{0};
  bool accepting_ = true;
  std::atomic<bool> logins_closed_{false};
  struct EndLogins : WorkerMessage {
    explicit EndLogins(Handle handler) : WorkerMessage(handler) {}
    Engine* engine = nullptr;
  } end_logins_message_{&Engine::on_end_logins};
};

}  // namespace chiscsi
