// SPDX-License-Identifier: GPL-2.0-only
//
// One session of the load generator: the login without authentication, the numbers and the window
// of RFC 7143 section 4.2.2, answers to pings, SCSI commands with their data, the logout.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "connection.hh"
#include "iscsi/bhs.hh"
#include "options.hh"

namespace chiscsi::load {

class Session;

// What all sessions of a run share, and whom they tell.
class Run {
 public:
  virtual ~Run() = default;
  virtual void logged_in(Session& session) = 0;
  // INQUIRY, TEST UNIT READY and READ CAPACITY have been answered.
  virtual void prepared(Session& session) = 0;
  virtual void io_done(Session& session, uint64_t latency_ns) = 0;
  // The window may have opened, or a slot is free: more I/O may be started. The session is flushed
  // afterwards.
  virtual void may_start(Session& session) = 0;
  virtual void logged_out(Session& session) = 0;
  virtual void failed(Session& session, const std::string& why) = 0;

  const Options* options = nullptr;
  int poller = -1;
  Address target;
  std::vector<Address> sources;
  std::vector<uint8_t> pattern;  // What is written.
  // Answers that mean: again.
  uint64_t busy = 0, task_set_full = 0, unit_attentions = 0;
  uint64_t pings = 0;
};

// What a command is for.
enum class Purpose : uint8_t { kInquiry, kUnitReady, kCapacity10, kCapacity16, kRead, kWrite };

struct Task {
  bool busy = false;
  Purpose purpose = Purpose::kRead;
  uint16_t generation = 0;  // Tells a late answer from the slot's next command.
  uint32_t tag = 0;
  uint32_t length = 0;
  uint64_t block = 0;
  uint32_t received = 0;  // Data-In bytes.
  uint32_t data_sn = 0;   // Of the next Data-In.
  uint64_t begun_ns = 0;
  uint64_t sent_ns = 0;
  uint64_t again_ns = 0;  // To be sent again at this time; 0: it is under way.
};

class Session {
 public:
  enum class State : uint8_t { kNew, kConnecting, kLogin, kReady, kLogout, kEnded, kFailed };

  Session(Run& run, unsigned index) : run_(run), index_(index) {}

  // Each of these ends in a call of the Run, now or later; failures, too.
  void begin();
  void prepare();  // INQUIRY and what follows it.
  void log_out();
  void drop();
  void ping();
  void on_events(uint32_t events);
  // Time passes: limits, and commands that a busy target has sent back.
  void tick(uint64_t now);

  // ---- I/O ----
  bool can_start() const;
  // Queues the command; flush() sends what was queued.
  void start_io(bool write, uint64_t block, uint32_t length);
  void flush();
  void set_slots(unsigned count) { tasks_.resize(count); }
  unsigned under_way() const { return under_way_; }

  State state() const { return state_; }
  bool ready() const { return state_ == State::kReady; }
  bool answered_ping() const { return ping_answered_; }
  unsigned index() const { return index_; }
  uint64_t blocks() const { return blocks_; }
  uint32_t block_size() const { return block_size_; }
  uint64_t login_ns() const { return login_ns_; }
  const std::map<std::string, std::string>& keys() const { return keys_; }

  uint64_t done = 0;        // I/Os that were counted.
  uint64_t next_block = 0;  // Of sequential I/O.
  bool queued = false;      // Waits for its turn; the Run's own.

 private:
  // Runs a step of the session; what goes wrong in it ends the session and not the program.
  template <typename Work>
  void guarded(Work&& work, bool flush = true) {
    if (state_ == State::kEnded || state_ == State::kFailed) return;
    try {
      work();
      if (flush) connection_.flush();
    } catch (const SessionError& error) {
      fail(error.what());
    }
  }
  void fail(const std::string& why);

  void send_login();
  void take_login(const PduView& pdu);
  void take_keys(const PduView& pdu);
  void login_done();
  uint32_t number_of(const char* key, uint32_t otherwise) const;

  void take(const PduView& pdu);
  void take_numbers(const PduView& pdu);
  void take_nop(const PduView& pdu);
  void take_async(const PduView& pdu);

  // The target takes one more command, RFC 7143 section 4.2.2.1.
  bool window_open() const { return static_cast<int32_t>(max_cmd_sn_ - cmd_sn_) >= 0; }
  Task& task_of(uint32_t tag);
  Task& free_task();
  void begin_task(Purpose purpose, uint64_t block, uint32_t length);
  void send_command(Task& task);
  void fill_cdb(const Task& task, uint8_t* cdb) const;
  void send_data(const Task& task, uint32_t target_tag, uint32_t offset, uint32_t length);
  void take_data_in(const PduView& pdu);
  void take_r2t(const PduView& pdu);
  void take_response(const PduView& pdu);
  void end_task(Task& task, uint8_t status, const uint8_t* sense, uint32_t sense_size);
  void end_good(Task& task);
  void send_again(Task& task, uint64_t after_ns);
  void take_capacity(const Task& task, const uint8_t* data, uint32_t size);

  Run& run_;
  const unsigned index_;
  Connection connection_;
  State state_ = State::kNew;
  iscsi::Stage stage_ = iscsi::Stage::kSecurity;
  bool asked_ = false;  // The keys of the stage have been sent.
  unsigned login_rounds_ = 0;
  unsigned attentions_ = 0;  // While it is prepared.
  uint16_t tsih_ = 0;
  uint16_t next_generation_ = 0;
  uint32_t cmd_sn_ = 1, exp_stat_sn_ = 0, max_cmd_sn_ = 0;
  bool stat_sn_known_ = false;
  bool ping_answered_ = false;
  uint64_t begun_ns_ = 0, login_ns_ = 0, limit_ns_ = 0;
  std::map<std::string, std::string> keys_;
  uint32_t segment_ = 8192, first_burst_ = 65536, max_burst_ = 262144;
  bool immediate_ = true, initial_r2t_ = false;
  std::vector<Task> tasks_;
  unsigned under_way_ = 0;
  uint64_t blocks_ = 0;
  uint32_t block_size_ = 0;
};

}  // namespace chiscsi::load
