// SPDX-License-Identifier: GPL-2.0-only
//
// See fake_disks.hh. Calls into the target are made without the driver's lock, so that the target
// may call the next hook before they have returned.
#include "fake_disks.hh"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <utility>

namespace chiscsi::test {

namespace {

constexpr uint8_t kGood = 0x00, kCheckCondition = 0x02, kTaskAborted = 0x40;
constexpr uint8_t kIllegalRequest = 5;
constexpr std::chrono::seconds kLimit(60);
constexpr uint32_t kPhase = 4096;  // Of a class with phases.

FakeDisks* instance = nullptr;

std::string hex(unsigned value) {
  char text[8];
  snprintf(text, sizeof(text), "%02x", value);
  return text;
}

std::string config_text(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys)
    text.append(key).push_back('\0');
  return text;
}

uint32_t be32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

}  // namespace

struct FakeDisks::Task {
  chiscsi_scsi_command* command = nullptr;
  Unit* unit = nullptr;
  bool write = false;
  uint64_t at = 0;
  uint32_t total = 0, done = 0, lent = 0;
  std::vector<uint8_t> bytes;
  chiscsi_sgvec element = {};
  uint64_t number = 0;  // In the order of their coming.
  bool parked = false;
  bool ended = false;
};

// ---- Life ----

FakeDisks::FakeDisks() { instance = this; }
FakeDisks::~FakeDisks() { instance = nullptr; }
FakeDisks& FakeDisks::self() { return *instance; }

int FakeDisks::start() {
  class_.class_name = class_name_.data();
  raw_.class_name = raw_name_.data();
  disk_.class_name = disk_name_.data();
  raw_.property = raw_property;
  disk_.property = disk_property;
  class_.fp_session_added = [](unsigned long handle, unsigned char*, char*, char*) {
    return handle;  // sc_tclass_sess_priv.
  };
  set_up(raw_, true);
  set_up(disk_, false);
  thread_ = std::thread([this] { run_thread(); });
  if (const int rc = chiscsi_target_class_register(&class_)) return rc;
  if (const int rc = chiscsi_target_lun_class_register(&raw_, class_name_.data())) return rc;
  return chiscsi_target_lun_class_register(&disk_, class_name_.data());
}

int FakeDisks::add_target(const std::string& name, const std::vector<std::string>& keys) {
  std::string target = name, text = config_text(keys);
  return chiscsi_target_add(this, target.data(), class_name_.data(), text.data(),
                            static_cast<int>(text.size()));
}

int FakeDisks::reconfigure_target(const std::string& name, const std::vector<std::string>& keys) {
  std::string target = name, text = config_text(keys);
  return chiscsi_target_reconfig(this, target.data(), class_name_.data(), text.data(),
                                 static_cast<int>(text.size()));
}

int FakeDisks::remove_target(const std::string& name) {
  std::string target = name;
  return chiscsi_target_remove(this, target.data());
}

// The class waits for what is held; its LUN classes go with it.
int FakeDisks::stop() {
  const int rc = chiscsi_target_class_deregister(class_name_.data());
  {
    std::lock_guard guard(work_lock_);
    ending_ = true;
  }
  work_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  Guard guard(lock_);
  if (!tasks_.empty()) violate("commands were never cleaned up");
  if (!units_.empty()) violate("a handle was never detached");
  for (const auto& [name, disk] : disks_) {
    if (disk.open != 0) violate(name + " is still open");
  }
  return rc;
}

void FakeDisks::later(std::function<void()> work) {
  {
    std::lock_guard guard(work_lock_);
    work_.push_back(std::move(work));
  }
  work_changed_.notify_one();
}

void FakeDisks::run_thread() {
  std::unique_lock guard(work_lock_);
  for (;;) {
    work_changed_.wait(guard, [this] { return ending_ || !work_.empty(); });
    if (work_.empty()) return;
    auto work = std::move(work_.front());
    work_.pop_front();
    guard.unlock();
    work();
    work = nullptr;
    guard.lock();
  }
}

// ---- Script and what happened ----

void FakeDisks::fail(const std::string& call) {
  Guard guard(lock_);
  failing_ = call;
}

void FakeDisks::hold(const std::string& disk) {
  Guard guard(lock_);
  disk_named(disk).held = true;
}

