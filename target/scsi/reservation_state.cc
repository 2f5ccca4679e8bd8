// SPDX-License-Identifier: GPL-2.0-only
//
// Reservations: registering, reserving, preempting. See reservation_state.hh; numbers of sections
// and tables are those of SPC-5.
#include "target/scsi/reservation_state.hh"

#include "target/scsi/conclusion.hh"

namespace chiscsi::scsi {

namespace reservation_state_detail {

constexpr uint8_t kLogicalUnitScope = 0;

// Places that a field pointer names.
constexpr uint16_t kTypeInCdb = 2;
constexpr uint16_t kActionKeyInList = 8;
constexpr uint16_t kFlagsInList = 20;
constexpr uint8_t kSpecifiesPortsBit = 3;
constexpr uint16_t kTargetPortInList = 18;
constexpr uint16_t kMovedTransportIdInList = 24;

ReserveOutcome conflict() {
  ReserveOutcome outcome;
  outcome.conflict = true;
  return outcome;
}

ReserveOutcome failure(const Sense& sense) {
  ReserveOutcome outcome;
  outcome.sense = sense;
  return outcome;
}

ReserveOutcome bad_field_in_list(uint16_t field, uint8_t bit = FieldPointer::kWholeByte) {
  return failure(wrong_parameter(field, bit));
}

ReserveOutcome bad_type_in_cdb() { return failure(wrong_cdb_field(kTypeInCdb)); }

ReserveOutcome done() {
  ReserveOutcome outcome;
  outcome.changed = true;
  return outcome;
}

// The target ports that a request is for: that of the issuer, then, if it says so, all others.
struct ThroughPorts {
  uint16_t own;
  bool all;
  Span<const uint16_t> ports;

  size_t size() const { return 1 + (all ? ports.size() : 0); }
  uint16_t port(size_t at) const { return at == 0 ? own : ports[at - 1]; }
  bool is_new(size_t at) const { return at == 0 || ports[at - 1] != own; }
};

bool is_good_type(const ReserveOutRequest& request) {
  return request.scope == kLogicalUnitScope && is_reservation_type(request.type);
}

}  // namespace reservation_state_detail

bool is_reservation_type(uint8_t code) {
  return code == 1 || code == 3 || (code >= 5 && code <= 8);
}

bool is_shared(ReservationType type) {
  return type == ReservationType::kWriteExclusiveRegistrants ||
         type == ReservationType::kExclusiveAccessRegistrants || is_all_registrants(type);
}

bool is_all_registrants(ReservationType type) {
  return type == ReservationType::kWriteExclusiveAll ||
         type == ReservationType::kExclusiveAccessAll;
}

bool is_write_exclusive(ReservationType type) {
  return type == ReservationType::kWriteExclusive ||
         type == ReservationType::kWriteExclusiveRegistrants ||
         type == ReservationType::kWriteExclusiveAll;
}

// ---- The list ----

Result<OwnPtr<Reservations>> Reservations::create() {
  OwnPtr<Reservations> fresh = make<Reservations>(Alloc::kMaySleep);
  if (!fresh) return Error::kNoMemory;
  return fresh;
}

Reservations::~Reservations() { os_free(list_); }

Result<OwnPtr<Reservations>> Reservations::copy() const {
  OwnPtr<Reservations> twin = CHISCSI_TRY(create());
  CHISCSI_TRY(twin->make_room(size_));
  for (uint32_t i = 0; i < size_; ++i)
    ::new (static_cast<void*>(twin->list_ + i)) Registrant(list_[i]);
  twin->size_ = size_;
  twin->generation_ = generation_;
  twin->type_ = type_;
  twin->persists_ = persists_;
  twin->locked_ = locked_;
  twin->lock_holder_ = lock_holder_;
  return twin;
}

// Registrants have no destructor that does anything, so memory is all that is moved and freed.
Status Reservations::make_room(uint32_t more) {
  const uint32_t wanted = size_ + more;
  if (wanted <= capacity_) return Status();
  auto* list = static_cast<Registrant*>(allocate(wanted * sizeof(Registrant), Alloc::kMaySleep));
  if (list == nullptr) return Error::kNoMemory;
  for (uint32_t i = 0; i < size_; ++i)
    ::new (static_cast<void*>(list + i)) Registrant(list_[i]);
  os_free(list_);
  list_ = list;
  capacity_ = wanted;
  return Status();
}

Reservations::Registrant* Reservations::find_mutable(const Nexus& nexus) {
  for (uint32_t i = 0; i < size_; ++i) {
    if (list_[i].nexus == nexus) return &list_[i];
  }
  return nullptr;
}

const Reservations::Registrant* Reservations::find(const Nexus& nexus) const {
  return const_cast<Reservations*>(this)->find_mutable(nexus);
}

// There is room.
void Reservations::add(const Nexus& nexus, uint64_t key) {
  ::new (static_cast<void*>(list_ + size_)) Registrant{nexus, key, false};
  ++size_;
}

// How many have gone; the others keep their order.
template <typename Doomed>
uint32_t Reservations::remove_if(Doomed doomed) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < size_; ++i) {
    if (doomed(list_[i])) continue;
    if (kept != i) list_[kept] = list_[i];
    ++kept;
  }
  const uint32_t gone = size_ - kept;
  size_ = kept;
  return gone;
}

