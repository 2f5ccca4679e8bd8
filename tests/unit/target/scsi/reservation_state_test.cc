// SPDX-License-Identifier: GPL-2.0-only
//
// Reservations: every service action, for each type, from holder, registered and unregistered.
#include "target/scsi/reservation_state.hh"

#include "reservation_world.hh"
#include "target/scsi/conclusion.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

// "a" holds, "b" is registered, "c" is not, "d" is registered with the key of "b".
class ReservationsTest : public testing::Test, protected World {
 protected:
  const Nexus a = nexus("a"), b = nexus("bb"), c = nexus("ccc"), d = nexus("dddd");
  static constexpr uint64_t kA = 0xa, kB = 0xb;

  void meet(uint8_t type) {
    state = Reservations::create().take();
    join(a, kA);
    join(b, kB);
    join(d, kB);
    if (type != 0) {
      ASSERT_TRUE(out(a, ReserveOut::kReserve, kA, 0, type).is_good());
    }
  }
  static ReservationType as_type(uint8_t code) { return static_cast<ReservationType>(code); }
};

TEST_F(ReservationsTest, RegisterChecksTheKeyOfTheNexus) {
  EXPECT_TRUE(out(a, ReserveOut::kRegister, 1, 2).conflict);  // Unregistered has key 0.
  EXPECT_EQ(state->generation(), 0u);
  EXPECT_TRUE(out(a, ReserveOut::kRegister, 0, 0).is_good());  // Nothing but good.
  EXPECT_EQ(state->registrants().size(), 0u);
  EXPECT_TRUE(out(a, ReserveOut::kRegister, 0, kA).changed);
  EXPECT_EQ(state->generation(), 1u);
  EXPECT_TRUE(out(a, ReserveOut::kRegister, 0, 5).conflict);
  EXPECT_TRUE(out(a, ReserveOut::kRegister, 7, 5).conflict);
  EXPECT_EQ(key_of(a), kA);
  EXPECT_TRUE(out(a, ReserveOut::kRegister, kA, 5).is_good());
  EXPECT_EQ(key_of(a), 5u);
  EXPECT_TRUE(out(a, ReserveOut::kRegister, 5, 0).is_good());
  EXPECT_EQ(state->find(a), nullptr);
  EXPECT_EQ(state->generation(), 3u);
}

TEST_F(ReservationsTest, RegisterAndIgnoreAsksForNoKey) {
  EXPECT_TRUE(out(a, ReserveOut::kRegisterAndIgnore, 99, 0).is_good());
  EXPECT_TRUE(out(a, ReserveOut::kRegisterAndIgnore, 99, kA).is_good());
  EXPECT_TRUE(out(a, ReserveOut::kRegisterAndIgnore, 98, 6).is_good());
  EXPECT_EQ(key_of(a), 6u);
  EXPECT_TRUE(out(a, ReserveOut::kRegisterAndIgnore, 98, 0).is_good());
  EXPECT_EQ(state->registrants().size(), 0u);
}

TEST_F(ReservationsTest, NexusIsNameIsidAndTargetPort) {
  join(a, kA);
  EXPECT_EQ(state->standing(nexus("a", 2)), Standing::kUnregistered);
  Nexus other = a;
  other.initiator.isid[3] = 1;
  EXPECT_EQ(state->standing(other), Standing::kUnregistered);
  EXPECT_EQ(state->standing(nexus("a")), Standing::kRegistered);
}

TEST_F(ReservationsTest, ServiceActionsNeedARegistrationAndItsKey) {
  for (const uint8_t type : kAllTypes) {
    meet(type);
    for (const ReserveOut action :
         {ReserveOut::kReserve, ReserveOut::kRelease, ReserveOut::kClear, ReserveOut::kPreempt,
          ReserveOut::kPreemptAndAbort, ReserveOut::kRegisterAndMove}) {
      EXPECT_TRUE(out(c, action, 0, kA, type).conflict);
      EXPECT_TRUE(out(c, action, kA, kB, type).conflict);
      EXPECT_TRUE(out(b, action, kA, kA, type).conflict);
      EXPECT_TRUE(out(a, action, 0, kB, type).conflict);
    }
    EXPECT_EQ(state->registrants().size(), 3u);
    EXPECT_EQ(state->type(), as_type(type));
  }
}

