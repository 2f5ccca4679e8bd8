// SPDX-License-Identifier: GPL-2.0-only
//
// A storage driver for the simulated host that does nothing by itself: the test chooses, command by
// command and hook by hook, what it says. It keeps every rule of the API, whatever it is told to
// do, and ends the program when the target breaks one: a hook for a command it does not have, a
// list given back twice or with wrong content, an abort where none is due, a command without its
// one cleanup. Data is fill_data() of the task tag and the offset, both ways. One at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "common/chiscsi.h"

namespace chiscsi::simulation {

// The data of the command with this Initiator Task Tag: what stands at `offset` and after.
void fill_data(uint32_t task_tag, uint64_t offset, void* to, size_t size);
bool is_data(uint32_t task_tag, uint64_t offset, const void* bytes, size_t size);

class Storage {
 public:
  enum class Reply : uint8_t { kHold, kComplete, kLend, kBusy, kError, kCompleteAndError };
  enum class AbortReply : uint8_t { kHold, kAnswer, kRefuse };
  enum class TmfReply : uint8_t { kHold, kDone, kNotSupported, kError };

  Storage();
  ~Storage();

  // What the hooks answer from now on.
  Reply on_command = Reply::kComplete;
  AbortReply on_abort = AbortReply::kAnswer;
  TmfReply on_tmf = TmfReply::kDone;
  bool refuse_transfers = false;  // fp_scsi_cmd_data_xfer_status() returns an error.
  bool go_on = true;              // After a transfer the command goes on by itself.
  bool multi_phase = true;        // Before start().
  bool with_pages = true;         // Lists of pages, which may be sent without a copy.
  // What an initiator wrote is not looked at: an adapter has put it where the initiator said.
  bool takes_any_data = false;
  unsigned max_cmd = 0;
  uint32_t most_lent = 80 * 1024;  // Of one command: the rest is an underflow.

  int start();
  int add_target(const std::string& name, const std::vector<std::string>& keys);
  int remove_target();
  // Deregisters. Everything has been answered before.
  int stop();

  // What the driver says about the n-th command it has (modulo their number); nothing happens
  // without commands.
  void complete(size_t n);
  void lend(size_t n, uint32_t bytes);
  void fail(size_t n, uint8_t status, uint8_t sense_bytes);
  void abort(size_t n);
  void answer_abort(size_t n);
  // A call that the target has to refuse.
  void call_nonsense(size_t n, uint8_t kind);
  void answer_tmf();
  // Answers all that it owes, and everything that comes from here on at once.
  void answer_everything();

  size_t held() const { return tasks_.size(); }
  bool may_be_short_of_memory = false;  // Then the target may refuse a good call.
  unsigned long last_session = 0;

  struct Counts {
    uint64_t commands = 0, cleanups = 0, aborts = 0, transfers = 0, sessions = 0, ended = 0;
  } counts;

 private:
  struct Loan;
  struct Task;
  Task* nth(size_t n);
  Task& task_of(chiscsi_scsi_command* command, const char* hook);
  void do_complete(Task& task);
  void do_lend(Task& task, uint32_t bytes, bool may_cut);
  void end(Task& task);
  void do_answer_abort(Task& task);
  int received(chiscsi_scsi_command* command);
  int transferred(chiscsi_scsi_command* command, unsigned char* list, unsigned count,
                  unsigned offset, unsigned length);
  int aborted(chiscsi_scsi_command* command);
  int manage(unsigned long handle);
  void cleaned_up(chiscsi_scsi_command* command);

  chiscsi_target_class class_ = {};
  chiscsi_target_lun_class lun_class_ = {};
  std::string class_name_ = "simulated";
  std::string lun_class_name_ = "SIMULATED";
  std::string target_name_;
  std::vector<std::unique_ptr<Task>> tasks_;
  std::deque<unsigned long> tmfs_;
};

}  // namespace chiscsi::simulation
