// SPDX-License-Identifier: GPL-2.0-only
//
// LoginVerdict: whether a login may go on, and if not, its status and the reason for the log.
//
// Reasons are literals of ours; text of the peer never gets into one.
#pragma once

#include "iscsi/opcodes.hh"

namespace chiscsi {

struct [[nodiscard]] LoginVerdict {
  iscsi::LoginStatus status = iscsi::LoginStatus::kSuccess;
  const char* reason = "";
  const char* key = nullptr;  // The key it is about, if it is about one.

  constexpr bool is_ok() const { return status == iscsi::LoginStatus::kSuccess; }

  static constexpr LoginVerdict ok() { return {}; }
  static constexpr LoginVerdict initiator_error(const char* reason, const char* key = nullptr) {
    return {iscsi::LoginStatus::kInitiatorError, reason, key};
  }
  static constexpr LoginVerdict not_authenticated(const char* reason, const char* key = nullptr) {
    return {iscsi::LoginStatus::kAuthenticationFailure, reason, key};
  }
  static constexpr LoginVerdict missing(const char* key) {
    return {iscsi::LoginStatus::kMissingParameter, "missing", key};
  }
  static constexpr LoginVerdict out_of_resources(const char* reason) {
    return {iscsi::LoginStatus::kOutOfResources, reason, nullptr};
  }
};

}  // namespace chiscsi
