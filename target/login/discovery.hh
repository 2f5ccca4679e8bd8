// SPDX-License-Identifier: GPL-2.0-only
//
// The answer to SendTargets (RFC 7143 appendix C).
//
// TargetDirectory is what the answer is made from: the engine implements it and shows only targets
// that this initiator may see. A target record is its name and one address per portal. A portal
// that listens on a wildcard is reported with the address the connection arrived on.
#pragma once

#include <cstdint>

#include "base/text.hh"
#include "target/config/target_settings.hh"
#include "target/login/text_codec.hh"

namespace chiscsi {

// Takes one target after the other and writes the records that were asked for.
class TargetVisitor {
 public:
  // `only`: the one target that is wanted; empty: all of them.
  TargetVisitor(Text only, const os_address& arrived_at, TextWriter& answer)
      : only_(only), arrived_at_(arrived_at), answer_(answer) {}
  TargetVisitor(const TargetVisitor&) = delete;
  TargetVisitor& operator=(const TargetVisitor&) = delete;

  // False: nothing more is wanted, or nothing more fits.
  bool visit(const TargetSettings& settings);

 private:
  void write_addresses(const PortalGroupSettings& group);
  const Text only_;
  const os_address arrived_at_;
  TextWriter& answer_;
};

class TargetDirectory {
 public:
  // Shows the initiator's targets to `visitor` until it returns false. The settings live during the
  // visit. May ask fp_discovery_target_accessible. Context: that of the Text Request.
  virtual void enumerate(TargetVisitor& visitor) = 0;

 protected:
  ~TargetDirectory() = default;
};

// Who asks SendTargets, and over what.
struct DiscoveryContext {
  bool discovery_session = false;
  Text session_target;  // The target of a normal session; empty in an unnamed discovery session.
  os_address arrived_at = {};  // Our end of the connection.
};

enum class SendTargetsResult : uint8_t {
  kAnswered,  // The answer is complete, and may be empty.
  kBadValue,  // Neither All, nor empty, nor an iSCSI name.
  kTooLong,   // The answer does not fit the writer.
};

// Writes the records that `value` asks for. A normal session is told about its own target only.
// Context: process.
SendTargetsResult answer_send_targets(Text value, const DiscoveryContext& context,
                                      TargetDirectory& directory, TextWriter& answer);

}  // namespace chiscsi
