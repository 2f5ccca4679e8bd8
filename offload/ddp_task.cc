// SPDX-License-Identifier: GPL-2.0-only
//
// Placement of one command: see the header.
#include "offload/ddp_task.hh"

#include "os/log.h"
#include "transport/sg_cursor.hh"

namespace chiscsi {

namespace {
// What os_alloc() gives without sleeping.
constexpr uint32_t kMaxMappings = 1024;
constexpr uint8_t kEmptyBytes[512] = {};
}  // namespace

DdpRefusal DdpTask::create(OffloadAdapter& adapter, uint32_t tid, const chiscsi_rx_landing& first,
                           OwnPtr<DdpTask>* result) {
  OwnPtr<DdpTask> task = make<DdpTask>(Alloc::kAtomic, adapter);
  if (!task) return DdpRefusal::kMemory;
  if (task->layout_.start(first.total, kBasePageShift, kMaxPages) != NoPlacement::kNone) {
    return DdpRefusal::kList;
  }
  if (!task->add_phase(first) || !task->layout_.knows(first.offset, first.length) ||
      first.offset < first.sgl_offset) {
    return DdpRefusal::kList;
  }
  const uint32_t pages = task->layout_.total_pages();
  task->pages_ = static_cast<uint64_t*>(allocate(pages * sizeof(uint64_t), Alloc::kAtomic));
  if (task->pages_ == nullptr) return DdpRefusal::kMemory;
  if (adapter.ops().ppods_reserve(adapter.dev(), pages, tid, &task->tag_) != 0) {
    return DdpRefusal::kPods;
  }
  task->has_pods_ = true;
  if (!task->map_phase(first)) return DdpRefusal::kMemory;
  task->dirty_ = {0, task->layout_.total_pods()};
  *result = std::move(task);
  return DdpRefusal::kNone;
}

DdpTask::~DdpTask() {
  unmap();
  while (DdpR2t* r2t = r2ts_.pop_front())
    destroy(r2t);
  if (has_pods_) adapter_.ops().ppods_release(adapter_.dev(), &tag_);
  os_free(pages_);
}

void DdpTask::unmap() {
  while (Phase* phase = phases_.pop_front()) {
    for (uint32_t i = 0; i < phase->count; ++i) {
      const Mapping& mapping = phase->mappings()[i];
      adapter_.ops().unmap(adapter_.dev(), mapping.bus, mapping.length);
    }
    os_free(phase);
  }
}

DdpRefusal DdpTask::add_buffers(const chiscsi_rx_landing& landing) {
  if (broken_) return DdpRefusal::kMemory;
  const bool is_known = maps(landing.sgl_offset);
  if (!is_known) {
    if (!add_phase(landing)) return DdpRefusal::kList;
    if (!layout_.knows(landing.offset, landing.length) || landing.offset < landing.sgl_offset ||
        !map_phase(landing)) {
      broken_ = true;
      return DdpRefusal::kMemory;
    }
    // Also those before: each has the end of what is known.
    mark_dirty(pods_of_pages(0, layout_.known_pages()));
  }
  return layout_.knows(landing.offset, landing.length) ? DdpRefusal::kNone : DdpRefusal::kList;
}

// One answer has a line of its own in the Guide, appendix D.
bool DdpTask::add_phase(const chiscsi_rx_landing& landing) {
  const SgList list{landing.sgl, landing.sgcnt};
  const NoPlacement answer = layout_.add_phase(list, landing.sgl_offset, landing.sgl_length);
  if (answer == NoPlacement::kNotFullPages) {
    const uint32_t index = layout_.refused_element();
    os_log_limited(OS_LOG_WARNING, "%u/%u, len %u xferoff %u NOT full pages", index + 1,
                   landing.sgcnt, landing.sgl[index].sg_length, landing.sgl_offset);
  }
  return answer == NoPlacement::kNone;
}

void DdpTask::mark_dirty(const PodRange& range) {
  const uint32_t end = range.first + range.count, old_end = dirty_.first + dirty_.count;
  const uint32_t first =
      dirty_.count == 0 || range.first < dirty_.first ? range.first : dirty_.first;
  dirty_ = {first, (dirty_.count == 0 || end > old_end ? end : old_end) - first};
}

bool DdpTask::map_phase(const chiscsi_rx_landing& landing) {
  const SgList list{landing.sgl, landing.sgcnt};
  if (list.count > kMaxMappings) return false;
  if (adapter_.info().chip >= 6 && !empty_phase(landing)) return false;
  void* memory = allocate(sizeof(Phase) + list.count * sizeof(Mapping), Alloc::kAtomic);
  if (memory == nullptr) return false;
  Phase* phase = ::new (memory) Phase();
  phase->offset = landing.sgl_offset;
  phases_.push_back(*phase);
  PageWalk walk(layout_, list, landing.sgl_offset);
  PageWalk::Page page;
  uint32_t element = ~0u;
  uint64_t bus = 0;
  while (walk.next(&page)) {
    if (page.element != element) {
      element = page.element;
      bus = map_element(list.elements[element], page.length, *phase);
      if (bus == 0) return false;
    }
    if (page.number >= layout_.total_pages()) return false;
    const uint64_t address = bus + static_cast<uint64_t>(page.into);
    if (address % layout_.page_size() != 0) return false;  // Of a bounce buffer, it may be.
    pages_[page.number] = address;
  }
  return true;
}

// A T6 does not tell of each PDU, so what was in the memory before could pass as data. What came
// before the R2T stays.
bool DdpTask::empty_phase(const chiscsi_rx_landing& landing) {
  const uint64_t from = landing.offset - landing.sgl_offset;
  SgCursor cursor({landing.sgl, landing.sgcnt}, from, layout_.known_bytes() - landing.offset);
  while (cursor.left() != 0) {
    const uint64_t left = cursor.left();
    const Bytes part(kEmptyBytes, left < sizeof(kEmptyBytes) ? left : sizeof(kEmptyBytes));
    if (cursor.copy_in(part) != part.size()) return false;
  }
  return true;
}

uint64_t DdpTask::map_element(const chiscsi_sgvec& element, uint32_t length, Phase& phase) {
  if ((element.sg_flag & ISCSI_SG_SBUF_DMABLE) != 0) return element.sg_dma_addr;
  const os_fragment piece = {element.sg_page, nullptr, element.sg_offset, length};
  const uint64_t bus = adapter_.ops().map(adapter_.dev(), &piece);
  if (bus != 0) phase.mappings()[phase.count++] = {bus, length};
  return bus;
}

bool DdpTask::add_r2t(const chiscsi_rx_landing& landing, uint32_t target_transfer_tag,
                      uint64_t silent_bytes) {
  OwnPtr<DdpR2t> r2t = make<DdpR2t>(Alloc::kAtomic);
  if (!r2t) return false;
  r2t->target_transfer_tag = target_transfer_tag;
  r2t->offset = landing.offset;
  r2t->length = landing.length;
  r2t->silent_before = silent_bytes;
  r2ts_.push_back(*r2t.release());
  return true;
}

// Where one R2T ends the next may begin: an empty PDU there is the first one's, or of one that has
// come whole, unless it is the first of all that answer the second.
DdpR2t* DdpTask::find_r2t(uint32_t offset, uint32_t size, uint32_t wire_sn) {
  const auto covering = [this](uint32_t at) {
    return r2ts_.find([at](DdpR2t& r2t) { return at - r2t.offset < r2t.length; });
  };
  if (size != 0) return covering(offset);
  DdpR2t* ends_there = offset != 0 ? covering(offset - 1) : nullptr;
  if (ends_there != nullptr) return ends_there;
  DdpR2t* begins_there = covering(offset);
  return begins_there != nullptr && begins_there->next_wire_sn == wire_sn ? begins_there : nullptr;
}

void DdpTask::received(DdpR2t& r2t, uint32_t size, bool final) {
  r2t.received += size;
  ++r2t.next_data_sn;
  if (r2t.received < r2t.length && !final) return;
  r2ts_.remove(r2t);
  destroy(&r2t);
}

uint32_t DdpTask::address_of(uint32_t pod) const {
  return pod_address(adapter_.info().ppod_llimit, tag_.first_pod + pod);
}

// Of a task that is being released the pods stay zero, invalid.
void DdpTask::write(uint8_t* out, uint32_t tid, uint32_t first, uint32_t count) const {
  if (releasing) return;
  write_pods(out, layout_, tid, adapter_.tags().pod_tag(tag_.tag), {pages_, layout_.known_pages()},
             first, count);
}

}  // namespace chiscsi
