// SPDX-License-Identifier: GPL-2.0-only
//
// Nexuses with short names, and requests in one line, for the tests of reservations.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "target/scsi/reservation_state.hh"

namespace chiscsi::test {

using scsi::InitiatorPort;
using scsi::Nexus;
using scsi::Reservations;
using scsi::ReservationType;
using scsi::ReserveOut;
using scsi::ReserveOutcome;
using scsi::ReserveOutRequest;
using scsi::Standing;

inline constexpr uint8_t kAllTypes[] = {1, 3, 5, 6, 7, 8};
inline constexpr uint16_t kPorts[] = {1, 2};

inline InitiatorPort initiator(const std::string& name) {
  InitiatorPort port;
  port.name.assign(("iqn.2026-11.org.example:" + name).c_str());
  port.isid[0] = 0x80;
  port.isid[5] = static_cast<uint8_t>(name.size());
  return port;
}
inline Nexus nexus(const std::string& name, uint16_t target_port = 1) {
  return {initiator(name), target_port};
}

struct World {
  OwnPtr<Reservations> state = Reservations::create().take();

  ReserveOutcome out(const Nexus& who, ReserveOut action, uint64_t key, uint64_t action_key = 0,
                     uint8_t type = 0) {
    ReserveOutRequest request;
    request.action = action;
    request.key = key;
    request.action_key = action_key;
    request.type = type;
    return out(who, request);
  }
  // As it is done in the target: on a copy, which counts when it is good.
  ReserveOutcome out(const Nexus& who, const ReserveOutRequest& request) {
    OwnPtr<Reservations> after = state->copy().take();
    const ReserveOutcome outcome = after->apply(who, request, kPorts).take();
    if (outcome.is_good()) state = std::move(after);
    return outcome;
  }
  void join(const Nexus& who, uint64_t key) {
    ASSERT_TRUE(out(who, ReserveOut::kRegisterAndIgnore, 0, key).is_good());
  }
  uint64_t key_of(const Nexus& who) const {
    const auto* registrant = state->find(who);
    return registrant != nullptr ? registrant->key : 0;
  }
};

inline bool is_sense(const ReserveOutcome& outcome, SenseCode code) {
  return !outcome.conflict && outcome.sense.code == code;
}

}  // namespace chiscsi::test
