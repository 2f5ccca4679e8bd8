// SPDX-License-Identifier: GPL-2.0-only
//
// What the fake driver does with commands: from fp_scsi_cmd_cdb_rcved to the cleanup, aborts and
// task management; see fake_driver.hh.
//
// Calls into the target are made without the driver's lock where a well-behaved driver could do so,
// since the target may call the next hook of the same command before such a call has returned. Late
// answers (to aborts, in task management) are made under it: so cleanup cannot overtake them.
#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "fake_driver.hh"

namespace chiscsi::test {

namespace {

constexpr uint8_t kGood = 0x00;
constexpr uint8_t kCheckCondition = 0x02;
constexpr uint8_t kTaskAborted = 0x40;
constexpr uint8_t kIllegalRequest = 5;
constexpr size_t kPage = 4096;

std::string hex(unsigned value) {
  char text[8];
  snprintf(text, sizeof(text), "%02x", value);
  return text;
}

uint32_t be32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
}

// The target adds the reason of an abort to the flags while other threads of a driver may read
// them.
unsigned int flags_of(const chiscsi_scsi_command& command) {
  return __atomic_load_n(&command.sc_flag, __ATOMIC_RELAXED);
}

}  // namespace

struct FakeDriver::Task {
  chiscsi_scsi_command* command = nullptr;
  unsigned lun = 0;
  bool write = false;
  uint64_t device_offset = 0;
  uint64_t wanted = 0;    // What the device would transfer.
  uint32_t transfer = 0;  // What is transferred: the smaller of that and the initiator's length.
  uint32_t next_offset = 0;
  std::vector<uint8_t> bytes;  // Read: the data. Write: what has come so far.

  std::vector<chiscsi_sgvec> list;
  std::vector<void*> memory;
  uint32_t list_offset = 0;
  uint32_t list_length = 0;
  bool list_with_target = false;

  std::function<void()> parked;  // The next step, while commands are held or the driver is stuck.
  bool final_sent = false;
  bool crossed = false;  // The final status met an abort: it was the answer.
  bool refused = false;
  bool refused_as_stale = false;  // A call got -ESTALE.
  bool gone = false;
  int calls_running = 0;
  unsigned aborts = 0;
  unsigned aborts_answered = 0;

  ~Task() {
    for (void* block : memory)
      free(block);
  }
};

FakeDriver::TaskPtr FakeDriver::task_of(chiscsi_scsi_command* command, const char* hook) {
  Guard guard(lock_);
  const auto found = tasks_.find(command);
  if (found == tasks_.end()) {
    violate(std::string(hook) + " for a command the driver does not have");
    return nullptr;
  }
  return found->second;
}

int FakeDriver::received(chiscsi_scsi_command* command) {
  auto task = std::make_shared<Task>();
  task->command = command;
  task->lun = command->sc_lun;
  {
    Guard guard(lock_);
    if (command->sc_cmdlen != 16) violate("sc_cmdlen is not 16");
    if (command->sc_sdev_hdl != nullptr) violate("sc_sdev_hdl is not NULL at first");
    if (command->sc_status != 0 || command->sc_xfer_residualcount != 0 ||
        command->sc_sense_buf[0] != 0) {
      violate("a new command carries an old result");
    }
    if (command->sc_tclass_sess_priv <= 0xc0ffee00) violate("wrong sc_tclass_sess_priv");
    if (!tasks_.emplace(command, task).second) violate("a command received twice");
    command->sc_sdev_hdl = task.get();
    note("cdb " + hex(command->sc_cmd[0]) + " lun " + std::to_string(task->lun));
  }
  const int rc = on_command ? on_command(command) : run_command(command);
  if (rc < 0) {
    Guard guard(lock_);
    task->refused = true;
  }
  return rc;
}

int FakeDriver::run_command(chiscsi_scsi_command* command) {
  const TaskPtr task = task_of(command, "run_command()");
  if (task != nullptr) proceed(task, [this, task] { execute(task); });
  return 0;
}

