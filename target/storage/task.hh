// SPDX-License-Identifier: GPL-2.0-only
//
// Task: one medium command on its way through a disk, from the CDB to its status.
//
// It runs as a chain of steps. A step does its bit in process context and says whether to go on,
// whether it waits (for a store or for blocks that others use; somebody will run() it again, maybe
// at once and elsewhere, so nothing of the task is touched afterwards), or whether all is done. The
// last step of a plain read or write runs where the store says that it has ended, in any context.
//
// Two parties have a task: the command, until fp_scsi_cmd_cleanup(), and its execution, until the
// target has taken the status. The later one returns it to its disk. Between them stands `stage_`:
//
//   with target   the target collects the data: an abort ends the command at once
//   busy          a step or the store has it: an abort is answered by the end of the execution,
//                 which begins nothing new; one that waits for blocks ends at once
//   reporting     the call with the final status is under way: an abort waits for its return
//   reported      nothing is called any more
#pragma once

#include <atomic>
#include <cstdint>

#include "common/chiscsi.h"
#include "target/scsi/sense_code.hh"
#include "target/storage/data_buffer.hh"
#include "target/storage/medium_op.hh"
#include "target/storage/unit.hh"

namespace chiscsi::storage {

class Task {
 public:
  explicit Task(Disk& disk);

  // ---- The hooks of its command. Context: the session's worker. ----

  // Returns what fp_scsi_cmd_cdb_rcved() is to return. The command is a new one.
  int start(Unit& unit, chiscsi_scsi_command& command);
  // All data of a write is in the buffer.
  void data_arrived();
  // Returns what fp_scsi_cmd_abort() is to return.
  int abort();
  // The command goes; the task with it, as soon as its execution is over.
  void command_over();

  // The sanitize operation that it waits for has ended. Context: process.
  void on_sanitized(bool failed);
  // What has been begun is done; the store looks at the same flag for what has not.
  bool is_aborted() const { return __atomic_load_n(&request_.is_cancelled, __ATOMIC_RELAXED) != 0; }

  // A range that the disk's RangeLock had given to somebody else is free now. Context: any.
  static void on_granted(RangeLock::Range& range);

  Task* next_spare = nullptr;  // The disk's, while the task is nobody's.

 private:
  static constexpr uint32_t kLongestMap = 4096;  // Bytes of GET LBA STATUS.
  enum class Stage : uint8_t { kWithTarget, kBusy, kReporting, kReported };
  enum class Progress : uint8_t { kGoOn, kWaits, kDone };
  using Step = Progress (Task::*)();

  struct Extent {
    uint64_t first;
    uint64_t blocks;
  };
  // How a store is asked (task.cc).
  struct Io {
    os_storage_operation operation;
    uint8_t flags = 0;
    uint64_t first = 0;  // Block.
    uint64_t blocks = 0;
    const DataBuffer* data = nullptr;
    uint32_t skip = 0;         // Bytes of the data before those that are meant.
    bool gives_pages = false;  // It is all of data_, which nobody needs afterwards.
  };

  // ---- Before the execution (task.cc) ----
  Sense prepare();
  SenseCode check_extent();
  SenseCode check_end(const Io& io);
  SenseCode prepare_data_out(uint64_t wanted);
  SenseCode prepare_data_in(uint64_t wanted);
  void set_residual(uint64_t wanted, uint32_t expected);
  int ask_for_data();
  int refuse(Status why);
  uint32_t buffer_bytes() const;
  DataBuffer::Grain data_grain() const;
  Step first_step() const;
  void execute();

  // ---- The machine (task.cc) ----
  void run();
  Progress then(Step step);
  Progress take_blocks(RangeLock::Mode mode, uint64_t first, uint64_t blocks, Step step);
  void release_blocks();
  void end_without_blocks();
  Progress too_many();
  // `direct`: the step only ends the task, and may run in any context.
  Progress submit(const Io& io, Step step, bool direct = false);
  static void on_work(os_work* work);
  static void on_io_done(os_storage_request* request, int error);
  void drop_data(const Io& io);
  Progress blocks_taken();
  Progress fail(SenseCode sense);
  Progress fail(const Sense& sense);
  uint8_t* begin_sense_data(SenseCode code);
  Progress done() { return Progress::kDone; }
  void report();
  void unref();

