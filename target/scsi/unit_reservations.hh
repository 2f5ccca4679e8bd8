// SPDX-License-Identifier: GPL-2.0-only
//
// UnitReservations: the reservations of one logical unit as the sessions of a target share them.
//
// The state is an immutable value that is replaced as a whole. A command asks is_restricted(), one
// load, and looks at the state only then. Changes happen one after the other: each makes a copy,
// applies itself and takes the place of what was there. Where registrations persist, the copy is
// first stored by the keeper's thread (reservation_keeper.hh) and takes effect when it is safe;
// changes that come meanwhile wait. What could not be stored has not happened.
#pragma once

#include <atomic>

#include "base/list.hh"
#include "base/ref.hh"
#include "os/thread.h"
#include "target/scsi/cdb.hh"
#include "target/scsi/reservation_parameters.hh"
#include "target/scsi/reservation_record.hh"
#include "transport/worker.hh"

namespace chiscsi::scsi {

class ReservationKeeper;

// The unit could not store what it was to keep: INTERNAL TARGET FAILURE.
inline constexpr SenseCode kNotStored{0x04, 0x44, 0x00};

// One change on its way. The owner keeps it until it is over.
struct ReservationChange {
  enum class Kind : uint8_t { kReserveOut, kLock, kUnlock };

  Kind kind = Kind::kReserveOut;
  Nexus issuer;
  ParsedReserveOut parsed;
  GrowableArray<uint16_t> target_ports;

  // What came of it. `before` and `after` are there when it has changed something.
  ReserveOutcome outcome;
  bool no_memory = false;  // Or no name to store it by: BUSY, nothing has changed.
  Ref<Reservations> before, after;
  bool overtaken = false;  // A RESERVE that a reset or the loss of its nexus has ended meanwhile.

  // Called when submit() has said that it is not over yet. Context: the keeper's thread.
  void (*done)(ReservationChange& change) = nullptr;
  ListNode node;
};

class UnitReservations : public RefCounted<UnitReservations> {
 public:
  static Result<Ref<UnitReservations>> create();
  UnitReservations();
  ~UnitReservations();

  // From here on registrations can persist; those that were stored are there again. Called once,
  // before any command. Errors: the record cannot be read, which must not be taken for none.
  // Context: process.
  Status attach(ReservationKeeper& keeper, const UnitName& name);
  bool is_attached() const { return keeper_ != nullptr; }
  bool has_name(const UnitName& name) const;
  // Another name for what is to be stored. From here until end_rename() what would have to be
  // stored ends with BUSY. False: something is stored under the old name, and nothing has changed.
  bool begin_rename(OwnPtr<UnitName> name);
  // With `takes_effect` the new name counts; without, or after no begin_rename(), the old one does.
  void end_rename(bool takes_effect);
  bool can_persist() const { return keeper_ != nullptr; }

  // False: there is no reservation of any kind. Context: any.
  bool is_restricted() const { return restricted_.load(std::memory_order_acquire); }
  // Whether the command of this nexus has to end in RESERVATION CONFLICT. Context: any.
  bool conflicts(const Nexus& nexus, const Cdb& cdb) const;
  // Nobody changes it. Context: any.
  Ref<Reservations> current() const;

  // True: the change is over. False: change.done() says so later. Context: process.
  bool submit(ReservationChange& change);
  // RESERVE of this nexus, or of any for null, is over, also one that waits. Context: process.
  void drop_lock(const Nexus* nexus);

 private:
  static void on_message(WorkerMessage& message);
  void run_changes();
  bool apply(ReservationChange& change);
  bool needs_storing(const ReservationChange& change) const;
  Status store(const ReservationChange& change);
  void publish(const ReservationChange& change);
  void replace(Ref<Reservations> fresh);
  ReservationChange* next_to_store();

  os_mutex* mutex_ = nullptr;          // One change at a time; not held while one is stored.
  os_spinlock* state_lock_ = nullptr;  // For the reference in state_.
  Ref<Reservations> state_;
  std::atomic<bool> restricted_{false};

  // Guarded by mutex_.
  Ref<Reservations> unlocked_;  // While the unit is locked: what it was before.
  ReservationChange* storing_ = nullptr;
  List<ReservationChange, &ReservationChange::node> waiting_;

  OwnPtr<UnitName> next_name_;  // While the unit is being renamed.

  ReservationKeeper* keeper_ = nullptr;  // Constant once attached.
  UnitName name_;                        // Constant while something is being stored.
  struct Message : WorkerMessage {
    explicit Message(Handle handler) : WorkerMessage(handler) {}
    UnitReservations* unit = nullptr;
  } message_{&UnitReservations::on_message};
};

}  // namespace chiscsi::scsi