// Runs the next step of a command, or keeps it until the command may go on.
void FakeDriver::proceed(const TaskPtr& task, std::function<void()> step) {
  {
    Guard guard(lock_);
    if (task->aborts != 0 || task->gone) return;
    if (hold_ || stuck_) {
      task->parked = std::move(step);
      return;
    }
  }
  later([this, task, step] {
    {
      Guard guard(lock_);
      if (task->aborts != 0 || task->gone) return;
    }
    step();
  });
}

void FakeDriver::release_held() {
  hold_ = false;
  Guard guard(lock_);
  std::vector<TaskPtr> all;
  for (const auto& entry : tasks_)
    all.push_back(entry.second);
  for (const TaskPtr& task : all) {
    if (auto step = std::exchange(task->parked, nullptr)) proceed(task, step);
  }
}

bool FakeDriver::step_held() {
  Guard guard(lock_);  // An abort on another thread waits: the command would go with it.
  std::vector<std::function<void()>> steps;
  for (const auto& entry : tasks_) {
    if (entry.second->parked) steps.push_back(std::exchange(entry.second->parked, nullptr));
  }
  for (const auto& step : steps)
    step();
  return !steps.empty();
}

void FakeDriver::unstick() {
  stuck_ = false;
  std::vector<TaskPtr> all;
  std::deque<Tmf> tmfs;
  {
    Guard guard(lock_);
    tmfs.swap(unanswered_tmfs_);
    for (const auto& entry : tasks_)
      all.push_back(entry.second);
  }
  for (const TaskPtr& task : all)
    later([this, task] { answer_abort(task); });
  for (const Tmf& tmf : tmfs)
    later([this, tmf] { answer_tmf(tmf); });
  release_held();
}

// ---- The steps of a command ----

void FakeDriver::execute(const TaskPtr& task) {
  const uint8_t* cdb = task->command->sc_cmd;
  if (task->lun >= kLuns) {
    conclude(task->command, kCheckCondition, kIllegalRequest, 0x25);
    return;
  }
  switch (cdb[0]) {
    case 0x00:
      conclude(task->command, kGood);
      return;
    case 0x12: {
      std::vector<uint8_t> data = {0, 0, 6, 2, 31, 0, 0, 2};
      for (char c : std::string("CHISCSI FAKE DISK       0001")) {
        data.push_back(static_cast<uint8_t>(c));
      }
      data.resize(std::min<size_t>(data.size(), cdb[3] << 8 | cdb[4]));
      transfer(task, std::move(data));
      return;
    }
    case 0x25: {
      const uint32_t last = kBlocks - 1;
      transfer(task, {0, 0, static_cast<uint8_t>(last >> 8), static_cast<uint8_t>(last), 0, 0,
                      kBlock >> 8, 0});
      return;
    }
    case 0x28:
      access_medium(task, false);
      return;
    case 0x2a:
      access_medium(task, true);
      return;
    default:
      conclude(task->command, kCheckCondition, kIllegalRequest, 0x20);
  }
}

void FakeDriver::access_medium(const TaskPtr& task, bool write) {
  const uint8_t* cdb = task->command->sc_cmd;
  const uint64_t block = be32(cdb + 2);
  const uint32_t blocks = static_cast<uint32_t>(cdb[7] << 8 | cdb[8]);
  if (block + blocks > kBlocks) {
    conclude(task->command, kCheckCondition, kIllegalRequest, 0x21);
    return;
  }
  task->write = write;
  task->device_offset = block * kBlock;
  const size_t size = size_t{blocks} * kBlock;
  transfer(task, write ? std::vector<uint8_t>(size) : content(task->lun, block * kBlock, size));
}

