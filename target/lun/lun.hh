// SPDX-License-Identifier: GPL-2.0-only
//
// Lun: one logical unit of a target, or all of them where one class serves every number.
//
// The Lun of a TargetDevice line is run by the configuration hooks of its class (Guide 5.2.3):
// parse_options() and attach(), or take_over() from a Lun that the class knows already, and close()
// at the end. Commands and task management functions enter it before its class sees them and leave
// it when they are over; that is what keeps the class's handle valid for them. A Lun that retires
// from its target lets nobody in any more and is closed by the last one out.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/alloc.hh"
#include "base/error.hh"
#include "os/thread.h"
#include "target/config/target_device.hh"
#include "target/handle_table.hh"
#include "target/info/worker_counters.hh"
#include "target/lun/lun_identity.hh"
#include "target/lun/unit_state.hh"
#include "target/target_class.hh"
#include "transport/worker.hh"

namespace chiscsi {

// What a class has changed of a device that initiators know.
inline constexpr uint32_t kCapacityNews = 1, kModeNews = 2;
// A thin device has taken more memory than a threshold allows.
inline constexpr uint32_t kThresholdNews = 4;

// Flags of which no mode page tells: initiators find out when they ask whether the unit is ready.
inline constexpr uint32_t kSilentFlags = CHISCSI_LUN_GONE;

// How much memory a thin device has taken, in blocks.
struct LunUsage {
  uint64_t used;
  uint64_t available;  // Or CHISCSI_LUN_NOT_KNOWN.
};

// What the class has said of a sanitize operation of its device.
struct alignas(4) SanitizeReport {
  uint8_t state = CHISCSI_LUN_SANITIZE_NONE;
  uint16_t progress = 0;  // In 65536ths.
};

// Why a hook of the class has refused; the text is the class's own, fit for the log.
struct LunRefusal {
  const char* step = "";
  FixedText<CHISCSI_CONFIG_EBUF_LEN - 1> text;
};

class Lun : public RefCounted<Lun> {
 public:
  // Serves all numbers of a target without TargetDevice lines. It lives as long as its target, and
  // nobody is counted in or out.
  Lun(Ref<TargetClass> target_class, uint32_t class_index);
  ~Lun();
  // For a TargetDevice line, not open yet, with a handle of its own. Context: process.
  static Result<Ref<Lun>> create(HandleTable<Lun>& handles, Ref<TargetClass> target_class,
                                 uint32_t class_index, Text target_name, Text line);

  // Precondition: the class is held by the target, or by the Lun until it closes.
  chiscsi_target_lun_class& hooks() const { return *target_class_->lun_classes[class_index_]; }
  // The place of the LUN class within its target class.
  uint32_t class_index() const { return class_index_; }
  bool has_property(lun_class_property_bits bit) const {
    return (hooks().property & (1u << bit)) != 0;
  }
  // Copies of what the class says of itself: a reference on the Lun may outlive the class.
  Text class_name() const { return class_name_.text(); }
  // A class that serves all numbers is the only one to know what there is.
  bool passes_all_commands() const { return !is_counted() || class_passes_all_; }
  const TargetDeviceSettings& device() const { return device_; }
  const LunIdentity& identity() const { return identity_; }
  void* driver_private() const { return driver_private_.load(std::memory_order_acquire); }

  // ---- The configuration hooks. Context: process, no lock held, one caller at a time. ----

  Status parse_options(LunRefusal* refusal);
  Status attach(LunRefusal* refusal);
  // The open device of `old` becomes this one's; on error `old` keeps it.
  Status take_over(Lun& old, LunRefusal* refusal);
  // Nobody enters any more from here on.
  void retire() { users_.fetch_or(kRetired, std::memory_order_acq_rel); }
  bool is_idle() const { return users_.load(std::memory_order_acquire) == (kRetired | 1); }
  // Whoever made it gives up its place: now, or with the last one out, comes the end of the handle.
  // A Lun that was never retired is retired here.
  void release();

  // ---- Use. Context: the worker of the session; leaving may call hooks. ----

  // False: it is retired.
  bool enter();
  // For somebody who is in already: once more, in any case.
  void enter_again();
  // True when whoever waits for a retired Lun to become idle is to look again. The Lun may be gone
  // afterwards. The last one out of a retired Lun closes it, which waits for its device: here, or
  // where `closer` runs.
  bool leave();
  bool leave_to(Worker& closer);

  // ---- What the class has said of its device. Context: any. ----

