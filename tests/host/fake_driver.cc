// SPDX-License-Identifier: GPL-2.0-only
//
// See fake_driver.hh.
//
// Calls into the target are made without the driver's lock where a well-behaved driver could do so,
// since the target may call the next hook of the same command before such a call has returned. Late
// answers (to aborts, in task management) are made under it: so cleanup cannot overtake them.
#include "fake_driver.hh"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "host.hh"

namespace chiscsi::test {

namespace {
// The target adds the reason of an abort to the flags while other threads of a driver may read
// them.
unsigned int flags_of(const chiscsi_scsi_command& command) {
  return __atomic_load_n(&command.sc_flag, __ATOMIC_RELAXED);
}
}  // namespace

namespace {

constexpr uint8_t kGood = 0x00;
constexpr uint8_t kCheckCondition = 0x02;
constexpr uint8_t kTaskAborted = 0x40;
constexpr uint8_t kIllegalRequest = 5;
constexpr size_t kPage = 4096;
constexpr std::chrono::seconds kLimit(60);

FakeDriver* instance = nullptr;

std::string hex(unsigned value) {
  char text[8];
  snprintf(text, sizeof(text), "%02x", value);
  return text;
}

std::string text_of(const char* text) { return text == nullptr ? "(null)" : text; }

uint32_t be32(const uint8_t* p) {
  return uint32_t{p[0]} << 24 | uint32_t{p[1]} << 16 | uint32_t{p[2]} << 8 | p[3];
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
  bool refused = false;
  bool gone = false;
  int calls_running = 0;
  unsigned aborts = 0;
  unsigned aborts_answered = 0;

  ~Task() {
    for (void* block : memory)
      free(block);
  }
};

// ---- Life ----

FakeDriver::FakeDriver() {
  instance = this;
  disks_.assign(kLuns, std::vector<uint8_t>(size_t{kBlock} * kBlocks));
}

FakeDriver::~FakeDriver() { instance = nullptr; }

FakeDriver& FakeDriver::self() { return *instance; }

int FakeDriver::start() {
  class_.class_name = class_name_.data();
  lun_class_.class_name = lun_class_name_.data();
  if (with_login_hooks) set_up_login_hooks();
  set_up_command_hooks();
  thread_ = std::thread([this] { run_thread(); });
  if (const int rc = chiscsi_target_class_register(&class_)) return rc;
  return chiscsi_target_lun_class_register(&lun_class_, class_name_.data());
}

namespace {
std::string config_text(const std::vector<std::string>& keys) {
  std::string text;
  for (const std::string& key : keys)
    text.append(key).push_back('\0');
  return text;
}
}  // namespace

int FakeDriver::add_target(const std::string& name, const std::vector<std::string>& keys) {
  std::string target = name;
  std::string text = config_text(keys);
  return chiscsi_target_add(this, target.data(), class_name_.data(), text.data(),
                            static_cast<int>(text.size()));
}

int FakeDriver::reconfigure_target(const std::string& name, const std::vector<std::string>& keys) {
  std::string target = name;
  std::string text = config_text(keys);
  return chiscsi_target_reconfig(this, target.data(), class_name_.data(), text.data(),
                                 static_cast<int>(text.size()));
}

int FakeDriver::remove_target(const std::string& name) {
  std::string target = name;
  return chiscsi_target_remove(this, target.data());
}

int FakeDriver::stop() {
  const auto deadline = std::chrono::steady_clock::now() + kLimit;
  int rc = 0;
  do {
    rc = chiscsi_target_lun_class_deregister(lun_class_name_.data(), class_name_.data());
    if (rc == -EBUSY) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  } while (rc == -EBUSY && std::chrono::steady_clock::now() < deadline);
  const int class_rc = chiscsi_target_class_deregister(class_name_.data());
  {
    std::lock_guard guard(work_lock_);
    ending_ = true;
  }
  work_changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  if (commands_alive() != 0) violate("commands were never cleaned up");
  return rc != 0 ? rc : class_rc;
}

// ---- What happened ----

void FakeDriver::note(const std::string& call) {
  Guard guard(lock_);
  calls_.push_back(call);
  changed_.notify_all();
}

void FakeDriver::violate(const std::string& what) {
  Guard guard(lock_);
  violations_.push_back(what);
}

std::vector<std::string> FakeDriver::calls() const {
  Guard guard(lock_);
  return calls_;
}

size_t FakeDriver::count(const std::string& prefix) const {
  Guard guard(lock_);
  return static_cast<size_t>(std::count_if(calls_.begin(), calls_.end(), [&](const auto& call) {
    return call.compare(0, prefix.size(), prefix) == 0;
  }));
}

bool FakeDriver::wait_for(const std::string& prefix, size_t times) {
  std::unique_lock guard(lock_);
  return changed_.wait_for(guard, kLimit, [&] { return count(prefix) >= times; });
}

size_t FakeDriver::commands_alive() const {
  Guard guard(lock_);
  return tasks_.size();
}

std::vector<std::string> FakeDriver::violations() const {
  Guard guard(lock_);
  return violations_;
}

std::vector<uint8_t> FakeDriver::content(unsigned lun, uint64_t offset, size_t size) const {
  Guard guard(lock_);
  const auto begin = disks_[lun].begin() + static_cast<long>(offset);
  return {begin, begin + static_cast<long>(size)};
}

void FakeDriver::set_content(unsigned lun, uint64_t offset, const std::vector<uint8_t>& data) {
  Guard guard(lock_);
  std::copy(data.begin(), data.end(), disks_[lun].begin() + static_cast<long>(offset));
}

// ---- The driver's thread ----

void FakeDriver::later(std::function<void()> work) {
  if (answers == Answers::kInline) {
    work();
    return;
  }
  {
    std::lock_guard guard(work_lock_);
    work_.push_back(std::move(work));
  }
  work_changed_.notify_one();
}

void FakeDriver::run_thread() {
  std::unique_lock guard(work_lock_);
  for (;;) {
    work_changed_.wait(guard, [this] { return ending_ || !work_.empty(); });
    if (work_.empty()) return;
    auto work = std::move(work_.front());
    work_.pop_front();
    guard.unlock();
    if (answers == Answers::kSoftirq) {
      HostAtomicSection softirq;
      work();
    } else {
      work();
    }
    work = nullptr;
    guard.lock();
  }
}

// ---- Hooks of the target class ----

void FakeDriver::set_up_login_hooks() {
  class_.fp_first_login_check = [](unsigned long handle, char* initiator, char*,
                                   chiscsi_tcp_endpoint*) {
    self().note("first_login " + text_of(initiator));
    if (!self().answer_login) return;
    self().later([handle] {
      const uint16_t status = self().login_status;
      chiscsi_target_first_login_check_done(handle, static_cast<unsigned char>(status >> 8),
                                            static_cast<unsigned char>(status), self().max_cmd);
    });
  };
  class_.fp_login_stage_check = [](unsigned long handle, unsigned char stage, char*, char*,
                                   chiscsi_tcp_endpoint*) {
    self().note("stage " + std::to_string(stage));
    if (!self().answer_stage) return;
    self().later([handle] {
      const uint16_t status = self().stage_status;
      chiscsi_target_login_stage_check_done(handle, static_cast<unsigned char>(status >> 8),
                                            static_cast<unsigned char>(status));
    });
  };
  class_.fp_chap_info_get = [](char*, char*, chap_info* chap) {
    FakeDriver& driver = self();
    driver.note("chap " + std::string(reinterpret_cast<char*>(chap->remote_name)));
    const auto put = [](const std::string& text, unsigned char* to, unsigned char* length) {
      memcpy(to, text.data(), text.size());
      *length = static_cast<unsigned char>(text.size());
    };
    if (!driver.initiator_secret.empty()) {
      put(driver.initiator_secret, chap->remote_secret, &chap->remote_secret_length);
      chap->flag |= CHAP_FLAG_REMOTE_SECRET_VALID;
    }
    if (!driver.target_secret.empty()) {
      put(driver.target_secret, chap->local_secret, &chap->local_secret_length);
      memcpy(chap->local_name, driver.target_chap_name.c_str(), driver.target_chap_name.size() + 1);
      chap->flag |= CHAP_FLAG_LOCAL_SECRET_VALID | CHAP_FLAG_LOCAL_NAME_VALID;
    }
    if (driver.mutual_required) chap->flag |= CHAP_FLAG_MUTUAL_REQUIRED;
  };
  class_.fp_discovery_target_accessible = [](unsigned long, char*, char*,
                                             chiscsi_tcp_endpoint*) -> int {
    self().note("accessible");
    return self().hide_targets ? 0 : 1;
  };
}

// ---- Hooks of sessions and of the LUN class ----

void FakeDriver::set_up_command_hooks() {
  class_.fp_session_added = [](unsigned long session, unsigned char*, char* initiator,
                               char*) -> unsigned long {
    FakeDriver& driver = self();
    Guard guard(driver.lock_);
    driver.last_session_ = session;
    driver.note("session_added " + text_of(initiator));
    return 0xc0ffee00 + ++driver.sessions_added_;
  };
  class_.fp_session_removed = [](unsigned long, char* initiator, char*) {
    self().note("session_removed " + text_of(initiator));
  };
  lun_class_.property = 1u << LUN_CLASS_SCSI_PASS_THRU_BIT | 1u << LUN_CLASS_MULTI_PHASE_DATA_BIT |
                        1u << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  lun_class_.fp_scsi_cmd_cdb_rcved = [](chiscsi_scsi_command* command) {
    return self().received(command);
  };
  lun_class_.fp_scsi_cmd_data_xfer_status = [](chiscsi_scsi_command* command, unsigned char*,
                                               unsigned, unsigned offset, unsigned length) {
    return self().transferred(command, offset, length);
  };
  lun_class_.fp_scsi_cmd_abort = [](chiscsi_scsi_command* command) {
    return self().aborted(command);
  };
  lun_class_.fp_scsi_cmd_abort_status = [](unsigned, unsigned, unsigned, unsigned, unsigned char*,
                                           void*) { self().note("abort_status"); };
  lun_class_.fp_tmf_execute = [](unsigned long, unsigned long handle, unsigned char,
                                 unsigned char function, unsigned lun,
                                 chiscsi_scsi_command* command) {
    return self().manage({handle, function, lun, command});
  };
  lun_class_.fp_scsi_cmd_cleanup = [](chiscsi_scsi_command* command) {
    self().cleaned_up(command);
  };
}

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
  if (rc < 0 && task->aborts == 0) violate("the target refused a call: " + std::to_string(rc));
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
  if (!of_session && task->final_sent && task->calls_running == 0) {
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
  task->final_sent = true;
}

int FakeDriver::manage(const Tmf& tmf) {
  Guard guard(lock_);
  note("tmf " + std::to_string(tmf.function) + " lun " + std::to_string(tmf.lun));
  if (stuck_) {
    unanswered_tmfs_.push_back(tmf);
  } else {
    later([this, tmf] { answer_tmf(tmf); });
  }
  return 0;
}

void FakeDriver::answer_tmf(const Tmf& tmf) {
  Guard guard(lock_);
  for (const auto& [command, task] : tasks_) {
    const bool of_task = tmf.function == ISCSI_TMF_FUNCTION_ABORT_TASK;
    const bool of_target = tmf.function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET ||
                           tmf.function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET;
    const bool concerned = of_task ? command == tmf.command : of_target || task->lun == tmf.lun;
    if (!concerned || task->aborts != 0 || !task->parked) continue;
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
  if (!task->final_sent && !task->refused)
    violate("cleanup before the driver has ended the command");
  task->gone = true;
  task->parked = nullptr;  // It may hold the last reference but ours.
  tasks_.erase(command);
  note("cleanup");
}

}  // namespace chiscsi::test
