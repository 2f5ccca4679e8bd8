// SPDX-License-Identifier: GPL-2.0-only
//
// Unit: options against the disk they are for, and the geometry the target is told.
#include "target/storage/unit.hh"

#include "base/alloc.hh"
#include "target/engine.h"

namespace chiscsi::storage {

namespace {

constexpr uint64_t kMaxWriteSame = uint64_t{1} << 31;  // Bytes.
constexpr uint64_t kMaxUnmap = uint64_t{1} << 32;      // Bytes.
constexpr uint32_t kMaxUnmapRanges = 256;
constexpr uint8_t kMaxCompare = 255;  // All that fits into the VPD page and the CDB.
constexpr uint32_t kDefaultBlockSize = 512;
constexpr uint32_t kOptimalTransfer = 1024 * 1024;
constexpr uint16_t kDoesNotTurn = 1;

Status refuse_option(Reason* reason, Text what) {
  reason->add(what);
  return Error::kInvalid;
}

uint8_t exponent_of(uint32_t physical, uint32_t logical) {
  uint8_t exponent = 0;
  while (logical << exponent < physical && exponent < 15)
    ++exponent;
  return exponent;
}

}  // namespace

Result<OwnPtr<Unit>> Unit::create(unsigned long handle, ClassKind kind, Text line, Reason* reason) {
  OwnPtr<Unit> unit = make<Unit>(Alloc::kMaySleep, handle, kind);
  if (!unit) return Error::kNoMemory;
  unit->line_ = Buffer::allocate(line.size() + 1);
  if (!unit->line_) return Error::kNoMemory;
  copy_bytes(unit->line_.bytes(), line.bytes());
  const Text own(reinterpret_cast<const char*>(unit->line_.data()), line.size());
  CHISCSI_TRY(parse_target_device(own, &unit->options_, reason));
  CHISCSI_TRY(unit->check_options(reason));
  unit->path_.assign(unit->options_.name);
  return unit;
}

Status Unit::check_options(Reason* reason) const {
  if (options_.sync && kind_ == ClassKind::kMem) {
    return refuse_option(reason, "SYNC is for FILE and BLK");
  }
  if (options_.read_only && options_.thin) {
    return refuse_option(reason, "THIN and RO do not go together");
  }
  return Status();
}

// Logical blocks of an initiator are never smaller than what the disk can write alone.
Status Unit::set_block_size(const os_storage_facts& facts, Reason* reason) {
  const uint32_t least = facts.block_size;
  uint32_t size = options_.block_size;
  if (size == 0) size = least > kDefaultBlockSize ? least : kDefaultBlockSize;
  if (size < least) {
    reason->add("BS= is less than the block size of the device, ").add_number(least);
    return Error::kInvalid;
  }
  geometry_.block_size = size;
  geometry_.blocks = disk_->store().size() / size;
  if (geometry_.blocks == 0) return refuse_option(reason, "there is not a single block in it");
  geometry_.physical_exponent = exponent_of(facts.physical_size, size);
  return Status();
}

void Unit::set_flags(const os_storage_facts& facts) {
  const auto set = [&](bool when, uint32_t flag) { geometry_.flags |= when ? flag : 0; };
  const bool caches = (facts.flags & OS_STORAGE_VOLATILE_CACHE) != 0;
  set(options_.read_only || (facts.flags & OS_STORAGE_READ_ONLY) != 0, CHISCSI_LUN_READ_ONLY);
  set(caches && !options_.sync && !options_.nullrw, CHISCSI_LUN_WRITE_CACHE);
  set(options_.thin, CHISCSI_LUN_THIN);
  set(options_.thin && (facts.flags & OS_STORAGE_DISCARD_ZEROS) != 0, CHISCSI_LUN_UNMAPPED_ZERO);
  set(options_.removable, CHISCSI_LUN_REMOVABLE);
}

// Limits of what is not offered stay zero.
void Unit::set_limits(const os_storage_facts& facts) {
  const uint32_t size = geometry_.block_size;
  geometry_.rotation_rate = (facts.flags & OS_STORAGE_ROTATIONAL) != 0 ? 0 : kDoesNotTurn;
  geometry_.max_transfer_blocks = kMaxTransfer / size;
  geometry_.optimal_transfer_blocks = kOptimalTransfer / size;
  geometry_.optimal_granularity = facts.physical_size / size;
  const auto runs = [&](uint32_t command) { return (geometry_.commands & command) != 0; };
  if (runs(CHISCSI_LUN_RUNS_COMPARE_AND_WRITE)) geometry_.compare_and_write_blocks = kMaxCompare;
  if (runs(CHISCSI_LUN_RUNS_WRITE_SAME)) geometry_.max_write_same_blocks = kMaxWriteSame / size;
  if (runs(CHISCSI_LUN_RUNS_WRITE_ATOMIC)) geometry_.max_atomic_blocks = kMaxTransfer / size;
  if (!runs(CHISCSI_LUN_RUNS_UNMAP)) return;
  geometry_.max_unmap_ranges = kMaxUnmapRanges;
  geometry_.max_unmap_blocks = static_cast<unsigned int>(kMaxUnmap / size);
  geometry_.unmap_granularity = facts.discard_granularity / size;
  if (geometry_.unmap_granularity == 0) geometry_.unmap_granularity = 1;
  geometry_.unmap_alignment = facts.discard_alignment / size;
}

// Only memory can promise that a write is there as a whole or not at all.
void Unit::set_commands(const os_storage_facts& facts) {
  if (options_.nullrw) return;  // Nothing is kept, so nothing can be compared.
  geometry_.commands = CHISCSI_LUN_RUNS_COMPARE_AND_WRITE | CHISCSI_LUN_RUNS_WRITE_SAME |
                       CHISCSI_LUN_RUNS_ORWRITE | CHISCSI_LUN_RUNS_BYTCHK |
                       CHISCSI_LUN_RUNS_SANITIZE_OVERWRITE;
  if (options_.thin) geometry_.commands |= CHISCSI_LUN_RUNS_UNMAP;
  if (kind_ == ClassKind::kMem) geometry_.commands |= CHISCSI_LUN_RUNS_WRITE_ATOMIC;
  if ((facts.flags & OS_STORAGE_CAN_MAP) != 0) {
    geometry_.commands |= CHISCSI_LUN_RUNS_GET_LBA_STATUS;
  }
  if ((facts.flags & OS_STORAGE_CAN_DISCARD) != 0) {
    geometry_.commands |= CHISCSI_LUN_RUNS_SANITIZE_ERASE;
  }
}

Status Unit::begin(Ref<Disk> disk, Reason* reason) {
  disk_ = std::move(disk);
  const os_storage_facts& facts = disk_->store().facts();
  if (options_.thin && (facts.flags & OS_STORAGE_CAN_DISCARD) == 0) {
    return refuse_option(reason, "THIN: what is below cannot give up blocks");
  }
  CHISCSI_TRY(set_block_size(facts, reason));
  set_flags(facts);
  set_commands(facts);
  set_limits(facts);
  FixedText<sizeof(geometry_.product_id) - 1> product;
  product.assign(options_.product);
  __builtin_memcpy(geometry_.product_id, product.c_str(), sizeof(geometry_.product_id));
  told_blocks_.store(geometry_.blocks, std::memory_order_relaxed);
  const int rc = engine_lun_set_geometry(handle_, &geometry_);
  if (rc < 0) return refuse_option(reason, "its size or options cannot change while it is in use");
  is_ready_.store(true, std::memory_order_release);
  return Status::from_errno(engine_lun_set_private(handle_, this));
}

uint64_t Unit::blocks() {
  const uint64_t now = disk_->store().size() / geometry_.block_size;
  uint64_t told = told_blocks_.load(std::memory_order_relaxed);
  // Nobody can be told of a disk without blocks; its commands find that out by themselves.
  if (now == told || now == 0) return now;
  if (told_blocks_.compare_exchange_strong(told, now)) {
    chiscsi_lun_geometry changed = geometry_;
    changed.blocks = now;
    engine_lun_set_geometry(handle_, &changed);
  }
  return now;
}

}  // namespace chiscsi::storage
