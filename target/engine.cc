// SPDX-License-Identifier: GPL-2.0-only
//
// Starting and stopping the engine, and the life of connections in the login phase.
#include "target/engine.hh"

#include "os/log.h"
#include "target/storage/classes.hh"

namespace chiscsi {

namespace {

// Between engine_start() and engine_stop(), which the host calls one after the other.
Engine* the_engine = nullptr;

// How long a stop waits in one step before it looks again, and in all before it says so.
constexpr uint32_t kStopStepMs = 10;
constexpr uint32_t kStopReportMs = 30'000;

void name_worker(char* name, size_t size, uint32_t cpu) {
  constexpr char kPrefix[] = "chiscsi/";
  size_t at = sizeof(kPrefix) - 1;
  __builtin_memcpy(name, kPrefix, at);
  char digits[10];
  size_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + cpu % 10);
    cpu /= 10;
  } while (cpu != 0);
  while (count != 0 && at + 1 < size)
    name[at++] = digits[--count];
  name[at] = '\0';
}

}  // namespace

Engine::Engine(const engine_options& options) : options_(options) {
  end_logins_message_.engine = this;
}

Engine& Engine::instance() { return *the_engine; }

Result<OwnPtr<Engine>> Engine::create(const engine_options& options) {
  OwnPtr<Engine> engine = make<Engine>(Alloc::kMaySleep, options);
  if (!engine) return Error::kNoMemory;
  engine->progress_ = os_event_create();
  if (engine->progress_ == nullptr) return Error::kNoMemory;
  CHISCSI_TRY(engine->globals_.create(options.login_timeout_s));
  CHISCSI_TRY(engine->registry_.create());
  CHISCSI_TRY(engine->session_handles_.create());
  CHISCSI_TRY(engine->login_handles_.create());
  CHISCSI_TRY(engine->tmf_handles_.create());
  CHISCSI_TRY(engine->lun_handles_.create());
  CHISCSI_TRY(engine->discovery_sessions_.create());
  CHISCSI_TRY(engine->start_workers());
  CHISCSI_TRY(engine->portals_.create(*engine->login_worker_, *engine));
  return engine;
}

Status Engine::start_workers() {
  login_worker_ = CHISCSI_TRY(Worker::create("chiscsi_main", OS_ANY_CPU));
  closing_worker_ = CHISCSI_TRY(Worker::create("chiscsi_close", OS_ANY_CPU));
  const uint32_t cpus = os_cpu_count();
  uint32_t wanted = options_.workers != 0 ? options_.workers : cpus;
  if (wanted > kMaxWorkers) wanted = kMaxWorkers;
  workers_ =
      static_cast<OwnPtr<Worker>*>(allocate(wanted * sizeof(OwnPtr<Worker>), Alloc::kMaySleep));
  if (workers_ == nullptr) return Error::kNoMemory;
  for (uint32_t i = 0; i < wanted; ++i) {
    const uint32_t cpu = i % cpus;
    if (!os_cpu_online(cpu)) continue;
    char name[20];
    name_worker(name, sizeof(name), i);
    workers_[worker_count_] =
        CHISCSI_TRY(Worker::create(name, static_cast<int>(cpu), options_.busy_poll_us));
    workers_[worker_count_]->index = worker_count_;
    ++worker_count_;
  }
  return worker_count_ != 0 ? Status() : Status(Error::kNoDevice);
}

// Targets that the administrator started go first; in the kernel they hold the module, so there is
// none. Then, in the reverse order of creation:
//   1. connections in the login phase, which end on the login worker;
//   2. sessions, which end on their workers (targets are gone: only discovery sessions are left);
//   3. the workers, login worker last;
//   4. the built-in LUN classes, which no target uses any more, once the last LUN is closed.
Engine::~Engine() {
  if (worker_count_ != 0) remove_administrators_targets(Text());
  if (login_worker_ && progress_ != nullptr) end_logins();
  if (worker_count_ != 0) end_sessions();
  reservation_keeper_.reset();
  for (uint32_t i = 0; i < worker_count_; ++i)
    workers_[i].reset();
  os_free(workers_);
  login_worker_.reset();
  storage::stop_classes();
  closing_worker_.reset();
  if (progress_ != nullptr) os_event_destroy(progress_);
}

void Engine::end_logins() {
  login_worker_->post(end_logins_message_);
  while (login_count_.load(std::memory_order_acquire) != 0 || !logins_closed_.load()) {
    os_event_wait(progress_, kStopStepMs);
  }
}

