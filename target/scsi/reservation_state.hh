// SPDX-License-Identifier: GPL-2.0-only
//
// Reservations: the registrations and the reservation of one logical unit, as a value (SPC-5
// section 5.14, SPC-2 section 5.5 for RESERVE and RELEASE).
//
// It knows neither sessions nor locks nor files. Whoever executes PERSISTENT RESERVE OUT makes a
// copy, applies the request to it and lets the copy take the place of what was there, or drops it:
// so a change happens as a whole, and "before" and "after" are both at hand for telling others.
// One thread at a time; making a copy and applying may sleep for memory.
#pragma once

#include <cstdint>
#include <utility>

#include "base/alloc.hh"
#include "base/error.hh"
#include "base/ref.hh"
#include "target/scsi/nexus.hh"
#include "target/scsi/sense_code.hh"

namespace chiscsi::scsi {

// SPC-5 annex E.
inline constexpr SenseCode kInvalidRelease{0x05, 0x26, 0x04};
inline constexpr SenseCode kNoRegistrationResources{0x05, 0x55, 0x04};
inline constexpr SenseCode kReservationsPreempted{0x06, 0x2a, 0x03};
inline constexpr SenseCode kReservationsReleased{0x06, 0x2a, 0x04};
inline constexpr SenseCode kRegistrationsPreempted{0x06, 0x2a, 0x05};

// Codes of SPC-5 table 70; others are reserved or obsolete.
enum class ReservationType : uint8_t {
  kNone = 0,
  kWriteExclusive = 1,
  kExclusiveAccess = 3,
  kWriteExclusiveRegistrants = 5,
  kExclusiveAccessRegistrants = 6,
  kWriteExclusiveAll = 7,
  kExclusiveAccessAll = 8,
};
bool is_reservation_type(uint8_t code);
// Every registered nexus may do what the holder may.
bool is_shared(ReservationType type);
// Every registered nexus is a holder.
bool is_all_registrants(ReservationType type);
// Others may read, not write.
bool is_write_exclusive(ReservationType type);

// Service actions of PERSISTENT RESERVE OUT.
enum class ReserveOut : uint8_t {
  kRegister = 0,
  kReserve = 1,
  kRelease = 2,
  kClear = 3,
  kPreempt = 4,
  kPreemptAndAbort = 5,
  kRegisterAndIgnore = 6,
  kRegisterAndMove = 7,
};

// A PERSISTENT RESERVE OUT that is well-formed by itself (reservation_parameters.hh).
struct ReserveOutRequest {
  ReserveOut action = ReserveOut::kRegister;
  uint8_t scope = 0;
  uint8_t type = 0;  // As in the CDB.
  uint64_t key = 0;
  uint64_t action_key = 0;  // SERVICE ACTION RESERVATION KEY.
  bool specifies_ports = false;
  bool all_target_ports = false;
  bool persists = false;            // APTPL.
  bool keeps_persistence = false;   // Without APTPL what persists goes on to do so.
  bool unregisters = false;         // UNREG of REGISTER AND MOVE.
  uint16_t moves_to_port = 0;       // Target port of REGISTER AND MOVE.
  Span<const InitiatorPort> ports;  // SPEC_I_PT, or the one of REGISTER AND MOVE.
};

// How a request ends. A good sense and no conflict: it has been done.
struct ReserveOutcome {
  bool conflict = false;  // Status RESERVATION CONFLICT.
  Sense sense;
  bool changed = false;  // There is something to keep.

  // What those hear that were registered before (SPC-5 section 5.14.11), but for the issuer: whose
  // registration is gone, and whose is still there. A key of 0: nothing.
  SenseCode to_removed = {};
  SenseCode to_remaining = {};
  bool aborts = false;  // The commands of those whose registration is gone.

  bool is_good() const { return !conflict && sense.is_good(); }
};

enum class Standing : uint8_t { kUnregistered, kRegistered, kHolder };

class Reservations : public RefCounted<Reservations> {
 public:
  // More registrations than this are refused.
  static constexpr uint32_t kMaxRegistrants = 1024;

