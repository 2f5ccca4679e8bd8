// SPDX-License-Identifier: GPL-2.0-only
//
// ALUA_SET: the administrator puts a portal group into another access state (docs/reservations.md).
#include "target/scsi/alua.hh"
#include "target/config/number.hh"
#include "target/control/request.hh"
#include "target/engine.hh"

namespace chiscsi::control {

namespace alua_detail {

enum { kTarget, kGroup, kState };

Status refuse(Request& request, Error error, const char* wanted, Text given) {
  request.why.clear();
  request.why.add(wanted);
  request.why.add(", not ").add_quoted(given);
  return error;
}

}  // namespace alua_detail

Status set_access_state(Request& request) {
  using namespace alua_detail;
  Word words[] = {{"target", true}, {"group", true}, {"state", true}};
  CHISCSI_TRY(take_words(request.in, words, &request.why));
  uint32_t tag = 0;
  if (!parse_number_in_range(words[kGroup].value, NumberSyntax::kDecimal, 0, 65535, &tag)) {
    return refuse(request, Error::kInvalid, "group: wants a number from 0 to 65535",
                  words[kGroup].value);
  }
  scsi::AccessState state;
  if (!scsi::parse_access_state(words[kState].value, &state)) {
    return refuse(request, Error::kInvalid,
                  "state: wants optimized, non-optimized, standby, unavailable or transitioning",
                  words[kState].value);
  }
  const Ref<Target> target = CHISCSI_TRY(find_target(request, words[kTarget].value));
  const Status set = scsi::set_alua_state(*target, static_cast<uint16_t>(tag), state);
  if (set.error() == Error::kNoEntry) {
    return refuse(request, Error::kNoEntry, "group: wants a portal group of the target",
                  words[kGroup].value);
  }
  return set;
}

}  // namespace chiscsi::control