  // ---- Steps that end an operation ----
  Progress end_io();
  Progress end_write();
  bool must_be_stable() const;
  // What has failed may work a moment later, and nothing was lost.
  bool is_to_be_repeated() const;
  Progress fail_io();

  // ---- Read, write, flush (task_transfer.cc) ----
  Progress pre_fetch();
  Progress read();
  Progress read_written_back();
  Progress read_held();
  Progress write();
  Progress write_held();
  Progress flush();
  Progress end_flush();
  uint8_t write_flags() const;

  // ---- Comparing (task_compare.cc) ----
  Progress verify();
  bool verifies_by_pieces() const;
  Progress verify_next();
  Progress verify_held();
  Progress verify_read();
  Progress compare_and_write();
  Progress compare_read();
  Progress compare_decide();
  Progress or_write();
  Progress or_read();
  Progress or_decide();
  Progress write_and_verify();
  Progress write_then_verify();
  Progress written_for_verify();
  Progress out_of_memory();
  Status make_scratch(uint64_t bytes);
  bool find_difference(uint32_t data_at, uint32_t length, uint32_t* offset) const;
  Progress miscompare(uint64_t offset);

  // ---- Without data of their own (task_clear.cc) ----
  Progress write_same();
  Progress write_same_held();
  Progress zero_next();
  Progress fill_next();
  bool block_is_zero() const;
  bool begin_piece(uint64_t most_bytes);
  Progress make_stable();
  Progress unmap();
  Progress unmap_next();
  Progress unmap_held();
  Progress unmapped_one();
  Sense check_unmap_list();
  Extent unmap_extent(uint64_t index) const;
  Progress lba_status();
  Progress map_next();
  Progress mapped_one();
  void describe(uint64_t blocks, bool is_mapped);
  Progress end_map();

  // ---- SANITIZE (task_sanitize.cc) ----
  Progress sanitize();
  Sense read_overwrite_list(SanitizeOrder* order) const;
  Progress sanitize_alone();
  Progress end_sanitize();
  Progress exit_sanitize_failure();

  void set_aborted(bool value) {
    __atomic_store_n(&request_.is_cancelled, uint32_t{value}, __ATOMIC_RELAXED);
  }

  uint32_t block_bytes(uint64_t blocks) const {
    return static_cast<uint32_t>(blocks * unit_->block_size());
  }

  Disk& disk_;
  Unit* unit_ = nullptr;
  chiscsi_scsi_command* command_ = nullptr;
  MediumOp op_;

  std::atomic<Stage> stage_{Stage::kReported};
  std::atomic<uint32_t> refs_{0};

  // The execution's; one thread at a time.
  Step next_ = nullptr;
  bool direct_ = false;
  int io_error_ = 0;
  bool writes_ = false;  // The request under way changes the medium.
  uint64_t cursor_ = 0;  // Blocks that are done, descriptors that are done.
  uint64_t step_blocks_ = 0;
  uint32_t answer_ = 0;  // Bytes of read data so far.
  bool holds_blocks_ = false;
  Step with_blocks_ = nullptr;  // Goes on when they are taken.
  bool sanitizes_ = false;      // It has claimed the disk's sanitizer.
  bool sanitize_failed_ = false;
  RangeLock::Range range_;
  os_work work_;
  os_storage_request request_;
  enum class Turn : uint8_t { kSubmitting, kLeft, kEnded };
  std::atomic<Turn> turn_{Turn::kSubmitting};

  uint32_t data_length_ = 0;  // Bytes that go over the wire.
  Ref<MemoryShare> share_;
  DataBuffer data_;
  DataBuffer scratch_;
};

// The sense for an error of a store.
SenseCode sense_of_error(int error, bool writes);

}  // namespace chiscsi::storage
