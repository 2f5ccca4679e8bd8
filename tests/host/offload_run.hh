// SPDX-License-Identifier: GPL-2.0-only
//
// The offload transport with the software adapter under an engine in this process, at the loop-back
// address. Chosen by CHISCSI_TEST_TRANSPORT=offload5 or offload6, the adapter's chip.
#pragma once

namespace chiscsi::test {

class OffloadRun {
 public:
  static bool chosen();
  // Before targets are added: whose portals the adapter has, the host's sockets have not.
  static void start();
  // After they are gone. Fails the test for whatever the adapter has seen done wrong, or is left.
  static void stop();
};

}  // namespace chiscsi::test
