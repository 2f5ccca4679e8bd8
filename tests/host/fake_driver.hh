// SPDX-License-Identifier: GPL-2.0-only
//
// A scripted storage driver for tests, against the public C API alone.
//
// By default it is a well-behaved RAM disk that knows five commands. A test may make it hold
// commands, play dead, answer from another thread or in softirq context, cut data into phases and
// pieces, refuse logins, or take over single hooks. It notes every hook call in order, and watches
// the promises of the API (one cleanup per command, nothing after it, buffers touched only while
// the target holds them): violations() must stay empty. One instance at a time.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "common/chiscsi.h"

namespace chiscsi::test {

enum class Answers {
  kInline,   // Inside the hook.
  kThread,   // From a thread of the driver.
  kSoftirq,  // From that thread, which then counts as atomic context.
};

class FakeDriver {
 public:
  static constexpr uint32_t kBlock = 512;
  static constexpr uint32_t kBlocks = 16384;  // 8 MiB per logical unit.
  static constexpr unsigned kLuns = 3;

  FakeDriver();
  ~FakeDriver();
  FakeDriver(const FakeDriver&) = delete;
  FakeDriver& operator=(const FakeDriver&) = delete;

  // ---- Script; set before the target is added where it says so, else at any time ----

  std::atomic<Answers> answers{Answers::kThread};
  std::atomic<uint32_t> phase_bytes{0};     // 0: all data in one list.
  std::atomic<uint32_t> piece_bytes{4096};  // Of one element of a list.
  std::atomic<bool> page_lists{true};       // sg_page with sg_addr; false: sg_addr alone.
  std::atomic<uint16_t> login_status{0};    // Class and detail of the first login check.
  std::atomic<uint16_t> stage_status{0};
  std::atomic<bool> answer_login{true};  // False: first login checks wait for answer_logins().
  std::atomic<bool> answer_stage{true};
  std::atomic<unsigned> max_cmd{0};
  std::atomic<bool> hide_targets{false};
  // Task management ends commands of the session that sent the function alone, whatever it is.
  std::atomic<bool> ends_own_commands_only{false};
  // fp_tmf_execute returns it, if it is not 0, and does nothing.
  std::atomic<int> tmf_error{0};
  // CHAP; empty: unknown name. Set before the target is added.
  std::string initiator_secret, target_chap_name, target_secret;
  bool mutual_required = false;
  bool with_login_hooks = true;  // Before start(): offer the optional login hooks at all.
  // Called inside fp_session_added, fp_session_removed and fp_scsi_cmd_data_xfer_status, without
  // the driver's lock. Set before start().
  std::function<void(unsigned long session)> on_session_added, on_session_removed;
  std::function<void(chiscsi_scsi_command*)> on_transferred;
  // fp_select_redirection_portal, which is offered only with it. Set before start().
  std::function<int(const std::string& target, const std::string& initiator,
                    chiscsi_tcp_endpoints* endpoints)>
      on_redirect;
  // Takes over fp_scsi_cmd_cdb_rcved. Set before commands come.
  std::function<int(chiscsi_scsi_command*)> on_command;

  // Answers the first login checks that wait, from here.
  void answer_logins();
  // Keeps commands from being run until release_held(). Those held are ended by TMFs and aborts.
  void hold(bool on) { hold_ = on; }
  void release_held();
  // Runs the next step of each command held, on this thread, and holds what follows. False if there
  // is none: a command that is being aborted is not held any more.
  bool step_held();
  // Answers nothing any more: commands, aborts, task management. unstick() answers all of it, late.
  void stick() { stuck_ = true; }
  void unstick();

  // ---- Life, in this order ----

  int start();  // Registers the classes.
  int add_target(const std::string& name, const std::vector<std::string>& keys);
  int reconfigure_target(const std::string& name, const std::vector<std::string>& keys);
  int remove_target(const std::string& name);
  int stop();  // Deregisters; waits for the target to give back what was late.

  // ---- What happened ----

