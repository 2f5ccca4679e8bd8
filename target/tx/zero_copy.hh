// SPDX-License-Identifier: GPL-2.0-only
//
// Zero-copy transmit of a driver's buffers, with notice of when the network is done with them.
//
// A phase that is large and made of pages is sent by reference; its buffers go back to the driver
// when the network has released the last of them, not before. Smaller ones are copied into the
// socket, which costs less than the bookkeeping. On the session's worker.
#pragma once

#include "target/session/command.hh"

namespace chiscsi::zero_copy {

// Decides how the phase is sent; called once, before its first PDU.
void begin(BufferPhase& phase);
// The last PDU of the phase was accepted by the network, or there will be none.
void end(BufferPhase& phase);

}  // namespace chiscsi::zero_copy
