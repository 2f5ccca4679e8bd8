// SPDX-License-Identifier: GPL-2.0-only
//
// From PDUs to work requests: headers, data, bursts that the adapter cuts, and R2Ts whose data is
// to be placed.
#include "offload/connection.hh"
#include "offload/iso.hh"
#include "transport/sg_cursor.hh"

namespace chiscsi {

namespace {

// Less is not worth a list of pieces.
constexpr uint32_t kCopyMost = 128;
constexpr int kPduError = -static_cast<int>(Error::kIo);
// Longer than any sequence that is given as one PDU: how long they may be is the target's to know.
constexpr uint32_t kAnyBurst = 1u << 24;
// What tells the end of a sequence, and of a command, in the flags of a Data-In.
constexpr uint8_t kOnlyInTheLast = 0x80 | 0x07;

}  // namespace

bool OffloadConn::has_header_digest() const {
  return header_digest_ && !building_->is_login_response();
}

bool OffloadConn::has_data_digest() const {
  return data_digest_ && !building_->is_login_response();
}

// Makes the next request of the PDU. False without memory: the rest comes later.
bool OffloadConn::build() {
  TxSlot& slot = *building_;
  if (!std::exchange(slot.prepared, true)) prepare_r2t();
  if (building_ == nullptr) return true;  // It ended the connection.
  if (writing_ != nullptr && !write_pods_of(*writing_, nullptr)) return false;
  writing_ = nullptr;
  if (!build_request(slot.done, slice_size(slot.done))) return false;
  if (building_ == nullptr) return true;
  if (slot.done < slot.pdu.data_size) return true;
  slot.whole = true;
  building_ = nullptr;
  return true;
}

// --- How a burst is cut ---

uint32_t OffloadConn::count_pieces(uint32_t from, uint32_t size) const {
  const chiscsi_xmit_pdu& pdu = building_->pdu;
  SgCursor cursor({pdu.sgl, pdu.sgcnt}, pdu.sgl_offset + from, size);
  os_fragment piece;
  uint32_t pieces = iscsi::pad_of(size) != 0 ? 1 : 0;
  while (cursor.next_fragment(&piece))
    ++pieces;
  return pieces;
}

// Bytes for the next request: of a burst as many PDUs as fit, else all.
uint32_t OffloadConn::slice_size(uint32_t from) const {
  const chiscsi_xmit_pdu& pdu = building_->pdu;
  const uint32_t left = pdu.data_size - from;
  if (pdu.segment == 0 || left <= pdu.segment) return left;
  IsoSettings settings;
  settings.max_burst = kAnyBurst;
  settings.segment = pdu.segment;
  settings.mss = flowc_.mss;
  settings.max_fragments = adapter_->max_fragments();
  settings.header_digest = has_header_digest();
  settings.data_digest = has_data_digest();
  uint32_t pdus = building_->copies ? 0 : iso_max_pdus(settings);
  for (; pdus > 1; pdus /= 2) {
    const uint64_t most = uint64_t{pdus} * pdu.segment;
    uint32_t size = most < left ? static_cast<uint32_t>(most) : left;
    if (size % 4 != 0) size -= size % pdu.segment;
    if (pdu.memory == nullptr && count_pieces(from, size) <= adapter_->max_fragments()) return size;
  }
  return pdu.segment;
}

iscsi::Bhs OffloadConn::header_of(uint32_t from, uint32_t size) const {
  const chiscsi_xmit_pdu& pdu = building_->pdu;
  iscsi::Bhs bhs;
  __builtin_memcpy(&bhs, pdu.bhs, sizeof(bhs));
  if (pdu.segment == 0) return bhs;
  auto& data_in = bhs.as<iscsi::DataIn>();
  data_in.data_segment_length = size;
  data_in.data_sn = data_in.data_sn.get() + from / pdu.segment;
  data_in.buffer_offset = data_in.buffer_offset.get() + from;
  if (from + size == pdu.data_size) return bhs;
  data_in.flags &= static_cast<uint8_t>(~kOnlyInTheLast);
  data_in.status = 0;
  data_in.stat_sn = 0;
  data_in.residual_count = 0;
  return bhs;
}

// --- Requests ---

bool OffloadConn::build_request(uint32_t from, uint32_t size) {
  TxSlot& slot = *building_;
  const chiscsi_xmit_pdu& pdu = slot.pdu;
  bool copies = slot.copies || pdu.memory != nullptr || size <= kCopyMost;
  uint32_t pieces = copies ? 0 : count_pieces(from, size);
  if (pieces > adapter_->max_fragments()) copies = true;
  if (copies) pieces = 0;
  const bool is_iso = pdu.segment != 0 && size > pdu.segment;
  const uint32_t padded = size + iscsi::pad_of(size);
  const uint32_t before = wr::kTxDataHeaderSize + (is_iso ? wr::kIsoHeaderSize : 0);
  TxRequest* request = take_request(before + iscsi::kBhsSize + (copies ? padded : 0), pieces);
  if (request == nullptr) return false;
  const iscsi::Bhs bhs = header_of(from, size);
  uint8_t* header = ops().buffer_header(request->buffer) + before;
  __builtin_memcpy(header, &bhs, sizeof(bhs));
  const MutableBytes room(header + iscsi::kBhsSize, copies ? size : 0);
  if (copies ? !copy_data(room, from) : !add_pieces(request->buffer, from, size)) {
    free_request(*request);
    if (copies) {
      fail(kPduError);  // Memory that nobody can reach.
      return true;
    }
    slot.copies = true;
    return slice_size(from) < size ? build_request(from, pdu.segment) : build_request(from, size);
  }
  if (copies && size > kCopyMost && pdu.memory == nullptr) {
    offload_stats.add(OffloadCount::kTxCopied);
  }
  finish_request(*request, from, size, pieces);
  return true;
}

bool OffloadConn::copy_data(MutableBytes room, uint32_t from) const {
  const chiscsi_xmit_pdu& pdu = building_->pdu;
  if (pdu.memory != nullptr) {
    copy_bytes(room, {static_cast<const uint8_t*>(pdu.memory) + from, room.size()});
    return true;
  }
  SgCursor cursor({pdu.sgl, pdu.sgcnt}, pdu.sgl_offset + from, room.size());
  return cursor.copy_out(room) == room.size();
}

bool OffloadConn::add_pieces(lld_buffer* buffer, uint32_t from, uint32_t size) const {
  const chiscsi_xmit_pdu& pdu = building_->pdu;
  SgCursor cursor({pdu.sgl, pdu.sgcnt}, pdu.sgl_offset + from, size);
  os_fragment piece;
  uint32_t added = 0;
  while (cursor.next_fragment(&piece)) {
    if (ops().buffer_add(buffer, &piece) != 0) return false;
    added += piece.length;
  }
  if (added != size) return false;
  const uint32_t pad = iscsi::pad_of(size);
  const os_fragment zeros = {nullptr, adapter_->zeros(), 0, pad};
  return pad == 0 || ops().buffer_add(buffer, &zeros) == 0;
}

// The instruction at the front, and the account.
void OffloadConn::finish_request(TxRequest& request, uint32_t from, uint32_t size,
                                 uint32_t pieces) {
  TxSlot& slot = *building_;
  const uint32_t segment = slot.pdu.segment;
  const uint32_t padded = size + iscsi::pad_of(size);
  uint8_t* out = ops().buffer_header(request.buffer);
  wr::TxDataValues values;
  values.tid = tid();
  values.chip = adapter_->info().chip;
  values.size = iscsi::kBhsSize + padded;
  values.fragments = pieces;
  values.has_data = size != 0;
  values.header_digest = has_header_digest();
  values.data_digest = has_data_digest();
  values.iso = segment != 0 && size > segment;
  uint32_t pdus = 1;
  if (values.iso) {
    const IsoSlice slice = {size,
                            segment,
                            from == 0,
                            from + size == slot.pdu.data_size,
                            values.header_digest,
                            values.data_digest};
    write_iso(out + wr::kTxDataHeaderSize, slice);
    values.plen = iso_plen(slice);
    pdus = iso_pdus(slice);
    offload_stats.add(OffloadCount::kIsoWrs);
    offload_stats.add(OffloadCount::kIsoPdus, pdus);
  } else {
    values.plen = wr::plain_plen(iscsi::kBhsSize, padded, values.header_digest, values.data_digest);
  }
  wr::write_tx_data(out, values);
  offload_stats.add(OffloadCount::kTxPdus, pdus);
  offload_stats.add(OffloadCount::kTxBytes, size);
  slot.done += size;
  ++slot.pending;
  request.slot = &slot;
  queue_request(request, wr::tx_data_cost(values.size, pieces, values.iso));
}

// --- R2Ts ---

// Every tag on the wire is one of ours: the adapter looks at all of them.
void OffloadConn::prepare_r2t() {
  chiscsi_xmit_pdu& pdu = building_->pdu;
  auto& bhs = *reinterpret_cast<iscsi::Bhs*>(pdu.bhs);
  if (bhs.opcode() != iscsi::Opcode::kR2t) return;
  auto& r2t = bhs.as<iscsi::R2t>();
  const uint32_t tag = r2t.target_transfer_tag.get();
  if (pdu.landing != nullptr && adapter_->page_index() >= 0 && place(*pdu.landing, tag)) {
    r2t.target_transfer_tag = writing_->tag();
  } else if (tag <= TagFormat::kMaxValue) {
    r2t.target_transfer_tag = adapter_->tags().make_non_ddp(tag);
  } else {
    fail(kPduError);
  }
}

bool OffloadConn::place(const chiscsi_rx_landing& landing, uint32_t tag) {
  auto* task = static_cast<DdpTask*>(landing.task);
  OwnPtr<DdpTask> fresh;
  DdpRefusal refusal;
  if (task != nullptr) {
    refusal = task->add_buffers(landing);
  } else {
    refusal = DdpTask::create(*adapter_, tid(), landing, &fresh);
    task = fresh.get();
  }
  if (refusal == DdpRefusal::kNone && !task->add_r2t(landing, tag, silent_bytes_)) {
    refusal = DdpRefusal::kMemory;
  }
  if (refusal != DdpRefusal::kNone) {
    count_refusal(refusal);
    // What is copied to mapped memory would be overwritten when that is unmapped.
    if (task != nullptr && !fresh && adapter_->info().bounces != 0 &&
        task->maps(landing.sgl_offset)) {
      fail(kPduError);
    }
    return false;
  }
  if (fresh) {
    offload_stats.add(OffloadCount::kPlaceTasks);
    tasks_[bucket_of(task->tag())].push_back(*fresh.release());
  }
  writing_ = task;
  chiscsi_conn_place(port_, &building_->pdu, task);
  return true;
}

void OffloadConn::count_refusal(DdpRefusal refusal) {
  switch (refusal) {
    case DdpRefusal::kList:
      return offload_stats.add(OffloadCount::kNoPlaceList);
    case DdpRefusal::kPods:
      return offload_stats.add(OffloadCount::kNoPlacePods);
    default:
      return offload_stats.add(OffloadCount::kNoPlaceMemory);
  }
}

uint32_t OffloadConn::bucket_of(uint32_t tag) const {
  return adapter_->tags().index(tag) % kTaskBuckets;
}

DdpTask* OffloadConn::find_task(uint32_t tag) {
  return tasks_[bucket_of(tag)].find([tag](DdpTask& task) { return task.tag() == tag; });
}

// Queues the pods that the adapter does not have. `released`: the task, when they are to be the end
// of it. False without memory: the rest comes later.
bool OffloadConn::write_pods_of(DdpTask& task, DdpTask* released) {
  while (task.dirty().count != 0) {
    const PodRange dirty = task.dirty();
    const uint32_t count = dirty.count < wr::kPodsPerWrite ? dirty.count : wr::kPodsPerWrite;
    TxRequest* request = take_request(wr::pod_write_size(count), 0);
    if (request == nullptr) return false;
    uint8_t* pods = wr::write_pod_write(ops().buffer_header(request->buffer), tid(),
                                        task.address_of(dirty.first), count, false);
    task.write(pods, tid(), dirty.first, count);
    task.written(count);
    if (task.dirty().count == 0 && released != nullptr) {
      request->released = released;
      request->completion = true;
    }
    queue_request(*request, wr::pod_write_cost(count));
  }
  return true;
}

// --- The end of a task ---

void OffloadConn::release_task(DdpTask& task) {
  if (!on_device_ || state_ == OffloadState::kAborting || state_ == OffloadState::kDead) return;
  if (task.releasing) return;
  // What is still to come would be written into memory that is no longer ours.
  if (!task.is_complete()) return fail(-static_cast<int>(Error::kCancelled));
  task.begin_release();
  releasing_.push_back(task);
  chiscsi_conn_schedule(port_);
}

bool OffloadConn::invalidate_tasks() {
  while (DdpTask* task = releasing_.front()) {
    if (!may_send() || building_ != nullptr) return true;
    if (!write_pods_of(*task, task)) return false;
    releasing_.remove(*task);
  }
  return true;
}

void OffloadConn::free_task(DdpTask& task) {
  task.release_node.unlink();
  task.node.unlink();
  destroy(&task);
}

// Overwrites the pods once more, without the connection: on the control queue, ahead of
// TID_RELEASE. False without memory.
bool OffloadConn::revoke(DdpTask& task) {
  if (!std::exchange(task.revoking, true)) task.begin_release();
  while (task.dirty().count != 0) {
    const PodRange dirty = task.dirty();
    const uint32_t count = dirty.count < wr::kPodsPerWrite ? dirty.count : wr::kPodsPerWrite;
    lld_buffer* buffer = ops().buffer_alloc(dev(), wr::pod_write_size(count), 0);
    if (buffer == nullptr) return false;
    wr::write_pod_write(ops().buffer_header(buffer), 0, task.address_of(dirty.first), count, false);
    if (!adapter_->send_control(buffer, route_.control_queue)) return false;
    task.written(count);
  }
  return true;
}

// The adapter does not write for this connection any more, but would for the next one of the tid.
// False: not all could be revoked, to be called again.
bool OffloadConn::revoke_tasks() {
  for (auto& bucket : tasks_) {
    while (DdpTask* task = bucket.front()) {
      const bool is_known = task->may_be_valid() && !adapter_->is_dead();
      if (!is_known) {
        free_task(*task);
        continue;
      }
      if (!revoke(*task)) return false;
      task->release_node.unlink();
      task->node.unlink();
      task->unmap();
      adapter_->retire(*task);
    }
  }
  return true;
}

}  // namespace chiscsi
