// SPDX-License-Identifier: GPL-2.0-only
//
// The phases of a run.
#include "load.hh"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace chiscsi::load {

volatile sig_atomic_t interrupted = 0;

namespace {

constexpr uint64_t kSecond = 1000000000;
constexpr uint64_t kTick = 20000000;

double seconds_since(uint64_t begin) { return static_cast<double>(now_ns() - begin) / 1e9; }

}  // namespace

Load::Load(const Options& chosen) : chosen_(chosen) {
  options = &chosen_;
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (poller < 0) throw SessionError(std::string("epoll_create1: ") + strerror(errno));
  if (!parse_address(chosen_.address, chosen_.port, target))
    throw SessionError("'" + chosen_.address + "' is no numeric address");
  for (const std::string& source : chosen_.sources) {
    Address address;
    if (!parse_address(source, 0, address))
      throw SessionError("'" + source + "' is no numeric address");
    sources.push_back(address);
  }
  pattern.resize(chosen_.block);
  for (uint8_t& byte : pattern)
    byte = static_cast<uint8_t>(random());
  for (unsigned i = 0; i < chosen_.sessions; ++i)
    sessions_.push_back(std::make_unique<Session>(*this, i));
}

Load::~Load() {
  for (int fd : silent_)
    close(fd);
  sessions_.clear();
  close(poller);
}

// xorshift64*: the same places in each run.
uint64_t Load::random() {
  state_ ^= state_ >> 12;
  state_ ^= state_ << 25;
  state_ ^= state_ >> 27;
  return state_ * 0x2545f4914f6cdd1d;
}

bool Load::run() {
  open_silent();
  log_in();
  write_ready_file();
  if (chosen_.mode == Mode::kHold) hold();
  if (chosen_.mode == Mode::kIo) do_io();
  silent_closed_ = silent_closed();
  end_sessions();
  return problems_.empty() && logged_in_ == chosen_.sessions && logged_out_ == logged_in_;
}

// ---- Events ----

void Load::turn() {
  std::array<epoll_event, 256> events;
  const int count = epoll_wait(poller, events.data(), events.size(), 10);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    static_cast<Session*>(event.data.ptr)->on_events(event.events);
  }
  if (now_ns() >= next_tick_ns_) tick();
}

void Load::tick() {
  const uint64_t now = now_ns();
  for (const auto& session : sessions_)
    session->tick(now);
  if (running()) give_turns();
  next_tick_ns_ = now_ns() + kTick;
}

bool Load::until(uint64_t limit_ns, const std::function<bool()>& done) {
  while (!done()) {
    if (now_ns() >= limit_ns) return false;
    // Once the sessions are ending they end in order; the next signal is not waited for.
    if (interrupted != 0 && phase_ != Phase::kEnd && phase_ != Phase::kDrain) return false;
    turn();
  }
  return true;
}

unsigned Load::count(Session::State state) const {
  return static_cast<unsigned>(
      std::count_if(sessions_.begin(), sessions_.end(),
                    [state](const auto& session) { return session->state() == state; }));
}

void Load::failed(Session& session, const std::string& why) {
  ++problems_[why];
  if (phase_ == Phase::kLogin && session.login_ns() == 0) {
    --logging_in_;
    ++failed_logins_;
    next_logins();
    return;
  }
  ++lost_;
  // The next one has its turn.
  if (running() && rotates() && !session.queued) ++turns_;
}

// ---- Logins ----

void Load::open_silent() {
  for (unsigned i = 0; i < chosen_.silent; ++i) {
    const int fd = socket(target.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw SessionError(std::string("socket: ") + strerror(errno));
    // The limit of sending is that of connecting, too.
    timeval limit = {};
    limit.tv_sec = chosen_.login_timeout;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(fd, reinterpret_cast<const sockaddr*>(&target.storage), target.size) != 0) {
      ++problems_[std::string("silent client: connect: ") + strerror(errno)];
      close(fd);
      continue;
    }
    silent_.push_back(fd);
  }
}