TEST_F(ReservationsTest, ReserveByHolderRegisteredAndOthers) {
  for (const uint8_t held : kAllTypes) {
    for (const uint8_t wanted : kAllTypes) {
      meet(held);
      const bool all = held >= 7;
      // The same again is good, anything else conflicts; a type of all has every one as holder.
      EXPECT_EQ(out(a, ReserveOut::kReserve, kA, 0, wanted).conflict, wanted != held);
      EXPECT_EQ(out(b, ReserveOut::kReserve, kB, 0, wanted).conflict, !(all && wanted == held));
      EXPECT_TRUE(out(c, ReserveOut::kReserve, 0, 0, wanted).conflict);
      EXPECT_EQ(state->standing(a), Standing::kHolder);
      EXPECT_EQ(state->standing(b), all ? Standing::kHolder : Standing::kRegistered);
      EXPECT_EQ(state->holder_key(), all ? 0 : kA);
    }
  }
}

TEST_F(ReservationsTest, ReserveOfAWrongTypeNamesTheField) {
  meet(0);
  for (const uint8_t type : {0, 2, 4, 9, 15}) {
    const ReserveOutcome outcome = out(a, ReserveOut::kReserve, kA, 0, type);
    EXPECT_TRUE(is_sense(outcome, kInvalidFieldInCdb));
    EXPECT_EQ(outcome.sense.field.place, FieldPointer::kCdb);
    EXPECT_EQ(outcome.sense.field.byte, 2);
  }
  ReserveOutRequest request;
  request.action = ReserveOut::kReserve;
  request.key = kA;
  request.type = 1;
  request.scope = 2;
  EXPECT_TRUE(is_sense(out(a, request), kInvalidFieldInCdb));
  EXPECT_FALSE(state->is_reserved());
}

TEST_F(ReservationsTest, ReleaseByHolderRegisteredAndOthers) {
  for (const uint8_t type : kAllTypes) {
    meet(type);
    const bool all = type >= 7;
    if (!all) {
      const ReserveOutcome outcome = out(b, ReserveOut::kRelease, kB, 0, type);
      EXPECT_TRUE(outcome.is_good());
      EXPECT_FALSE(outcome.changed);
      EXPECT_TRUE(state->is_reserved());
    }
    const uint8_t other = type == 1 ? 3 : 1;
    EXPECT_TRUE(is_sense(out(a, ReserveOut::kRelease, kA, 0, other), kInvalidRelease));
    EXPECT_TRUE(out(c, ReserveOut::kRelease, 0, 0, type).conflict);
    const uint32_t generation = state->generation();
    const ReserveOutcome outcome =
        all ? out(b, ReserveOut::kRelease, kB, 0, type) : out(a, ReserveOut::kRelease, kA, 0, type);
    EXPECT_TRUE(outcome.is_good());
    EXPECT_FALSE(state->is_reserved());
    EXPECT_EQ(state->generation(), generation);
    // Only those whom the reservation let in have lost something.
    EXPECT_EQ(outcome.to_remaining.key, type >= 5 ? 6 : 0);
    if (type >= 5) {
      EXPECT_TRUE(outcome.to_remaining == kReservationsReleased);
    }
    EXPECT_EQ(outcome.to_removed.key, 0);
    EXPECT_EQ(state->standing(a), Standing::kRegistered);
    EXPECT_TRUE(out(a, ReserveOut::kRelease, kA, 0, type).is_good());  // Of none.
  }
}