void FakeDisks::silence(const std::string& disk) {
  Guard guard(lock_);
  disk_named(disk).silent = true;
}

void FakeDisks::release(const std::string& disk) {
  std::vector<TaskPtr> parked;
  {
    Guard guard(lock_);
    disk_named(disk).held = false;
    for (const auto& [command, task] : tasks_) {
      if (task->unit->disk->name == disk && std::exchange(task->parked, false))
        parked.push_back(task);
    }
  }
  for (const TaskPtr& task : parked)
    later([this, task] { execute(task); });
}

bool FakeDisks::release_next(const std::string& disk, uint8_t status) {
  TaskPtr oldest;
  {
    Guard guard(lock_);
    for (const auto& [command, task] : tasks_) {
      const bool waits = task->unit->disk->name == disk && task->parked;
      if (waits && (oldest == nullptr || task->number < oldest->number)) oldest = task;
    }
    if (oldest == nullptr) return false;
    oldest->parked = false;
  }
  later([this, oldest, status] { status == 0 ? execute(oldest) : finish(oldest, status); });
  return true;
}

int FakeDisks::resize(const std::string& disk, uint64_t blocks) {
  unsigned long handle = 0;
  chiscsi_lun_geometry geometry;
  {
    Guard guard(lock_);
    Disk& found = disk_named(disk);
    found.geometry.blocks = blocks;
    geometry = found.geometry;
    handle = found.handle;
  }
  return chiscsi_lun_set_geometry(handle, &geometry);
}

void FakeDisks::note(const std::string& call) {
  Guard guard(lock_);
  calls_.push_back(call);
  changed_.notify_all();
}

void FakeDisks::violate(const std::string& what) {
  Guard guard(lock_);
  violations_.push_back(what);
}

std::vector<std::string> FakeDisks::calls() const {
  Guard guard(lock_);
  return calls_;
}

void FakeDisks::forget_calls() {
  Guard guard(lock_);
  calls_.clear();
}

size_t FakeDisks::count(const std::string& prefix) const {
  Guard guard(lock_);
  return static_cast<size_t>(std::count_if(calls_.begin(), calls_.end(), [&](const auto& call) {
    return call.compare(0, prefix.size(), prefix) == 0;
  }));
}

bool FakeDisks::wait_for(const std::string& prefix, size_t times) {
  std::unique_lock guard(lock_);
  return changed_.wait_for(guard, kLimit, [&] { return count(prefix) >= times; });
}

std::vector<std::string> FakeDisks::violations() const {
  Guard guard(lock_);
  return violations_;
}

std::vector<uint8_t> FakeDisks::content(const std::string& disk, uint64_t offset,
                                        size_t size) const {
  Guard guard(lock_);
  const auto begin = disks_.at(disk).bytes.begin() + static_cast<long>(offset);
  return {begin, begin + static_cast<long>(size)};
}

// ---- Configuration hooks ----

FakeDisks::Disk& FakeDisks::disk_named(const std::string& name) {
  Disk& disk = disks_[name];
  if (disk.name.empty()) disk.name = name;
  if (disk.geometry.block_size == 0) {
    disk.geometry.blocks = kBlocks;
    disk.geometry.block_size = kBlock;
    disk.geometry.flags = disk_flags;
    snprintf(disk.geometry.product_id, sizeof(disk.geometry.product_id), "%.16s", name.c_str());
    snprintf(disk.geometry.serial, sizeof(disk.geometry.serial), "%s", serial.c_str());
  }
  return disk;
}

FakeDisks::Unit* FakeDisks::unit_of(unsigned long handle) {
  const auto found = units_.find(handle);
  if (found != units_.end()) return found->second.get();
  violate("a hook with a handle that is not known");
  return nullptr;
}

int FakeDisks::maybe_fail(const std::string& call, char* ebuf) {
  note(call);
  if (failing_ != call) return 0;
  if (ebuf != nullptr) strcpy(ebuf, "no luck");
  return -EIO;
}

