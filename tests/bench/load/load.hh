// SPDX-License-Identifier: GPL-2.0-only
//
// A whole run: silent clients, logins, what the mode is about, logouts. One thread, one epoll; each
// phase has a limit.
#pragma once

#include <csignal>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "histogram.hh"
#include "session.hh"

namespace chiscsi::load {

class Load : public Run {
 public:
  explicit Load(const Options& chosen);
  ~Load() override;
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // All phases. True: everything was as it should be.
  bool run();
  // The figures as one JSON object.
  void report(FILE* out) const;

  void logged_in(Session& session) override;
  void prepared(Session& session) override;
  void io_done(Session& session, uint64_t latency_ns) override;
  void may_start(Session& session) override;
  void logged_out(Session& session) override;
  void failed(Session& session, const std::string& why) override;

 private:
  enum class Phase { kLogin, kHold, kPrepare, kRamp, kIo, kDrain, kEnd };

  void open_silent();
  unsigned silent_closed() const;
  void log_in();
  void next_logins();
  void write_ready_file() const;
  void hold();
  void ping_all();
  void do_io();
  void prepare_all();
  void end_sessions();

  bool running() const { return phase_ == Phase::kRamp || phase_ == Phase::kIo; }
  bool rotates() const { return chosen_.depth < io_sessions_; }
  void share_depth();
  void start_one(Session& session);
  void give_turns();

  // Handles events until `done` or the limit; false: the limit, or an interruption.
  bool until(uint64_t limit_ns, const std::function<bool()>& done);
  void turn();
  void tick();
  unsigned count(Session::State state) const;
  uint64_t random();

  const Options chosen_;
  Phase phase_ = Phase::kLogin;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<int> silent_;
  uint64_t next_tick_ns_ = 0;

  bool beginning_ = false;  // next_logins() is at work.
  unsigned next_ = 0, logging_in_ = 0, logged_in_ = 0, failed_logins_ = 0;
  double login_seconds_ = 0;
  Histogram login_us_;
  double hold_seconds_ = 0;
  unsigned lost_ = 0;  // Sessions that ended after their login, by themselves.
  unsigned alive_ = 0;
  unsigned silent_closed_ = 0;

  unsigned prepared_ = 0, turns_ = 0, io_sessions_ = 0;
  std::deque<Session*> waiting_;  // Sessions that want a turn, when there are fewer turns.
  uint64_t state_ = 0x9e3779b97f4a7c15;
  uint64_t ios_ = 0;
  double io_seconds_ = 0;
  Histogram latency_us_;

  unsigned logged_out_ = 0;
  double end_seconds_ = 0;
  std::map<std::string, uint64_t> problems_;
};

// Set by SIGTERM and SIGINT: hold and I/O end, and sessions log out.
extern volatile sig_atomic_t interrupted;

}  // namespace chiscsi::load