TEST_F(ReservationsTest, HolderThatUnregistersGivesUpTheReservation) {
  for (const uint8_t type : kAllTypes) {
    meet(type);
    const ReserveOutcome outcome = out(a, ReserveOut::kRegister, kA, 0);
    EXPECT_TRUE(outcome.is_good());
    EXPECT_EQ(state->is_reserved(), type >= 7);
    EXPECT_EQ(outcome.to_remaining.key, type == 5 || type == 6 ? 6 : 0);
    if (type < 7) continue;
    EXPECT_TRUE(out(b, ReserveOut::kRegister, kB, 0).is_good());
    EXPECT_TRUE(state->is_reserved());
    EXPECT_TRUE(out(d, ReserveOut::kRegister, kB, 0).is_good());
    EXPECT_FALSE(state->is_reserved());
  }
}

TEST_F(ReservationsTest, OtherThatUnregistersDoesNot) {
  for (const uint8_t type : kAllTypes) {
    meet(type);
    const ReserveOutcome outcome = out(b, ReserveOut::kRegister, kB, 0);
    EXPECT_TRUE(outcome.is_good());
    EXPECT_EQ(outcome.to_remaining.key, 0);
    EXPECT_EQ(state->type(), as_type(type));
    EXPECT_EQ(state->standing(a), Standing::kHolder);
  }
}

TEST_F(ReservationsTest, NewRegistrantOfAllIsHolder) {
  meet(7);
  join(c, 0xc);
  EXPECT_EQ(state->standing(c), Standing::kHolder);
  meet(5);
  join(c, 0xc);
  EXPECT_EQ(state->standing(c), Standing::kRegistered);
}

TEST_F(ReservationsTest, ClearByAnyRegistered) {
  for (const uint8_t type : {0, 1, 3, 5, 6, 7, 8}) {
    meet(type);
    EXPECT_TRUE(out(c, ReserveOut::kClear, 0).conflict);
    const uint32_t generation = state->generation();
    const ReserveOutcome outcome = out(b, ReserveOut::kClear, kB);
    EXPECT_TRUE(outcome.is_good());
    EXPECT_TRUE(outcome.to_removed == kReservationsPreempted);
    EXPECT_FALSE(outcome.aborts);
    EXPECT_EQ(state->registrants().size(), 0u);
    EXPECT_FALSE(state->is_reserved());
    EXPECT_EQ(state->generation(), generation + 1);
  }
}

TEST_F(ReservationsTest, PreemptOfTheHolderTakesOver) {
  for (const ReserveOut action : {ReserveOut::kPreempt, ReserveOut::kPreemptAndAbort}) {
    for (const uint8_t held : {1, 3, 5, 6}) {
      for (const uint8_t wanted : kAllTypes) {
        meet(held);
        const uint32_t generation = state->generation();
        const ReserveOutcome outcome = out(b, action, kB, kA, wanted);
        EXPECT_TRUE(outcome.is_good());
        EXPECT_EQ(outcome.aborts, action == ReserveOut::kPreemptAndAbort);
        EXPECT_TRUE(outcome.to_removed == kRegistrationsPreempted);
        EXPECT_EQ(outcome.to_remaining.key, wanted != held ? 6 : 0);
        EXPECT_EQ(state->find(a), nullptr);
        EXPECT_EQ(state->standing(b), Standing::kHolder);
        EXPECT_EQ(state->standing(d), wanted >= 7 ? Standing::kHolder : Standing::kRegistered);
        EXPECT_EQ(state->type(), as_type(wanted));
        EXPECT_EQ(state->generation(), generation + 1);
      }
    }
  }
}

TEST_F(ReservationsTest, PreemptOfOthersRemovesThemOnly) {
  for (const uint8_t held : kAllTypes) {
    meet(held);
    // The type in the CDB is not looked at.
    EXPECT_TRUE(out(a, ReserveOut::kPreempt, kA, kB, 15).is_good());
    EXPECT_EQ(state->type(), as_type(held));
    EXPECT_EQ(state->standing(a), Standing::kHolder);
    EXPECT_EQ(state->registrants().size(), 1u);
  }
}

