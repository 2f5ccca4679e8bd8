// SPDX-License-Identifier: GPL-2.0-only
#include "iface_lun_class.hh"

namespace iface {
namespace {

constexpr u32 kEverydayBytes = 1024 * 1024;  // transfers that need no allocation
constexpr u32 kMaxTransferBytes = 16 * 1024 * 1024;
constexpr u32 kFirstTasks = 16;

// The units, by number. Set while nothing is registered, else read only.
constinit Lun* g_luns[kMaxLuns] = {};
constinit const Device* g_devices[kMaxLuns] = {};
constinit DeviceList g_device_list{g_devices, 0};
constinit LunSettings g_settings{};

bool is_stuck() { return __atomic_load_n(&g_settings.stuck, __ATOMIC_RELAXED); }

// Commands for absent units are answered, too; unit 0 does it.
Lun& unit_for(u32 number) { return *g_luns[number < g_device_list.count ? number : 0]; }

Task* task_of(const chiscsi_scsi_command* command) {
  return static_cast<Task*>(command->sc_sdev_hdl);
}

unsigned char* as_api(chiscsi_sgvec* list) { return reinterpret_cast<unsigned char*>(list); }

void set_sense(chiscsi_scsi_command& command, Sense sense) {
  command.sc_status = kCheckCondition;
  command.sc_response = CHISCSI_RESPONSE_COMPLETED;
  command.sc_sense_key = sense.key;
  command.sc_sense_asc = sense.asc;
  command.sc_sense_ascq = sense.ascq;
  command.sc_flag |= SC_FLAG_SENSE;
}

// Goes with the last phase, and with a status without data (Guide 7.3.5.1 "Buffer Overflow and
// Underflow").
void set_residual(chiscsi_scsi_command& command, const Transfer& transfer) {
  command.sc_flag |= transfer.flag;
  command.sc_xfer_residualcount = transfer.residual;
  if (transfer.flag == SC_FLAG_XFER_UNDERFLOW) command.sc_xfer_len = transfer.length;
}

// Writes `value` with at least `digits` digits of `base`; returns the end.
char* put_number(char* at, u64 value, u32 base, u32 digits) {
  char reversed[20];
  u32 count = 0;
  while (value != 0 || count < digits) {
    reversed[count++] = "0123456789abcdef"[value % base];
    value /= base;
  }
  while (count > 0)
    *at++ = reversed[--count];
  return at;
}

// Names of a unit that stay the same over restarts and differ between units.
void identify(Device& device, const Config& config) {
  const u64 hash = hash_text(config.target_name);
  const Text serial = config.serial;
  char* end = device.serial + serial.size();
  __builtin_memcpy(device.serial, serial.data(), serial.size());
  if (serial.empty()) end = put_number(device.serial, hash >> 16, 16, 12);
  *end++ = '-';
  put_number(end, device.number, 10, 2);
  // NAA 3h: locally assigned, 60 bits.
  device.naa = 3ULL << 60 | ((hash ^ hash_text(device.serial)) & ~(0xfULL << 60));
  __builtin_memcpy(device.target_name, config.target_name, sizeof(device.target_name));
  __builtin_memcpy(device.vendor, config.vendor, sizeof(device.vendor));
  __builtin_memcpy(device.product, config.product, sizeof(device.product));
  put_padded(device.revision, sizeof(device.revision), "1.0");
}

}  // namespace

// ---- Making and ending a unit ----

int Lun::create(const Config& config, u32 number) {
  const u64 bytes = static_cast<u64>(config.lun_mb[number]) << 20;
  device_.number = number;
  device_.block_shift = config.block_shift;
  device_.blocks = bytes >> config.block_shift;
  device_.max_transfer_blocks = kMaxTransferBytes >> config.block_shift;
  device_.optimal_transfer_blocks = kEverydayBytes >> config.block_shift;
  identify(device_, config);

  lock_ = iface_os_lock_create();
  idle_ = iface_os_event_create();
  if (lock_ == nullptr || idle_ == nullptr) return kEnomem;
  if (const int error = memory_.create(bytes, config.chunk_shift, config.discard_data)) {
    return error;
  }
  for (u32 i = 0; i < kFirstTasks; ++i) {
    Task* task = make_task();
    if (task == nullptr) return kEnomem;
    pool_.push_back(*task);
  }
  if (config.inline_exec) return 0;
  char name[16] = "iface-lun";
  *put_number(name + 9, number, 10, 1) = '\0';
  return thread_.start(name, lock_, [](chiscsi_scsi_command* command) {
    Task* task = task_of(command);
    task->lun->advance_locked(*task);
    return 0;
  });
}

// Reverse order of create(), which may have stopped anywhere. Nobody else knows the unit any more,
// except for commands the target has not given back: their memory must stay.
bool Lun::dismantle() {
  thread_.stop();
  if (!tasks_.empty()) return false;
  while (Task* task = pool_.pop_front())
    free_task(task);
  memory_.destroy();
  if (idle_ != nullptr) iface_os_event_destroy(idle_);
  if (lock_ != nullptr) iface_os_lock_destroy(lock_);
  return true;
}

bool Lun::is_idle() {
  const Guard guard(lock_);
  return tasks_.empty();
}

// The first wait may end at once, for a signal from an earlier moment without commands.
bool Lun::wait_idle(u32 milliseconds) {
  for (u32 i = 0; i < 2 && !is_idle(); ++i)
    iface_os_event_wait(idle_, milliseconds);
  return is_idle();
}

// ---- Tasks ----

Task* Lun::make_task() {
  Task* task = make<Task>();
  if (task == nullptr) return nullptr;
  task->lun = this;
  task->response_page = iface_os_pages_alloc(0, &task->response);
  task->list = static_cast<chiscsi_sgvec*>(
      iface_os_alloc(memory_.elements_for(kEverydayBytes) * sizeof(chiscsi_sgvec)));
  if (task->response_page != nullptr && task->list != nullptr) return task;
  free_task(task);
  return nullptr;
}

void Lun::free_task(Task* task) {
  iface_os_free(task->list);
  if (task->response_page != nullptr) iface_os_pages_free(task->response_page, 0);
  destroy(task);
}

// A task from the pool, or a new one when more commands are under way than ever before.
Task* Lun::take_task() {
  {
    const Guard guard(lock_);
    if (Task* task = pool_.pop_front()) return task;
  }
  return make_task();
}

// Room for the buffer list of a command that is longer than everyday ones. Never asks for more
// than the longest transfer a CDB may ask for, whatever length the initiator expects.
bool Lun::reserve(Task& task, u32 expected) {
  u32 longest = min(expected, kMaxTransferBytes);
  if (g_settings.phase_bytes != 0) longest = min(longest, g_settings.phase_bytes);
  if (longest <= kEverydayBytes) return true;
  task.long_list = static_cast<chiscsi_sgvec*>(
      iface_os_alloc(memory_.elements_for(longest) * sizeof(chiscsi_sgvec)));
  return task.long_list != nullptr;
}

int Lun::receive(chiscsi_scsi_command& command) {
  Task* task = take_task();
  if (task == nullptr) return kEnomem;
  const bool reserved = reserve(*task, command.sc_xfer_len);
  task->command = &command;
  // A refused command is cleaned up like any other, but never run.
  task->state = reserved ? State::kNew : State::kEnded;
  task->abort_owed = false;
  task->plan = Plan{};
  task->transfer = Transfer{};
  task->moved = 0;
  command.sc_sdev_hdl = task;

  const Guard guard(lock_);
  tasks_.push_back(*task);
  if (!reserved) return kEnomem;
  schedule_locked(*task);
  return 0;
}

void Lun::release(Task& task) {
  task.command->sc_sdev_hdl = nullptr;
  chiscsi_sgvec* long_list;
  {
    const Guard guard(lock_);
    long_list = task.long_list;
    task.long_list = nullptr;
    task.command = nullptr;
    task.queued.unlink();
    task.held.unlink();
    pool_.push_front(task);
    if (tasks_.empty()) iface_os_event_signal(idle_);
  }
  iface_os_free(long_list);
}

// ---- The steps of a command ----

void Lun::schedule_locked(Task& task) {
  if (g_settings.inline_exec) {
    advance_locked(task);
  } else {
    thread_.queue_locked(task);
  }
}

// A dead driver leaves the task where it is; resume() finds it by its state.
void Lun::advance_locked(Task& task) {
  if (is_stuck()) return;
  if (task.state == State::kNew) {
    start_locked(task);
  } else if (task.state == State::kMoved) {
    move_locked(task);
  }
}

void Lun::start_locked(Task& task) {
  chiscsi_scsi_command& command = *task.command;
  task.plan = plan_command(g_device_list, command.sc_lun, command.sc_cmd, task.response);
  task.transfer =
      fit_transfer(task.plan, command.sc_xfer_len, (command.sc_flag & SC_FLAG_WRITE) != 0);
  if (task.plan.failed()) {
    set_sense(command, task.plan.sense);
  } else if (task.transfer.sense.key != 0) {
    set_sense(command, task.transfer.sense);
  }
  if (task.transfer.length == 0) {
    finish_locked(task);
  } else {
    move_locked(task);
  }
}

// Hands over the next phase: read data with the status, or memory for write data. After the last
// phase of a write has come back, the command is done, since the data already lies in its place.
void Lun::move_locked(Task& task) {
  chiscsi_scsi_command& command = *task.command;
  const bool writing = task.plan.kind == Plan::Kind::kWriteMedia;
  const u32 total = task.transfer.length;
  if (task.moved == total) return finish_locked(task);

  const u32 phase = g_settings.phase_bytes != 0 ? g_settings.phase_bytes : total;
  const u32 offset = task.moved;
  const u32 length = min(phase, total - offset);
  const u32 count = describe(task, length);
  const bool last = offset + length == total;
  if (last) set_residual(command, task.transfer);
  task.moved += length;
  task.state = last && !writing ? State::kEnded : State::kMoving;
  const auto hand_over =
      writing ? chiscsi_scsi_cmd_buffer_ready : chiscsi_scsi_cmd_execution_status;
  if (hand_over(&command, as_api(task.sgl()), count, offset, length) >= 0) return;

  // Refused, so nothing has changed hands: end the command without data.
  command.sc_flag &= ~static_cast<u32>(SC_FLAG_XFER_OVERFLOW | SC_FLAG_XFER_UNDERFLOW);
  task.transfer = Transfer{};
  set_sense(command, kAbortedCommand);
  finish_locked(task);
}

// The buffer list of the next `length` bytes.
u32 Lun::describe(Task& task, u32 length) {
  if (task.plan.kind != Plan::Kind::kResponse) {
    return memory_.describe(task.sgl(), task.plan.offset + task.moved, length,
                            task.plan.kind == Plan::Kind::kWriteMedia);
  }
  task.sgl()[0] = chiscsi_sgvec{.sg_flag = 0,
                                .sg_page = task.response_page,
                                .sg_addr = task.response + task.moved,
                                .sg_dma_addr = 0,
                                .sg_offset = task.moved,
                                .sg_length = length,
                                .sg_private = {}};
  return 1;
}

// The final status, without data.
void Lun::finish_locked(Task& task) {
  set_residual(*task.command, task.transfer);
  task.state = State::kEnded;
  chiscsi_scsi_cmd_execution_status(task.command, nullptr, 0, 0, 0);
}

void Lun::transferred(Task& task) {
  const Guard guard(lock_);
  if (task.state != State::kMoving) return;  // read data of the last phase, or aborted
  task.state = State::kMoved;
  schedule_locked(task);
}

// ---- Aborts ----

// The call that answers depends on who asked: the end of the session or a task management function.
void Lun::answer_abort_locked(Task& task) {
  chiscsi_scsi_command& command = *task.command;
  const bool session = (command.sc_flag & SC_FLAG_SESS_ABORT) != 0;
  task.abort_owed = false;
  task.queued.unlink();
  if (task.state != State::kEnded) set_sense(command, kAbortedCommand);
  task.state = State::kEnded;
  if (session) {
    chiscsi_scsi_cmd_abort_status(&command);
  } else {
    chiscsi_scsi_cmd_execution_status(&command, nullptr, 0, 0, 0);
  }
}

// Answering inside the hook is the safe place: the command cannot end while its hook runs.
void Lun::abort(Task& task) {
  const Guard guard(lock_);
  if (is_stuck()) {
    task.abort_owed = true;
    task.queued.unlink();
  } else {
    answer_abort_locked(task);
  }
}

void Lun::end_command(Task& task) {
  const Guard guard(lock_);
  if (task.state != State::kEnded) answer_abort_locked(task);
}

void Lun::end_commands(u32 number, unsigned long session) {
  const Guard guard(lock_);
  for (Task* task = tasks_.front(); task != nullptr; task = tasks_.after(*task)) {
    const chiscsi_scsi_command& command = *task->command;
    const bool concerned =
        command.sc_lun == number && (session == 0 || command.sc_tclass_sess_priv == session);
    if (concerned && task->state != State::kEnded) answer_abort_locked(*task);
  }
}

void Lun::resume() {
  const Guard guard(lock_);
  for (Task* task = tasks_.front(); task != nullptr; task = tasks_.after(*task)) {
    if (task->abort_owed) {
      answer_abort_locked(*task);
    } else if (!task->queued.linked() &&
               (task->state == State::kNew || task->state == State::kMoved)) {
      schedule_locked(*task);
    }
  }
}

// ---- The hooks. The target calls them in process context; none sleeps for long. ----

namespace {

int cdb_received(chiscsi_scsi_command* command) {
  return unit_for(command->sc_lun).receive(*command);
}

int data_transferred(chiscsi_scsi_command* command, unsigned char*, unsigned int, unsigned int,
                     unsigned int) {
  Task* task = task_of(command);
  if (task == nullptr) return kEinval;
  task->lun->transferred(*task);
  return 0;
}

int abort_command(chiscsi_scsi_command* command) {
  Task* task = task_of(command);
  if (task == nullptr) return kEinval;
  task->lun->abort(*task);
  return 0;
}

// This driver never calls chiscsi_scsi_cmd_abort(), so no answer ever comes.
void abort_answered(unsigned int, unsigned int, unsigned int, unsigned int, unsigned char*, void*) {
}

void clean_up(chiscsi_scsi_command* command) {
  Task* task = task_of(command);
  if (task != nullptr) task->lun->release(*task);
}

void end_on_all_units() {
  for (u32 i = 0; i < g_device_list.count; ++i)
    g_luns[i]->end_commands(i, 0);
}

unsigned char execute_on_unit(unsigned long session, unsigned char function, u32 lun,
                              chiscsi_scsi_command* command) {
  if (lun >= g_device_list.count) return ISCSI_RESPONSE_TMF_INVALID_LUN;
  switch (function) {
    case ISCSI_TMF_FUNCTION_ABORT_TASK: {
      Task* task = command != nullptr ? task_of(command) : nullptr;
      if (task != nullptr) task->lun->end_command(*task);
      return ISCSI_RESPONSE_TMF_COMPLETE;
    }
    case ISCSI_TMF_FUNCTION_ABORT_TASK_SET:
      g_luns[lun]->end_commands(lun, session);
      return ISCSI_RESPONSE_TMF_COMPLETE;
    case ISCSI_TMF_FUNCTION_CLEAR_TASK_SET:
    case ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET:
      g_luns[lun]->end_commands(lun, 0);
      return ISCSI_RESPONSE_TMF_COMPLETE;
    default:
      return ISCSI_RESPONSE_TMF_NOT_SUPPORTED;
  }
}

// A RAM disk ends commands at once, so the function is over when its hook returns.
int execute_tmf(unsigned long session, unsigned long handle, unsigned char, unsigned char function,
                unsigned int lun, chiscsi_scsi_command* command) {
  if (is_stuck()) return 0;
  unsigned char response = ISCSI_RESPONSE_TMF_COMPLETE;
  if (function == ISCSI_TMF_FUNCTION_TARGET_WARM_RESET ||
      function == ISCSI_TMF_FUNCTION_TARGET_COLD_RESET) {
    end_on_all_units();
  } else {
    response = execute_on_unit(session, function, lun, command);
  }
  chiscsi_tmf_execution_done(handle, response, command);
  return 0;
}

constinit char g_lun_class_name[] = "ifacedriver-lun";

constinit chiscsi_target_lun_class g_lun_class = {
    .class_name = g_lun_class_name,
    .property = 0,
    .fp_config_parse_options = nullptr,
    .fp_attach = nullptr,
    .fp_detach = nullptr,
    .fp_reattach = nullptr,
    .fp_flush = nullptr,
    .fp_scsi_cmd_cdb_rcved = cdb_received,
    .fp_scsi_cmd_data_xfer_status = data_transferred,
    .fp_scsi_cmd_abort = abort_command,
    .fp_scsi_cmd_abort_status = abort_answered,
    .fp_tmf_execute = execute_tmf,
    .fp_scsi_cmd_cleanup = clean_up,
    .fp_queued_scsi_cmd_exe = nullptr,
    .chiscsi_private = {},
};

}  // namespace

// ---- The class ----

// Says no before the machine is starved rather than half-way.
static bool fits_in_memory(const Config& config) {
  u64 megabytes = 0;
  for (u32 i = 0; i < config.lun_count; ++i)
    megabytes += config.lun_mb[i];
  const u64 available = iface_os_memory_available() >> 20;
  if (config.discard_data || megabytes <= available) return true;
  iface_os_log(IFACE_OS_ERROR, "lun_sizes_mb: %llu MB asked for, %llu MB of memory available",
               megabytes, available);
  return false;
}

int luns_create(const Config& config) {
  if (!fits_in_memory(config)) return kEnomem;
  g_settings.phase_bytes = config.phase_bytes;
  g_settings.inline_exec = config.inline_exec;
  for (u32 i = 0; i < config.lun_count; ++i) {
    Lun* lun = make<Lun>();
    if (lun == nullptr) return kEnomem;
    g_luns[i] = lun;
    g_devices[i] = &lun->device();
    g_device_list.count = i + 1;
    const int error = lun->create(config, i);
    if (error != 0) {
      iface_os_log(IFACE_OS_ERROR, "lun_sizes_mb: no memory for LUN %u of %u MB", i,
                   config.lun_mb[i]);
      return error;
    }
  }
  return 0;
}

void luns_destroy() {
  const u32 count = g_device_list.count;
  g_device_list.count = 0;
  for (u32 i = 0; i < count; ++i) {
    Lun* lun = g_luns[i];
    g_luns[i] = nullptr;
    if (lun->dismantle()) {
      destroy(lun);
    } else {
      iface_os_log(IFACE_OS_ERROR, "LUN %u still has commands, its memory is lost", i);
    }
  }
}

int luns_register(char* target_class_name) {
  u32 property = 1U << LUN_CLASS_SCSI_PASS_THRU_BIT;
  if (g_settings.phase_bytes != 0) property |= 1U << LUN_CLASS_MULTI_PHASE_DATA_BIT;
  if (!g_settings.inline_exec) property |= 1U << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  g_lun_class.property = property;
  return chiscsi_target_lun_class_register(&g_lun_class, target_class_name);
}

int luns_deregister(char* target_class_name) {
  return chiscsi_target_lun_class_deregister(g_lun_class_name, target_class_name);
}

void luns_set_stuck(bool stuck) {
  if (stuck && g_settings.closing) return;
  __atomic_store_n(&g_settings.stuck, stuck, __ATOMIC_RELAXED);
  for (u32 i = 0; i < g_device_list.count && !stuck; ++i)
    g_luns[i]->resume();
}

void luns_close() {
  g_settings.closing = true;
  luns_set_stuck(false);
}

bool luns_wait_idle(u32 milliseconds) {
  for (u32 i = 0; i < g_device_list.count; ++i) {
    if (!g_luns[i]->wait_idle(milliseconds)) return false;
  }
  return true;
}

}  // namespace iface
