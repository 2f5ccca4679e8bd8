// SPDX-License-Identifier: GPL-2.0-only
//
// SCSI commands of a session: their data in both directions, and answers that mean "again".
#include <algorithm>
#include <cstdio>
#include <cstring>

#include "session.hh"

namespace chiscsi::load {

using namespace iscsi;

namespace {

constexpr uint8_t kGood = 0x00, kCheckCondition = 0x02, kBusy = 0x08, kTaskSetFull = 0x28;
constexpr uint8_t kNotReady = 2, kUnitAttention = 6;
constexpr unsigned kMostAttentions = 30;
constexpr uint64_t kPauseNs = 10000000;
constexpr uint32_t kInquirySize = 36, kCapacity10Size = 8, kCapacity16Size = 32;

// Single-level LUN structures below 256 (peripheral), flat ones above, SAM-5 section 4.7.
void set_lun(uint8_t* bytes, unsigned lun) {
  memset(bytes, 0, 8);
  bytes[0] = static_cast<uint8_t>(lun < 256 ? 0 : 0x40 | lun >> 8);
  bytes[1] = static_cast<uint8_t>(lun);
}

bool writes(Purpose purpose) { return purpose == Purpose::kWrite; }

uint64_t big_endian(const uint8_t* bytes, unsigned count) {
  uint64_t value = 0;
  for (unsigned i = 0; i < count; ++i)
    value = value << 8 | bytes[i];
  return value;
}

}  // namespace

void Session::prepare() {
  guarded([this] {
    if (tasks_.empty()) set_slots(1);
    begin_task(Purpose::kInquiry, 0, kInquirySize);
  });
}

bool Session::can_start() const {
  return state_ == State::kReady && under_way_ < tasks_.size() && window_open();
}

void Session::start_io(bool write, uint64_t block, uint32_t length) {
  guarded([&] { begin_task(write ? Purpose::kWrite : Purpose::kRead, block, length); }, false);
}

Task& Session::free_task() {
  for (Task& task : tasks_)
    if (!task.busy) return task;
  throw SessionError("no free slot");
}

void Session::begin_task(Purpose purpose, uint64_t block, uint32_t length) {
  Task& task = free_task();
  task.busy = true;
  task.purpose = purpose;
  task.block = block;
  task.length = length;
  task.begun_ns = now_ns();
  ++under_way_;
  send_command(task);
}

void Session::fill_cdb(const Task& task, uint8_t* cdb) const {
  memset(cdb, 0, kBhsCdbSize);
  switch (task.purpose) {
    case Purpose::kInquiry:
      cdb[0] = 0x12;
      cdb[4] = kInquirySize;
      break;
    case Purpose::kUnitReady:
      break;
    case Purpose::kCapacity10:
      cdb[0] = 0x25;
      break;
    case Purpose::kCapacity16: {
      cdb[0] = 0x9e;
      cdb[1] = 0x10;
      cdb[13] = kCapacity16Size;
      break;
    }
    case Purpose::kRead:
    case Purpose::kWrite: {
      cdb[0] = writes(task.purpose) ? 0x8a : 0x88;
      const Be64 block(task.block);
      const Be32 blocks(task.length / block_size_);
      memcpy(cdb + 2, &block, sizeof(block));
      memcpy(cdb + 10, &blocks, sizeof(blocks));
      break;
    }
  }
}

// Sends the command, and as much of a write's data as needs no R2T.
void Session::send_command(Task& task) {
  const bool write = writes(task.purpose);
  const uint32_t immediate =
      write && immediate_ ? std::min({task.length, first_burst_, segment_}) : 0;
  const uint32_t unsolicited =
      write && !initial_r2t_ ? std::min(task.length, first_burst_) : immediate;
  task.generation = ++next_generation_ & 0x7fff;
  task.tag = uint32_t{task.generation} << 16 | static_cast<uint32_t>(&task - tasks_.data());
  task.received = task.data_sn = 0;
  task.again_ns = 0;
  task.sent_ns = now_ns();

  Bhs bhs;
  auto& command = bhs.as<ScsiCommand>();
  command.opcode_byte = static_cast<uint8_t>(Opcode::kScsiCommand);
  command.flags = 1;  // A simple task.
  if (unsolicited == immediate) command.flags |= kFinalBit;
  if (write) command.flags |= kCommandWrite;
  if (!write && task.length != 0) command.flags |= kCommandRead;
  set_lun(command.lun, run_.options->lun);
  command.initiator_task_tag = task.tag;
  command.expected_data_transfer_length = task.length;
  command.cmd_sn = cmd_sn_++;
  command.exp_stat_sn = exp_stat_sn_;
  fill_cdb(task, command.cdb);
  connection_.add(bhs, run_.pattern.data(), immediate);
  if (unsolicited > immediate) send_data(task, kReservedTag, immediate, unsolicited - immediate);
}

// A sequence of Data-Out PDUs.
void Session::send_data(const Task& task, uint32_t target_tag, uint32_t offset, uint32_t length) {
  uint32_t data_sn = 0;
  while (length != 0) {
    const uint32_t size = std::min(length, segment_);
    Bhs bhs;
    auto& out = bhs.as<DataOut>();
    out.opcode_byte = static_cast<uint8_t>(Opcode::kDataOut);
    out.flags = size == length ? kFinalBit : 0;
    set_lun(out.lun, run_.options->lun);
    out.initiator_task_tag = task.tag;
    out.target_transfer_tag = target_tag;
    out.exp_stat_sn = exp_stat_sn_;
    out.data_sn = data_sn++;
    out.buffer_offset = offset;
    connection_.add(bhs, run_.pattern.data() + offset, size);
    offset += size;
    length -= size;
  }
}

Task& Session::task_of(uint32_t tag) {
  const size_t slot = tag & 0xffff;
  if (slot >= tasks_.size() || !tasks_[slot].busy || tasks_[slot].tag != tag ||
      tasks_[slot].again_ns != 0)
    throw SessionError("an answer to a command that is not under way");
  return tasks_[slot];
}

void Session::take_data_in(const PduView& pdu) {
  const auto& in = pdu.bhs.as<DataIn>();
  Task& task = task_of(in.initiator_task_tag.get());
  if (writes(task.purpose)) throw SessionError("Data-In for a write");
  if (in.data_sn.get() != task.data_sn++) throw SessionError("a DataSN is not the next one");
  if (in.buffer_offset.get() != task.received || pdu.size > task.length - task.received)
    throw SessionError("Data-In at a wrong offset");
  // Short answers come in one PDU.
  if (task.purpose == Purpose::kCapacity10 || task.purpose == Purpose::kCapacity16)
    take_capacity(task, pdu.data, pdu.size);
  if (task.purpose == Purpose::kInquiry && (pdu.size == 0 || pdu.data[0] != 0))
    throw SessionError("the LUN is no disk");
  task.received += pdu.size;
  if ((in.flags & kDataInStatus) != 0) end_task(task, in.status, nullptr, 0);
}

void Session::take_r2t(const PduView& pdu) {
  const auto& r2t = pdu.bhs.as<R2t>();
  Task& task = task_of(r2t.initiator_task_tag.get());
  const uint32_t offset = r2t.buffer_offset.get();
  const uint32_t length = r2t.desired_data_transfer_length.get();
  if (!writes(task.purpose) || offset > task.length || length > task.length - offset ||
      length == 0 || length > max_burst_)
    throw SessionError("an R2T for what is not there");
  send_data(task, r2t.target_transfer_tag.get(), offset, length);
}

void Session::take_response(const PduView& pdu) {
  const auto& response = pdu.bhs.as<ScsiResponse>();
  Task& task = task_of(response.initiator_task_tag.get());
  if (response.response != 0) throw SessionError("a command failed in the target");
  // Sense data comes behind its length.
  const uint32_t sense =
      pdu.size < 2 ? 0 : std::min(pdu.size - 2, uint32_t{pdu.data[0]} << 8 | pdu.data[1]);
  end_task(task, response.status, pdu.data + 2, sense);
}

void Session::end_task(Task& task, uint8_t status, const uint8_t* sense, uint32_t sense_size) {
  if (status == kGood) {
    end_good(task);
    return;
  }
  if (status == kBusy || status == kTaskSetFull) {
    ++(status == kBusy ? run_.busy : run_.task_set_full);
    send_again(task, kPauseNs);
    return;
  }
  char text[80];
  if (status != kCheckCondition || sense_size < 14) {
    snprintf(text, sizeof(text), "a command ended with status %02xh", status);
    throw SessionError(text);
  }
  const bool descriptors = (sense[0] & 0x7e) == 0x72;
  const uint8_t key = (descriptors ? sense[1] : sense[2]) & 0xf;
  const bool preparing = task.purpose != Purpose::kRead && task.purpose != Purpose::kWrite;
  if ((key == kUnitAttention || (preparing && key == kNotReady)) &&
      ++attentions_ < kMostAttentions) {
    ++run_.unit_attentions;
    send_again(task, key == kNotReady ? 10 * kPauseNs : 0);
    return;
  }
  snprintf(text, sizeof(text), "a command ended with sense %x/%02x/%02x", key,
           descriptors ? sense[2] : sense[12], descriptors ? sense[3] : sense[13]);
  throw SessionError(text);
}

// The same command once more, when the window and the pause allow it; tick() sends it.
void Session::send_again(Task& task, uint64_t after_ns) {
  task.again_ns = now_ns() + after_ns;
  if (after_ns == 0 && window_open()) send_command(task);
}

void Session::end_good(Task& task) {
  const Purpose purpose = task.purpose;
  const bool write = writes(purpose);
  const bool short_answer = purpose == Purpose::kInquiry || purpose == Purpose::kCapacity16;
  if (!write && !short_answer && task.received != task.length)
    throw SessionError("a read brought too little data");
  task.busy = false;
  --under_way_;
  switch (purpose) {
    case Purpose::kInquiry:
      begin_task(Purpose::kUnitReady, 0, 0);
      break;
    case Purpose::kUnitReady:
      begin_task(Purpose::kCapacity10, 0, kCapacity10Size);
      break;
    case Purpose::kCapacity10:
      if (blocks_ == 0) {
        begin_task(Purpose::kCapacity16, 0, kCapacity16Size);
        break;
      }
      [[fallthrough]];
    case Purpose::kCapacity16:
      if (blocks_ == 0 || block_size_ == 0) throw SessionError("the LUN has no blocks");
      attentions_ = 0;
      run_.prepared(*this);
      break;
    case Purpose::kRead:
    case Purpose::kWrite:
      run_.io_done(*this, now_ns() - task.begun_ns);
      break;
  }
}

void Session::take_capacity(const Task& task, const uint8_t* data, uint32_t size) {
  const unsigned width = task.purpose == Purpose::kCapacity10 ? 4 : 8;
  if (task.received != 0 || size < width + 4) return;
  const uint64_t last = big_endian(data, width);
  block_size_ = static_cast<uint32_t>(big_endian(data + width, 4));
  // Beyond 32 bits READ CAPACITY (10) says so, and (16) is asked.
  blocks_ = width == 4 && last == 0xffffffff ? 0 : last + 1;
}

}  // namespace chiscsi::load
