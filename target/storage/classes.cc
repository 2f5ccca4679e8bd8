// SPDX-License-Identifier: GPL-2.0-only
//
// See classes.hh. The hooks of the configuration come one at a time for a target, but several
// targets may be configured at the same time; what they share is under one mutex.
#include "target/storage/classes.hh"

#include "base/alloc.hh"
#include "base/lock.hh"
#include "os/log.h"
#include "target/engine.h"
#include "target/storage/mem_store.hh"
#include "target/storage/size_watch.hh"
#include "target/storage/task.hh"
#include "target/storage/unit.hh"

namespace chiscsi::storage {

namespace {

constexpr uint32_t kDefaultMemMb = 16;
constexpr uint32_t kWithdrawStepMs = 100;
constexpr int kNotSupported = -static_cast<int>(Error::kNotSupported);
constexpr int kNoMemory = -static_cast<int>(Error::kNoMemory);

char class_name[] = "chiscsi";
char blk_name[] = "BLK", file_name[] = "FILE", mem_name[] = "MEM";

void look_at_sizes();

// What the hooks share.
struct Classes {
  // One device or file is opened at a time, so that two lines which name the same find each other.
  os_mutex* opening = nullptr;
  os_mutex* mutex = nullptr;
  // Guarded by the mutex. What a hook has to find by a handle is in many lists, which handles fill
  // evenly, for they count up.
  using Units = List<Unit, &Unit::list_node>;
  Units units[256];
  Units& units_of(unsigned long lun) { return units[lun % 256]; }
  List<Disk, &Disk::list_node> disks;
  // Of the sessions; each has a reference.
  using Shares = List<MemoryShare, &MemoryShare::list_node>;
  Shares shares[256];
  Shares& shares_of(unsigned long session) { return shares[session % 256]; }
  SizeWatch sizes{&look_at_sizes};