unsigned Load::silent_closed() const {
  unsigned closed = 0;
  for (int fd : silent_) {
    char byte = 0;
    const ssize_t got = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK)) ++closed;
  }
  return closed;
}

void Load::log_in() {
  const uint64_t begin = now_ns();
  next_logins();
  if (!until(begin + chosen_.timeout * kSecond,
             [this] { return logged_in_ + failed_logins_ == chosen_.sessions; })) {
    const unsigned begun = next_;
    next_ = chosen_.sessions;
    for (unsigned i = 0; i < begun; ++i)
      if (!sessions_[i]->ready()) sessions_[i]->drop();
    if (interrupted == 0) ++problems_["the logins did not come to an end"];
    next_ = begun;
  }
  login_seconds_ = seconds_since(begin);
}

// What fails at once inside begin() comes back here by failed().
void Load::next_logins() {
  if (beginning_) return;
  beginning_ = true;
  while (logging_in_ < chosen_.parallel && next_ < chosen_.sessions && interrupted == 0) {
    ++logging_in_;
    sessions_[next_++]->begin();
  }
  beginning_ = false;
}

void Load::logged_in(Session& session) {
  --logging_in_;
  ++logged_in_;
  login_us_.add(session.login_ns() / 1000);
  next_logins();
}

void Load::write_ready_file() const {
  if (chosen_.ready_file.empty()) return;
  const std::string temporary = chosen_.ready_file + ".new";
  FILE* file = fopen(temporary.c_str(), "w");
  if (file == nullptr) throw SessionError(temporary + ": " + strerror(errno));
  fprintf(file, "%u\n", logged_in_);
  fclose(file);
  if (rename(temporary.c_str(), chosen_.ready_file.c_str()) != 0)
    throw SessionError(chosen_.ready_file + ": " + strerror(errno));
}

// ---- Idle sessions ----

void Load::hold() {
  phase_ = Phase::kHold;
  const uint64_t begin = now_ns();
  until(begin + chosen_.seconds * kSecond, [] { return interrupted != 0; });
  hold_seconds_ = seconds_since(begin);
  phase_ = Phase::kDrain;
  ping_all();
}

// Each session that is still there answers.
void Load::ping_all() {
  for (const auto& session : sessions_)
    session->ping();
  const auto answered = [this] {
    return static_cast<unsigned>(std::count_if(
        sessions_.begin(), sessions_.end(),
        [](const auto& session) { return session->ready() && session->answered_ping(); }));
  };
  if (!until(now_ns() + chosen_.timeout * kSecond,
             [&] { return answered() == count(Session::State::kReady); }))
    ++problems_["a session does not answer a ping"];
  alive_ = answered();
}

// ---- I/O ----

void Load::do_io() {
  prepare_all();
  io_sessions_ = prepared_;
  if (prepared_ == 0 || interrupted != 0) return;
  share_depth();
  phase_ = Phase::kRamp;
  for (const auto& session : sessions_) {
    may_start(*session);
    session->flush();
  }
  until(now_ns() + uint64_t{chosen_.ramp_ms} * 1000000, [] { return false; });
  phase_ = Phase::kIo;
  const uint64_t begin = now_ns();
  until(begin + chosen_.seconds * kSecond,
        [this] { return chosen_.ios != 0 && ios_ >= chosen_.ios; });
  io_seconds_ = seconds_since(begin);
  phase_ = Phase::kDrain;
  if (!until(now_ns() + chosen_.timeout * kSecond, [this] {
        return std::all_of(sessions_.begin(), sessions_.end(), [](const auto& session) {
          return !session->ready() || session->under_way() == 0;
        });
      }))
    ++problems_["I/O did not come to an end"];
  if (chosen_.ios != 0 && ios_ < chosen_.ios && interrupted == 0)
    ++problems_["too few I/Os in the time"];
}