  // Errors: kInvalid for values that no device has, or other constants than before.
  Status set_geometry(const chiscsi_lun_geometry& geometry);
  // Errors: kInvalid before the geometry. See provisioning.hh.
  Status set_usage(uint64_t used, uint64_t available);
  // Whether what is used has reached the threshold as it is now.
  void look_at_threshold();
  // Tells the initiators of what these calls have found (lun_news.cc).
  void announce_news(Worker& worker);
  // What would be announced; it is not any more.
  uint32_t take_news() { return news_.exchange(0); }
  // Tells those who have known the device as `before` what is different, and what that one had no
  // time to tell. To be called when the target has this Lun in its place. Context: process.
  void succeed(Ref<Lun> before, Worker& worker);
  void set_sanitize(SanitizeReport report) { sanitize_.store(report, std::memory_order_release); }
  SanitizeReport sanitize() const { return sanitize_.load(std::memory_order_acquire); }
  void set_driver_private(void* value) { driver_private_.store(value, std::memory_order_release); }
  // False: the class has not said it yet. Everything below is valid once it was true.
  bool has_geometry() const { return has_geometry_.load(std::memory_order_acquire); }
  uint64_t blocks() const { return blocks_.load(std::memory_order_relaxed); }
  uint32_t block_size() const { return geometry_.block_size; }
  const chiscsi_lun_geometry& constants() const { return geometry_; }
  // What initiators have set. Not for a Lun that serves all numbers.
  UnitState& state() const { return *state_.load(std::memory_order_acquire); }
  // Both are about one device, which a reload has moved from one to the other.
  bool shares_state(const Lun& other) const { return state_.load() == other.state_.load(); }
  void reset_state() {
    if (is_counted()) state().reset();
  }
  bool is_read_only() const { return device_.read_only || has_flags(CHISCSI_LUN_READ_ONLY); }
  // For ever, or because an initiator wanted it.
  bool is_write_protected() const { return is_read_only() || state().mode().write_protected(); }
  bool has_write_cache() const { return has_flags(CHISCSI_LUN_WRITE_CACHE); }
  // An initiator has switched it off.
  bool must_write_through() const {
    return has_write_cache() && state().mode().write_cache_disabled();
  }
  bool is_thin() const { return has_flags(CHISCSI_LUN_THIN); }
  // It is thin, and its class says how much is used.
  bool tells_usage() const { return knows_usage_.load(std::memory_order_acquire) && is_thin(); }
  LunUsage usage() const {
    return {used_.load(std::memory_order_relaxed), available_.load(std::memory_order_relaxed)};
  }
  bool reads_unmapped_as_zero() const { return has_flags(CHISCSI_LUN_UNMAPPED_ZERO); }
  // The class has lost its device, maybe for a time.
  bool is_gone() const { return has_flags(CHISCSI_LUN_GONE); }
  bool is_removable() const { return has_flags(CHISCSI_LUN_REMOVABLE); }
  // Whether the class has said all of these; true for none.
  bool has_flags(uint32_t wanted) const {
    return (flags_.load(std::memory_order_relaxed) & wanted) == wanted;
  }
  // One of CHISCSI_LUN_RUNS_*; 0 is what every class runs.
  bool runs(uint32_t command) const {
    return command == 0 || (has_geometry() && (geometry_.commands & command) == command);
  }

  WorkerCounters counters;  // Of the commands that have left it.
  Handle handle;            // 0 for a Lun that serves all numbers.

 private:
  static constexpr uint32_t kRetired = 1u << 31;
  bool is_counted() const { return handles_ != nullptr; }
  void begin();
  void take_state(const Lun& old);
  uint32_t step_out() { return users_.fetch_sub(1, std::memory_order_acq_rel) - 1; }
  void close();
  uint32_t differences(const Lun& before) const;
  void post_news(Worker& worker);
  static void on_news(WorkerMessage& message);

  Ref<TargetClass> target_class_;
  uint32_t class_index_;
  bool class_passes_all_;
  FixedText<CHISCSI_CLASS_NAME_MAX> class_name_;
  HandleTable<Lun>* handles_ = nullptr;
  Buffer line_;
  TargetDeviceSettings device_;
  LunIdentity identity_;

  // Whoever has a reference on this may look at the state while a reload changes it. Both that it
  // can be stay as long as this: the one it was made with, and the one of the device it has got.
  std::atomic<UnitState*> state_{nullptr};
  Ref<UnitState> own_state_, taken_state_;

  // The target's own place, one for each that has entered, and kRetired.
  std::atomic<uint32_t> users_{1};
  // Changed by the control plane while it holds its place, read by whoever closes.
  bool has_begun_ = false;   // A hook has accepted the handle: fp_detach() is owed.
  bool has_device_ = false;  // The device is open under this handle.

  os_spinlock* geometry_lock_ = nullptr;  // Between callers of set_geometry().
  std::atomic<bool> has_geometry_{false};
  std::atomic<uint64_t> blocks_{0};
  std::atomic<uint32_t> flags_{0};
  chiscsi_lun_geometry geometry_ = {};  // Constant once has_geometry_ is set.
  std::atomic<bool> knows_usage_{false};
  std::atomic<uint64_t> used_{0};
  std::atomic<uint64_t> available_{0};
  std::atomic<SanitizeReport> sanitize_{SanitizeReport{}};
  std::atomic<void*> driver_private_{nullptr};
  std::atomic<uint32_t> news_{0};  // kCapacityNews and the like, not announced yet.
  Ref<Lun> before_;                // Whose news are this one's, too. Guarded by geometry_lock_.
  PostedOnce news_message_{&Lun::on_news};
  struct CloseMessage : WorkerMessage {
    explicit CloseMessage(Lun& lun)
        : WorkerMessage(
              [](WorkerMessage& message) { static_cast<CloseMessage&>(message).owner.close(); }),
          owner(lun) {}
    Lun& owner;
  } close_message_{*this};
};

}  // namespace chiscsi
