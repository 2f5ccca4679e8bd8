// SPDX-License-Identifier: GPL-2.0-only
//
// See placed_tasks.hh.
#include "placed_tasks.hh"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "memory_transport.hh"

namespace chiscsi::test {

namespace {

using iscsi::Bhs;
using iscsi::DataOut;

constexpr uint32_t kTagBit = 0x40000000;  // What tags on the wire differ by.

// Where each byte of the R2T goes; empty when the list is too short.
std::vector<uint8_t*> spread(const chiscsi_rx_landing& landing) {
  std::vector<uint8_t*> bytes;
  uint64_t skip = landing.offset - landing.sgl_offset;
  for (unsigned int i = 0; i < landing.sgcnt && bytes.size() < landing.length; ++i) {
    const chiscsi_sgvec& element = landing.sgl[i];
    if (skip >= element.sg_length) {
      skip -= element.sg_length;
      continue;
    }
    // In this host a page is its memory.
    uint8_t* start = element.sg_addr != nullptr
                         ? element.sg_addr
                         : static_cast<uint8_t*>(element.sg_page) + element.sg_offset;
    for (uint64_t at = skip; at < element.sg_length && bytes.size() < landing.length; ++at)
      bytes.push_back(start + at);
    skip = 0;
  }
  if (bytes.size() < landing.length) bytes.clear();
  return bytes;
}

}  // namespace

PlacedTasks::~PlacedTasks() {
  if (!tasks_.empty()) MemoryTransport::violate("a task outlives its connection");
}

void PlacedTasks::offer(chiscsi_conn_port* port, chiscsi_xmit_pdu& pdu) {
  const chiscsi_rx_landing& landing = *pdu.landing;
  Bhs bhs;
  __builtin_memcpy(static_cast<void*>(&bhs), pdu.bhs, sizeof(bhs));
  auto& r2t = bhs.as<iscsi::R2t>();
  auto* task = static_cast<Task*>(landing.task);
  if (task != nullptr && (tasks_.count(task) == 0 || task->asked)) {
    return MemoryTransport::violate("R2T of a task that is being released");
  }
  if (r2t.desired_data_transfer_length.get() != landing.length ||
      r2t.buffer_offset.get() != landing.offset || landing.offset < landing.sgl_offset ||
      landing.offset + landing.length > landing.total) {
    return MemoryTransport::violate("a landing that is not that of its R2T");
  }
  if (MemoryTransport::script.places_some && ++offered_ % 5 == 0) return;
  auto range = std::make_shared<Range>();
  range->bytes = spread(landing);
  if (range->bytes.empty()) return MemoryTransport::violate("a landing without room");
  if (task == nullptr) {
    auto own = std::make_unique<Task>();
    task = own.get();
    tasks_[task] = std::move(own);
  }
  range->task = task;
  range->target_tag = r2t.target_transfer_tag.get();
  range->task_tag = bhs.initiator_task_tag.get();
  range->offset = landing.offset;
  task->ranges.push_back(range);
  by_tag_[range->target_tag ^ kTagBit] = range;
  r2t.target_transfer_tag = range->target_tag ^ kTagBit;
  chiscsi_conn_place(port, &pdu, task);
  __builtin_memcpy(pdu.bhs, static_cast<const void*>(&bhs), sizeof(bhs));
  ++MemoryTransport::counts.r2ts_placed;
  MemoryTransport::note("place");
}

std::shared_ptr<PlacedTasks::Range> PlacedTasks::find(const Bhs& bhs) {
  if (bhs.opcode() != iscsi::Opcode::kDataOut) return nullptr;
  const auto& data_out = bhs.as<DataOut>();
  const auto found = by_tag_.find(data_out.target_transfer_tag.get());
  if (found == by_tag_.end()) return nullptr;
  const Range& range = *found->second;
  const bool continues = range.task != nullptr && range.task_tag == bhs.initiator_task_tag.get() &&
                         data_out.buffer_offset.get() == range.offset + range.done &&
                         bhs.data_segment_length.get() <= range.bytes.size() - range.done;
  return continues ? found->second : nullptr;
}

void PlacedTasks::translate(Bhs& bhs) const {
  if (bhs.opcode() != iscsi::Opcode::kDataOut) return;
  auto& data_out = bhs.as<DataOut>();
  const auto found = by_tag_.find(data_out.target_transfer_tag.get());
  if (found == by_tag_.end()) return;
  data_out.target_transfer_tag = found->second->target_tag;
  data_out.data_sn = data_out.data_sn.get() - found->second->merged_away;
}

void PlacedTasks::write(Range& range, const uint8_t* data, size_t size) {
  for (size_t i = 0; i < size; ++i)
    *range.bytes[range.done + i] = data[i];
  range.done += static_cast<uint32_t>(size);
}

// As an adapter may do at any time while it has them.
void PlacedTasks::touch(const Task& task) {
  for (const auto& range : task.ranges) {
    for (uint8_t* byte : range->bytes) {
      volatile uint8_t* at = byte;
      *at = *at;
    }
  }
}

void PlacedTasks::release(chiscsi_conn_port* port, void* task) {
  auto* own = static_cast<Task*>(task);
  ++MemoryTransport::counts.releases_asked;
  if (tasks_.count(own) == 0) return MemoryTransport::violate("release of an unknown task");
  if (std::exchange(own->asked, true)) return MemoryTransport::violate("released twice");
  const bool incomplete = std::any_of(own->ranges.begin(), own->ranges.end(), [](auto& range) {
    return range->done < range->bytes.size();
  });
  MemoryTransport::note("release_task");
  if (incomplete && MemoryTransport::script.ends_at_incomplete) {
    chiscsi_conn_failed(port, -ECONNABORTED);
    return;
  }
  if (!MemoryTransport::script.holds_releases && ++asked_ % 3 == 0) return let_go(port, own);
  owed_.push_back(own);
  chiscsi_conn_schedule(port);
}

void PlacedTasks::answer(chiscsi_conn_port* port) {
  if (MemoryTransport::script.holds_releases) return;
  while (!owed_.empty()) {
    Task* task = owed_.front();
    owed_.pop_front();
    let_go(port, task);
  }
}

void PlacedTasks::let_go(chiscsi_conn_port* port, Task* task) {
  touch(*task);
  // The rest of an incomplete burst still comes with the tag that we have made.
  for (const auto& range : task->ranges) {
    range->task = nullptr;
    if (range->done == range->bytes.size()) by_tag_.erase(range->target_tag ^ kTagBit);
  }
  ++MemoryTransport::counts.releases_answered;
  MemoryTransport::note("task_released");
  chiscsi_conn_task_released(port, task);
  tasks_.erase(task);
}

void PlacedTasks::drop_all() {
  for (const auto& [address, task] : tasks_)
    touch(*task);
  by_tag_.clear();
  owed_.clear();
  tasks_.clear();
}

}  // namespace chiscsi::test