void FakeDriver::transfer(const TaskPtr& task, std::vector<uint8_t> bytes) {
  chiscsi_scsi_command* command = task->command;
  if (command->sc_xfer_len != 0 &&
      (flags_of(*command) & SC_FLAG_WRITE) != (task->write ? SC_FLAG_WRITE : 0u)) {
    conclude(command, kCheckCondition, kIllegalRequest, 0x24);
    return;
  }
  {
    Guard guard(lock_);
    task->wanted = bytes.size();
    task->transfer = static_cast<uint32_t>(std::min<uint64_t>(bytes.size(), command->sc_xfer_len));
    task->bytes = std::move(bytes);
  }
  next_phase(task);
}

// Hands over the next list; the last one carries the residual.
void FakeDriver::next_phase(const TaskPtr& task) {
  chiscsi_scsi_command* command = task->command;
  uint32_t offset = 0, length = 0;
  unsigned char* list = nullptr;
  unsigned count = 0;
  bool last = false;
  {
    Guard guard(lock_);
    if (task->aborts != 0) return;
    offset = task->next_offset;
    const uint32_t most = phase_bytes == 0 ? task->transfer : phase_bytes.load();
    length = std::min(most, task->transfer - offset);
    task->next_offset += length;
    last = task->next_offset == task->transfer;
    if (last && task->wanted > command->sc_xfer_len) {
      __atomic_fetch_or(&command->sc_flag, SC_FLAG_XFER_OVERFLOW, __ATOMIC_RELAXED);
      command->sc_xfer_residualcount = static_cast<unsigned>(task->wanted - command->sc_xfer_len);
    } else if (last && task->wanted < command->sc_xfer_len) {
      __atomic_fetch_or(&command->sc_flag, SC_FLAG_XFER_UNDERFLOW, __ATOMIC_RELAXED);
      command->sc_xfer_residualcount = static_cast<unsigned>(command->sc_xfer_len - task->wanted);
      command->sc_xfer_len = task->transfer;
    }
    if (length != 0) make_list(*task, offset, length);
    list = reinterpret_cast<unsigned char*>(task->list.data());
    count = static_cast<unsigned>(task->list.size());
  }
  if (length == 0) {
    conclude(command, kGood);
    return;
  }
  if (task->write) {
    call_target(task, false, [=] {
      return chiscsi_scsi_cmd_buffer_ready(command, list, count, offset, length);
    });
  } else {
    call_target(task, last, [=] {
      return chiscsi_scsi_cmd_execution_status(command, list, count, offset, length);
    });
  }
}

// Elements end at the end of their memory, so that a sanitizer sees an access beyond them.
void FakeDriver::make_list(Task& task, uint32_t offset, uint32_t length) {
  task.list.clear();
  task.list_offset = offset;
  task.list_length = length;
  task.list_with_target = true;
  for (const uint32_t end = offset + length; offset < end;) {
    const uint32_t size = std::min(piece_bytes.load(), end - offset);
    chiscsi_sgvec element = {};
    if (page_lists) {
      const size_t room = (size + kPage - 1) / kPage * kPage;
      element.sg_page = aligned_alloc(kPage, room);
      element.sg_offset = static_cast<unsigned>(room - size);
      element.sg_addr = static_cast<unsigned char*>(element.sg_page) + element.sg_offset;
      task.memory.push_back(element.sg_page);
    } else {
      element.sg_addr = static_cast<unsigned char*>(malloc(size));
      task.memory.push_back(element.sg_addr);
    }
    element.sg_length = size;
    if (task.write) {
      memset(element.sg_addr, 0xee, size);
    } else {
      memcpy(element.sg_addr, task.bytes.data() + offset, size);
    }
    task.list.push_back(element);
    offset += size;
  }
}

// The list belongs to the driver again, which spoils and frees it at once.
void FakeDriver::take_back_list(Task& task) {
  uint32_t offset = task.list_offset;
  for (const chiscsi_sgvec& element : task.list) {
    if (task.write) memcpy(task.bytes.data() + offset, element.sg_addr, element.sg_length);
    memset(element.sg_addr, 0xdd, element.sg_length);
    offset += element.sg_length;
  }
  for (void* block : task.memory)
    free(block);
  task.memory.clear();
  task.list.clear();
  task.list.shrink_to_fit();
  task.list_with_target = false;
}

