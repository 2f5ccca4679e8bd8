// SPDX-License-Identifier: GPL-2.0-only
//
// The information calls of the Guide's chapter 8. They are exported, and say that they are not
// there yet, until the counters behind them are kept per portal and can be read consistently.
#include "base/error.hh"
#include "target/engine.h"

namespace {
constexpr int kNotYet = -static_cast<int>(chiscsi::Error::kNotSupported);
}  // namespace

extern "C" {

int engine_get_target_info(const char*, struct chiscsi_target_info*) { return kNotYet; }

int engine_get_session_info(const char*, const char*, int, struct chiscsi_session_info*) {
  return kNotYet;
}

int engine_get_connection_info(unsigned long, int, struct chiscsi_connection_info*) {
  return kNotYet;
}

int engine_get_perf_info(int, const unsigned int*, unsigned int, struct chiscsi_perf_info*) {
  return kNotYet;
}

}  // extern "C"
