// SPDX-License-Identifier: GPL-2.0-only
//
// Unit: options against the disk they are for, and the geometry the target is told.
#include "target/storage/unit.hh"

#include "base/alloc.hh"
#include "target/engine.h"

namespace chiscsi::storage {

namespace {

// In blocks. More than a short CDB can name is for nobody's good: it makes commands that take long
// to end and to abort, and saves next to nothing.
constexpr uint32_t kMaxWriteSame = 0xffff;
constexpr uint32_t kMaxUnmap = 1024 * 1024;
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
  unit->path_.assign(unit->options_.name);
  return unit;
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

uint32_t Unit::current_flags() const {
  uint32_t flags = 0;
  const auto set = [&](bool when, uint32_t flag) { flags |= when ? flag : 0; };
  const uint32_t opened = disk_->store().facts().flags, now = disk_->store().flags();
  set(options_.read_only || (now & OS_STORAGE_READ_ONLY) != 0, CHISCSI_LUN_READ_ONLY);
  set((now & OS_STORAGE_VOLATILE_CACHE) != 0 && may_cache(), CHISCSI_LUN_WRITE_CACHE);
  set(options_.thin, CHISCSI_LUN_THIN);
  set(options_.thin && (opened & OS_STORAGE_DISCARD_ZEROS) != 0, CHISCSI_LUN_UNMAPPED_ZERO);
  set(options_.removable, CHISCSI_LUN_REMOVABLE);
  set(current_blocks() == 0, CHISCSI_LUN_GONE);
  return flags;
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
  if (runs(CHISCSI_LUN_RUNS_WRITE_SAME)) geometry_.max_write_same_blocks = kMaxWriteSame;
  if (runs(CHISCSI_LUN_RUNS_WRITE_ATOMIC)) geometry_.max_atomic_blocks = kMaxTransfer / size;
  if (!runs(CHISCSI_LUN_RUNS_UNMAP)) return;
  geometry_.max_unmap_ranges = kMaxUnmapRanges;
  geometry_.max_unmap_blocks = kMaxUnmap;
  geometry_.unmap_granularity = facts.discard_granularity / size;
  if (geometry_.unmap_granularity == 0) geometry_.unmap_granularity = 1;
  geometry_.unmap_alignment = facts.discard_alignment / size;
}

// Only memory can promise that a write is there as a whole or not at all.
void Unit::set_commands() {
  if (options_.nullrw) return;  // Nothing is kept, so nothing can be compared.
  geometry_.commands = CHISCSI_LUN_RUNS_COMPARE_AND_WRITE | CHISCSI_LUN_RUNS_WRITE_SAME |
                       CHISCSI_LUN_RUNS_ORWRITE | CHISCSI_LUN_RUNS_BYTCHK |
                       CHISCSI_LUN_RUNS_GET_LBA_STATUS | CHISCSI_LUN_RUNS_SANITIZE_OVERWRITE |
                       CHISCSI_LUN_RUNS_SANITIZE_EXIT;
  if (options_.thin) geometry_.commands |= CHISCSI_LUN_RUNS_UNMAP;
  if (kind_ == ClassKind::kMem) geometry_.commands |= CHISCSI_LUN_RUNS_WRITE_ATOMIC;
  // It leaves no block mapped, which a fully provisioned unit has no word for.
  if (options_.thin) geometry_.commands |= CHISCSI_LUN_RUNS_SANITIZE_ERASE;
}

Status Unit::begin(Ref<Disk> disk, Reason* reason) {
  disk_ = std::move(disk);
  const os_storage_facts& facts = disk_->store().facts();
  if (options_.thin && (facts.flags & OS_STORAGE_CAN_DISCARD) == 0) {
    return refuse_option(reason, "THIN: what is below cannot give up blocks");
  }
  if (options_.threshold != 0 && disk_->store().used() == OS_STORAGE_NOT_KNOWN) {
    return refuse_option(reason, "THRESHOLD=: nobody knows how much of it is used");
  }
  CHISCSI_TRY(set_block_size(facts, reason));
  geometry_.flags = current_flags();
  geometry_.medium = reinterpret_cast<uintptr_t>(disk_.get());
  set_commands();
  set_limits(facts);
  FixedText<sizeof(geometry_.product_id) - 1> product;
  product.assign(options_.product);
  __builtin_memcpy(geometry_.product_id, product.c_str(), sizeof(geometry_.product_id));
  told_blocks_.store(geometry_.blocks, std::memory_order_relaxed);
  told_flags_.store(geometry_.flags, std::memory_order_relaxed);
  const int rc = engine_lun_set_geometry(handle_, &geometry_);
  if (rc < 0) return refuse_option(reason, "its size or options cannot change while it is in use");
  look_at_usage();
  is_ready_.store(true, std::memory_order_release);
  return Status::from_errno(engine_lun_set_private(handle_, this));
}

void Unit::report_sanitize() {
  constexpr unsigned int kStates[] = {CHISCSI_LUN_SANITIZE_NONE, CHISCSI_LUN_SANITIZE_RUNS,
                                      CHISCSI_LUN_SANITIZE_FAILED};
  const Sanitizer& sanitizer = disk_->sanitizer();
  const Sanitizer::State state = sanitizer.state();
  const bool runs = state == Sanitizer::State::kRuns;
  engine_lun_set_sanitize(handle_, kStates[static_cast<uint8_t>(state)],
                          runs ? sanitizer.progress() : 0u);
}

// Two different functions for two Tellers: usage is asked for in process context only.
bool Unit::tell_usage() {
  const uint64_t used = disk_->store().used();
  if (used == OS_STORAGE_NOT_KNOWN) return true;
  if (told_used_.exchange(used) != used) {
    const uint64_t blocks = current_blocks(), size = geometry_.block_size;
    const uint64_t taken = (used + size - 1) / size;
    // What a file system has left is not known here.
    uint64_t available = CHISCSI_LUN_NOT_KNOWN;
    if (kind_ == ClassKind::kMem) available = taken < blocks ? blocks - taken : 0;
    engine_lun_set_usage(handle_, taken, available);
  }
  return disk_->store().used() == used;
}

void Unit::look_at_usage() {
  if (!is_thin() || options_.nullrw) return;
  const uint64_t used = disk_->store().used();
  if (used == OS_STORAGE_NOT_KNOWN || used == told_used_.load(std::memory_order_relaxed)) return;
  usage_teller_.run([this] { return tell_usage(); });
}

bool Unit::tell_geometry() {
  chiscsi_lun_geometry changed = geometry_;
  changed.blocks = known_blocks();
  changed.flags = current_flags();
  const bool resized = told_blocks_.exchange(changed.blocks) != changed.blocks;
  const bool differs = told_flags_.exchange(changed.flags) != changed.flags;
  if (resized || differs) engine_lun_set_geometry(handle_, &changed);
  return known_blocks() == changed.blocks && current_flags() == changed.flags;
}

// A device that is gone has none, and comes back with as many, as far as anybody knows.
uint64_t Unit::known_blocks() const {
  const uint64_t now = current_blocks();
  return now != 0 ? now : told_blocks_.load(std::memory_order_relaxed);
}

uint64_t Unit::blocks() {
  const uint64_t now = current_blocks();
  const bool told_gone = (told_flags_.load(std::memory_order_relaxed) & CHISCSI_LUN_GONE) != 0;
  const bool resized = now != 0 && now != told_blocks_.load(std::memory_order_relaxed);
  if (resized || told_gone != (now == 0)) {
    geometry_teller_.run([this] { return tell_geometry(); });
  }
  return now;
}

void Unit::look_at_flags() {
  if (current_flags() == told_flags_.load(std::memory_order_relaxed)) return;
  geometry_teller_.run([this] { return tell_geometry(); });
}

}  // namespace chiscsi::storage