// As many at a time as logins: INQUIRY, TEST UNIT READY, READ CAPACITY.
void Load::prepare_all() {
  phase_ = Phase::kPrepare;
  size_t next = 0;
  unsigned begun = 0;
  const uint64_t limit = now_ns() + chosen_.timeout * kSecond;
  const bool whole = until(limit, [&] {
    while (next < sessions_.size() && begun < prepared_ + lost_ + chosen_.parallel) {
      Session& session = *sessions_[next++];
      if (!session.ready()) continue;
      ++begun;
      session.prepare();
    }
    return next == sessions_.size() && prepared_ + lost_ >= begun;
  });
  if (!whole && interrupted == 0) ++problems_["the LUNs do not answer"];
}

void Load::prepared(Session& session) {
  const uint64_t per_io = chosen_.block / session.block_size();
  if (per_io == 0 || chosen_.block % session.block_size() != 0 || session.blocks() < per_io)
    throw SessionError("the block size does not fit the LUN");
  // Sequential sessions begin at places of their own.
  const uint64_t places = session.blocks() / per_io;
  session.next_block = places * session.index() / chosen_.sessions * per_io;
  ++prepared_;
}

// Each session gets its share, or the sessions take turns.
void Load::share_depth() {
  unsigned shares = 0;
  for (const auto& session : sessions_) {
    if (!session->ready()) continue;
    const unsigned extra = shares++ < chosen_.depth % prepared_ ? 1 : 0;
    session->set_slots(rotates() ? 1 : chosen_.depth / prepared_ + extra);
    if (rotates()) {
      waiting_.push_back(session.get());
      session->queued = true;
    }
  }
  turns_ = chosen_.depth;
}

void Load::start_one(Session& session) {
  const uint64_t per_io = chosen_.block / session.block_size();
  const uint64_t places = session.blocks() / per_io;
  uint64_t block = 0;
  if (chosen_.sequential) {
    block = session.next_block;
    session.next_block += per_io;
    if (session.next_block / per_io >= places) session.next_block = 0;
  } else {
    block = random() % places * per_io;
  }
  const bool write = random() % 100 >= chosen_.read_percent;
  session.start_io(write, block, chosen_.block);
}

void Load::may_start(Session& session) {
  if (!running()) return;
  if (rotates()) {
    give_turns();
    return;
  }
  while (session.can_start())
    start_one(session);
}

// The session that has waited longest comes first; one whose window is shut lets others pass.
void Load::give_turns() {
  if (!rotates()) return;
  for (size_t tries = waiting_.size(); turns_ > 0 && tries > 0; --tries) {
    Session* session = waiting_.front();
    waiting_.pop_front();
    if (!session->can_start()) {
      if (session->ready()) waiting_.push_back(session);
      session->queued = session->ready();
      continue;
    }
    session->queued = false;
    --turns_;
    start_one(*session);
    session->flush();
  }
}

void Load::io_done(Session& session, uint64_t latency_ns) {
  if (phase_ == Phase::kIo && (chosen_.ios == 0 || ios_ < chosen_.ios)) {
    ++ios_;
    ++session.done;
    latency_us_.add(latency_ns / 1000);
  }
  if (rotates() && !session.queued) {
    ++turns_;
    session.queued = true;
    waiting_.push_back(&session);
  }
}

// ---- The end ----

void Load::end_sessions() {
  phase_ = Phase::kEnd;
  const uint64_t begin = now_ns();
  for (const auto& session : sessions_)
    session->log_out();
  if (!until(begin + chosen_.timeout * kSecond,
             [this] { return count(Session::State::kLogout) == 0; }))
    ++problems_["a logout is not answered"];
  end_seconds_ = seconds_since(begin);
}

void Load::logged_out(Session&) { ++logged_out_; }

}  // namespace chiscsi::load