bool Reservations::is_holder(const Registrant& registrant) const {
  return is_reserved() && (is_all_registrants(type_) || registrant.holds);
}

Standing Reservations::standing(const Nexus& nexus) const {
  const Registrant* registrant = find(nexus);
  if (registrant == nullptr) return Standing::kUnregistered;
  return is_holder(*registrant) ? Standing::kHolder : Standing::kRegistered;
}

uint64_t Reservations::holder_key() const {
  if (is_all_registrants(type_)) return 0;
  for (const Registrant& registrant : registrants()) {
    if (registrant.holds) return registrant.key;
  }
  return 0;
}

// A reservation goes with its only holder, or with the last of all. True when it has.
bool Reservations::give_up_if_deserted() {
  if (!is_reserved()) return false;
  for (const Registrant& registrant : registrants()) {
    if (is_holder(registrant)) return false;
  }
  type_ = ReservationType::kNone;
  return true;
}

// ---- REGISTER (section 5.14.7, table 68) ----

// Of a nexus that asks for it itself. Others hear when the reservation goes with it.
void Reservations::unregister(const Nexus& nexus, ReserveOutcome& outcome) {
  const bool tells = is_shared(type_) && !is_all_registrants(type_);
  remove_if([&](const Registrant& registrant) { return registrant.nexus == nexus; });
  if (give_up_if_deserted() && tells) outcome.to_remaining = kReservationsReleased;
}

// What the request means for one nexus that is allowed to make it.
void Reservations::set_key(const Nexus& nexus, const ReserveOutRequest& request,
                           ReserveOutcome& outcome) {
  Registrant* registrant = find_mutable(nexus);
  if (request.action_key == 0) {
    if (registrant != nullptr) unregister(nexus, outcome);
  } else if (registrant != nullptr) {
    registrant->key = request.action_key;
  } else {
    add(nexus, request.action_key);
  }
}

// How many registrations there will be more, at most.
uint32_t Reservations::count_new(const Nexus& issuer, const ReserveOutRequest& request,
                                 Span<const uint16_t> target_ports) const {
  using namespace reservation_state_detail;
  if (request.action_key == 0) return 0;
  const ThroughPorts through{issuer.target_port, request.all_target_ports, target_ports};
  const uint64_t initiators = 1 + (request.specifies_ports ? request.ports.size() : 0);
  if (initiators * through.size() > 2 * kMaxRegistrants) return kMaxRegistrants + 1;
  uint32_t count = 0;
  for (size_t i = 0; i < through.size(); ++i) {
    if (!through.is_new(i)) continue;
    if (find({issuer.initiator, through.port(i)}) == nullptr) ++count;
    if (!request.specifies_ports) continue;
    for (const InitiatorPort& initiator : request.ports)
      if (find({initiator, through.port(i)}) == nullptr) ++count;
  }
  return count;
}

// The issuer has passed the check. The other ports take it as if it had been sent through them
// (ALL_TG_PT, section 6.16.3): what would conflict there does nothing. Initiator ports that are
// named are registered unless they are.
void Reservations::set_keys(const Nexus& issuer, const ReserveOutRequest& request,
                            Span<const uint16_t> target_ports, ReserveOutcome& outcome) {
  using namespace reservation_state_detail;
  const ThroughPorts through{issuer.target_port, request.all_target_ports, target_ports};
  for (size_t i = 0; i < through.size(); ++i) {
    if (!through.is_new(i)) continue;
    const Nexus own{issuer.initiator, through.port(i)};
    const Registrant* there = find(own);
    const bool conflicts = request.action == ReserveOut::kRegister &&
                           (there != nullptr ? there->key : 0) != request.key;
    if (!conflicts) set_key(own, request, outcome);
    if (!request.specifies_ports) continue;
    for (const InitiatorPort& initiator : request.ports) {
      const Nexus named{initiator, through.port(i)};
      if (find(named) == nullptr) add(named, request.action_key);
    }
  }
}