int FakeDisks::parse(bool raw, unsigned long handle, const std::string& line, char* ebuf) {
  Guard guard(lock_);
  const std::string name = line.substr(0, line.find(','));
  if (const int rc = maybe_fail("parse " + name, ebuf)) return rc;
  auto unit = std::make_unique<Unit>();
  unit->handle = handle;
  unit->raw = raw;
  unit->disk = &disk_named(name);
  if (chiscsi_lun_set_private(handle, unit.get()) != 0) violate("the handle is refused");
  if (!units_.emplace(handle, std::move(unit)).second) violate("a handle used twice");
  return 0;
}

int FakeDisks::attach(unsigned long handle, char* ebuf) {
  Guard guard(lock_);
  Unit* unit = unit_of(handle);
  if (unit == nullptr) return -EINVAL;
  Disk& disk = *unit->disk;
  if (const int rc = maybe_fail("attach " + disk.name, ebuf)) return rc;
  if (disk.open != 0) {
    strcpy(ebuf, "the disk is open already");
    return -EBUSY;
  }
  disk.open = 1;
  disk.handle = handle;
  unit->has_device = true;
  if (!disk.silent) chiscsi_lun_set_geometry(handle, &disk.geometry);
  return 0;
}

int FakeDisks::reattach(unsigned long handle, unsigned long fresh, char* ebuf) {
  Guard guard(lock_);
  Unit* from = unit_of(handle);
  Unit* to = unit_of(fresh);
  if (from == nullptr || to == nullptr) return -EINVAL;
  if (const int rc = maybe_fail("reattach " + from->disk->name, ebuf)) return rc;
  if (!from->has_device || to->has_device) violate("reattach of a device that is not there");
  from->has_device = false;
  to->has_device = true;
  to->disk->handle = fresh;
  if (!to->disk->silent) chiscsi_lun_set_geometry(fresh, &to->disk->geometry);
  return 0;
}

int FakeDisks::flush(unsigned long handle) {
  Guard guard(lock_);
  Unit* unit = unit_of(handle);
  if (unit == nullptr) return -EINVAL;
  if (!unit->has_device) violate("flush of a device that is not there");
  return maybe_fail("flush " + unit->disk->name, nullptr);
}

void FakeDisks::detach(unsigned long handle) {
  Guard guard(lock_);
  Unit* unit = unit_of(handle);
  if (unit == nullptr) return;
  note("detach " + unit->disk->name);
  if (unit->commands != 0) violate("detach with commands");
  if (unit->has_device) --unit->disk->open;
  units_.erase(handle);
}

void FakeDisks::set_up(chiscsi_target_lun_class& hooks, bool raw) {
  if (raw) {
    hooks.fp_config_parse_options = [](unsigned long handle, char* buf, int buflen, char* ebuf) {
      return self().parse(true, handle, std::string(buf, static_cast<size_t>(buflen)), ebuf);
    };
  } else {
    hooks.fp_config_parse_options = [](unsigned long handle, char* buf, int buflen, char* ebuf) {
      return self().parse(false, handle, std::string(buf, static_cast<size_t>(buflen)), ebuf);
    };
  }
  hooks.fp_attach = [](unsigned long handle, char* ebuf, int) {
    return self().attach(handle, ebuf);
  };
  hooks.fp_reattach = [](unsigned long handle, unsigned long fresh, char* ebuf, int) {
    return self().reattach(handle, fresh, ebuf);
  };
  hooks.fp_flush = [](unsigned long handle) { return self().flush(handle); };
  hooks.fp_detach = [](unsigned long handle) { self().detach(handle); };
  hooks.fp_scsi_cmd_cdb_rcved = [](chiscsi_scsi_command* command) {
    return self().received(command);
  };
  hooks.fp_scsi_cmd_data_xfer_status = [](chiscsi_scsi_command* command, unsigned char*, unsigned,
                                          unsigned,
                                          unsigned) { return self().transferred(command); };
  hooks.fp_scsi_cmd_abort = [](chiscsi_scsi_command* command) { return self().aborted(command); };
  hooks.fp_scsi_cmd_cleanup = [](chiscsi_scsi_command* command) { self().cleaned_up(command); };
  if (raw) {
    hooks.fp_tmf_execute = [](unsigned long session, unsigned long handle, unsigned char,
                              unsigned char function, unsigned lun, chiscsi_scsi_command* command) {
      return self().manage(true, session, handle, function, lun, command);
    };
  } else {
    hooks.fp_tmf_execute = [](unsigned long session, unsigned long handle, unsigned char,
                              unsigned char function, unsigned lun, chiscsi_scsi_command* command) {
      return self().manage(false, session, handle, function, lun, command);
    };
  }
}

