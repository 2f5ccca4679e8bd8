// SPDX-License-Identifier: GPL-2.0-only
//
// UnitState: what a logical unit remembers between commands because its initiators have set it.
//
// It belongs to the device rather than to the Lun: when a reload moves a device to a new Lun, its
// state moves along. Values that a few bits hold are atomic and have no lock; workers of several
// sessions read and write them at once. Context: any, but for the making of it.
#pragma once

#include <atomic>

#include "base/error.hh"
#include "base/ref.hh"
#include "target/lun/orphans.hh"
#include "target/scsi/unit_reservations.hh"

namespace chiscsi {

// The fields of mode pages that initiators may change. All zero: the defaults.
struct alignas(8) ModeValues {
  static constexpr uint8_t kDescriptorSense = 0x04;     // D_SENSE, of control_flags.
  static constexpr uint8_t kWriteProtect = 0x08;        // SWP, of control_access.
  static constexpr uint8_t kWriteCacheDisabled = 0x04;  // WCE inverted, of caching.
  // Of provisioning: LBPERE is another than the line says; the threshold is an initiator's.
  static constexpr uint8_t kReportingInverted = 0x80, kThresholdChosen = 0x01;
  static constexpr uint8_t kThresholdEnabled = 0x02;  // Of that one.

  uint8_t control_flags = 0;   // Byte 2 of the control mode page.
  uint8_t control_access = 0;  // Byte 4.
  uint8_t caching = 0;         // Byte 2 of the caching mode page, WCE inverted.
  uint8_t provisioning = 0;    // See provisioning.hh.
  uint32_t threshold_count = 0;

  bool descriptor_sense() const { return (control_flags & kDescriptorSense) != 0; }
  bool write_protected() const { return (control_access & kWriteProtect) != 0; }
  bool write_cache_disabled() const { return (caching & kWriteCacheDisabled) != 0; }
  // One of the bits of `provisioning`.
  bool has(uint8_t bit) const { return (provisioning & bit) != 0; }
  void set(uint8_t bit, bool value) {
    provisioning = static_cast<uint8_t>(value ? provisioning | bit : provisioning & ~bit);
  }
};

class UnitState : public RefCounted<UnitState> {
 public:
  static Result<Ref<UnitState>> create();

  // A reset of the logical unit or of the target: what initiators have set is as at the beginning.
  void reset();

  ModeValues mode() const { return mode_.load(std::memory_order_acquire); }
  // Puts `next` in the place of `*before`. False: somebody was faster, and `*before` is what it is
  // now.
  bool change_mode(ModeValues* before, ModeValues next) {
    return mode_.compare_exchange_strong(*before, next, std::memory_order_acq_rel,
                                         std::memory_order_acquire);
  }

  // The threshold of a thin unit as the line in force has it, in percent; 0: none.
  uint32_t line_threshold() const { return line_threshold_.load(std::memory_order_relaxed); }
  void set_line_threshold(uint32_t percent) {
    line_threshold_.store(percent, std::memory_order_relaxed);
  }
  // The threshold of a thin unit is reached: false when it was already, and not armed again.
  bool reach_threshold() { return !threshold_reached_.exchange(true, std::memory_order_acq_rel); }
  void arm_threshold() { threshold_reached_.store(false, std::memory_order_release); }

  // Whether a removable medium is in; it is until somebody takes it out.
  bool has_medium() const { return !ejected_.load(std::memory_order_acquire); }
  // False: nothing has changed.
  bool eject() { return !ejected_.exchange(true, std::memory_order_acq_rel); }
  bool load() { return ejected_.exchange(false, std::memory_order_acq_rel); }

  // Nexuses that prevent the removal of the medium. A reset allows it for all of them at once: it
  // begins a new epoch, and what belongs to an older one does not count any more.
  bool is_removal_prevented() const;
  // Returns the epoch that the caller's prevention belongs to.
  uint32_t prevent_removal();
  void allow_removal(uint32_t epoch);
  uint32_t removal_epoch() const;

  scsi::UnitReservations& reservations() const { return *reservations_; }
  Orphans& orphans() { return orphans_; }

 private:
  Ref<scsi::UnitReservations> reservations_;
  Orphans orphans_;
  std::atomic<bool> ejected_{false};
  std::atomic<uint32_t> line_threshold_{0};
  std::atomic<bool> threshold_reached_{false};
  std::atomic<uint64_t> removal_{0};  // The epoch, and below it the number of preventions.
  std::atomic<ModeValues> mode_{ModeValues{}};
  static_assert(sizeof(ModeValues) == 8);
};

}  // namespace chiscsi
