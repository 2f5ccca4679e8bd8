// SPDX-License-Identifier: GPL-2.0-only
//
// UnitReservations: one change after the other. See unit_reservations.hh.
#include "target/scsi/unit_reservations.hh"

#include "base/lock.hh"
#include "target/scsi/conclusion.hh"
#include "target/scsi/reservation_conflicts.hh"
#include "target/scsi/reservation_keeper.hh"

namespace chiscsi::scsi {

UnitReservations::UnitReservations() { message_.unit = this; }

UnitReservations::~UnitReservations() {
  if (state_lock_ != nullptr) os_spinlock_destroy(state_lock_);
  if (mutex_ != nullptr) os_mutex_destroy(mutex_);
}

Result<Ref<UnitReservations>> UnitReservations::create() {
  auto unit = Ref<UnitReservations>::adopt(make<UnitReservations>(Alloc::kMaySleep));
  if (!unit) return Error::kNoMemory;
  unit->mutex_ = os_mutex_create();
  unit->state_lock_ = os_spinlock_create();
  if (unit->mutex_ == nullptr || unit->state_lock_ == nullptr) return Error::kNoMemory;
  unit->state_ = Ref<Reservations>::adopt(CHISCSI_TRY(Reservations::create()));
  return unit;
}

// A record that was damaged has been put aside: there are no registrations then.
Status UnitReservations::attach(ReservationKeeper& keeper, const UnitName& name) {
  Result<OwnPtr<Reservations>> stored = keeper.load(name);
  if (!stored.is_ok() && stored.error() != Error::kInvalid) return stored.status();
  MutexGuard guard(mutex_);
  name_ = name;
  keeper_ = &keeper;
  if (stored.is_ok() && stored.value()) replace(Ref<Reservations>::adopt(stored.take()));
  return Status();
}

bool UnitReservations::has_name(const UnitName& name) const {
  MutexGuard guard(mutex_);
  return name == name_;
}

bool UnitReservations::begin_rename(OwnPtr<UnitName> name) {
  MutexGuard guard(mutex_);
  const Ref<Reservations> now = current();
  const bool is_stored = now->persists() && !now->registrants().empty();
  if (is_stored || storing_ != nullptr) return false;
  next_name_ = std::move(name);
  return true;
}

void UnitReservations::end_rename(bool takes_effect) {
  MutexGuard guard(mutex_);
  if (next_name_ && takes_effect) name_ = *next_name_;
  next_name_.reset();
}

Ref<Reservations> UnitReservations::current() const {
  SpinGuard guard(state_lock_);
  return state_;
}

bool UnitReservations::conflicts(const Nexus& nexus, const Cdb& cdb) const {
  return scsi::conflicts(*current(), nexus, cdb);
}

// ---- A change; mutex_ is held ----

// True: there is something to publish.
bool UnitReservations::apply(ReservationChange& change) {
  if (change.overtaken) return false;
  change.before = current();
  Result<OwnPtr<Reservations>> copy = change.before->copy();
  change.no_memory = !copy.is_ok();
  if (change.no_memory) return false;
  change.after = Ref<Reservations>::adopt(copy.take());
  if (change.kind == ReservationChange::Kind::kReserveOut) {
    Result<ReserveOutcome> outcome = change.after->apply(
        change.issuer, change.parsed.request, Span<const uint16_t>(change.target_ports.span()));
    change.no_memory = !outcome.is_ok();
    if (change.no_memory) return false;
    change.outcome = outcome.take();
    change.no_memory = next_name_ && change.outcome.changed && needs_storing(change);
    return change.outcome.changed && !change.no_memory;
  }
  const bool locks = change.kind == ReservationChange::Kind::kLock;
  const bool good =
      locks ? change.after->lock_unit(change.issuer) : change.after->unlock_unit(change.issuer);
  change.outcome.conflict = !good;
  change.outcome.changed = change.after->is_locked() != change.before->is_locked();
  return change.outcome.changed;
}

bool UnitReservations::needs_storing(const ReservationChange& change) const {
  const bool persists = change.before->persists() || change.after->persists();
  return persists && keeper_ != nullptr && change.kind == ReservationChange::Kind::kReserveOut;
}

void UnitReservations::replace(Ref<Reservations> fresh) {
  const bool restricts = fresh->is_reserved() || fresh->is_locked();
  {
    SpinGuard guard(state_lock_);
    std::swap(state_, fresh);
  }
  restricted_.store(restricts, std::memory_order_release);
}

void UnitReservations::publish(const ReservationChange& change) {
  if (change.after->is_locked()) {
    if (!change.before->is_locked()) unlocked_ = change.before;
  } else {
    unlocked_.reset();
  }
  replace(change.after);
}

bool UnitReservations::submit(ReservationChange& change) {
  {
    MutexGuard guard(mutex_);
    if (storing_ != nullptr) {
      waiting_.push_back(change);
      return false;
    }
    if (!apply(change)) return true;
    if (!needs_storing(change)) {
      publish(change);
      return true;
    }
    storing_ = &change;
  }
  ref();  // The message's.
  keeper_->post(message_);
  return false;
}

void UnitReservations::drop_lock(const Nexus* nexus) {
  MutexGuard guard(mutex_);
  waiting_.for_each([&](ReservationChange& change) {
    const bool locks = change.kind == ReservationChange::Kind::kLock;
    if (locks && (nexus == nullptr || change.issuer == *nexus)) change.overtaken = true;
  });
  const Ref<Reservations> now = current();
  if (!now->is_locked() || (nexus != nullptr && !now->is_locked_by(*nexus))) return;
  replace(unlocked_);
  unlocked_.reset();
}

// ---- On the keeper's thread ----

void UnitReservations::on_message(WorkerMessage& message) {
  UnitReservations& unit = *static_cast<Message&>(message).unit;
  unit.run_changes();
  unit.unref();
}

Status UnitReservations::store(const ReservationChange& change) {
  const Reservations& after = *change.after;
  if (!after.persists() || after.registrants().empty()) return keeper_->remove(name_);
  const Buffer record = encode_record(after, name_);
  if (!record) return Error::kNoMemory;
  return keeper_->save(name_, record.bytes());
}

// The next change that is to be stored; those before it that need it not are done.
ReservationChange* UnitReservations::next_to_store() {
  while (true) {
    ReservationChange* change;
    {
      MutexGuard guard(mutex_);
      storing_ = nullptr;
      change = waiting_.pop_front();
      if (change == nullptr) return nullptr;
      storing_ = change;  // Others still wait.
      const bool changes = apply(*change);
      if (changes && needs_storing(*change)) return change;
      if (changes) publish(*change);
    }
    change->done(*change);
  }
}

void UnitReservations::run_changes() {
  ReservationChange* change = storing_;
  while (change != nullptr) {
    const Status stored = store(*change);
    {
      MutexGuard guard(mutex_);
      if (stored.is_ok()) {
        publish(*change);
      } else {
        change->outcome = ReserveOutcome();
        change->outcome.sense = kNotStored;
      }
    }
    change->done(*change);
    change = next_to_store();
  }
}

}  // namespace chiscsi::scsi