// Calls the target without the lock. An abort that came meanwhile is answered afterwards.
int FakeDriver::call_target(const TaskPtr& task, bool final, const std::function<int()>& call) {
  {
    Guard guard(lock_);
    if (task->aborts != 0 || task->gone) return -ESTALE;
    ++task->calls_running;
    if (final) task->final_sent = true;
  }
  const int rc = call();
  Guard guard(lock_);
  --task->calls_running;
  if (final && !task->gone) {
    task->crossed = (flags_of(*task->command) & (SC_FLAG_TMF_ABORT | SC_FLAG_SESS_ABORT)) != 0;
  }
  // A call may meet an abort whose hook has not been called yet: that has to follow then.
  if (rc == -ESTALE) task->refused_as_stale = true;
  if (rc < 0 && task->aborts == 0 && (rc != -ESTALE || task->gone)) {
    violate("the target refused a call: " + std::to_string(rc));
  }
  if (task->aborts != task->aborts_answered) {
    take_back_list(*task);
    if (!task->gone) later([this, task] { answer_abort(task); });
  }
  return rc;
}

int FakeDriver::conclude(chiscsi_scsi_command* command, uint8_t status, uint8_t key, uint8_t asc,
                         uint8_t ascq) {
  const TaskPtr task = task_of(command, "conclude()");
  if (task == nullptr) return -EINVAL;
  command->sc_status = status;
  command->sc_sense_key = key;
  command->sc_sense_asc = asc;
  command->sc_sense_ascq = ascq;
  return call_target(task, true, [command] {
    return chiscsi_scsi_cmd_execution_status(command, nullptr, 0, 0, 0);
  });
}

int FakeDriver::abort_command(chiscsi_scsi_command* command) {
  const TaskPtr task = task_of(command, "abort_command()");
  if (task == nullptr) return -EINVAL;
  {
    Guard guard(lock_);
    task->parked = nullptr;
  }
  return call_target(task, true, [command] { return chiscsi_scsi_cmd_abort(command); });
}

int FakeDriver::transferred(chiscsi_scsi_command* command, unsigned offset, unsigned length) {
  const TaskPtr task = task_of(command, "fp_scsi_cmd_data_xfer_status");
  if (task == nullptr) return -EINVAL;
  bool done = false;
  {
    Guard guard(lock_);
    note("xfer " + std::to_string(offset) + " " + std::to_string(length));
    if (!task->list_with_target) {
      violate("fp_scsi_cmd_data_xfer_status for a list the target does not hold");
      return 0;
    }
    if (offset != task->list_offset || length != task->list_length) {
      violate("fp_scsi_cmd_data_xfer_status for another range than that of the list");
    }
    take_back_list(*task);
    done = task->next_offset == task->transfer;
  }
  if (task->write && done) {
    proceed(task, [this, task] { finish_write(task); });
  } else if (!done) {
    proceed(task, [this, task] { next_phase(task); });
  }
  return 0;
}

void FakeDriver::finish_write(const TaskPtr& task) {
  task->bytes.resize(task->transfer);
  set_content(task->lun, task->device_offset, task->bytes);
  conclude(task->command, kGood);
}

// ---- Aborts, task management, the end ----

int FakeDriver::aborted(chiscsi_scsi_command* command) {
  const TaskPtr task = task_of(command, "fp_scsi_cmd_abort");
  if (task == nullptr) return -EINVAL;
  Guard guard(lock_);
  const bool of_session = (command->sc_flag & SC_FLAG_SESS_ABORT) != 0;
  note(of_session ? "abort session" : "abort tmf");
  if (!of_session && (command->sc_flag & SC_FLAG_TMF_ABORT) == 0)
    violate("an abort without reason");
  if (!of_session && task->final_sent && !task->crossed && task->calls_running == 0) {
    violate("a TMF abort after the driver's final status");
  }
  ++task->aborts;
  task->parked = nullptr;
  if (task->calls_running != 0) return 0;  // call_target() goes on.
  take_back_list(*task);
  if (!stuck_) later([this, task] { answer_abort(task); });
  return 0;
}

