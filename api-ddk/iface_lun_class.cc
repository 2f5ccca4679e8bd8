// SPDX-License-Identifier: GPL-2.0-only
//
// The units of the sample driver and the hooks of its LUN class. Steps of a command run in the
// unit's thread, hooks in those of the target; the header says what the lock is for.
#include "iface_lun_class.hh"

#include "iface_sessions.hh"
#include "storage_mode.hh"

namespace iface {
namespace {

namespace api = chiscsi_driver;

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

void set_sense(api::CommandView command, Sense sense) {
  command.set_sense({sense.key, sense.asc, sense.ascq});
}

// Goes with the last phase, and with a status without data (Guide 7.3.5.1 "Buffer Overflow and
// Underflow").
void set_residual(api::CommandView command, const Transfer& transfer) {
  if (transfer.flag == SC_FLAG_XFER_OVERFLOW) command.set_overflow(transfer.residual);
  if (transfer.flag == SC_FLAG_XFER_UNDERFLOW) {
    command.set_underflow(transfer.length, transfer.residual);
  }
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
  return thread_.start(name, lock_, [](Task& task) { task.lun->advance_locked(task); });
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

int Lun::receive(api::Command command) {
  const api::CommandView view = command.view();
  Task* task = take_task();
  if (task == nullptr) return command.refuse(kEnomem);
  const bool reserved = reserve(*task, view.transfer_length());
  task->command = static_cast<api::Command&&>(command);
  // A refused command is cleaned up like any other, but never run.
  task->state = reserved ? State::kNew : State::kEnded;
  task->abort_owed = false;
  task->plan = Plan{};
  task->transfer = Transfer{};
  task->moved = 0;
  view.set_data(task);

  const Guard guard(lock_);
  tasks_.push_back(*task);
  if (!reserved) return task->command.refuse(kEnomem);
  schedule_locked(*task);
  return 0;
}

void Lun::release(Task& task) {
  task.command->set_data(nullptr);
  chiscsi_sgvec* long_list;
  {
    const Guard guard(lock_);
    long_list = task.long_list;
    task.long_list = nullptr;
    task.command.forget();
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
  const api::CommandView command = task.command.view();
  UnitState state{&modes_, kNoSense};
  if (attentions_ && attentions_pending(device_.number, command.session())) {
    state.attention = kModeParametersChanged;
  }
  task.plan = plan_command(g_device_list, command.lun(), command.cdb(), task.response, state);
  if (task.plan.tells_attention) attentions_ = attentions_clear(device_.number, command.session());
  task.transfer = fit_transfer(task.plan, command.transfer_length(), command.is_write());
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
// phase of a write has come back, the command is done, since the data already lies in its place; a
// parameter list has still to be obeyed.
void Lun::move_locked(Task& task) {
  const bool writing = task.plan.writes();
  const u32 total = task.transfer.length;
  if (task.moved == total) {
    if (task.plan.kind == Plan::Kind::kParameters) select_modes_locked(task);
    return finish_locked(task);
  }

  const u32 phase = g_settings.phase_bytes != 0 ? g_settings.phase_bytes : total;
  const api::Extent part{task.moved, min(phase, total - task.moved)};
  const api::BufferList list{task.sgl(), describe(task, part.length)};
  const bool last = part.end() == total;
  const api::Command::Part which = last ? api::Command::Part::kLast : api::Command::Part::kMore;
  if (last) set_residual(task.command.view(), task.transfer);
  task.moved += part.length;
  task.state = last && !writing ? State::kEnded : State::kMoving;
  if ((writing ? task.command.lend(list, part) : task.command.send(list, part, which)) >= 0) return;

  // Refused, so nothing has changed hands: end the command without data.
  task.transfer = Transfer{};
  task.state = State::kEnded;
  if (!task.command.is_open()) return;
  task.command->clear_residual();
  set_sense(task.command.view(), kAbortedCommand);
  finish_locked(task);
}

// The buffer list of the next `length` bytes.
u32 Lun::describe(Task& task, u32 length) {
  if (task.plan.kind == Plan::Kind::kReadMedia || task.plan.kind == Plan::Kind::kWriteMedia) {
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

// All of the list has come. What it changes is news to the other sessions.
void Lun::select_modes_locked(Task& task) {
  const api::CommandView command = task.command.view();
  const Modes before = modes_;
  const Sense sense =
      select_modes(device_, command.cdb(), task.response, task.transfer.length, &modes_);
  if (sense.key != 0) return set_sense(command, sense);
  if (modes_ == before) return;
  attentions_ = attentions_raise(device_.number, command.session()) || attentions_;
}

// The final status, without data.
void Lun::finish_locked(Task& task) {
  set_residual(task.command.view(), task.transfer);
  task.state = State::kEnded;
  task.command.finish();
}

void Lun::transferred(Task& task) {
  const Guard guard(lock_);
  if (task.state != State::kMoving) return;  // read data of the last phase, or aborted
  task.state = State::kMoved;
  schedule_locked(task);
}

// ---- Aborts ----

// The handle knows which call answers the end of the session and which a task management function.
void Lun::answer_abort_locked(Task& task) {
  task.abort_owed = false;
  task.queued.unlink();
  if (task.state != State::kEnded) set_sense(task.command.view(), kAbortedCommand);
  task.state = State::kEnded;
  task.command.finish();
}

// Answering inside the hook is the safe place: the command cannot end while its hook runs.
void Lun::abort(Task& task) {
  const Guard guard(lock_);
  task.command.on_abort();
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
  end_commands_locked(number, session);
}

void Lun::reset() {
  const Guard guard(lock_);
  end_commands_locked(device_.number, 0);
  modes_ = Modes{};
}

void Lun::end_commands_locked(u32 number, unsigned long session) {
  for (Task* task = tasks_.front(); task != nullptr; task = tasks_.after(*task)) {
    const api::CommandView command = task->command.view();
    const bool concerned =
        command.lun() == number && (session == 0 || command.session() == session);
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

void reset_all_units() {
  for (u32 i = 0; i < g_device_list.count; ++i)
    g_luns[i]->reset();
}

unsigned char execute_on_unit(const api::TaskManagement& tmf) {
  if (tmf.lun() >= g_device_list.count) return ISCSI_RESPONSE_TMF_INVALID_LUN;
  switch (tmf.function()) {
    case ISCSI_TMF_FUNCTION_ABORT_TASK: {
      Task* task = tmf.command().empty() ? nullptr : tmf.command().data<Task>();
      if (task != nullptr) task->lun->end_command(*task);
      return ISCSI_RESPONSE_TMF_COMPLETE;
    }
    case ISCSI_TMF_FUNCTION_ABORT_TASK_SET:
      g_luns[tmf.lun()]->end_commands(tmf.lun(), tmf.session());
      return ISCSI_RESPONSE_TMF_COMPLETE;
    case ISCSI_TMF_FUNCTION_CLEAR_TASK_SET:
      g_luns[tmf.lun()]->end_commands(tmf.lun(), 0);
      return ISCSI_RESPONSE_TMF_COMPLETE;
    case ISCSI_TMF_FUNCTION_LOGICAL_UNIT_RESET:
      g_luns[tmf.lun()]->reset();
      return ISCSI_RESPONSE_TMF_COMPLETE;
    default:
      return ISCSI_RESPONSE_TMF_NOT_SUPPORTED;
  }
}

unsigned char execute(const api::TaskManagement& tmf) {
  if (tmf.function() != ISCSI_TMF_FUNCTION_TARGET_WARM_RESET &&
      tmf.function() != ISCSI_TMF_FUNCTION_TARGET_COLD_RESET) {
    return execute_on_unit(tmf);
  }
  reset_all_units();
  return ISCSI_RESPONSE_TMF_COMPLETE;
}

// This driver never asks the target to abort a command, so there is no abort_done().
class IfaceLunClass : public chiscsi_driver::LunClass<IfaceLunClass> {
 public:
  static int command_received(api::Command command) {
    Lun& unit = unit_for(command->lun());
    return unit.receive(static_cast<api::Command&&>(command));
  }

  static int data_transferred(api::CommandView command, api::BufferList, api::Extent) {
    Task* task = command.data<Task>();
    if (task == nullptr) return kEinval;
    task->lun->transferred(*task);
    return 0;
  }

  static int abort(api::CommandView command) {
    Task* task = command.data<Task>();
    if (task == nullptr) return kEinval;
    task->lun->abort(*task);
    return 0;
  }

  static void cleanup(api::CommandView command) {
    Task* task = command.data<Task>();
    if (task != nullptr) task->lun->release(*task);
  }

  // A RAM disk ends commands at once, so the function is over when its hook returns.
  static int task_management(api::TaskManagement tmf) {
    if (is_stuck()) {
      tmf.release();
    } else {
      tmf.answer(execute(tmf));
    }
    return 0;
  }
};

constinit char g_lun_class_name[] = "ifacedriver-lun";
constinit IfaceLunClass g_lun_class;

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

chiscsi_target_lun_class& luns_class() {
  u32 property = 1U << LUN_CLASS_SCSI_PASS_THRU_BIT;
  if (g_settings.phase_bytes != 0) property |= 1U << LUN_CLASS_MULTI_PHASE_DATA_BIT;
  if (!g_settings.inline_exec) property |= 1U << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  return g_lun_class.make_table(g_lun_class_name, property);
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
