// SPDX-License-Identifier: GPL-2.0-only
//
// A storage driver with disks that TargetDevice lines name, against the public C API alone.
//
// One target class with two LUN classes: RAW takes every command, DISK leaves all but medium access
// to the target. A disk lives from the first line that names it until the driver is destroyed, so
// its content outlasts its LUN. Every hook call is noted with the name of its disk; a test names
// the configuration hook that is to fail, and the disks whose commands are to be held. The promises
// of the API are watched: violations() must stay empty. One instance at a time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "common/chiscsi.h"

namespace chiscsi::test {

class FakeDisks {
 public:
  static constexpr uint32_t kBlock = 512;
  static constexpr uint32_t kBlocks = 2048;

  FakeDisks();
  ~FakeDisks();
  FakeDisks(const FakeDisks&) = delete;
  FakeDisks& operator=(const FakeDisks&) = delete;

  // ---- Script: before start() ----

  unsigned raw_property = 1u << LUN_CLASS_SCSI_PASS_THRU_BIT | 1u << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  unsigned disk_property = 1u << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  bool with_tmf = true;     // False: task management is left to the target.
  bool answers_tmf = true;  // Or takes a function and forgets it.
  // The disk of commands that name none, which come to a target without TargetDevice lines.
  std::string any_disk;
  unsigned disk_flags = 0;  // Of the geometry of every disk.
  std::string serial;       // The same.
  uint8_t raw_tmf_response = 0;
  uint8_t disk_tmf_response = 0;
  // Called inside fp_scsi_cmd_cdb_rcved with the disk, without the driver's lock.
  std::function<void(const std::string& disk)> on_received;

  // ---- Script: at any time ----

  // "attach b": that call fails with -EIO and the reason "no luck". Empty: none does.
  void fail(const std::string& call);
  // The commands of a disk wait in the driver until release().
  void hold(const std::string& disk);
  void release(const std::string& disk);
  // The oldest of those that wait goes on, whatever comes waits further. With `status` it ends by
  // that. False: none waits.
  bool release_next(const std::string& disk, uint8_t status = 0);
  // Says a new size, in blocks.
  int resize(const std::string& disk, uint64_t blocks);
  // Attaching a disk of this name says no geometry; resize() does it later.
  void silence(const std::string& disk);
  // Aborts are not answered until unstick().
  void stick();
  void unstick();

  // ---- Life ----

  int start();
  int add_target(const std::string& name, const std::vector<std::string>& keys);
  int reconfigure_target(const std::string& name, const std::vector<std::string>& keys);
  int remove_target(const std::string& name);
  int stop();

  // ---- What happened ----

  // "parse a", "attach a", "reattach a", "flush a", "detach a", "cdb 28 a", "abort a", "cleanup a",
  // "tmf RAW 5 0" (class, function, LUN), "fua a" for WRITE(10) with that bit.
  std::vector<std::string> calls() const;
  void forget_calls();
  size_t count(const std::string& prefix) const;
  bool wait_for(const std::string& prefix, size_t times = 1);
  std::vector<std::string> violations() const;
  std::vector<uint8_t> content(const std::string& disk, uint64_t offset, size_t size) const;

 private:
  struct Disk {
    std::string name;
    std::vector<uint8_t> bytes = std::vector<uint8_t>(size_t{kBlock} * kBlocks);
    bool held = false;
    bool silent = false;
    unsigned open = 0;  // Handles that have the device.
    unsigned commands = 0;
    chiscsi_lun_geometry geometry = {};
    unsigned long handle = 0;  // The last one that got the device.
  };
  // What sc_lun_priv points to: one per handle.
  struct Unit {
    unsigned long handle = 0;
    bool raw = false;
    bool has_device = false;
    unsigned commands = 0;
    Disk* disk = nullptr;
  };
  struct Task;
  using TaskPtr = std::shared_ptr<Task>;
  using Guard = std::lock_guard<std::recursive_mutex>;

  static FakeDisks& self();
  void set_up(chiscsi_target_lun_class& hooks, bool raw);
  void note(const std::string& call);
  void violate(const std::string& what);
  int maybe_fail(const std::string& call, char* ebuf);
  Disk& disk_named(const std::string& name);
  Unit* unit_of(unsigned long handle);

  int parse(bool raw, unsigned long handle, const std::string& line, char* ebuf);
  int attach(unsigned long handle, char* ebuf);
  int reattach(unsigned long handle, unsigned long fresh, char* ebuf);
  int flush(unsigned long handle);
  void detach(unsigned long handle);

  Unit* find_unit(const chiscsi_scsi_command& command);
  int received(chiscsi_scsi_command* command);
  int transferred(chiscsi_scsi_command* command);
  int aborted(chiscsi_scsi_command* command);
  void answer_abort(chiscsi_scsi_command* command);
  int manage(bool raw, unsigned long session, unsigned long handle, unsigned char function,
             unsigned lun, chiscsi_scsi_command* command);
  void cleaned_up(chiscsi_scsi_command* command);
  TaskPtr task_of(chiscsi_scsi_command* command);
  void run(const TaskPtr& task);
  void execute(const TaskPtr& task);
  void next_phase(const TaskPtr& task);
  void finish(const TaskPtr& task, uint8_t status, uint8_t key = 0, uint8_t asc = 0);
  void later(std::function<void()> work);
  void run_thread();

  chiscsi_target_class class_ = {};
  chiscsi_target_lun_class raw_ = {}, disk_ = {};
  std::string class_name_ = "disks", raw_name_ = "RAW", disk_name_ = "DISK";

  mutable std::recursive_mutex lock_;
  std::condition_variable_any changed_;
  std::vector<std::string> calls_, violations_;
  std::string failing_;
  bool stuck_ = false;
  std::map<std::string, Disk> disks_;
  std::map<unsigned long, std::unique_ptr<Unit>> units_;
  Unit any_unit_;
  std::map<chiscsi_scsi_command*, TaskPtr> tasks_;
  uint64_t tasks_seen_ = 0;

  std::thread thread_;
  std::mutex work_lock_;
  std::condition_variable work_changed_;
  std::deque<std::function<void()>> work_;
  bool ending_ = false;
};

}  // namespace chiscsi::test