void FakeDriver::answer_abort(const TaskPtr& task) {
  Guard guard(lock_);
  if (stuck_ || task->gone || task->aborts == task->aborts_answered) return;
  task->aborts_answered = task->aborts;
  chiscsi_scsi_command* command = task->command;
  int rc = 0;
  if ((command->sc_flag & SC_FLAG_SESS_ABORT) != 0) {
    rc = chiscsi_scsi_cmd_abort_status(command);
  } else {
    command->sc_status = kTaskAborted;
    rc = chiscsi_scsi_cmd_execution_status(command, nullptr, 0, 0, 0);
  }
  // When it crossed the driver's own final status, that one was the answer.
  if (rc < 0 && !task->final_sent) {
    violate("the target refused the answer to its abort: " + std::to_string(rc));
  }
  note("answered abort");
  task->final_sent = true;
}

int FakeDriver::manage(const Tmf& tmf) {
  Guard guard(lock_);
  note("tmf " + std::to_string(tmf.function) + " lun " + std::to_string(tmf.lun));
  if (tmf_error != 0) return tmf_error;
  if (stuck_) {
    unanswered_tmfs_.push_back(tmf);
  } else {
    later([this, tmf] { answer_tmf(tmf); });
  }
  return 0;
}

// The answer to abort_command() gives the list back.
void FakeDriver::abort_status(Task& task, size_t count) {
  Guard guard(lock_);
  note("abort_status");
  if (count != task.list.size()) violate("fp_scsi_cmd_abort_status for another list");
  if (task.list_with_target) take_back_list(task);
}

bool FakeDriver::concerns(const Tmf& tmf, const Task& task) const {
  if (tmf.function == ISCSI_TMF_FUNCTION_ABORT_TASK) return task.command == tmf.command;
  const bool of_target = tmf.function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET ||
                         tmf.function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET;
  const bool own_only = ends_own_commands_only || tmf.function == ISCSI_TMF_FUNCTION_ABORT_TASK_SET;
  if (own_only && task.command->sc_tclass_sess_priv != tmf.session) return false;
  return of_target || task.lun == tmf.lun;
}

void FakeDriver::answer_tmf(const Tmf& tmf) {
  Guard guard(lock_);
  for (const auto& [command, task] : tasks_) {
    if (!concerns(tmf, *task) || task->aborts != 0 || !task->parked) continue;
    task->parked = nullptr;
    task->final_sent = true;
    command->sc_status = kTaskAborted;
    const int rc = chiscsi_scsi_cmd_execution_status(command, nullptr, 0, 0, 0);
    if (rc < 0) violate("the target refused the end of a command in a TMF: " + std::to_string(rc));
  }
  chiscsi_tmf_execution_done(tmf.handle, ISCSI_RESPONSE_TMF_COMPLETE, tmf.command);
}

void FakeDriver::cleaned_up(chiscsi_scsi_command* command) {
  const TaskPtr task = task_of(command, "fp_scsi_cmd_cleanup");
  if (task == nullptr) return;
  Guard guard(lock_);
  if (command->sc_sdev_hdl != task.get()) violate("sc_sdev_hdl has changed");
  // A call that crosses the abort may be the answer to it: the list is taken back when it returns.
  const bool crossed = task->aborts != 0 && task->calls_running != 0;
  if (task->list_with_target && !crossed) violate("cleanup without giving the list back");
  if (task->refused_as_stale && task->aborts == 0) violate("a call was refused without an abort");
  if (!task->final_sent && !task->refused)
    violate("cleanup before the driver has ended the command");
  task->gone = true;
  task->parked = nullptr;  // It may hold the last reference but ours.
  tasks_.erase(command);
  note("cleanup");
}

}  // namespace chiscsi::test