void Engine::on_end_logins(WorkerMessage& message) {
  Engine& engine = *static_cast<EndLogins&>(message).engine;
  engine.accepting_ = false;
  engine.logins_.for_each([](Connection& connection) { connection.drop("shutdown"); });
  engine.logins_closed_.store(true);
  engine.note_progress();
}

void Engine::end_sessions() {
  uint32_t waited = 0;
  while (Ref<Session> session = session_handles_.any()) {
    session->request_end(EndReason::kShutdown);
    session.reset();
    os_event_wait(progress_, kStopStepMs);
    waited += kStopStepMs;
    if (waited % kStopReportMs == 0) os_log(OS_LOG_WARNING, "stop: sessions are still ending");
  }
}

namespace {

// Travels to a worker; when it is there, whatever that worker did before is over.
struct Passage : WorkerMessage {
  explicit Passage(Target& owner)
      : WorkerMessage(&Passage::on_arrival), target(Ref<Target>::share(&owner)) {}
  static void on_arrival(WorkerMessage& message) {
    auto& passage = static_cast<Passage&>(message);
    // The message goes as soon as it is marked.
    Ref<Target> kept = std::move(passage.target);
    passage.arrived.store(true, std::memory_order_release);
    os_event_signal(kept->progress());
  }
  Ref<Target> target;
  std::atomic<bool> arrived{false};
};

// It cannot give up: a hook that does not return is code that must stay. So it says who is late.
void pass_through(Worker& worker, Target& target) {
  Passage passage(target);
  worker.post(passage);
  uint32_t waited = 0;
  while (!passage.arrived.load(std::memory_order_acquire)) {
    os_event_wait(target.progress(), kStopStepMs);
    waited += kStopStepMs;
    if (waited % kStopReportMs == 0) {
      os_log(OS_LOG_WARNING, "%s: removal waits for a hook that does not return",
             target.name_c_str());
    }
  }
}

}  // namespace

// Hooks are called on workers, after a look at Target::is_removed(): when each worker has come by,
// no hook runs for this target, and none will.
void Engine::wait_for_hooks(Target& target) {
  pass_through(*login_worker_, target);
  for (uint32_t i = 0; i < worker_count_; ++i)
    pass_through(*workers_[i], target);
}

Worker& Engine::pick_worker(int cpu) {
  Worker* best = workers_[0].get();
  Worker* near = nullptr;
  for (uint32_t i = 0; i < worker_count_; ++i) {
    Worker* other = workers_[i].get();
    if (other->load.load(std::memory_order_relaxed) < best->load.load(std::memory_order_relaxed)) {
      best = other;
    }
    if (other->cpu() == cpu && cpu != OS_ANY_CPU) near = other;
  }
  const uint32_t least = best->load.load(std::memory_order_relaxed);
  const bool is_near =
      near != nullptr && near->load.load(std::memory_order_relaxed) <= least + least / 8;
  return is_near ? *near : *best;
}

// Whoever has been silent for the longest gives way to a newcomer, so that silence keeps nobody
// out. It stays in the count until it has closed.
bool Engine::make_room_for_login() {
  Connection* silent =
      logins_.find([](const Connection& connection) { return connection.awaits_first_pdu(); });
  if (silent != nullptr) silent->drop("silent while many logins are pending");
  return silent != nullptr;
}

void Engine::on_accept(OwnPtr<Conn> conn) {
  if (!accepting_) return;
  if (login_count_.load() >= options_.max_pending_logins && !make_room_for_login()) {
    os_log_limited(OS_LOG_WARNING, "%u logins are pending, a connection was refused",
                   login_count_.load());
    return;
  }
  Connection* connection = make<Connection>(Alloc::kMaySleep, *this, std::move(conn)).release();
  if (connection == nullptr) return;
  login_count_.fetch_add(1);
  logins_.push_back(*connection);
  connection->start(*login_worker_);
}

void Engine::login_succeeded(Connection& connection) {
  logins_.remove(connection);
  login_count_.fetch_sub(1, std::memory_order_release);
  note_progress();
}

void Engine::login_ended(Connection& connection) { login_succeeded(connection); }

}  // namespace chiscsi

using namespace chiscsi;  // NOLINT: this part of the file is the C interface.

extern "C" {

int engine_start(const struct engine_options* options) {
  Result<OwnPtr<Engine>> engine = Engine::create(*options);
  if (!engine.is_ok()) return engine.status().to_errno();
  the_engine = engine.take().release();
  const Status status = storage::start_classes();
  if (!status.is_ok()) engine_stop();
  return status.to_errno();
}

int engine_keep_reservations(const char* folder) {
  return the_engine->keep_reservations(Text(folder)).to_errno();
}

void engine_stop(void) {
  destroy(the_engine);
  the_engine = nullptr;
}

}  // extern "C"