// ---- Commands ----

FakeDisks::TaskPtr FakeDisks::task_of(chiscsi_scsi_command* command) {
  Guard guard(lock_);
  const auto found = tasks_.find(command);
  if (found != tasks_.end()) return found->second;
  violate("a hook for a command the driver does not have");
  return nullptr;
}

FakeDisks::Unit* FakeDisks::find_unit(const chiscsi_scsi_command& command) {
  if (command.sc_lun_hndl == 0 && command.sc_lun_priv == nullptr && !any_disk.empty()) {
    any_unit_.raw = true;
    any_unit_.disk = &disk_named(any_disk);
    return &any_unit_;
  }
  const auto found = units_.find(command.sc_lun_hndl);
  if (found != units_.end() && found->second.get() == command.sc_lun_priv) {
    return found->second.get();
  }
  violate("a command with a handle or pointer that is not that of its LUN");
  return nullptr;
}

int FakeDisks::received(chiscsi_scsi_command* command) {
  auto task = std::make_shared<Task>();
  {
    Guard guard(lock_);
    task->command = command;
    task->unit = find_unit(*command);
    if (task->unit == nullptr) return -EINVAL;
    ++task->unit->commands;
    task->number = ++tasks_seen_;
    tasks_[command] = task;
    note("cdb " + hex(command->sc_cmd[0]) + " " + task->unit->disk->name);
    if (command->sc_cmd[0] == 0x2a && (command->sc_cmd[1] & 8) != 0) {
      note("fua " + task->unit->disk->name);
    }
    if (task->unit->disk->held) {
      task->parked = true;
      return 0;
    }
  }
  if (on_received) on_received(task->unit->disk->name);
  run(task);
  return 0;
}

// In the thread of the target, or in that of the class if it has a queue.
void FakeDisks::run(const TaskPtr& task) {
  const unsigned property = task->unit->raw ? raw_.property : disk_.property;
  if ((property & 1u << LUN_CLASS_HAS_CMD_QUEUE_BIT) != 0) {
    later([this, task] { execute(task); });
  } else {
    execute(task);
  }
}

void FakeDisks::finish(const TaskPtr& task, uint8_t status, uint8_t key, uint8_t asc) {
  {
    Guard guard(lock_);
    if (std::exchange(task->ended, true)) return;
    task->command->sc_status = status;
    task->command->sc_sense_key = key;
    task->command->sc_sense_asc = asc;
  }
  chiscsi_scsi_cmd_execution_status(task->command, nullptr, 0, 0, 0);
}

void FakeDisks::execute(const TaskPtr& task) {
  chiscsi_scsi_command* command = task->command;
  const uint8_t* cdb = command->sc_cmd;
  switch (cdb[0]) {
    case 0x28:
    case 0x2a:
    case 0x88:
    case 0x8a: {
      Guard guard(lock_);
      const bool is_long = cdb[0] >= 0x80;  // Of the disks here, 32 bits say every block.
      task->write = (cdb[0] & 0x0f) == 0x0a;
      task->at = uint64_t{be32(cdb + (is_long ? 6 : 2))} * kBlock;
      const uint32_t blocks =
          is_long ? be32(cdb + 10) : static_cast<uint32_t>(cdb[7] << 8 | cdb[8]);
      const uint32_t size = blocks * kBlock;
      task->total = std::min(size, command->sc_xfer_len);
      const auto begin = task->unit->disk->bytes.begin() + static_cast<long>(task->at);
      task->bytes.assign(begin, begin + task->total);
      if (size > command->sc_xfer_len) {
        command->sc_flag |= SC_FLAG_XFER_OVERFLOW;
        command->sc_xfer_residualcount = size - command->sc_xfer_len;
      }
      break;
    }
    case 0x00:
    case 0x35:
      return finish(task, kGood);
    default:
      return finish(task, kCheckCondition, kIllegalRequest, 0x20);
  }
  next_phase(task);
}

