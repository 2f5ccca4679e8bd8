// SPDX-License-Identifier: GPL-2.0-only
//
// Unit: one LUN of a built-in class, from its TargetDevice line to its detachment.
//
// Made when the options of its line are read, found by its handle in the hooks of the
// configuration, and known to its commands as sc_lun_priv. Constant while there are commands, but
// for the size of its disk, its write cache and whether it can be written.
#pragma once

#include <atomic>
#include <cstdint>

#include "common/chiscsi.h"
#include "target/config/target_device.hh"
#include "target/storage/disk.hh"
#include "target/storage/teller.hh"

namespace chiscsi::storage {

enum class ClassKind : uint8_t { kBlk, kFile, kMem };

// Why a line is refused; goes into the error buffer of a hook.
using Reason = ConfigError;

class Unit {
 public:
  // A command moves at most so much; longer ones are refused (VPD page B0 says so).
  static constexpr uint32_t kMaxTransfer = 16 * 1024 * 1024;

  // Reads the value of a TargetDevice line. Errors: kNoMemory, kInvalid with a reason.
  static Result<OwnPtr<Unit>> create(unsigned long handle, ClassKind kind, Text line,
                                     Reason* reason);
  Unit(unsigned long handle, ClassKind kind) : handle_(handle), kind_(kind) {}

  unsigned long handle() const { return handle_; }
  ClassKind kind() const { return kind_; }
  const TargetDeviceSettings& options() const { return options_; }
  const char* path() const { return path_.c_str(); }

  // The unit serves this disk from here on, and the target has its geometry. Errors: kInvalid with
  // a reason when the options do not fit the disk.
  Status begin(Ref<Disk> disk, Reason* reason);
  // It goes on for another one, as the same unit to its initiators. Before begin().
  void succeed(const Unit& before) { origin_ = before.origin_; }
  // The same for all units that one of them has become by reloads.
  unsigned long origin() const { return origin_; }
  Disk* disk() const { return disk_.get(); }
  // It has begun. Context: any.
  bool is_ready() const { return is_ready_.load(std::memory_order_acquire); }
  Ref<Disk> share_disk() const { return disk_; }

  // Has the target know what the sanitizer of its disk does. Context: process, one caller at a
  // time.
  void report_sanitize();

  uint32_t block_size() const { return geometry_.block_size; }
  // Blocks of the disk right now; 0: it is gone. Tells the target when they have changed. Context:
  // any.
  uint64_t blocks();
  // Tells the target when the device has become another one in other ways. Context: any.
  void look_at_flags();
  // What changes the medium of a RAM disk has ended, or some time has gone by: tells the target how
  // much memory is taken, where that is known and has changed. When many come at once, it is told
  // by one of them, maybe a moment later. Context: process.
  void look_at_usage();
  // Whether a change is known at once; a file system settles it later.
  bool has_exact_usage() const { return kind_ == ClassKind::kMem && is_thin(); }
  bool is_read_only() const {
    return (told_flags_.load(std::memory_order_relaxed) & CHISCSI_LUN_READ_ONLY) != 0;
  }
  bool is_thin() const { return (geometry_.flags & CHISCSI_LUN_THIN) != 0; }
  // Writes of its initiators may be answered before they are stable.
  bool may_cache() const { return !options_.sync && !options_.nullrw; }
  bool drops_data() const { return options_.nullrw; }
  bool writes_through() const { return options_.sync; }
  const chiscsi_lun_geometry& geometry() const { return geometry_; }

  // A reload has made another unit of it that does not cache: what the last of its commands leave
  // in a cache has to be flushed. Of the hooks of the configuration.
  bool owes_flush = false;
  ListNode list_node;

 private:
  Status set_block_size(const os_storage_facts& facts, Reason* reason);
  void set_limits(const os_storage_facts& facts);
  void set_commands();
  uint64_t current_blocks() const { return disk_->store().size() / geometry_.block_size; }
  uint64_t known_blocks() const;
  uint32_t current_flags() const;
  // What the Tellers call: whether what the target knows is so.
  bool tell_usage();
  bool tell_geometry();

  const unsigned long handle_;
  unsigned long origin_ = handle_;
  const ClassKind kind_;
  Buffer line_;
  TargetDeviceSettings options_;
  FixedText<255> path_;
  Ref<Disk> disk_;
  chiscsi_lun_geometry geometry_ = {};
  std::atomic<uint64_t> told_blocks_{0};
  std::atomic<uint32_t> told_flags_{0};
  std::atomic<uint64_t> told_used_{OS_STORAGE_NOT_KNOWN};  // Bytes.
  Teller usage_teller_, geometry_teller_;
  std::atomic<bool> is_ready_{false};
};

}  // namespace chiscsi::storage
