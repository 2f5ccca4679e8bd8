// SPDX-License-Identifier: GPL-2.0-only
//
// The device behind the conformance driver: two small disks whose commands are answered as the
// script says, early, late, elsewhere, backwards, twice or never.
//
// One lock for everything, taken in any context and held around the calls about commands: no
// command can be cleaned up while a call for it is being made, so even a call that has to be
// refused never names memory that is gone.
#pragma once

#include "conformance/buffers.hh"
#include "storage_driver.hh"

namespace conformance {

using chiscsi_driver::Command;
using chiscsi_driver::CommandView;

// Holds the lock of the driver.
class DriverGuard {
 public:
  DriverGuard();
  ~DriverGuard();
  DriverGuard(const DriverGuard&) = delete;
  DriverGuard& operator=(const DriverGuard&) = delete;

 private:
  unsigned long flags_;
};

// One command: what is behind sc_sdev_hdl.
struct Record {
  Link held;  // in the list of all records

  Command command;
  Settings how;
  // As the command came.
  u32 task_tag = 0, cmd_sn = 0, lun = 0, flags = 0;
  unsigned long session = 0;
  const u8* cdb = nullptr;
  u32 expected = 0;
  bool write = false;

  Plan plan;
  u32 length = 0;   // bytes that move
  u32 surplus = 0;  // bytes of buffers behind them, for an overflow
  Transfer transfer;
  u8* response = nullptr;
  void* response_page = nullptr;
  Buffers buffers;
  conf_deferred* later = nullptr;

  // Under the lock.
  bool started = false;
  bool due = false;  // a step waits for "do release", or for others to gather
  u32 next_loan = 0;
  u32 outstanding = 0;
  bool refused = false;  // fp_scsi_cmd_cdb_rcved returned an error
  bool final_taken = false;
  bool saw_stale = false;  // a legal call was refused because the command was being aborted
  bool double_taken = false;
  bool aborting = false;    // fp_scsi_cmd_abort was called
  bool abort_owed = false;  // and was not answered yet
  bool abort_hook_again = false;
  bool own_abort = false;       // we asked for an abort
  bool own_abort_done = false;  // fp_scsi_cmd_abort_status came
  bool cleaned = false;

  bool in_hook = false;  // atomic
};

// Marks that a hook runs, and checks what holds for all of them.
class HookScope {
 public:
  explicit HookScope(const char* name, Record* record = nullptr);
  ~HookScope() { leave(); }
  void leave();  // The record is about to go.
  HookScope(const HookScope&) = delete;
  HookScope& operator=(const HookScope&) = delete;

 private:
  Record* record_;
};

// ---- errdev.cc ----

bool device_create(const char* target_name, u32 size_mb);
void device_destroy();
const DeviceList& devices();
const StorageMemory& medium(u32 lun);
bool is_multi_phase();
void set_multi_phase(bool on);
// Whether hooks may come.
void set_registered(bool on);

Record* make_record();  // nullptr without memory
void enter_record_locked(Record& record);
void leave_record_locked(Record& record);
// Frees the record; its buffers are looked at once more after a while.
void free_record(Record* record);
Record* first_record_locked();
Record* next_record_locked(Record& record);

// Has the next step of a command done as the script says.
void schedule(Record& record);
// Runs what was held back, and answers the aborts that are owed.
void release_all();
// Looks at all buffers that are waiting for it, now.
void flush_quarantine();
// Text for the file "state".
u32 write_state(char* text, u32 size);

// Takes the settings for a command, and counts it.
Settings take_settings_locked(const unsigned char* cdb);
// Whether the script asks for the end of the session in this hook; says so once.
void maybe_abort_session(Hook hook, unsigned long session);

// ---- commands.cc ----

// The table, and the same filled anew, which is for the time before the registration.
chiscsi_target_lun_class& lun_class();
chiscsi_target_lun_class& make_lun_class();
void advance_locked(Record& record);
void answer_abort_locked(Record& record);
// Ends commands for a task management function.
void end_command_locked(Record& record);

// ---- tmf.cc ----

int execute_function(chiscsi_driver::TaskManagement tmf);
void release_functions();
void destroy_functions();

// ---- wrong_calls.cc ----

// Calls that have to be refused for a command the driver holds, and for one that has ended.
void make_wrong_calls_locked(Record& record);
void make_stale_calls_locked(chiscsi_scsi_command* command);
// The same without any command, and of the control plane. Process context.
void make_strange_calls();
int make_wrong_control_calls();
void make_calls_after_deregistration();

// ---- sessions.cc ----

bool sessions_create();
void sessions_destroy();
unsigned long session_enter(unsigned long handle, const unsigned char* isid,
                            const chiscsi_driver::Nexus& nexus);
void session_leave(unsigned long handle, const chiscsi_driver::Nexus& nexus);
bool session_is_live(unsigned long number);
unsigned long session_handle(unsigned long number);  // 0: none
// Asks for the end of every session; returns how many.
u32 abort_all_sessions();
u32 live_sessions();

// ---- logins.cc ----

chiscsi_target_class& target_class();
chiscsi_target_class& make_target_class();
void release_logins();
void destroy_logins();

}  // namespace conformance
