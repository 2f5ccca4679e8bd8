// SPDX-License-Identifier: GPL-2.0-only
//
// The LUN class of the sample driver: the logical units, their commands, and the hooks the target
// calls for them.
//
// One lock per unit guards the unit, its mode parameters, its tasks and the queue of its thread,
// and is held while the driver calls the target about a command. That is allowed, since those calls
// neither sleep nor call back, and it makes every step of a command happen wholly before or wholly
// after an abort or the end of the command: no command is ever touched after its
// fp_scsi_cmd_cleanup. The lock of the sessions (iface_sessions.hh) may be taken under it.
#pragma once

#include "chiscsi_driver.hh"
#include "iface_config.hh"
#include "storage_kthread.hh"
#include "storage_memory.hh"
#include "storage_task.hh"

namespace iface {

// What all units share. Immutable while the target runs, the last two excepted.
struct LunSettings {
  u32 phase_bytes = 0;
  bool inline_exec = false;
  bool stuck = false;    // accessed atomically
  bool closing = false;  // the driver goes away: stuck stays off
};

// One logical unit.
class Lun {
 public:
  // Makes unit `number` as `config` asks: memory, thread, a first pool of tasks. Returns 0 or
  // kEnomem; dismantle() cleans up after both. Process context.
  int create(const Config& config, u32 number);
  // Frees everything, unless commands are left: then it returns false and keeps their memory.
  bool dismantle();

  const Device& device() const { return device_; }

  // A command has come in: takes it. Returns 0 or kEnomem. Process context.
  int receive(chiscsi_driver::Command command);

  // Runs the step that is due. The lock is held.
  void advance_locked(Task& task);

  // The target is done with a buffer list.
  void transferred(Task& task);

  // The target wants the command back. Answers unless the driver plays dead.
  void abort(Task& task);

  // The command is over: recycles the task.
  void release(Task& task);

  // Ends the commands addressed to unit `number` that the driver still has, of one session or of
  // all of them (session 0).
  void end_commands(u32 number, unsigned long session);
  // A reset: ends all commands, and the mode parameters are the default ones again. The target
  // makes it known to the initiators.
  void reset();
  // Ends one command.
  void end_command(Task& task);

  // Does what was left undone while the driver played dead.
  void resume();

  // Waits until no command is left or the time is up; says whether none is left.
  bool wait_idle(u32 milliseconds);

 private:
  using State = Task::State;

  bool is_idle();
  Task* take_task();
  Task* make_task();
  void free_task(Task* task);
  bool reserve(Task& task, u32 expected);

  void schedule_locked(Task& task);
  void start_locked(Task& task);
  void move_locked(Task& task);
  void select_modes_locked(Task& task);
  void finish_locked(Task& task);
  void end_commands_locked(u32 number, unsigned long session);
  void answer_abort_locked(Task& task);
  u32 describe(Task& task, u32 length);

  Device device_;
  StorageMemory memory_;
  StorageThread thread_;
  iface_os_spinlock* lock_ = nullptr;
  iface_os_event* idle_ = nullptr;
  // Guarded by lock_.
  Modes modes_;
  bool attentions_ = false;        // sessions may have to hear of this unit
  List<Task, &Task::held> tasks_;  // in use
  List<Task, &Task::held> pool_;   // not in use
};

// Makes the units and the class. Returns 0 or a negative error. Process context.
int luns_create(const Config& config);
// Frees them. Commands must be over; units that still have some are leaked, with a message.
void luns_destroy();
// The LUN class, ready to be registered.
chiscsi_target_lun_class& luns_class();
// Turns playing dead on and off; may come at any time. Process context.
void luns_set_stuck(bool stuck);
// Turns it off for good and answers whatever was left unanswered. Process context.
void luns_close();
// Waits up to `milliseconds` for the commands of a unit to be over; says whether all are over. To
// be called again while it says no. Process context.
bool luns_wait_idle(u32 milliseconds);

}  // namespace iface
