// SPDX-License-Identifier: GPL-2.0-only
//
// Task: beginning, end, abort, and the machine that runs its steps. See task.hh.
#include "target/storage/task.hh"

#include "target/engine.h"
#include "target/scsi/conclusion.hh"
#include "transport/worker.hh"

namespace chiscsi::storage {

namespace {

constexpr unsigned int kResidualFlags = SC_FLAG_XFER_OVERFLOW | SC_FLAG_XFER_UNDERFLOW;
constexpr uint32_t kStepsAtOnce = 12;
constexpr uint8_t kTaskSetFull = 0x28;
constexpr int kBusyLater = -static_cast<int>(Error::kNoMemory);
constexpr int kDeviceIsBusy = -16, kTryAgain = -11;  // EBUSY, EAGAIN.
constexpr int kReservedElsewhere = -52;  // EBADE: below, by an initiator of that device.
constexpr int kNotHeld = -static_cast<int>(Error::kNoEntry);

uint64_t smaller(uint64_t a, uint64_t b) { return a < b ? a : b; }

bool may_repeat(int error) {
  return error == kBusyLater || error == kDeviceIsBusy || error == kTryAgain;
}

// Commands whose data is a whole that cannot be cut.
bool takes_all_or_nothing(OpKind kind) {
  return kind == OpKind::kCompareAndWrite || kind == OpKind::kWriteSame ||
         kind == OpKind::kWriteAtomic;
}

}  // namespace

Task::Task(Disk& disk) : disk_(disk), work_{&Task::on_work, {}}, request_{} {
  request_.done = &Task::on_io_done;
}

// ---- The hooks ----

int Task::start(Unit& unit, chiscsi_scsi_command& command) {
  unit_ = &unit;
  command_ = &command;
  // The session has it as long as it has commands; memory may stay longer.
  share_ = Ref<MemoryShare>::share(reinterpret_cast<MemoryShare*>(command.sc_tclass_sess_priv));
  refs_.store(2, std::memory_order_relaxed);
  set_aborted(false);
  stage_.store(Stage::kWithTarget, std::memory_order_release);
  uint8_t cdb[scsi::kCdbSize];
  __builtin_memcpy(cdb, command.sc_cmd, sizeof(cdb));
  op_ = read_medium_op(scsi::Cdb(cdb));
  if ((command.sc_flag & SC_FLAG_WRITE_THROUGH) != 0) op_.fua = true;
  const Sense sense = prepare();
  if (!sense.is_good()) {
    fail(sense);
    report();
    return 0;
  }
  if ((command.sc_flag & SC_FLAG_WRITE) != 0 && data_length_ != 0) return ask_for_data();
  if (data_length_ != 0) {
    const Status status = data_.allocate(buffer_bytes(), share_);
    if (!status.is_ok()) return refuse(status);
  }
  execute();
  return 0;
}

// Without memory the target takes the command back by itself and answers BUSY. To a session that
// has all it may have, the end of its other commands makes the difference.
int Task::refuse(Status why) {
  if (why.error() == Error::kBusy) {
    too_many();
    report();
    return 0;
  }
  stage_.store(Stage::kReported, std::memory_order_release);
  unref();
  return kBusyLater;
}

// Whole blocks, so that a store can fill them; the wire gets what is wanted of it.
uint32_t Task::buffer_bytes() const {
  const uint32_t block = unit_->block_size();
  return (data_length_ + block - 1) / block * block;
}

// A RAM disk takes the pages of a write as they are, where they are pages of the disk.
DataBuffer::Grain Task::data_grain() const {
  const bool is_plain = op_.kind == OpKind::kWrite || op_.kind == OpKind::kWriteAtomic;
  const bool fits = op_.first * unit_->block_size() % OS_PAGE_SIZE == 0;
  const bool gives = is_plain && fits && !unit_->drops_data() && disk_.store().takes_pages();
  return gives ? DataBuffer::Grain::kPages : DataBuffer::Grain::kChunks;
}

int Task::ask_for_data() {
  const Status status = data_.allocate(buffer_bytes(), share_, data_grain());
  if (!status.is_ok()) return refuse(status);
  const int rc = engine_scsi_cmd_buffer_ready(
      command_, reinterpret_cast<unsigned char*>(data_.elements()), data_.count(), 0, data_length_);
  if (rc >= 0) return 0;
  fail(kAbortedCommand);
  report();
  return 0;
}

// Meanwhile the write cache may have been switched off.
void Task::data_arrived() {
  if (stage_.load(std::memory_order_acquire) != Stage::kWithTarget) return;
  const unsigned int flags = __atomic_load_n(&command_->sc_flag, __ATOMIC_RELAXED);
  if ((flags & SC_FLAG_WRITE_THROUGH) != 0 && op_.changes_medium()) op_.fua = true;
  execute();
}

int Task::abort() {
  set_aborted(true);
  switch (stage_.load(std::memory_order_acquire)) {
    case Stage::kWithTarget:
      fail(kAbortedCommand);
      report();
      return 0;
    case Stage::kBusy:
      if (disk_.ranges().withdraw(range_)) {
        end_without_blocks();
      } else if (disk_.sanitizer().forget(*this)) {
        fail(kAbortedCommand);
        report();
      } else if (op_.changes_medium()) {
        // It may be given up before the device ends it, and must not land on what comes after it.
        disk_.ranges().fence(range_);
      }
      return 0;  // Else the status at the end of the execution is the answer.
    default:
      break;
  }
  // Its call never waits for anything.
  while (stage_.load(std::memory_order_acquire) != Stage::kReported)
    os_relax();
  return kNotHeld;
}

// It waited for blocks, and nobody will run it any more.
void Task::end_without_blocks() {
  holds_blocks_ = false;
  if (sanitizes_) disk_.sanitizer().withdraw();
  fail(kAbortedCommand);
  report();
}

void Task::command_over() {
  Stage with_target = Stage::kWithTarget;
  // A command that was refused without a word to us.
  if (stage_.compare_exchange_strong(with_target, Stage::kReported)) unref();
  unref();
}

void Task::unref() {
  if (refs_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  data_.reset();
  scratch_.reset();
  share_.reset();
  disk_.give_back(*this);
}

// ---- Before the execution ----

Sense Task::prepare() {
  next_ = nullptr;
  cursor_ = step_blocks_ = 0;
  answer_ = data_length_ = 0;
  io_error_ = 0;
  sanitizes_ = false;
  if (first_step() == nullptr) return kInvalidOpcode;
  const SenseCode sense = check_extent();
  if (sense.key != 0) return sense;
  const uint64_t out = op_.data_out(unit_->block_size()), in = op_.data_in(unit_->block_size());
  if (out > Unit::kMaxTransfer || (op_.kind == OpKind::kRead && in > Unit::kMaxTransfer)) {
    return wrong_cdb_field(op_.count_at);
  }
  return out != 0 ? prepare_data_out(out) : prepare_data_in(in);
}

// The disk may be smaller than the target believes.
SenseCode Task::check_extent() {
  const uint64_t capacity = unit_->blocks();
  if (capacity == 0) return kDeviceIsGone;
  if (op_.first > capacity || op_.blocks > capacity - op_.first) return kLbaOutOfRange;
  if (op_.to_end) op_.blocks = capacity - op_.first;
  if (op_.changes_medium() && unit_->is_read_only()) return kWriteProtected;
  return kNoSense;
}

// It may have become smaller since, and nothing is to make a file longer again.
SenseCode Task::check_end(const Io& io) {
  if (io.blocks == 0) return kNoSense;
  const uint64_t capacity = unit_->blocks();
  if (capacity == 0) return kDeviceIsGone;
  const bool inside = io.first <= capacity && io.blocks <= capacity - io.first;
  return inside ? kNoSense : kLbaOutOfRange;
}

void Task::set_residual(uint64_t wanted, uint32_t expected) {
  if (wanted == expected) return;
  const bool over = wanted > expected;
  command_->sc_flag |= over ? SC_FLAG_XFER_OVERFLOW : SC_FLAG_XFER_UNDERFLOW;
  command_->sc_xfer_residualcount =
      static_cast<unsigned int>(over ? wanted - expected : expected - wanted);
  command_->sc_xfer_len = static_cast<unsigned int>(smaller(wanted, expected));
}

// What the initiator sends less than the CDB says is not written: whole blocks are.
SenseCode Task::prepare_data_out(uint64_t wanted) {
  const bool is_write = (command_->sc_flag & SC_FLAG_WRITE) != 0;
  const uint32_t expected = is_write ? command_->sc_xfer_len : 0;
  if (takes_all_or_nothing(op_.kind) && expected != wanted) return kInvalidFieldInCommandUnit;
  if (expected < wanted && op_.kind == OpKind::kUnmap) return kInvalidFieldInCommandUnit;
  data_length_ = static_cast<uint32_t>(smaller(wanted, expected));
  set_residual(wanted, expected);
  const bool by_blocks = op_.kind != OpKind::kUnmap && op_.kind != OpKind::kSanitizeOverwrite &&
                         !takes_all_or_nothing(op_.kind);
  if (by_blocks) op_.blocks = data_length_ / unit_->block_size();
  if (op_.kind == OpKind::kUnmap) op_.parameters = data_length_;
  return kNoSense;
}

SenseCode Task::prepare_data_in(uint64_t wanted) {
  const bool is_read = (command_->sc_flag & SC_FLAG_READ) != 0;
  const uint32_t expected = is_read ? command_->sc_xfer_len : 0;
  data_length_ = static_cast<uint32_t>(smaller(wanted, expected));
  if (op_.kind == OpKind::kRead) {
    set_residual(wanted, expected);
    op_.blocks = buffer_bytes() / unit_->block_size();
  } else if (op_.kind == OpKind::kGetLbaStatus) {
    data_length_ = static_cast<uint32_t>(smaller(data_length_, kLongestMap));
  } else {
    set_residual(0, command_->sc_xfer_len);
  }
  return kNoSense;
}

Task::Step Task::first_step() const {
  switch (op_.kind) {
    case OpKind::kPreFetch:
      return &Task::pre_fetch;
    case OpKind::kRead:
      return &Task::read;
    case OpKind::kWrite:
    case OpKind::kWriteAtomic:
      return &Task::write;
    case OpKind::kWriteAndVerify:
      return &Task::write_and_verify;
    case OpKind::kOrWrite:
      return &Task::or_write;
    case OpKind::kVerify:
      return &Task::verify;
    case OpKind::kCompareAndWrite:
      return &Task::compare_and_write;
    case OpKind::kWriteSame:
      return &Task::write_same;
    case OpKind::kUnmap:
      return &Task::unmap;
    case OpKind::kFlush:
      return &Task::flush;
    case OpKind::kGetLbaStatus:
      return &Task::lba_status;
    case OpKind::kSanitizeOverwrite:
    case OpKind::kSanitizeErase:
      return &Task::sanitize;
    case OpKind::kSanitizeExit:
      return &Task::exit_sanitize_failure;
    default:
      return nullptr;
  }
}

void Task::execute() {
  stage_.store(Stage::kBusy, std::memory_order_release);
  next_ = first_step();
  // How long these take, the initiator says in a few bytes: no worker is kept by them.
  const bool may_be_long = op_.kind == OpKind::kWriteSame || op_.kind == OpKind::kUnmap ||
                           op_.kind == OpKind::kGetLbaStatus;
  may_be_long ? os_work_queue(&work_) : run();
}

// ---- The machine ----

// A store that ends everything at once must not keep a worker: what is long goes on as work.
void Task::run() {
  for (uint32_t steps = 0; steps < kStepsAtOnce; ++steps) {
    const Step step = next_;
    switch ((this->*step)()) {
      case Progress::kGoOn:
        break;
      case Progress::kWaits:
        return;
      case Progress::kDone:
        return report();
    }
  }
  os_work_queue(&work_);
}

Task::Progress Task::then(Step step) {
  next_ = step;
  return Progress::kGoOn;
}

void Task::on_work(os_work* work) {
  // SAFETY: only the work of tasks has this function.
  auto* task = reinterpret_cast<Task*>(reinterpret_cast<char*>(work) - offsetof(Task, work_));
  task->run();
}

Task::Progress Task::take_blocks(RangeLock::Mode mode, uint64_t first, uint64_t blocks, Step step) {
  with_blocks_ = step;
  next_ = &Task::blocks_taken;
  // Other units of the disk may have other blocks.
  range_.first = first * unit_->block_size();
  range_.end = (first + blocks) * unit_->block_size();
  range_.mode = mode;
  holds_blocks_ = true;
  switch (disk_.ranges().acquire(range_)) {
    case RangeLock::Answer::kHeld:
      return Progress::kGoOn;
    case RangeLock::Answer::kWaits:
      return Progress::kWaits;
    default:
      holds_blocks_ = false;
      if (sanitizes_) disk_.sanitizer().withdraw();
      return too_many();
  }
}

Task::Progress Task::too_many() {
  command_->sc_status = kTaskSetFull;
  return Progress::kDone;
}

void Task::on_granted(RangeLock::Range& range) {
  auto* task = reinterpret_cast<Task*>(reinterpret_cast<char*>(&range) - offsetof(Task, range_));
  os_work_queue(&task->work_);
}

// A command that came before the disk was claimed for SANITIZE may get its blocks after that.
Task::Progress Task::blocks_taken() {
  const Sense sense = sanitizes_ ? Sense() : disk_.sanitizer().refusal();
  return sense.is_good() ? then(with_blocks_) : fail(sense);
}

void Task::release_blocks() {
  if (holds_blocks_) disk_.ranges().release(range_);
  holds_blocks_ = false;
}

// The one who comes second, submitter or store, goes on with the task. Whatever it was that the
// task has waited for: an aborted one begins nothing, since its initiator may have gone on.
Task::Progress Task::submit(const Io& io, Step step, bool direct) {
  if (is_aborted()) return fail(kAbortedCommand);
  writes_ = io.operation != OS_STORAGE_READ && io.operation != OS_STORAGE_MAP &&
            io.operation != OS_STORAGE_PREFETCH;
  const SenseCode sense = writes_ ? check_end(io) : kNoSense;
  if (sense.key != 0) return fail(sense);
  next_ = step;
  direct_ = direct;
  io_error_ = 0;
  if (unit_->drops_data()) {
    drop_data(io);
    return Progress::kGoOn;
  }
  request_.operation = static_cast<uint8_t>(io.operation);
  request_.flags = io.flags;
  request_.offset = io.first * unit_->block_size();
  request_.length = io.blocks * unit_->block_size();
  request_.data = io.data != nullptr ? io.data->elements() : nullptr;
  request_.data_count = io.data != nullptr ? io.data->count() : 0;
  request_.data_skip = io.skip;
  turn_.store(Turn::kSubmitting, std::memory_order_relaxed);
  if (io.gives_pages && data_.has_only_pages()) {
    disk_.store().submit_pages(request_, data_);
  } else {
    disk_.store().submit(request_);
  }
  const Turn before = turn_.exchange(Turn::kLeft, std::memory_order_acq_rel);
  return before == Turn::kEnded ? Progress::kGoOn : Progress::kWaits;
}

void Task::on_io_done(os_storage_request* request, int error) {
  auto* task = reinterpret_cast<Task*>(reinterpret_cast<char*>(request) - offsetof(Task, request_));
  task->io_error_ = error;
  task->disk_.store().lost_writes().note(*request);
  if (task->turn_.exchange(Turn::kEnded, std::memory_order_acq_rel) != Turn::kLeft) return;
  if (task->direct_) {
    task->run();
  } else {
    os_work_queue(&task->work_);
  }
}

// NULLRW: nothing is written, and zeros are read.
void Task::drop_data(const Io& io) {
  if (io.operation == OS_STORAGE_READ) io.data->fill(io.skip, block_bytes(io.blocks), 0);
}

Task::Progress Task::fail(SenseCode sense) {
  command_->sc_status = kScsiCheckCondition;
  command_->sc_sense_key = sense.key;
  command_->sc_sense_asc = sense.asc;
  command_->sc_sense_ascq = sense.ascq;
  return Progress::kDone;
}

Task::Progress Task::fail(const Sense& sense) {
  put_sense(command_->sc_sense_buf, sense, false);
  return fail(sense.code);
}

// Sense data in fixed format that says more than the code: the caller adds it.
uint8_t* Task::begin_sense_data(SenseCode code) {
  constexpr uint8_t kFixedFormat = 0x70, kSize = 18;
  uint8_t* sense = command_->sc_sense_buf;
  __builtin_memset(sense, 0, kSize);
  sense[0] = kFixedFormat;
  sense[2] = code.key;
  sense[7] = kSize - 8;
  sense[12] = code.asc;
  sense[13] = code.ascq;
  return sense;
}

Task::Progress Task::end_io() { return io_error_ != 0 ? fail_io() : Progress::kDone; }

// The end of a write. One that may not be stable has to be, when the write cache was switched off
// meanwhile: the flush of who did that has not waited for it. A flush begins in process context.
Task::Progress Task::end_write() {
  if (io_error_ != 0) return fail_io();
  if (write_flags() != 0 || !must_be_stable()) return done();
  next_ = &Task::make_stable;
  os_work_queue(&work_);
  return Progress::kWaits;
}

bool Task::must_be_stable() const {
  return op_.fua || unit_->writes_through() || engine_scsi_cmd_must_be_stable(command_) != 0;
}

// The error of a write-back is one of the pages, of whatever kind: a flush that is repeated finds
// nothing of it.
bool Task::is_to_be_repeated() const {
  const bool is_final = io_error_ == 0 || request_.write_back_failed != 0;
  return !is_final && (may_repeat(io_error_) || io_error_ == kReservedElsewhere);
}

Task::Progress Task::fail_io() {
  if (!is_to_be_repeated()) return fail(sense_of_error(io_error_, writes_));
  const bool is_reserved = io_error_ == kReservedElsewhere;
  command_->sc_status = is_reserved ? kScsiReservationConflict : kScsiBusy;
  return Progress::kDone;
}

// From the call with the status on, the command may be gone; the task is not, until unref().
void Task::report() {
  release_blocks();
  if (op_.changes_medium() && unit_->has_exact_usage()) unit_->look_at_usage();
  chiscsi_scsi_command& command = *command_;
  const bool good = command.sc_status == kScsiGood;
  // The target may add the reason of an abort to the flags right now.
  const unsigned int flags = __atomic_load_n(&command.sc_flag, __ATOMIC_RELAXED);
  const bool brings_data =
      good && (flags & SC_FLAG_READ) != 0 && data_length_ != 0 && !data_.empty();
  // What did not move at all is for the target to count.
  if (!good) __atomic_fetch_and(&command.sc_flag, ~kResidualFlags, __ATOMIC_RELAXED);
  stage_.store(Stage::kReporting, std::memory_order_release);
  if (brings_data) {
    engine_scsi_cmd_execution_status(&command, reinterpret_cast<unsigned char*>(data_.elements()),
                                     data_.count(), 0, data_length_);
  } else {
    engine_scsi_cmd_execution_status(&command, nullptr, 0, 0, 0);
  }
  stage_.store(Stage::kReported, std::memory_order_release);
  unref();
}

}  // namespace chiscsi::storage