Result<ReserveOutcome> Reservations::do_register(const Nexus& issuer,
                                                 const ReserveOutRequest& request,
                                                 Span<const uint16_t> target_ports) {
  using namespace reservation_state_detail;
  const Registrant* known = find(issuer);
  if (request.action == ReserveOut::kRegister) {
    if ((known != nullptr ? known->key : 0) != request.key) return conflict();
    if (known != nullptr && request.specifies_ports)
      return bad_field_in_list(kFlagsInList, kSpecifiesPortsBit);
  } else if (request.specifies_ports) {
    return bad_field_in_list(kFlagsInList, kSpecifiesPortsBit);
  }
  // Table 68: nothing but good status.
  if (known == nullptr && request.action_key == 0) return ReserveOutcome{};
  const uint32_t more = count_new(issuer, request, target_ports);
  if (size_ + more > kMaxRegistrants) return failure(kNoRegistrationResources);
  CHISCSI_TRY(make_room(more));
  ReserveOutcome outcome = done();
  set_keys(issuer, request, target_ports, outcome);
  persists_ = request.persists || (request.keeps_persistence && persists_);
  ++generation_;
  return outcome;
}

// ---- RESERVE, RELEASE, CLEAR (sections 5.14.9 and 5.14.11) ----

ReserveOutcome Reservations::reserve(Registrant& issuer, const ReserveOutRequest& request) {
  using namespace reservation_state_detail;
  if (!is_good_type(request)) return bad_type_in_cdb();
  const auto type = static_cast<ReservationType>(request.type);
  if (is_reserved()) {
    return is_holder(issuer) && type == type_ ? ReserveOutcome{} : conflict();
  }
  type_ = type;
  issuer.holds = !is_all_registrants(type);
  return done();
}

ReserveOutcome Reservations::release(Registrant& issuer, const ReserveOutRequest& request) {
  using namespace reservation_state_detail;
  if (!is_reserved() || !is_holder(issuer)) return ReserveOutcome{};
  if (request.scope != kLogicalUnitScope || request.type != static_cast<uint8_t>(type_)) {
    return failure(kInvalidRelease);
  }
  ReserveOutcome outcome = done();
  if (is_shared(type_)) outcome.to_remaining = kReservationsReleased;
  type_ = ReservationType::kNone;
  issuer.holds = false;
  return outcome;
}

ReserveOutcome Reservations::clear() {
  using namespace reservation_state_detail;
  ReserveOutcome outcome = done();
  outcome.to_removed = kReservationsPreempted;
  size_ = 0;
  type_ = ReservationType::kNone;
  ++generation_;
  return outcome;
}

// ---- PREEMPT (section 5.14.11.2, table 69) ----

ReserveOutcome Reservations::preempt(const Registrant& issuer, const ReserveOutRequest& request) {
  using namespace reservation_state_detail;
  const uint64_t key = request.action_key;
  const bool all = is_all_registrants(type_);
  if (key == 0 && !all) return bad_field_in_list(kActionKeyInList);
  bool found = false, of_holder = all && key == 0;
  for (const Registrant& registrant : registrants()) {
    if (registrant.key != key) continue;
    found = true;
    of_holder |= !all && is_holder(registrant);
  }
  if (!found && key != 0) return conflict();
  if (of_holder && !is_good_type(request)) return bad_type_in_cdb();
  ReserveOutcome outcome = of_holder ? take_over(issuer.nexus, request) : remove_key(key);
  outcome.to_removed = kRegistrationsPreempted;
  outcome.aborts = request.action == ReserveOut::kPreemptAndAbort;
  ++generation_;
  return outcome;
}

// Everybody whom the key names goes, but for the issuer, which becomes the holder. A key of 0 names
// all of them.
ReserveOutcome Reservations::take_over(const Nexus& issuer_in_list,
                                       const ReserveOutRequest& request) {
  using namespace reservation_state_detail;
  const Nexus issuer = issuer_in_list;  // The list is about to move.
  const auto type = static_cast<ReservationType>(request.type);
  ReserveOutcome outcome = done();
  if (type != type_) outcome.to_remaining = kReservationsReleased;
  remove_if([&](const Registrant& registrant) {
    return (request.action_key == 0 || registrant.key == request.action_key) &&
           !(registrant.nexus == issuer);
  });
  for (uint32_t i = 0; i < size_; ++i)
    list_[i].holds = false;
  type_ = type;
  if (Registrant* holder = find_mutable(issuer)) holder->holds = !is_all_registrants(type);
  return outcome;
}

