// SPDX-License-Identifier: GPL-2.0-only
//
// ReservationKeeper: its thread. See reservation_keeper.hh.
#include "target/scsi/reservation_keeper.hh"

#include "os/log.h"

namespace chiscsi::scsi {

namespace reservation_keeper_detail {

constexpr uint32_t kLoadReportMs = 30'000;

struct Event {
  os_event* event = os_event_create();
  ~Event() {
    if (event != nullptr) os_event_destroy(event);
  }
};

}  // namespace reservation_keeper_detail

// On the stack of who waits for it.
struct ReservationKeeper::Load : WorkerMessage {
  explicit Load(ReservationKeeper& owner, const UnitName& wanted)
      : WorkerMessage(&ReservationKeeper::on_load), keeper(owner), unit(wanted) {}
  ReservationKeeper& keeper;
  const UnitName& unit;
  reservation_keeper_detail::Event done;
  Status status;
  OwnPtr<Reservations> loaded;
};

Result<OwnPtr<ReservationKeeper>> ReservationKeeper::create(Text folder) {
  OwnPtr<ReservationKeeper> keeper = make<ReservationKeeper>(Alloc::kMaySleep);
  if (!keeper) return Error::kNoMemory;
  CHISCSI_TRY(keeper->store_.set_folder(folder));
  keeper->thread_ = CHISCSI_TRY(Worker::create("chiscsi_pr", OS_ANY_CPU));
  return keeper;
}

void ReservationKeeper::on_load(WorkerMessage& message) {
  Load& load = static_cast<Load&>(message);
  Result<OwnPtr<Reservations>> loaded = load.keeper.store_.load(load.unit);
  load.status = loaded.status();
  if (loaded.is_ok()) load.loaded = loaded.take();
  os_event_signal(load.done.event);
}

// It cannot give up: the registrations may be what protects somebody's data.
Result<OwnPtr<Reservations>> ReservationKeeper::load(const UnitName& unit) {
  Load load(*this, unit);
  if (load.done.event == nullptr) return Error::kNoMemory;
  thread_->post(load);
  while (!os_event_wait(load.done.event, reservation_keeper_detail::kLoadReportMs))
    os_log(OS_LOG_WARNING, "%s: still reading stored registrations", unit.target.c_str());
  if (!load.status.is_ok()) return load.status.error();
  return std::move(load.loaded);
}

Status ReservationKeeper::save(const UnitName& unit, Bytes record) {
  return store_.save(unit, record);
}

Status ReservationKeeper::remove(const UnitName& unit) { return store_.remove(unit); }

}  // namespace chiscsi::scsi
