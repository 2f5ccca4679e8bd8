// SPDX-License-Identifier: GPL-2.0-only
//
// ReservationKeeper: the thread that stores registrations, so that no session waits for a disk.
//
// Owned by the engine, from the moment it is told of a folder to its end; units post themselves to
// it and do their storing in its thread, one after the other.
#pragma once

#include "base/alloc.hh"
#include "target/scsi/reservation_store.hh"
#include "transport/worker.hh"

namespace chiscsi::scsi {

class ReservationKeeper {
 public:
  // Starts the thread. The folder is made when it is needed. Errors: kInvalid for a name that is
  // none or too long. Context: process.
  static Result<OwnPtr<ReservationKeeper>> create(Text folder);

  // Context: any.
  void post(WorkerMessage& message) { thread_->post(message); }
  // What was stored for a unit; null: nothing. See ReservationStore::load(). Waits for the thread.
  // Context: process, another thread.
  Result<OwnPtr<Reservations>> load(const UnitName& unit);

  // Context: the keeper's thread.
  Status save(const UnitName& unit, Bytes record);
  Status remove(const UnitName& unit);

 private:
  struct Load;
  static void on_load(WorkerMessage& message);

  OwnPtr<Worker> thread_;
  ReservationStore store_;
};

}  // namespace chiscsi::scsi
