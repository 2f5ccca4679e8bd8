// SPDX-License-Identifier: GPL-2.0-only
//
// Random requests against a simple model of SPC-5 section 5.14, written the other way round: a map
// of keys, a set of holders, and rules that are read off after each step.
#include <map>
#include <random>
#include <set>

#include "reservation_world.hh"
#include "target/scsi/conclusion.hh"

namespace chiscsi::test {
namespace {

using namespace scsi;  // NOLINT: the names under test.

enum class Said { kGood, kConflict, kSense };

struct Model {
  std::map<int, uint64_t> keys;
  std::set<int> holders;  // Of a type of all: whoever has a key, seen when it is asked for.
  int type = 0;
  uint32_t generation = 0;

  bool all() const { return type >= 7; }
  bool holds(int who) const {
    return type != 0 && keys.count(who) != 0 && (all() || holders.count(who) != 0);
  }
  void settle() {
    if (type == 0) holders.clear();
    if (all() ? keys.empty() : holders.empty()) type = 0;
  }
  void drop(int who) {
    keys.erase(who);
    holders.erase(who);
    settle();
  }
  Said enrol(int who, uint64_t key, uint64_t fresh, bool ignore) {
    const uint64_t has = keys.count(who) != 0 ? keys[who] : 0;
    if (!ignore && key != has) return Said::kConflict;
    if (has == 0 && fresh == 0) return Said::kGood;
    ++generation;
    if (fresh == 0) {
      drop(who);
    } else {
      keys[who] = fresh;
    }
    return Said::kGood;
  }
  Said hold(int who, int wanted) {
    if (type != 0) return holds(who) && wanted == type ? Said::kGood : Said::kConflict;
    type = wanted;
    holders.clear();
    if (!all()) holders.insert(who);
    return Said::kGood;
  }
  Said let_go(int who, int wanted) {
    if (!holds(who)) return Said::kGood;
    if (wanted != type) return Said::kSense;
    type = 0;
    settle();
    return Said::kGood;
  }
  Said oust(int who, uint64_t victim, int wanted) {
    std::set<int> victims;
    for (const auto& [nexus, key] : keys)
      if (key == victim || (victim == 0 && all())) victims.insert(nexus);
    if (victim == 0 && !all()) return Said::kSense;
    if (victims.empty()) return Said::kConflict;
    bool takes = all() && victim == 0;
    for (const int nexus : victims)
      takes |= !all() && holds(nexus);
    if (takes) victims.erase(who);
    for (const int nexus : victims) {
      keys.erase(nexus);
      holders.erase(nexus);
    }
    if (takes) {
      type = wanted;
      holders.clear();
      if (!all()) holders.insert(who);
    }
    settle();
    ++generation;
    return Said::kGood;
  }
  Said move(int who, int to, uint64_t key) {
    if (type == 0) return Said::kSense;
    if (!holds(who) || all()) return Said::kConflict;
    if (key == 0 || to == who) return Said::kSense;
    keys[to] = key;
    holders = {to};
    ++generation;
    return Said::kGood;
  }
  Said out(int who, ReserveOut action, uint64_t key, uint64_t fresh, int wanted, int to) {
    if (action == ReserveOut::kRegister) return enrol(who, key, fresh, false);
    if (action == ReserveOut::kRegisterAndIgnore) return enrol(who, key, fresh, true);
    if (keys.count(who) == 0 || keys[who] != key) return Said::kConflict;
    switch (action) {
      case ReserveOut::kReserve:
        return hold(who, wanted);
      case ReserveOut::kRelease:
        return let_go(who, wanted);
      case ReserveOut::kClear:
        keys.clear();
        type = 0;
        settle();
        ++generation;
        return Said::kGood;
      case ReserveOut::kRegisterAndMove:
        return move(who, to, fresh);
      default:
        return oust(who, fresh, wanted);
    }
  }
};

constexpr int kNexuses = 6;

Nexus numbered(int number) {
  return nexus(std::string(static_cast<size_t>(number / 2 + 1), 'x'),
               static_cast<uint16_t>(number % 2 + 1));
}

void expect_same(const Reservations& state, const Model& model, unsigned seed, int step) {
  ASSERT_EQ(state.registrants().size(), model.keys.size()) << seed << ": " << step;
  ASSERT_EQ(static_cast<int>(state.type()), model.type) << seed << ": " << step;
  ASSERT_EQ(state.generation(), model.generation) << seed << ": " << step;
  for (int who = 0; who < kNexuses; ++who) {
    const auto* there = state.find(numbered(who));
    const auto wanted = model.keys.find(who);
    ASSERT_EQ(there != nullptr, wanted != model.keys.end()) << seed << ": " << step;
    if (there != nullptr) {
      ASSERT_EQ(there->key, wanted->second);
    }
    const Standing standing = state.standing(numbered(who));
    ASSERT_EQ(standing == Standing::kHolder, model.holds(who)) << seed << ": " << step;
  }
}

void run(unsigned seed, int steps) {
  std::mt19937 random(seed);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  World world;
  Model model;
  for (int step = 0; step < steps; ++step) {
    const int who = pick(kNexuses), to = pick(kNexuses);
    const auto action = static_cast<ReserveOut>(pick(8));
    // Mostly the right key, so that something happens.
    const bool knows = pick(8) != 0;
    const uint64_t key = knows ? world.key_of(numbered(who)) : static_cast<uint64_t>(pick(4));
    const auto fresh = static_cast<uint64_t>(pick(4));
    const int wanted = kAllTypes[pick(6)];
    const InitiatorPort ports[] = {numbered(to).initiator};
    ReserveOutRequest request;
    request.action = action;
    request.key = key;
    request.action_key = fresh;
    request.type = static_cast<uint8_t>(wanted);
    if (action == ReserveOut::kRegisterAndMove) {
      request.ports = ports;
      request.moves_to_port = numbered(to).target_port;
    }
    const ReserveOutcome outcome = world.out(numbered(who), request);
    const Said said = outcome.conflict              ? Said::kConflict
                      : outcome.sense.code.key != 0 ? Said::kSense
                                                    : Said::kGood;
    ASSERT_EQ(said, model.out(who, action, key, fresh, wanted, to)) << seed << ": " << step;
    ASSERT_NO_FATAL_FAILURE(expect_same(*world.state, model, seed, step));
  }
}

TEST(ReservationModel, AgreesOverRandomRequests) {
  for (unsigned seed = 1; seed <= 60; ++seed)
    ASSERT_NO_FATAL_FAILURE(run(seed, 500));
}

}  // namespace
}  // namespace chiscsi::test
