// SPDX-License-Identifier: GPL-2.0-only
#include "conformance/errdev.hh"

#include "iface_config.hh"

namespace conformance {
namespace errdev_detail {

constexpr u32 kUnits = 2;
constexpr u32 kChunkShift = 16;
constexpr u32 kMaxTransferBytes = 1024 * 1024;
constexpr u32 kQuarantineMs = 200;
constexpr u32 kQuarantineMax = 512;
constexpr u32 kGatherMs = 200;
constexpr u32 kGatherMax = 64;

// Set before the classes are registered, else read only.
constinit Device g_devices[kUnits];
constinit const Device* g_device_pointers[kUnits] = {};
constinit DeviceList g_device_list{g_device_pointers, 0};
constinit StorageMemory g_media[kUnits];
constinit conf_lock* g_device_lock = nullptr;
constinit bool g_multi_phase = false;
constinit bool g_registered = false;  // accessed atomically

// Under the lock.
struct Waiting {
  Buffers buffers;
  u64 until_ms;
  bool aborted;
};
struct State {
  List<Record, &Record::held> records;
  Waiting quarantine[kQuarantineMax];
  u32 quarantined = 0;
  u32 gathered = 0;
  u64 commands = 0;
};
constinit State* g_state = nullptr;
constinit conf_deferred* g_gather = nullptr;
constinit conf_deferred* g_quarantine = nullptr;

bool is_media_command(const u8* cdb) {
  switch (cdb[0]) {
    case 0x08:
    case 0x28:
    case 0xa8:
    case 0x88:  // READ
    case 0x0a:
    case 0x2a:
    case 0xaa:
    case 0x8a:  // WRITE
      return true;
    default:
      return false;
  }
}

void run_due_locked(Record& record) {
  if (!record.due) return;
  record.due = false;
  advance_locked(record);
}

// Those that were gathered, the last first.
void run_gathered(void*) {
  const DriverGuard guard;
  Record* gathered[kGatherMax];
  u32 count = 0;
  for (Record* r = g_state->records.front(); r != nullptr; r = g_state->records.after(*r)) {
    if (r->due && r->how.reorder != 0 && count < kGatherMax) gathered[count++] = r;
  }
  g_state->gathered = 0;
  while (count > 0)
    run_due_locked(*gathered[--count]);
}

void gather(Record& record) {
  bool full;
  {
    const DriverGuard guard;
    record.due = true;
    full = ++g_state->gathered >= record.how.reorder;
  }
  if (full) {
    run_gathered(nullptr);
  } else {
    conf_deferred_start(g_gather, CONF_ON_THREAD, kGatherMs);
  }
}

void run_later(void* context) {
  auto* record = static_cast<Record*>(context);
  const DriverGuard guard;
  if (record->abort_owed) return answer_abort_locked(*record);
  advance_locked(*record);
}

void judge(Waiting& waiting) {
  for (u32 i = 0; i < waiting.buffers.loan_count(); ++i) {
    const Loan& loan = waiting.buffers.loan(i);
    if (!loan.lent) continue;
    check(waiting.aborted ? Rule::kAfterAbort : Rule::kAfterReturn,
          waiting.buffers.is_poisoned(loan) && waiting.buffers.guards_are_whole(loan),
          "a buffer changed after it was given back: offset, length", loan.extent.offset,
          loan.extent.length);
  }
  waiting.buffers.destroy();
}

// One whose time has come, or any.
bool take_waiting(Waiting* waiting, bool any) {
  const u64 now = conf_now_ms();
  const DriverGuard guard;
  for (u32 i = 0; i < g_state->quarantined; ++i) {
    if (!any && g_state->quarantine[i].until_ms > now) continue;
    *waiting = g_state->quarantine[i];
    g_state->quarantine[i] = g_state->quarantine[--g_state->quarantined];
    return true;
  }
  return false;
}

void run_quarantine(void*) {
  Waiting waiting;
  while (take_waiting(&waiting, false))
    judge(waiting);
  const DriverGuard guard;
  if (g_state->quarantined != 0) conf_deferred_start(g_quarantine, CONF_ON_THREAD, kQuarantineMs);
}

void wait_in_quarantine(Record& record) {
  Waiting waiting{record.buffers, conf_now_ms() + kQuarantineMs, record.aborting};
  {
    const DriverGuard guard;
    if (g_state->quarantined < kQuarantineMax) {
      g_state->quarantine[g_state->quarantined++] = waiting;
      conf_deferred_start(g_quarantine, CONF_ON_THREAD, kQuarantineMs);
      return;
    }
  }
  judge(waiting);
}

void identify(Device& device, u32 number, const char* target_name, u32 size_mb) {
  device.number = number;
  device.blocks = (static_cast<u64>(size_mb) << 20) >> device.block_shift;
  device.max_transfer_blocks = kMaxTransferBytes >> device.block_shift;
  device.optimal_transfer_blocks = device.max_transfer_blocks;
  const Text name(target_name);
  __builtin_memcpy(device.target_name, name.data(), min<u32>(name.size(), kNameMax));
  conf_print(device.serial, sizeof(device.serial), "%012llx-%02u", hash_text(name) >> 16, number);
  device.naa = 3ULL << 60 | ((hash_text(name) + number) & ~(0xfULL << 60));
  put_padded(device.vendor, sizeof(device.vendor), "CHISCSI");
  put_padded(device.product, sizeof(device.product), "CONFORMANCE");
  put_padded(device.revision, sizeof(device.revision), "1.0");
}

// What concerns commands is used up; functions, logins and sessions are not counted.
void end_of_count(Settings& script) {
  Settings fresh;
  fresh.tmf = script.tmf;
  fresh.first = script.first;
  fresh.stage = script.stage;
  fresh.session_abort = script.session_abort;
  fresh.login_status = script.login_status;
  fresh.max_cmd = script.max_cmd;
  fresh.chap_flags = script.chap_flags;
  script = fresh;
}

}  // namespace errdev_detail

using namespace errdev_detail;  // NOLINT: this file's own.

DriverGuard::DriverGuard() : flags_(conf_lock_take(g_device_lock)) {}
DriverGuard::~DriverGuard() { conf_lock_drop(g_device_lock, flags_); }

// ---- The device ----

bool device_create(const char* target_name, u32 size_mb) {
  g_device_lock = conf_lock_create(CONF_LOCK_OUTER);
  g_state = make<State>();
  g_gather = conf_deferred_create(run_gathered, nullptr);
  g_quarantine = conf_deferred_create(run_quarantine, nullptr);
  if (g_device_lock == nullptr || g_state == nullptr || g_gather == nullptr ||
      g_quarantine == nullptr) {
    return false;
  }
  for (u32 i = 0; i < kUnits; ++i) {
    identify(g_devices[i], i, target_name, size_mb);
    g_device_pointers[i] = &g_devices[i];
    g_device_list.count = i + 1;
    if (g_media[i].create(static_cast<u64>(size_mb) << 20, kChunkShift, false) != 0) return false;
  }
  return true;
}

void device_destroy() {
  conf_deferred_destroy(g_gather);
  conf_deferred_destroy(g_quarantine);
  if (g_state != nullptr && g_device_lock != nullptr) flush_quarantine();
  for (u32 i = 0; i < g_device_list.count; ++i)
    g_media[i].destroy();
  destroy(g_state);
  if (g_device_lock != nullptr) conf_lock_destroy(g_device_lock);
}

const DeviceList& devices() { return g_device_list; }
const StorageMemory& medium(u32 lun) { return g_media[lun < kUnits ? lun : 0]; }
bool is_multi_phase() { return g_multi_phase; }
void set_multi_phase(bool on) { g_multi_phase = on; }
void set_registered(bool on) { __atomic_store_n(&g_registered, on, __ATOMIC_SEQ_CST); }

// ---- Records ----

Record* make_record() {
  Record* record = make<Record>();
  if (record == nullptr) return nullptr;
  record->later = conf_deferred_create(run_later, record);
  record->response_page = iface_os_pages_alloc(0, &record->response);
  if (record->later != nullptr && record->response_page != nullptr) return record;
  free_record(record);
  return nullptr;
}

void enter_record_locked(Record& record) { g_state->records.push_back(record); }
void leave_record_locked(Record& record) { record.held.unlink(); }

void free_record(Record* record) {
  conf_deferred_destroy(record->later);
  if (record->response_page != nullptr) iface_os_pages_free(record->response_page, 0);
  if (record->buffers.exist()) wait_in_quarantine(*record);
  destroy(record);
}

Record* first_record_locked() { return g_state->records.front(); }
Record* next_record_locked(Record& record) { return g_state->records.after(record); }

// ---- Steps ----

void schedule(Record& record) {
  const Settings& how = record.how;
  if (how.reorder != 0) return gather(record);
  if (how.run == Run::kInline && how.delay_ms == 0) {
    const DriverGuard guard;
    return advance_locked(record);
  }
  if (how.run == Run::kNever) {
    const DriverGuard guard;
    record.due = true;
    return;
  }
  const int where = how.run == Run::kSoftirq ? CONF_ON_SOFTIRQ
                    : how.run == Run::kCpu   ? CONF_ON_OTHER_CPU
                                             : CONF_ON_THREAD;
  conf_deferred_start(record.later, where, how.delay_ms);
}

void release_all() {
  {
    const DriverGuard guard;
    for (Record* r = g_state->records.front(); r != nullptr; r = g_state->records.after(*r)) {
      if (r->abort_owed) {
        answer_abort_locked(*r);
      } else {
        run_due_locked(*r);
      }
    }
    g_state->gathered = 0;
  }
  release_functions();
  release_logins();
}

void flush_quarantine() {
  Waiting waiting;
  while (take_waiting(&waiting, true))
    judge(waiting);
}

Settings take_settings_locked(const unsigned char* cdb) {
  Settings& script = settings();
  if (!script.all_commands && !is_media_command(cdb)) return Settings{};
  const Settings taken = script;
  ++g_state->commands;
  if (script.count != 0 && --script.count == 0) end_of_count(script);
  return taken;
}

void maybe_abort_session(Hook hook, unsigned long session) {
  {
    const DriverGuard guard;
    if (settings().session_abort != hook) return;
    settings().session_abort = Hook::kNone;
  }
  const unsigned long handle = session_handle(session);
  const int rc = chiscsi_target_session_abort(handle);
  note("session_abort %lu: %d", handle, rc);
  check(Rule::kTaken, rc >= 0, "chiscsi_target_session_abort() in a hook", handle);
}

// ---- Hooks ----

HookScope::HookScope(const char* name, Record* record) : record_(record) {
  check(Rule::kHookContext, conf_may_sleep() != 0, name);
  check(Rule::kHookDeregistered, __atomic_load_n(&g_registered, __ATOMIC_SEQ_CST), name);
  if (record_ == nullptr) return;
  const bool inside = __atomic_exchange_n(&record_->in_hook, true, __ATOMIC_ACQ_REL);
  check(Rule::kHookOverlap, !inside, name, record_->task_tag);
  const chiscsi_scsi_command& raw = *record_->command.view().raw();
  constexpr u32 kDirection = SC_FLAG_READ | SC_FLAG_WRITE | SC_FLAG_IMMEDIATE_CMD;
  check(Rule::kReadOnly,
        raw.sc_itt == record_->task_tag && raw.sc_CmdSN == record_->cmd_sn &&
            raw.sc_lun == record_->lun && raw.sc_tclass_sess_priv == record_->session &&
            raw.sc_cmd == record_->cdb && (raw.sc_flag & kDirection) == record_->flags,
        name, record_->task_tag);
  note("%s itt 0x%x", name, record_->task_tag);
}

void HookScope::leave() {
  if (record_ != nullptr) __atomic_store_n(&record_->in_hook, false, __ATOMIC_RELEASE);
  record_ = nullptr;
}

u32 write_state(char* text, u32 size) {
  u32 held = 0, due = 0, owed = 0, quarantined = 0;
  u64 commands = 0;
  {
    const DriverGuard guard;
    for (Record* r = g_state->records.front(); r != nullptr; r = g_state->records.after(*r)) {
      ++held;
      due += r->due ? 1 : 0;
      owed += r->abort_owed ? 1 : 0;
    }
    quarantined = g_state->quarantined;
    commands = g_state->commands;
  }
  return static_cast<u32>(conf_print(text, size,
                                     "commands %llu\nheld %u\ndue %u\nowed %u\nquarantined %u\n"
                                     "sessions %u\nbroken %u\n",
                                     commands, held, due, owed, quarantined, live_sessions(),
                                     broken_rules()));
}

}  // namespace conformance
