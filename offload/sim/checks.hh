// SPDX-License-Identifier: GPL-2.0-only
//
// The rules that the software adapter watches, and the faults that it can be asked to have.
//
// Each rule has a name and a counter. A rule that is found broken is logged as an error, whatever
// the adapter makes of it afterwards. Counting is allowed in any context.
#pragma once

#include <atomic>
#include <cstdint>

namespace chiscsi::sim {

#define CHISCSI_SIM_CHECKS(X)                                                             \
  X(wr_opcode, "a work request or message with an opcode that the adapter does not know") \
  X(wr_length, "length16 or the immediate length is not that of the message")             \
  X(wr_queue, "a message on the wrong kind of queue")                                     \
  X(flow_unknown, "a message for a connection that does not exist")                       \
  X(flowc_missing, "data, or an abort, before FLOWC")                                     \
  X(flowc_twice, "FLOWC once more")                                                       \
  X(flowc_params, "FLOWC without a mandatory parameter, or with a wrong value")           \
  X(credits, "more work requests than the connection has credits for")                    \
  X(data_after_close, "data behind CLOSE_CON_REQ")                                        \
  X(data_after_abort, "a work request behind an abort")                                   \
  X(tx_mode, "ULP mode, submode or force bit is wrong")                                   \
  X(tx_plen, "plen is not what goes on the wire")                                         \
  X(tx_framing, "a PDU whose lengths do not match its bytes")                             \
  X(iso_shape, "a sequence that cannot be split as described")                            \
  X(payload_changed, "payload changed before its credits came back")                      \
  X(pod_write, "ULP_MEM_IO outside of the pods, or malformed")                            \
  X(pods_left, "a tid released that valid pods are of")                                   \
  X(pods_before_r2t, "an R2T whose page pods are not in place")                           \
  X(pod_link, "the fifth address of a pod is not the first of the next")                  \
  X(ppods_release, "a run of pods released that is not reserved")                         \
  X(dma_unmapped, "a pod with an address that was never mapped")                          \
  X(dma_after_unmap, "a write to an address after its unmap")                             \
  X(unmap_live, "memory unmapped that a valid pod of a live connection refers to")        \
  X(unmap_unknown, "an address unmapped that is not mapped, or with another length")      \
  X(accept_shape, "PASS_ACCEPT_RPL with fields that the adapter cannot use")              \
  X(accept_state, "PASS_ACCEPT_RPL for a connection that waits for none")                 \
  X(tid_insert, "a tid inserted that was not offered, or twice")                          \
  X(tid_remove, "a tid removed that is not inserted")                                     \
  X(tid_live, "a tid released while its connection lives")                                \
  X(tid_release, "TID_RELEASE for a tid that is free")                                    \
  X(stid, "a server index that is not allocated, or still has its server")                \
  X(clip, "a local address released that was not taken")                                  \
  X(route, "a route put back that was not taken")                                         \
  X(tcb_shape, "SET_TCB_FIELD with fields that are not ours to set")                      \
  X(tcb_state, "SET_TCB_FIELD for a connection that is not established")                  \
  X(rx_credits, "more receive window returned than was used")                             \
  X(rx_ack_state, "RX_DATA_ACK for a connection that is not established")                 \
  X(close_twice, "CLOSE_CON_REQ once more, or before the connection is established")      \
  X(abort_twice, "ABORT_REQ once more")                                                   \
  X(abort_unexpected, "ABORT_RPL that nobody asked for, or one that sends a reset")       \
  X(left_over, "objects left when the client let go of the adapter")

enum class Check : uint32_t {
#define CHISCSI_SIM_CHECK(name, text) name,
  CHISCSI_SIM_CHECKS(CHISCSI_SIM_CHECK)
#undef CHISCSI_SIM_CHECK
      kCount
};

// clang-format off
#define CHISCSI_SIM_FAULTS(X) \
  X(allocation) X(no_pods) X(no_map) X(arp_failure) X(resolving) X(open_status) X(open_silent) \
  X(close_listener_silent) X(header_crc) X(data_crc) X(pad) X(colour) X(lost_ack) \
  X(abort_silent) X(tcb_silent) X(negative_advice) X(peer_reset)
// clang-format on

enum class Fault : uint32_t {
#define CHISCSI_SIM_FAULT(name) name,
  CHISCSI_SIM_FAULTS(CHISCSI_SIM_FAULT)
#undef CHISCSI_SIM_FAULT
      kCount
};

const char* check_name(Check check);
const char* check_text(Check check);
// kCount when there is none of this name.
Check check_by_name(const char* name);
Fault fault_by_name(const char* name);
const char* fault_name(Fault fault);

// Context of all: any.
class Checks {
 public:
  void broken(const char* adapter, Check check, uint32_t tid, uint64_t detail);
  uint64_t count(Check check) const;
  uint64_t total() const;

 private:
  std::atomic<uint64_t> counts_[static_cast<uint32_t>(Check::kCount)]{};
};

class Faults {
 public:
  void set(Fault fault, uint32_t count);
  // True when it has to go wrong now.
  bool take(Fault fault);
  // How often it went wrong.
  uint64_t done(Fault fault) const;
  // How often it has still to go wrong.
  uint32_t left(Fault fault) const;

 private:
  std::atomic<uint32_t> counts_[static_cast<uint32_t>(Fault::kCount)]{};
  std::atomic<uint64_t> done_[static_cast<uint32_t>(Fault::kCount)]{};
};

}  // namespace chiscsi::sim