void FakeDisks::next_phase(const TaskPtr& task) {
  uint32_t offset = 0, length = 0;
  {
    Guard guard(lock_);
    if (task->ended) return;
    const unsigned property = task->unit->raw ? raw_.property : disk_.property;
    const bool phases = (property & 1u << LUN_CLASS_MULTI_PHASE_DATA_BIT) != 0;
    offset = task->done;
    length = task->total - offset;
    if (phases) length = std::min(length, kPhase);
    task->lent = length;
    task->element.sg_addr = task->bytes.data() + offset;
    task->element.sg_length = length;
  }
  if (length == 0) return finish(task, kGood);
  auto* list = reinterpret_cast<unsigned char*>(&task->element);
  const int rc = task->write
                     ? chiscsi_scsi_cmd_buffer_ready(task->command, list, 1, offset, length)
                     : chiscsi_scsi_cmd_execution_status(task->command, list, 1, offset, length);
  if (rc != 0) violate("a list was refused");
}

int FakeDisks::transferred(chiscsi_scsi_command* command) {
  const TaskPtr task = task_of(command);
  if (task == nullptr) return -EINVAL;
  bool more = false;
  {
    Guard guard(lock_);
    task->done += task->lent;
    more = task->done < task->total;
    if (!more && task->write) {
      std::copy(task->bytes.begin(), task->bytes.end(),
                task->unit->disk->bytes.begin() + static_cast<long>(task->at));
    }
  }
  if (more) {
    next_phase(task);
  } else if (task->write) {
    finish(task, kGood);
  }
  return 0;
}

int FakeDisks::aborted(chiscsi_scsi_command* command) {
  const TaskPtr task = task_of(command);
  if (task == nullptr) return -EINVAL;
  {
    Guard guard(lock_);
    note("abort " + task->unit->disk->name);
    task->parked = false;
    task->ended = true;
    if (stuck_) return 0;
  }
  later([this, command] { answer_abort(command); });
  return 0;
}

// Under the lock, so that cleanup cannot overtake it.
void FakeDisks::answer_abort(chiscsi_scsi_command* command) {
  Guard guard(lock_);
  if (tasks_.count(command) != 0) chiscsi_scsi_cmd_abort_status(command);
}

void FakeDisks::stick() {
  Guard guard(lock_);
  stuck_ = true;
}

void FakeDisks::unstick() {
  Guard guard(lock_);
  stuck_ = false;
  for (const auto& [command, task] : tasks_) {
    if (task->ended) later([this, command = command] { answer_abort(command); });
  }
}

int FakeDisks::manage(bool raw, unsigned long session, unsigned long handle, unsigned char function,
                      unsigned lun, chiscsi_scsi_command* command) {
  if (!with_tmf) return -EOPNOTSUPP;
  std::vector<TaskPtr> concerned;
  {
    Guard guard(lock_);
    note(std::string("tmf ") + (raw ? "RAW " : "DISK ") + std::to_string(function) + " " +
         std::to_string(lun));
    if (!answers_tmf) return 0;
    const bool reset = function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET ||
                       function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET;
    for (const auto& [other, task] : tasks_) {
      const bool own =
          function != ISCSI_TMF_FUNCTION_ABORT_TASK_SET || other->sc_tclass_sess_priv == session;
      const bool of_unit = command != nullptr ? other == command : reset || other->sc_lun == lun;
      if (of_unit && own && task->unit->raw == raw && std::exchange(task->parked, false))
        concerned.push_back(task);
    }
  }
  later([=, this] {
    for (const TaskPtr& task : concerned)
      finish(task, kTaskAborted);
    if (chiscsi_tmf_execution_done(handle, raw ? raw_tmf_response : disk_tmf_response, command) !=
        0) {
      violate("the answer to a task management function was refused");
    }
    if (chiscsi_tmf_execution_done(handle, 0, command) == 0) {
      violate("a second answer to a task management function was taken");
    }
  });
  return 0;
}

void FakeDisks::cleaned_up(chiscsi_scsi_command* command) {
  const TaskPtr task = task_of(command);
  if (task == nullptr) return;
  Guard guard(lock_);
  note("cleanup " + task->unit->disk->name);
  --task->unit->commands;
  tasks_.erase(command);
}

}  // namespace chiscsi::test