  // Every hook call so far: "first_login INITIATOR", "stage N", "session_added", "session_removed",
  // "cdb OP", "xfer OFFSET LENGTH", "abort tmf|session", "abort_status", "tmf FUNCTION LUN",
  // "cleanup", ...; and "answered abort", when the target has the driver's answer to one.
  std::vector<std::string> calls() const;
  size_t count(const std::string& prefix) const;
  // Waits until that many calls start with `prefix`; false at the (generous) limit.
  bool wait_for(const std::string& prefix, size_t times = 1);
  size_t commands_alive() const;
  std::vector<std::string> violations() const;
  std::vector<uint8_t> content(unsigned lun, uint64_t offset, size_t size) const;
  void set_content(unsigned lun, uint64_t offset, const std::vector<uint8_t>& data);
  unsigned long last_session() const { return last_session_; }

  // ---- For on_command ----

  // Ends a command without data, with a status and (for CHECK CONDITION) sense.
  int conclude(chiscsi_scsi_command* command, uint8_t status, uint8_t key = 0, uint8_t asc = 0,
               uint8_t ascq = 0);
  // Asks the target to abort a command the driver holds.
  int abort_command(chiscsi_scsi_command* command);
  // What the driver does by itself with a command.
  int run_command(chiscsi_scsi_command* command);

 private:
  struct Task;
  using TaskPtr = std::shared_ptr<Task>;
  struct Tmf {
    unsigned long session;
    unsigned long handle;
    unsigned char function;
    unsigned lun;
    chiscsi_scsi_command* command;
  };
  using Guard = std::lock_guard<std::recursive_mutex>;

  static FakeDriver& self();
  void set_up_login_hooks();
  void answer_login_check(unsigned long handle);
  void set_up_command_hooks();
  void note(const std::string& call);
  void violate(const std::string& what);
  TaskPtr task_of(chiscsi_scsi_command* command, const char* hook);
  void later(std::function<void()> work);
  void run_thread();

  // The hooks of the LUN class.
  int received(chiscsi_scsi_command* command);
  int transferred(chiscsi_scsi_command* command, unsigned offset, unsigned length);
  int aborted(chiscsi_scsi_command* command);
  int manage(const Tmf& tmf);
  void abort_status(Task& task, size_t count);
  void cleaned_up(chiscsi_scsi_command* command);

  // The steps of a command.
  void proceed(const TaskPtr& task, std::function<void()> step);
  void execute(const TaskPtr& task);
  void access_medium(const TaskPtr& task, bool write);
  void transfer(const TaskPtr& task, std::vector<uint8_t> bytes);
  void next_phase(const TaskPtr& task);
  void finish_write(const TaskPtr& task);
  int call_target(const TaskPtr& task, bool final, const std::function<int()>& call);
  void make_list(Task& task, uint32_t offset, uint32_t length);
  void take_back_list(Task& task);
  void answer_abort(const TaskPtr& task);
  void answer_tmf(const Tmf& tmf);
  bool concerns(const Tmf& tmf, const Task& task) const;

  chiscsi_target_class class_ = {};
  chiscsi_target_lun_class lun_class_ = {};
  std::string class_name_ = "fake";
  std::string lun_class_name_ = "FAKE";

  mutable std::recursive_mutex lock_;
  std::condition_variable_any changed_;
  std::vector<std::string> calls_;
  std::vector<std::string> violations_;
  std::map<chiscsi_scsi_command*, TaskPtr> tasks_;
  std::vector<std::vector<uint8_t>> disks_;
  std::deque<Tmf> unanswered_tmfs_;
  std::deque<unsigned long> unanswered_logins_;
  std::atomic<bool> hold_{false};
  std::atomic<bool> stuck_{false};
  std::atomic<unsigned long> last_session_{0};
  unsigned long sessions_added_ = 0;

  std::thread thread_;
  std::mutex work_lock_;
  std::condition_variable work_changed_;
  std::deque<std::function<void()>> work_;
  bool ending_ = false;
};

}  // namespace chiscsi::test