TEST_F(ReservationsTest, PreemptWithoutReservationRemovesRegistrations) {
  meet(0);
  EXPECT_TRUE(out(a, ReserveOut::kPreempt, kA, kB, 1).is_good());
  EXPECT_FALSE(state->is_reserved());
  EXPECT_EQ(state->registrants().size(), 1u);
  meet(0);  // One's own key, too.
  EXPECT_TRUE(out(b, ReserveOut::kPreempt, kB, kB, 1).is_good());
  EXPECT_EQ(state->registrants().size(), 1u);
  EXPECT_EQ(state->find(b), nullptr);
}

TEST_F(ReservationsTest, PreemptByTheHolderItselfChangesTheType) {
  meet(1);
  join(c, kA);
  EXPECT_TRUE(out(a, ReserveOut::kPreempt, kA, kA, 6).is_good());
  EXPECT_EQ(state->type(), as_type(6));
  EXPECT_EQ(state->standing(a), Standing::kHolder);
  EXPECT_EQ(state->find(c), nullptr);  // Had the same key.
  EXPECT_EQ(state->standing(b), Standing::kRegistered);
}

TEST_F(ReservationsTest, PreemptWithKeyZero) {
  for (const uint8_t held : {0, 1, 3, 5, 6}) {
    meet(held);
    const ReserveOutcome outcome = out(b, ReserveOut::kPreempt, kB, 0, 1);
    EXPECT_TRUE(is_sense(outcome, kInvalidFieldInParameters));
    EXPECT_EQ(outcome.sense.field.byte, 8);
    EXPECT_EQ(outcome.sense.field.place, FieldPointer::kParameters);
  }
  for (const uint8_t held : {7, 8}) {
    meet(held);
    EXPECT_TRUE(out(b, ReserveOut::kPreempt, kB, 0, 3).is_good());
    EXPECT_EQ(state->registrants().size(), 1u);
    EXPECT_EQ(state->standing(b), Standing::kHolder);
    EXPECT_EQ(state->type(), as_type(3));
  }
}

TEST_F(ReservationsTest, PreemptOfAKeyOfAllRegistrantsKeepsTheReservation) {
  for (const uint8_t held : {7, 8}) {
    meet(held);
    EXPECT_TRUE(out(a, ReserveOut::kPreempt, kA, kB, 1).is_good());
    EXPECT_EQ(state->type(), as_type(held));
    EXPECT_TRUE(out(a, ReserveOut::kPreempt, kA, kA, 1).is_good());
    EXPECT_FALSE(state->is_reserved());  // Nobody is left.
  }
}

TEST_F(ReservationsTest, PreemptOfAnUnknownKeyConflicts) {
  for (const uint8_t held : {0, 1, 3, 5, 6, 7, 8}) {
    meet(held);
    EXPECT_TRUE(out(a, ReserveOut::kPreempt, kA, 0xdead, 1).conflict);
    EXPECT_TRUE(out(c, ReserveOut::kPreempt, 0, kA, 1).conflict);
  }
}

TEST_F(ReservationsTest, PreemptThatTakesOverChecksTheType) {
  meet(1);
  EXPECT_TRUE(is_sense(out(b, ReserveOut::kPreempt, kB, kA, 2), kInvalidFieldInCdb));
  EXPECT_EQ(state->standing(a), Standing::kHolder);
}

// ---- REGISTER AND MOVE ----

class MoveTest : public ReservationsTest {
 protected:
  ReserveOutcome move(const Nexus& from, uint64_t key, const Nexus& to, uint64_t new_key = 0xe,
                      bool unregisters = false) {
    const InitiatorPort ports[] = {to.initiator};
    ReserveOutRequest request;
    request.action = ReserveOut::kRegisterAndMove;
    request.key = key;
    request.action_key = new_key;
    request.unregisters = unregisters;
    request.moves_to_port = to.target_port;
    request.ports = ports;
    return out(from, request);
  }
};