// The reservation stays, unless the last of all registrants has gone.
ReserveOutcome Reservations::remove_key(uint64_t key) {
  using namespace reservation_state_detail;
  remove_if([&](const Registrant& registrant) { return registrant.key == key; });
  give_up_if_deserted();
  return done();
}

// ---- REGISTER AND MOVE (section 5.14.8) ----

Result<ReserveOutcome> Reservations::move(const Registrant& issuer_in_list,
                                          const ReserveOutRequest& request,
                                          Span<const uint16_t> target_ports) {
  using namespace reservation_state_detail;
  const Nexus issuer = issuer_in_list.nexus;
  if (!is_reserved()) return failure(kInvalidFieldInCdb);
  if (!is_holder(issuer_in_list) || is_all_registrants(type_)) return conflict();
  if (request.action_key == 0) return bad_field_in_list(kActionKeyInList);
  bool port_exists = false;
  for (const uint16_t port : target_ports)
    port_exists |= port == request.moves_to_port;
  if (!port_exists) return bad_field_in_list(kTargetPortInList);
  if (request.ports.size() != 1) return bad_field_in_list(kMovedTransportIdInList);
  const Nexus destination{request.ports[0], request.moves_to_port};
  if (destination == issuer) return bad_field_in_list(kMovedTransportIdInList);

  if (find(destination) == nullptr) {
    if (size_ == kMaxRegistrants) return failure(kNoRegistrationResources);
    CHISCSI_TRY(make_room(1));
    add(destination, request.action_key);
  }
  Registrant* holder = find_mutable(destination);
  find_mutable(issuer)->holds = false;
  holder->key = request.action_key;
  holder->holds = true;
  if (request.unregisters) {
    remove_if([&](const Registrant& registrant) { return registrant.nexus == issuer; });
  }
  persists_ = request.persists;
  ++generation_;
  return done();
}

// ---- All ----

Result<ReserveOutcome> Reservations::apply(const Nexus& issuer, const ReserveOutRequest& request,
                                           Span<const uint16_t> target_ports) {
  using namespace reservation_state_detail;
  if (is_locked()) return conflict();
  if (request.action == ReserveOut::kRegister || request.action == ReserveOut::kRegisterAndIgnore) {
    return do_register(issuer, request, target_ports);
  }
  Registrant* known = find_mutable(issuer);
  if (known == nullptr || known->key != request.key) return conflict();
  switch (request.action) {
    case ReserveOut::kReserve:
      return reserve(*known, request);
    case ReserveOut::kRelease:
      return release(*known, request);
    case ReserveOut::kClear:
      return clear();
    case ReserveOut::kPreempt:
    case ReserveOut::kPreemptAndAbort:
      return preempt(*known, request);
    default:
      return move(*known, request, target_ports);
  }
}

// ---- RESERVE and RELEASE of SPC-2 ----

bool Reservations::lock_unit(const Nexus& nexus) {
  if (size_ != 0) {
    const Standing standing = this->standing(nexus);
    return standing == Standing::kHolder || (standing == Standing::kRegistered && is_shared(type_));
  }
  if (locked_ && !(nexus == lock_holder_)) return false;
  locked_ = true;
  lock_holder_ = nexus;
  return true;
}

bool Reservations::unlock_unit(const Nexus& nexus) {
  if (size_ != 0) return lock_unit(nexus);
  if (is_locked_by(nexus)) locked_ = false;
  return true;  // Of somebody else it does nothing.
}

// ---- From storage ----

Status Reservations::restore_registrant(const Registrant& registrant) {
  if (registrant.key == 0 || find(registrant.nexus) != nullptr) return Error::kInvalid;
  if (size_ == kMaxRegistrants) return Error::kNoSpace;
  if (size_ == capacity_) {
    const uint32_t left = kMaxRegistrants - size_;
    CHISCSI_TRY(make_room(size_ + 4 < left ? size_ + 4 : left));
  }
  add(registrant.nexus, registrant.key);
  list_[size_ - 1].holds = registrant.holds;
  return Status();
}

bool Reservations::restore(ReservationType type, bool persists) {
  uint32_t holders = 0;
  for (const Registrant& registrant : registrants())
    holders += registrant.holds;
  const bool one_holds = type != ReservationType::kNone && !is_all_registrants(type);
  if (holders != (one_holds ? 1 : 0)) return false;
  if (is_all_registrants(type) && size_ == 0) return false;
  type_ = type;
  persists_ = persists;
  return true;
}

}  // namespace chiscsi::scsi
