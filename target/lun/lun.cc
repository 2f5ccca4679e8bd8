// SPDX-License-Identifier: GPL-2.0-only
//
// Lun: its life between the configuration hooks of its class. See lun.hh.
#include "target/lun/lun.hh"

#include "base/lock.hh"
#include "os/log.h"

namespace chiscsi {

namespace {

constexpr uint32_t kMinBlockSize = 512;
constexpr uint32_t kMaxBlockSize = 65536;
constexpr uint8_t kMaxPhysicalExponent = 15;

// Takes what a hook wrote into its error buffer, which need not have an end and may hold anything.
void take_reason(const char* buffer, LunRefusal* refusal) {
  char shown[CHISCSI_CONFIG_EBUF_LEN];
  size_t size = 0;
  for (; size + 1 < sizeof(shown) && buffer[size] != '\0'; ++size) {
    const char c = buffer[size];
    shown[size] = c >= ' ' && c <= '~' ? c : '?';
  }
  refusal->text.assign(size != 0 ? Text(shown, size) : Text("no reason given"));
}

constexpr uint32_t kKnownFlags = CHISCSI_LUN_READ_ONLY | CHISCSI_LUN_WRITE_CACHE |
                                 CHISCSI_LUN_THIN | CHISCSI_LUN_UNMAPPED_ZERO |
                                 CHISCSI_LUN_REMOVABLE | CHISCSI_LUN_GONE;

// Who offers a command says how much of it.
bool has_limits(const chiscsi_lun_geometry& geometry) {
  const auto runs = [&](uint32_t command) { return (geometry.commands & command) != 0; };
  if (runs(CHISCSI_LUN_RUNS_COMPARE_AND_WRITE) && geometry.compare_and_write_blocks == 0) {
    return false;
  }
  if (runs(CHISCSI_LUN_RUNS_UNMAP) &&
      (geometry.max_unmap_blocks == 0 || geometry.max_unmap_ranges == 0)) {
    return false;
  }
  return !runs(CHISCSI_LUN_RUNS_WRITE_ATOMIC) || geometry.max_atomic_blocks != 0;
}

bool is_good_geometry(const chiscsi_lun_geometry& geometry) {
  const uint32_t size = geometry.block_size;
  const bool power_of_two = size != 0 && (size & (size - 1)) == 0;
  return power_of_two && size >= kMinBlockSize && size <= kMaxBlockSize && geometry.blocks != 0 &&
         geometry.blocks <= ~uint64_t{0} / size &&
         geometry.physical_exponent <= kMaxPhysicalExponent &&
         (geometry.flags & ~kKnownFlags) == 0 &&
         (geometry.commands & ~uint32_t{CHISCSI_LUN_RUNS_ALL}) == 0 && has_limits(geometry);
}

template <size_t N>
void end_text(char (&text)[N]) {
  text[N - 1] = '\0';
}

template <size_t N>
bool same_text(const char (&a)[N], const char (&b)[N]) {
  return Text(a) == Text(b);
}

// All but blocks and flags, and in the texts what is before their end.
bool same_constants(const chiscsi_lun_geometry& a, const chiscsi_lun_geometry& b) {
  return a.block_size == b.block_size && a.physical_exponent == b.physical_exponent &&
         same_text(a.vendor_id, b.vendor_id) && same_text(a.product_id, b.product_id) &&
         same_text(a.product_rev, b.product_rev) && same_text(a.serial, b.serial) &&
         a.compare_and_write_blocks == b.compare_and_write_blocks &&
         a.rotation_rate == b.rotation_rate && a.commands == b.commands &&
         a.max_transfer_blocks == b.max_transfer_blocks &&
         a.optimal_transfer_blocks == b.optimal_transfer_blocks &&
         a.optimal_granularity == b.optimal_granularity &&
         a.unmap_granularity == b.unmap_granularity && a.unmap_alignment == b.unmap_alignment &&
         a.max_unmap_blocks == b.max_unmap_blocks && a.max_unmap_ranges == b.max_unmap_ranges &&
         a.max_write_same_blocks == b.max_write_same_blocks &&
         a.max_atomic_blocks == b.max_atomic_blocks &&
         a.lowest_aligned_block == b.lowest_aligned_block && a.medium == b.medium;
}

}  // namespace

Lun::Lun(Ref<TargetClass> target_class, uint32_t class_index)
    : target_class_(std::move(target_class)),
      class_index_(class_index),
      class_passes_all_(has_property(LUN_CLASS_SCSI_PASS_THRU_BIT)) {
  class_name_.assign(hooks().class_name);
}

Lun::~Lun() {
  if (geometry_lock_ != nullptr) os_spinlock_destroy(geometry_lock_);
}

Result<Ref<Lun>> Lun::create(HandleTable<Lun>& handles, Ref<TargetClass> target_class,
                             uint32_t class_index, Text target_name, Text line) {
  Ref<Lun> lun = Ref<Lun>::adopt(make<Lun>(Alloc::kMaySleep, std::move(target_class), class_index));
  if (!lun) return Error::kNoMemory;
  lun->line_ = Buffer::allocate(line.size() + 1);
  lun->geometry_lock_ = os_spinlock_create();
  if (!lun->line_ || lun->geometry_lock_ == nullptr) return Error::kNoMemory;
  copy_bytes(lun->line_.bytes(), line.bytes());
  ConfigError error;
  const Text own(reinterpret_cast<const char*>(lun->line_.data()), line.size());
  CHISCSI_TRY(parse_target_device(own, &lun->device_, &error));
  lun->identity_ = identify_lun(target_name, lun->device_);
  lun->own_state_ = CHISCSI_TRY(UnitState::create());
  lun->own_state_->set_line_threshold(lun->device_.threshold);
  lun->state_.store(lun->own_state_.get(), std::memory_order_relaxed);
  lun->begin();
  lun->handles_ = &handles;
  handles.add(*lun);
  return lun;
}

// From here to close() the class cannot go, and the Lun holds itself.
void Lun::begin() {
  target_class_->luns_open.fetch_add(1);
  ref();
}

Status Lun::parse_options(LunRefusal* refusal) {
  if (hooks().fp_config_parse_options == nullptr) return Status();
  refusal->step = "option refused";
  // The hook gets a copy that it may spoil.
  Buffer copy = Buffer::allocate(line_.size());
  if (!copy) return Error::kNoMemory;
  copy_bytes(copy.bytes(), line_.bytes());
  char reason[CHISCSI_CONFIG_EBUF_LEN] = {};
  const int rc = hooks().fp_config_parse_options(handle.value, reinterpret_cast<char*>(copy.data()),
                                                 static_cast<int>(device_.line.size()), reason);
  if (rc >= 0) has_begun_ = true;
  take_reason(reason, refusal);
  return Status::from_errno(rc);
}

Status Lun::attach(LunRefusal* refusal) {
  refusal->step = "not attached";
  char reason[CHISCSI_CONFIG_EBUF_LEN] = {};
  const int rc = hooks().fp_attach(handle.value, reason, sizeof(reason));
  if (rc >= 0) has_begun_ = has_device_ = true;
  take_reason(reason, refusal);
  return Status::from_errno(rc);
}

void Lun::take_state(const Lun& old) {
  UnitState& state = old.state();
  if (&state == &this->state()) return;  // A device that goes back finds its state there.
  taken_state_ = Ref<UnitState>::share(&state);
  state_.store(&state, std::memory_order_release);
  // What the class has said before was looked at without that state.
  news_.fetch_and(~kThresholdNews);
}

// The state comes before the hook, in which the class may begin to speak of the device by this
// handle. It stays when the hook refuses: this LUN ends then, and its class means that device.
Status Lun::take_over(Lun& old, LunRefusal* refusal) {
  refusal->step = "not reattached";
  char reason[CHISCSI_CONFIG_EBUF_LEN] = {};
  take_state(old);
  const int rc = hooks().fp_reattach(old.handle.value, handle.value, reason, sizeof(reason));
  take_reason(reason, refusal);
  if (rc < 0) {
    // What the hook has said of the device is for the LUN that goes on with it.
    old.news_.fetch_or(news_.fetch_and(~kThresholdNews) & kThresholdNews);
    return Status::from_errno(rc);
  }
  has_begun_ = has_device_ = true;
  old.has_device_ = false;
  state().set_line_threshold(device_.threshold);
  look_at_threshold();
  return Status();
}

void Lun::release() {
  retire();
  leave();
}

bool Lun::enter() {
  if (!is_counted()) return true;
  uint32_t users = users_.load(std::memory_order_acquire);
  do {
    if ((users & kRetired) != 0) return false;
  } while (!users_.compare_exchange_weak(users, users + 1, std::memory_order_acq_rel,
                                         std::memory_order_acquire));
  return true;
}

void Lun::enter_again() {
  if (is_counted()) users_.fetch_add(1, std::memory_order_relaxed);
}

bool Lun::leave() {
  if (!is_counted()) return false;
  const uint32_t left = step_out();
  // Nothing but kRetired: nobody can come, so this was the last one.
  if (left == kRetired) close();
  return left == (kRetired | 1);
}

bool Lun::leave_to(Worker& closer) {
  if (!is_counted()) return false;
  const uint32_t left = step_out();
  if (left == kRetired) closer.post(close_message_);
  return left == (kRetired | 1);
}

// fp_flush() before fp_detach(), and nothing after it. Context: the control plane, or the worker
// for what the last command has left.
void Lun::close() {
  if (has_device_ && hooks().fp_flush != nullptr) {
    const int rc = hooks().fp_flush(handle.value);
    if (rc < 0) {
      os_log(OS_LOG_ERROR,
             "LUN %lu, class %s, %.*s: flush before detach failed, error %d: "
             "what was written may be lost",
             handle.value, hooks().class_name, static_cast<int>(device_.name.size()),
             device_.name.data(), rc);
    }
  }
  if (has_begun_) hooks().fp_detach(handle.value);
  handles_->remove(*this);
  // The class may go as soon as it is not counted any more.
  target_class_->luns_open.fetch_sub(1);
  unref();
}

Status Lun::set_geometry(const chiscsi_lun_geometry& given) {
  if (!is_counted() || !is_good_geometry(given)) return Error::kInvalid;
  chiscsi_lun_geometry fresh = given;
  end_text(fresh.vendor_id);
  end_text(fresh.product_id);
  end_text(fresh.product_rev);
  end_text(fresh.serial);
  uint64_t before;
  uint32_t flags_before;
  bool was_known;
  {
    SpinGuard guard(geometry_lock_);
    was_known = has_geometry_.load(std::memory_order_relaxed);
    if (!was_known) {
      geometry_ = fresh;
    } else if (!same_constants(geometry_, fresh)) {
      return Error::kInvalid;
    }
    before = blocks_.exchange(fresh.blocks, std::memory_order_relaxed);
    flags_before = flags_.exchange(fresh.flags, std::memory_order_relaxed);
    has_geometry_.store(true, std::memory_order_release);
  }
  if (!was_known) return Status();
  news_.fetch_or((before != fresh.blocks ? kCapacityNews : 0u) |
                 (((flags_before ^ fresh.flags) & ~kSilentFlags) != 0 ? kModeNews : 0u));
  if (before != fresh.blocks) {
    os_log(OS_LOG_INFO, "LUN handle %lu: %llu blocks, was %llu", handle.value, fresh.blocks,
           static_cast<unsigned long long>(before));
  }
  return Status();
}

}  // namespace chiscsi