TEST_F(MoveTest, OnlyByTheOneHolder) {
  meet(0);
  EXPECT_TRUE(is_sense(move(a, kA, c), kInvalidFieldInCdb));
  for (const uint8_t type : kAllTypes) {
    meet(type);
    EXPECT_TRUE(move(c, 0, a).conflict);
    EXPECT_TRUE(move(b, kB, c).conflict);
    EXPECT_EQ(move(a, kA, c).conflict, type >= 7);
    EXPECT_EQ(state->standing(c), type >= 7 ? Standing::kUnregistered : Standing::kHolder);
    EXPECT_EQ(state->type(), as_type(type));
    if (type >= 7) continue;
    EXPECT_EQ(key_of(c), 0xeu);
    EXPECT_EQ(state->standing(a), Standing::kRegistered);
  }
}

TEST_F(MoveTest, ToRegisteredAndAway) {
  meet(3);
  EXPECT_TRUE(move(a, kA, b, 0x77, true).is_good());
  EXPECT_EQ(key_of(b), 0x77u);
  EXPECT_EQ(state->standing(b), Standing::kHolder);
  EXPECT_EQ(state->find(a), nullptr);
  EXPECT_TRUE(move(b, 0x77, nexus("a", 2), 5).is_good());  // Another target port.
  EXPECT_EQ(state->standing(nexus("a", 2)), Standing::kHolder);
}

TEST_F(MoveTest, RefusesWhatMakesNoSense) {
  meet(1);
  EXPECT_EQ(move(a, kA, c, 0).sense.field.byte, 8);
  EXPECT_TRUE(is_sense(move(a, kA, a), kInvalidFieldInParameters));
  EXPECT_EQ(move(a, kA, nexus("ccc", 9)).sense.field.byte, 18);
  EXPECT_EQ(state->standing(a), Standing::kHolder);
}

// ---- Many ports, many registrants, what persists ----

TEST_F(ReservationsTest, SpecifiedPortsAreRegisteredUnlessTheyAre) {
  join(b, kB);
  const InitiatorPort ports[] = {b.initiator, c.initiator};
  ReserveOutRequest request;
  request.action_key = kA;
  request.specifies_ports = true;
  request.ports = ports;
  EXPECT_TRUE(out(a, request).is_good());
  EXPECT_EQ(key_of(a), kA);
  EXPECT_EQ(key_of(b), kB);
  EXPECT_EQ(key_of(c), kA);
  request.key = kA;
  EXPECT_TRUE(is_sense(out(a, request), kInvalidFieldInParameters));  // Registered already.
  request.action = ReserveOut::kRegisterAndIgnore;
  EXPECT_TRUE(is_sense(out(d, request), kInvalidFieldInParameters));
}

TEST_F(ReservationsTest, AllTargetPortsAreRegistered) {
  ReserveOutRequest request;
  request.action_key = kA;
  request.all_target_ports = true;
  EXPECT_TRUE(out(a, request).is_good());
  EXPECT_EQ(key_of(nexus("a", 2)), kA);
  // Through one port alone.
  EXPECT_TRUE(out(nexus("a", 2), ReserveOut::kRegister, kA, 9).is_good());
  request.key = kA;
  request.action_key = 0;
  EXPECT_TRUE(out(a, request).is_good());
  EXPECT_EQ(state->find(a), nullptr);
  EXPECT_EQ(key_of(nexus("a", 2)), 9u);  // There it would have conflicted.
}

TEST_F(ReservationsTest, RegistrationsAreLimited) {
  for (uint32_t i = 0; i < Reservations::kMaxRegistrants; ++i)
    ASSERT_TRUE(
        state
            ->apply(nexus(std::to_string(i)),
                    ReserveOutRequest{
                        ReserveOut::kRegister, 0, 0, 0, i + 1, false, false, false, false, 0, {}},
                    kPorts)
            .take()
            .is_good());
  EXPECT_TRUE(is_sense(out(a, ReserveOut::kRegister, 0, kA), kNoRegistrationResources));
  EXPECT_TRUE(out(nexus("7"), ReserveOut::kRegister, 8, 80).is_good());
  ASSERT_TRUE(out(nexus("7"), ReserveOut::kReserve, 80, 0, 1).is_good());
  const InitiatorPort ports[] = {a.initiator};
  ReserveOutRequest request;
  request.action = ReserveOut::kRegisterAndMove;
  request.key = 80;
  request.action_key = 1;
  request.moves_to_port = 1;
  request.ports = ports;
  EXPECT_TRUE(is_sense(out(nexus("7"), request), kNoRegistrationResources));
  EXPECT_TRUE(out(nexus("8"), ReserveOut::kRegister, 9, 0).is_good());
  EXPECT_TRUE(out(a, ReserveOut::kRegister, 0, kA).is_good());
  EXPECT_EQ(state->registrants().size(), Reservations::kMaxRegistrants);
}

