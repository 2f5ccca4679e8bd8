// SPDX-License-Identifier: GPL-2.0-only
//
// DdpTask: the placement of one command's write data: its tag, its page pods, its mapped buffers
// and the R2Ts that use them.
//
// It holds no connection and sends nothing: the connection writes the pods that it tells, ahead of
// the R2T, and makes them invalid before unmap() at the end. The owner of the connection uses it.
#pragma once

#include "base/list.hh"
#include "common/chiscsi_transport.h"
#include "offload/adapter.hh"
#include "offload/page_pods.hh"

namespace chiscsi {

// Why an R2T is not placed.
enum class DdpRefusal : uint8_t { kNone, kList, kPods, kMemory };

// An R2T whose data is to be placed.
struct DdpR2t {
  ListNode node;
  uint32_t target_transfer_tag = 0;  // The target's.
  uint32_t offset = 0;
  uint32_t length = 0;
  uint32_t received = 0;
  uint32_t next_data_sn = 0;   // The target's: merged bursts are one.
  uint32_t next_wire_sn = 0;   // The initiator's.
  uint64_t silent_before = 0;  // T6: of the stream, without a message when it was made.
};

class DdpTask {
 public:
  // More pages are not worth their pods: 8 MiB.
  static constexpr uint32_t kMaxPages = 2048;

  static DdpRefusal create(OffloadAdapter& adapter, uint32_t tid, const chiscsi_rx_landing& first,
                           OwnPtr<DdpTask>* task);
  explicit DdpTask(OffloadAdapter& adapter) : adapter_(adapter) {}
  ~DdpTask();  // Unmaps and gives the pods back.

  // The R2T's buffers, if they are not known yet; then the pods of `dirty()` are to be written.
  DdpRefusal add_buffers(const chiscsi_rx_landing& landing);
  // False without memory. `silent_bytes`: of the stream until now, without a message (T6).
  bool add_r2t(const chiscsi_rx_landing& landing, uint32_t target_transfer_tag,
               uint64_t silent_bytes);

  // Buffers that begin there are mapped, some of them at least.
  bool maps(uint32_t sgl_offset) {
    return phases_.find([=](const Phase& phase) { return phase.offset == sgl_offset; }) != nullptr;
  }

  uint32_t tag() const { return tag_.tag; }
  // Which of them a PDU with `size` bytes at `offset` answers, if it brings any, or ends a burst
  // that has not come whole. `wire_sn`: its DataSN.
  DdpR2t* find_r2t(uint32_t offset, uint32_t size, uint32_t wire_sn);
  // So much of the R2T has come; `final`: no more of it does, be it all or not.
  void received(DdpR2t& r2t, uint32_t size, bool final);
  // All data that was asked for has come, or what came instead.
  bool is_complete() { return r2ts_.empty(); }

  // Pods that the adapter does not have yet.
  const PodRange& dirty() const { return dirty_; }
  uint32_t address_of(uint32_t pod) const;
  void write(uint8_t* out, uint32_t tid, uint32_t first, uint32_t count) const;
  void written(uint32_t count) {
    dirty_ = {dirty_.first + count, dirty_.count - count};
    may_be_valid_ |= !releasing;
  }
  // From here on all pods are dirty, to be overwritten with nothing.
  void begin_release() {
    releasing = true;
    dirty_ = {0, layout_.total_pods()};
  }

  // The adapter may have valid pods of it, whatever was queued since.
  bool may_be_valid() const { return may_be_valid_; }
  void unmap();

  ListNode node;
  ListNode release_node;
  bool releasing = false;
  bool revoking = false;  // The same, after the end of the connection.

 private:
  struct Mapping {
    uint64_t bus;
    uint32_t length;
  };
  // The mapped elements of one phase.
  struct Phase {
    ListNode node;
    uint32_t count = 0;
    uint32_t offset = 0;  // Where it begins in the command.
    Mapping* mappings() { return reinterpret_cast<Mapping*>(this + 1); }
  };
  bool add_phase(const chiscsi_rx_landing& landing);
  void mark_dirty(const PodRange& range);
  bool map_phase(const chiscsi_rx_landing& landing);
  bool empty_phase(const chiscsi_rx_landing& landing);
  uint64_t map_element(const chiscsi_sgvec& element, uint32_t length, Phase& phase);

  OffloadAdapter& adapter_;
  PlacementLayout layout_;
  lld_tag tag_ = {};
  uint64_t* pages_ = nullptr;  // By number; zero when not known.
  bool has_pods_ = false;
  bool may_be_valid_ = false;
  bool broken_ = false;  // A phase could not be mapped: no further one.
  PodRange dirty_;
  List<Phase, &Phase::node> phases_;
  List<DdpR2t, &DdpR2t::node> r2ts_;
};

}  // namespace chiscsi