  chiscsi_target_class target_class = {};
  chiscsi_target_lun_class lun_classes[3] = {};
};

// Between start_classes() and stop_classes(), which the host calls one after the other.
Classes* classes = nullptr;

// The reason goes into the buffer of the hook, which has a place for its end.
int answer(Status status, const Reason& reason, char* ebuf, size_t size) {
  if (status.is_ok() || reason.empty()) return status.to_errno();
  const Text text = reason.text().first(size - 1);
  __builtin_memcpy(ebuf, text.data(), text.size());
  ebuf[text.size()] = '\0';
  return status.to_errno();
}

// All wait until the last visit is over.
template <typename Visit>
void for_each_unit(Visit visit) {
  MutexGuard guard(classes->mutex);
  for (Classes::Units& units : classes->units)
    units.for_each(visit);
}

// Each unit tells the target by itself.
void look_at_sizes() {
  for_each_unit([](Unit& unit) {
    if (!unit.is_ready()) return;
    unit.blocks();
    unit.look_at_flags();
    unit.look_at_usage();
  });
}

// One who asks and tells at a time, so that the last word is the newest.
void report_sanitize(Disk& disk) {
  for_each_unit([&](Unit& unit) {
    if (unit.is_ready() && unit.disk() == &disk) unit.report_sanitize();
  });
}

Unit* find_unit(unsigned long handle) {
  MutexGuard guard(classes->mutex);
  return classes->units_of(handle).find([&](const Unit& unit) { return unit.handle() == handle; });
}

// ---- Opening ----

struct HowToOpen {
  const char* path;
  unsigned int flags;
};

bool same_store(const Disk& disk, const os_storage_facts& facts) {
  const os_storage_facts& its = const_cast<Disk&>(disk).store().facts();
  return its.identity[0] == facts.identity[0] && its.identity[1] == facts.identity[1];
}

// Another LUN has the same device or file open, in the same way.
Result<Ref<Disk>> share_disk(const os_storage_facts& facts, const HowToOpen& how, Reason* reason) {
  MutexGuard guard(classes->mutex);
  Disk* found = classes->disks.find([&](Disk& disk) { return same_store(disk, facts); });
  if (found == nullptr) return Ref<Disk>();
  if (found->open_flags != how.flags) {
    reason->add("another LUN has it open in another way (BLK, FILE, RO, DIRECT)");
    return Error::kBusy;
  }
  os_log(OS_LOG_WARNING, "%s: two LUNs share it, each with reservations of its own", how.path);
  ++found->units;
  return Ref<Disk>::share(found);
}

Result<Ref<Disk>> enlist(OwnPtr<Store> store, unsigned int flags) {
  Ref<Disk> disk = CHISCSI_TRY(Disk::create(std::move(store), &report_sanitize));
  disk->open_flags = flags;
  disk->units = 1;
  MutexGuard guard(classes->mutex);
  classes->disks.push_back(*disk);
  return disk;
}

// A line without a type word that names a block device goes to the block layer.
Result<HowToOpen> how_to_open(const Unit& unit, os_storage_facts* facts, Reason* reason) {
  const int rc = os_storage_facts_of(unit.path(), facts);
  if (rc < 0) {
    reason->add("there is no such device or file, error ").add_number(static_cast<uint64_t>(-rc));
    return Status::from_errno(rc).error();
  }
  const bool is_device = (facts->flags & OS_STORAGE_BLOCK_DEVICE) != 0;
  const bool by_block_layer =
      unit.kind() == ClassKind::kBlk || (is_device && !unit.options().names_class);
  unsigned int flags = unit.options().read_only ? OS_STORAGE_OPEN_READ_ONLY : 0;
  if (by_block_layer) flags |= OS_STORAGE_OPEN_BLOCK;
  // The block layer has no page cache to go past.
  if (unit.options().direct && !by_block_layer) flags |= OS_STORAGE_OPEN_DIRECT;
  return HowToOpen{unit.path(), flags};
}

Result<Ref<Disk>> open_host_disk(const Unit& unit, Reason* reason) {
  os_storage_facts facts = {};
  MutexGuard alone(classes->opening);
  const HowToOpen how = CHISCSI_TRY(how_to_open(unit, &facts, reason));
  Ref<Disk> shared = CHISCSI_TRY(share_disk(facts, how, reason));
  if (shared) return shared;
  Result<OwnPtr<Store>> store = open_host_store(how.path, how.flags);
  if (!store.is_ok()) {
    if ((how.flags & OS_STORAGE_OPEN_DIRECT) != 0 && store.error() == Error::kNotSupported) {
      reason->add("DIRECT: its file system has no way past the page cache");
      return store.error();
    }
    reason->add("cannot be opened, error ")
        .add_number(static_cast<uint64_t>(-store.status().to_errno()));
    return store.error();
  }
  return enlist(store.take(), how.flags);
}

Result<Ref<Disk>> open_disk(const Unit& unit, Reason* reason) {
  if (unit.kind() != ClassKind::kMem) return open_host_disk(unit, reason);
  const uint64_t mb = unit.options().size_mb != 0 ? unit.options().size_mb : kDefaultMemMb;
  Result<OwnPtr<Store>> store = MemStore::create(mb << 20);
  if (!store.is_ok()) {
    reason->add("no memory for its table of pages");
    return store.error();
  }
  return enlist(store.take(), 0);
}

// One unit less; the last one takes the disk off the list, so that nobody finds it any more, and
// ends what goes on there without a command.
void leave_disk(Disk& disk) {
  {
    MutexGuard guard(classes->mutex);
    if (--disk.units != 0) return;
    classes->disks.remove(disk);
  }
  disk.sanitizer().stop();
}

// ---- Hooks of the configuration ----

int parse_options(ClassKind kind, unsigned long handle, const char* line, int size, char* ebuf) {
  Reason reason;
  Result<OwnPtr<Unit>> unit =
      Unit::create(handle, kind, Text(line, static_cast<size_t>(size)), &reason);
  if (!unit.is_ok()) return answer(unit.status(), reason, ebuf, CHISCSI_CONFIG_EBUF_LEN);
  MutexGuard guard(classes->mutex);
  classes->units_of(handle).push_back(*unit.take().release());
  return 0;
}

// RAM disks keep their size; how much of a thin one is taken may change faster than it can be told.
// Under the mutex.
Status watch_unit(const Unit& unit) {
  const bool changes = unit.kind() != ClassKind::kMem || unit.has_exact_usage();
  return changes ? classes->sizes.start() : Status();
}

Status attach_unit(Unit& unit, Reason* reason) {
  Ref<Disk> disk = CHISCSI_TRY(open_disk(unit, reason));
  // Its fp_detach() follows in any case.
  CHISCSI_TRY(unit.begin(disk, reason));
  MutexGuard guard(classes->mutex);
  unit.report_sanitize();
  return watch_unit(unit);
}

int attach(unsigned long handle, char* ebuf, int size) {
  Reason reason;
  Unit* unit = find_unit(handle);
  if (unit == nullptr) return -static_cast<int>(Error::kStale);
  return answer(attach_unit(*unit, &reason), reason, ebuf, static_cast<size_t>(size));
}

// A flush that somebody waits for.
struct Flush {
  os_storage_request request = {};
  os_event* ended = nullptr;
  int error = 0;
  static void on_done(os_storage_request* request, int error) {
    auto* self = reinterpret_cast<Flush*>(request);
    self->error = error;
    os_event_signal(self->ended);
  }
};

int flush_disk(Disk& disk) {
  // Not on the stack: the host makes work of the request.
  OwnPtr<Flush> flush = make<Flush>(Alloc::kMaySleep);
  os_event* ended = flush ? os_event_create() : nullptr;
  if (ended == nullptr) return kNoMemory;
  flush->ended = ended;
  flush->request.done = &Flush::on_done;
  flush->request.operation = OS_STORAGE_FLUSH;
  disk.store().submit(flush->request);
  while (!os_event_wait(ended, kWithdrawStepMs)) {
  }
  os_event_destroy(ended);
  disk.store().lost_writes().note(flush->request);
  return flush->error;
}

// A path may name something else than what is open by it.
Status check_path(const Unit& unit, const Disk& disk, Reason* reason) {
  if (unit.kind() == ClassKind::kMem) return Status();
  os_storage_facts facts = {};
  // A path that has gone takes nothing away: what is open goes on, and so does the rest of the
  // target.
  if (const int rc = os_storage_facts_of(unit.path(), &facts); rc < 0) {
    os_log(OS_LOG_WARNING, "%s: the path names nothing now, error %d; what is open stays",
           unit.path(), -rc);
    return Status();
  }
  if (same_store(disk, facts)) return Status();
  reason->add("the path names another file now");
  return Error::kInvalid;
}

// Nobody flushes what was cached once initiators believe that nothing is.
Status stop_caching(Unit& from, const Unit& to, Disk& disk, Reason* reason) {
  if (!from.may_cache() || to.may_cache()) return Status();
  const int rc = flush_disk(disk);
  if (rc < 0) {
    reason->add("SYNC: what was written before cannot be flushed, error ")
        .add_number(static_cast<uint64_t>(-rc));
    return Status::from_errno(rc);
  }
  from.owes_flush = true;
  return Status();
}

// The line names the same device or file; what has to do with how it is open must be the same, too.
Status take_over(Unit& from, Unit& to, Reason* reason) {
  const TargetDeviceSettings &before = from.options(), &after = to.options();
  Ref<Disk> disk = from.share_disk();
  if (!disk) return Error::kStale;
  if (before.size_mb != after.size_mb || before.read_only != after.read_only ||
      before.block_size != after.block_size || before.direct != after.direct) {
    reason->add("size=, BS=, RO and DIRECT cannot change while it is in use");
    return Error::kInvalid;
  }
  CHISCSI_TRY(check_path(to, *disk, reason));
  CHISCSI_TRY(stop_caching(from, to, *disk, reason));
  {
    MutexGuard guard(classes->mutex);
    ++disk->units;
  }
  to.succeed(from);
  CHISCSI_TRY(to.begin(std::move(disk), reason));
  MutexGuard guard(classes->mutex);
  to.report_sanitize();
  return watch_unit(to);
}

int reattach(unsigned long handle, unsigned long fresh, char* ebuf, int size) {
  Reason reason;
  Unit* from = find_unit(handle);
  Unit* to = find_unit(fresh);
  if (from == nullptr || to == nullptr) return -static_cast<int>(Error::kStale);
  if (to->disk() != nullptr) return 0;  // It has gone there and back.
  return answer(take_over(*from, *to, &reason), reason, ebuf, static_cast<size_t>(size));
}

// The initiators are served by another unit and hear of a loss by their next flush.
void flush_late(const Unit& unit) {
  const int rc = flush_disk(*unit.disk());
  if (rc < 0) {
    os_log(OS_LOG_ERROR, "%s: flush of what was written before SYNC failed, error %d", unit.path(),
           -rc);
  }
}

void detach(unsigned long handle) {
  Unit* unit = find_unit(handle);
  if (unit == nullptr) return;
  if (unit->owes_flush) flush_late(*unit);
  if (unit->disk() != nullptr) leave_disk(*unit->disk());
  {
    MutexGuard guard(classes->mutex);
    classes->units_of(handle).remove(*unit);
  }
  destroy(unit);
}

int flush(unsigned long handle) {
  Unit* unit = find_unit(handle);
  if (unit == nullptr || unit->disk() == nullptr) return -static_cast<int>(Error::kStale);
  return unit->drops_data() ? 0 : flush_disk(*unit->disk());
}

// ---- Hooks of sessions ----

// Without memory for it the session counts among all together only.
unsigned long session_added(unsigned long session, unsigned char*, char*, char*) {
  MemoryShare* share = make<MemoryShare>(Alloc::kMaySleep, session).release();
  if (share == nullptr) return 0;
  MutexGuard guard(classes->mutex);
  classes->shares_of(session).push_back(*share);
  return reinterpret_cast<unsigned long>(share);
}

void session_removed(unsigned long session, char*, char*) {
  MutexGuard guard(classes->mutex);
  Classes::Shares& shares = classes->shares_of(session);
  MemoryShare* share =
      shares.find([&](const MemoryShare& other) { return other.session == session; });
  if (share == nullptr) return;
  shares.remove(*share);
  share->unref();
}

// ---- Hooks of commands ----

int cdb_rcved(chiscsi_scsi_command* command) {
  auto* unit = static_cast<Unit*>(command->sc_lun_priv);
  Task* task = unit->disk()->take_task();
  if (task == nullptr) return kNoMemory;
  command->sc_sdev_hdl = task;
  return task->start(*unit, *command);
}

int data_xfer_status(chiscsi_scsi_command* command, unsigned char*, unsigned int, unsigned int,
                     unsigned int) {
  if ((command->sc_flag & SC_FLAG_WRITE) != 0) {
    static_cast<Task*>(command->sc_sdev_hdl)->data_arrived();
  }
  return 0;
}

int abort_command(chiscsi_scsi_command* command) {
  return static_cast<Task*>(command->sc_sdev_hdl)->abort();
}

void cleanup(chiscsi_scsi_command* command) {
  if (command->sc_sdev_hdl != nullptr) static_cast<Task*>(command->sc_sdev_hdl)->command_over();
}

// The target ends the commands one by one.
int tmf_execute(unsigned long, unsigned long, unsigned char, unsigned char, unsigned int,
                chiscsi_scsi_command*) {
  return kNotSupported;
}

template <ClassKind kKind>
int parse_options_of(unsigned long handle, char* line, int size, char* ebuf) {
  return parse_options(kKind, handle, line, size, ebuf);
}

template <ClassKind kKind>
void set_up(chiscsi_target_lun_class& hooks, char* name) {
  hooks.class_name = name;
  hooks.property = 1u << LUN_CLASS_HAS_CMD_QUEUE_BIT;
  hooks.fp_config_parse_options = &parse_options_of<kKind>;
  hooks.fp_attach = &attach;
  hooks.fp_detach = &detach;
  hooks.fp_reattach = &reattach;
  hooks.fp_flush = &flush;
  hooks.fp_scsi_cmd_cdb_rcved = &cdb_rcved;
  hooks.fp_scsi_cmd_data_xfer_status = &data_xfer_status;
  hooks.fp_scsi_cmd_abort = &abort_command;
  hooks.fp_tmf_execute = &tmf_execute;
  hooks.fp_scsi_cmd_cleanup = &cleanup;
}

Status register_all() {
  CHISCSI_TRY(Status::from_errno(engine_target_class_register(&classes->target_class)));
  for (chiscsi_target_lun_class& lun_class : classes->lun_classes)
    CHISCSI_TRY(Status::from_errno(engine_target_lun_class_register(&lun_class, class_name)));
  return Status();
}

}  // namespace

Status start_classes() {
  classes = make<Classes>(Alloc::kMaySleep).release();
  if (classes == nullptr) return Error::kNoMemory;
  classes->mutex = os_mutex_create();
  classes->opening = os_mutex_create();
  classes->target_class.class_name = class_name;
  classes->target_class.fp_session_added = &session_added;
  classes->target_class.fp_session_removed = &session_removed;
  // FILE is what a line without a type word means.
  set_up<ClassKind::kFile>(classes->lun_classes[0], file_name);
  set_up<ClassKind::kBlk>(classes->lun_classes[1], blk_name);
  set_up<ClassKind::kMem>(classes->lun_classes[2], mem_name);
  const bool has_locks = classes->mutex != nullptr && classes->opening != nullptr;
  const Status status = has_locks ? register_all() : Status(Error::kNoMemory);
  if (!status.is_ok()) stop_classes();
  return status;
}

// The code of the hooks has to stay until none can be called. Nothing can be done here about a
// target that is still there but to wait for its end.
void stop_classes() {
  if (classes == nullptr) return;
  os_event* never = os_event_create();
  while (engine_target_class_deregister(class_name) == -static_cast<int>(Error::kBusy))
    never != nullptr ? static_cast<void>(os_event_wait(never, kWithdrawStepMs)) : os_relax();
  os_event_destroy(never);
  os_mutex *mutex = classes->mutex, *opening = classes->opening;
  destroy(classes);
  classes = nullptr;
  os_mutex_destroy(mutex);
  os_mutex_destroy(opening);
}

}  // namespace chiscsi::storage