TEST_F(ReservationsTest, AllOrNoneOfTheSpecifiedPortsAreRegistered) {
  std::vector<InitiatorPort> ports;
  for (uint32_t i = 0; i < Reservations::kMaxRegistrants; ++i)
    ports.push_back(initiator(std::to_string(i)));
  ReserveOutRequest request;
  request.action_key = kA;
  request.specifies_ports = true;
  request.ports = {ports.data(), ports.size()};
  EXPECT_TRUE(is_sense(out(a, request), kNoRegistrationResources));
  EXPECT_EQ(state->registrants().size(), 0u);
  request.ports = {ports.data(), ports.size() - 1};
  EXPECT_TRUE(out(a, request).is_good());
}

TEST_F(ReservationsTest, LastRegisterDecidesWhatPersists) {
  ReserveOutRequest request;
  request.action_key = kA;
  request.persists = true;
  EXPECT_TRUE(out(a, request).is_good());
  EXPECT_TRUE(state->persists());
  EXPECT_TRUE(out(a, ReserveOut::kReserve, kA, 0, 1).is_good());
  EXPECT_TRUE(state->persists());
  join(b, kB);
  EXPECT_FALSE(state->persists());
}

// ---- RESERVE and RELEASE of SPC-2 ----

TEST_F(ReservationsTest, LockIsForOneNexus) {
  EXPECT_TRUE(state->lock_unit(a));
  EXPECT_TRUE(state->lock_unit(a));
  EXPECT_FALSE(state->lock_unit(b));
  EXPECT_TRUE(state->unlock_unit(b));  // Good, and nothing else.
  EXPECT_TRUE(state->is_locked_by(a));
  EXPECT_TRUE(out(a, ReserveOut::kRegister, 0, kA).conflict);
  EXPECT_TRUE(state->unlock_unit(a));
  EXPECT_FALSE(state->is_locked());
  EXPECT_TRUE(state->lock_unit(b));
  EXPECT_TRUE(state->drop_lock());
  EXPECT_FALSE(state->drop_lock());
}

TEST_F(ReservationsTest, LockAmongRegistrations) {
  for (const uint8_t type : {0, 1, 3, 5, 6, 7, 8}) {
    meet(type);
    for (const bool unlock : {false, true}) {
      const auto ask = [&](const Nexus& who) {
        return unlock ? state->unlock_unit(who) : state->lock_unit(who);
      };
      EXPECT_EQ(ask(a), type != 0);
      EXPECT_EQ(ask(b), type >= 5);
      EXPECT_FALSE(ask(c));
      EXPECT_FALSE(state->is_locked());
    }
  }
}

TEST_F(ReservationsTest, RestoreRefusesWhatCannotHaveBeen) {
  ASSERT_TRUE(state->restore_registrant({a, kA, true}).is_ok());
  ASSERT_TRUE(state->restore_registrant({b, kB, false}).is_ok());
  EXPECT_FALSE(state->restore_registrant({b, kB, false}).is_ok());
  EXPECT_FALSE(state->restore_registrant({c, 0, false}).is_ok());
  EXPECT_FALSE(state->restore(as_type(0), true));  // Somebody holds what is not there.
  EXPECT_FALSE(state->restore(as_type(7), true));
  EXPECT_TRUE(state->restore(as_type(3), true));
  EXPECT_EQ(state->standing(a), Standing::kHolder);
  World empty;
  EXPECT_FALSE(empty.state->restore(as_type(1), true));
  EXPECT_FALSE(empty.state->restore(as_type(7), true));
}

}  // namespace
}  // namespace chiscsi::test