  struct Registrant {
    Nexus nexus;
    uint64_t key = 0;
    bool holds = false;  // Of a type with one holder.
  };

  static Result<OwnPtr<Reservations>> create();
  Result<OwnPtr<Reservations>> copy() const;

  // `issuer` asks; `target_ports` are all of the target. kNoMemory: nothing has changed. The
  // outcome says the rest; what is not good has not changed anything either.
  Result<ReserveOutcome> apply(const Nexus& issuer, const ReserveOutRequest& request,
                               Span<const uint16_t> target_ports);

  // RESERVE and RELEASE of SPC-2, which lock the unit for one nexus. False: RESERVATION CONFLICT.
  // Where registrations are, they do nothing for whom the persistent reservation lets in, and
  // conflict for all others (CRH, SPC-5 section 5.14.3).
  bool lock_unit(const Nexus& nexus);
  bool unlock_unit(const Nexus& nexus);
  // The unit was reset. True when there was something to give up.
  bool drop_lock() { return std::exchange(locked_, false); }
  bool is_locked() const { return locked_; }
  bool is_locked_by(const Nexus& nexus) const { return locked_ && nexus == lock_holder_; }

  Standing standing(const Nexus& nexus) const;
  const Registrant* find(const Nexus& nexus) const;
  Span<const Registrant> registrants() const { return {list_, size_}; }
  bool is_holder(const Registrant& registrant) const;
  bool is_reserved() const { return type_ != ReservationType::kNone; }
  ReservationType type() const { return type_; }
  // The key under which the reservation is held; 0 for all registrants.
  uint64_t holder_key() const;
  uint32_t generation() const { return generation_; }
  bool persists() const { return persists_; }

  // Put back what was stored (reservation_record.hh), registrants first. An error or false: it is
  // not what could have been.
  Status restore_registrant(const Registrant& registrant);
  bool restore(ReservationType type, bool persists);

  Reservations() = default;
  ~Reservations();
  Reservations(const Reservations&) = delete;
  Reservations& operator=(const Reservations&) = delete;

 private:
  Registrant* find_mutable(const Nexus& nexus);
  Status make_room(uint32_t more);
  void add(const Nexus& nexus, uint64_t key);
  template <typename Doomed>
  uint32_t remove_if(Doomed doomed);
  bool give_up_if_deserted();
  void unregister(const Nexus& nexus, ReserveOutcome& outcome);
  uint32_t count_new(const Nexus& issuer, const ReserveOutRequest& request,
                     Span<const uint16_t> target_ports) const;
  void set_keys(const Nexus& issuer, const ReserveOutRequest& request,
                Span<const uint16_t> target_ports, ReserveOutcome& outcome);
  void set_key(const Nexus& nexus, const ReserveOutRequest& request, ReserveOutcome& outcome);

  Result<ReserveOutcome> do_register(const Nexus& issuer, const ReserveOutRequest& request,
                                     Span<const uint16_t> target_ports);
  ReserveOutcome reserve(Registrant& issuer, const ReserveOutRequest& request);
  ReserveOutcome release(Registrant& issuer, const ReserveOutRequest& request);
  ReserveOutcome clear();
  ReserveOutcome preempt(const Registrant& issuer, const ReserveOutRequest& request);
  ReserveOutcome take_over(const Nexus& issuer, const ReserveOutRequest& request);
  ReserveOutcome remove_key(uint64_t key);
  Result<ReserveOutcome> move(const Registrant& issuer, const ReserveOutRequest& request,
                              Span<const uint16_t> target_ports);

  Registrant* list_ = nullptr;  // In the order of registration.
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  uint32_t generation_ = 0;
  ReservationType type_ = ReservationType::kNone;
  bool persists_ = false;
  bool locked_ = false;  // By RESERVE(6) or (10).
  Nexus lock_holder_;
};

}  // namespace chiscsi::scsi
