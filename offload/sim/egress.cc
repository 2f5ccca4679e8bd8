// SPDX-License-Identifier: GPL-2.0-only
//
// Work requests of the client: what kind they are, whether their lengths are right, and whose.
#include "offload/sim/conn.hh"

namespace chiscsi::sim {

namespace {
constexpr uint32_t kMostPodBytes = 3 * kPodSize;
constexpr uint32_t kLongestImmediate = 0xff + sizeof(cpl::TxDataWr);

// What a CPL in an FW_TP_WR has to be like.
struct TpMessage {
  cpl::Opcode opcode;
  uint32_t size;
  bool control;
};
constexpr TpMessage kTpMessages[] = {
    {cpl::Opcode::kPassAcceptRpl, sizeof(cpl::PassAcceptRpl), true},
    {cpl::Opcode::kSetTcbField, sizeof(cpl::SetTcbField), true},
    {cpl::Opcode::kRxDataAck, sizeof(cpl::RxDataAck), true},
    {cpl::Opcode::kTidRelease, sizeof(cpl::TidReq), true},
    {cpl::Opcode::kCloseConReq, sizeof(cpl::TidReq), false},
    {cpl::Opcode::kAbortReq, sizeof(cpl::AbortReq), false},
    {cpl::Opcode::kAbortRpl, sizeof(cpl::AbortReq), false},
};

const TpMessage* tp_message(uint32_t opcode) {
  for (const TpMessage& known : kTpMessages) {
    if (static_cast<uint32_t>(known.opcode) == opcode) return &known;
  }
  return nullptr;
}

constexpr uint32_t sixteens(uint32_t bytes) { return (bytes + 15) / 16; }

// length16 of data: the bytes themselves when they are short, else a list of where they are.
uint32_t data_units(const lld_buffer& buffer, uint32_t iso_size) {
  const uint32_t total = buffer.header_size + buffer.payload;
  if (total <= kLongestImmediate) return sixteens(total - 16) + 1;
  const uint32_t entries = buffer.fragment_count + 1;
  const uint32_t flits = 3 * (entries - 1) / 2 + ((entries - 1) & 1) + 2;
  return sixteens(8 * flits + iso_size) + 1;
}

uint32_t data_immediate(const lld_buffer& buffer, uint32_t iso_size) {
  const uint32_t total = buffer.header_size + buffer.payload;
  return total <= kLongestImmediate ? total - 16 : iso_size;
}
}  // namespace

void Device::egress(lld_buffer* buffer) {
  if (buffer->header_size < sizeof(cpl::FlowcWr) + sizeof(cpl::FlowcParam)) {
    broken(Check::wr_length, 0, buffer->header_size);
    return free_buffer(buffer);
  }
  const auto& wr = buffer->as<cpl::FlowcWr>();  // The first 8 bytes are alike in all.
  const uint32_t hi = wr.op_to_nparams.get();
  const uint32_t tid = wr.flowid_len16.get() >> cpl::kWrFlowIdShift & 0xf'ffff;
  const uint32_t units = wr.flowid_len16.get() & 0xff;
  const uint32_t opcode = hi >> cpl::kWrOpcodeShift;
  buffer->units = units;
  buffer->completion = (hi & cpl::kWrCompletion) != 0;
  if (opcode == cpl::fw::kTp) return egress_tp(buffer);

  const bool is_iso = opcode == cpl::fw::kIscsiTxData;
  const bool is_data = is_iso || opcode == cpl::fw::kOfldTxData;
  if (!is_data && opcode != cpl::fw::kFlowc && opcode != cpl::fw::kUlptx) {
    broken(Check::wr_opcode, tid, opcode);
    return free_buffer(buffer);
  }
  if (buffer->control && opcode == cpl::fw::kUlptx) return control_pods(buffer, tid);
  if (buffer->control) broken(Check::wr_queue, tid, opcode);
  Conn* conn = conn_of(tid);
  if (conn == nullptr) {
    if (!is_of_former_life(tid)) broken(Check::flow_unknown, tid, opcode);
    return free_buffer(buffer);
  }
  if (is_data) {
    const uint32_t iso_size = is_iso ? sizeof(cpl::TxDataIso) : 0;
    const uint32_t least = sizeof(cpl::TxDataWr) + iso_size + iscsi::kBhsSize;
    if (buffer->header_size < least || units != data_units(*buffer, iso_size) ||
        (hi & cpl::kWrImmediateMask) != data_immediate(*buffer, iso_size)) {
      broken(Check::wr_length, tid, uint64_t{hi} << 32 | wr.flowid_len16.get());
      if (buffer->header_size < least) return free_buffer(buffer);
    }
    return conn->tx_data(buffer);
  }
  if (units != sixteens(buffer->header_size) || buffer->payload != 0) {
    broken(Check::wr_length, tid, uint64_t{hi} << 32 | wr.flowid_len16.get());
    return free_buffer(buffer);
  }
  return opcode == cpl::fw::kFlowc ? conn->flowc(buffer) : conn->mem_write(buffer);
}

// A write without a connection: it costs no credits, and may only make pods invalid.
void Device::control_pods(lld_buffer* buffer, uint32_t tid) {
  Bytes data;
  uint32_t written = 0;
  bool good = tid == 0 && buffer->units == sixteens(buffer->header_size) && !buffer->completion &&
              buffer->payload == 0 && pods_of_write(*buffer, &data);
  for (size_t at = 0; good && at < data.size(); at += kPodSize) {
    // SAFETY: a Pod is 64 bytes without alignment, and so many are there.
    good = !reinterpret_cast<const Pod*>(data.data() + at)->is_valid();
  }
  if (good) good = pods_.write(buffer->as<cpl::UlpMemWrite>().lock_addr.get(), data, &written);
  if (!good) broken(Check::pod_write, tid, buffer->header_size);
  counters_.pod_writes.fetch_add(written);
  counters_.pods_valid = pods_.valid();
  free_buffer(buffer);
}

// The pods in a ULP_MEM_IO; false when it is malformed.
bool Device::pods_of_write(lld_buffer& buffer, Bytes* data) {
  if (buffer.header_size < sizeof(cpl::UlpMemWrite)) return false;
  const auto& write = buffer.as<cpl::UlpMemWrite>();
  const uint32_t length = write.idata_len.get();
  const uint32_t unit_bytes = sixteens(buffer.header_size) * 16;
  const uint32_t command = write.cmd.get() & ~cpl::kUlpMemOrder;
  *data = {buffer.header() + sizeof(write), length};
  return command == (cpl::kUlpMemWrite | cpl::kUlpMemImmediate) && length <= kMostPodBytes &&
         length % kPodSize == 0 && length != 0 &&
         sixteens(sizeof(write) + length) * 16 == unit_bytes &&
         sizeof(write) + length <= buffer.header_size && write.dlen.get() * 32 == length &&
         (write.len16.get() & 0xff) == unit_bytes / 16 - 1 &&
         write.idata_cmd.get() == cpl::kUlpScImmediate;
}

void Device::egress_tp(lld_buffer* buffer) {
  if (buffer->header_size < sizeof(cpl::TidReq)) {
    broken(Check::wr_length, 0, buffer->header_size);
    return free_buffer(buffer);
  }
  const auto& message = buffer->as<cpl::TidReq>();
  const uint32_t opcode = static_cast<uint32_t>(message.ot.opcode());
  const uint32_t tid = message.ot.tid();
  const TpMessage* known = tp_message(opcode);
  if (known == nullptr) {
    broken(Check::wr_opcode, tid, opcode);
    return free_buffer(buffer);
  }
  const uint32_t immediate = message.wr.hi.get() & cpl::kWrImmediateMask;
  if (sixteens(buffer->header_size) != sixteens(known->size) || buffer->header_size < known->size ||
      buffer->units != sixteens(known->size) || immediate != known->size - sizeof(cpl::WrHeader) ||
      buffer->payload != 0) {
    broken(Check::wr_length, tid, uint64_t{immediate} << 32 | buffer->units);
    return free_buffer(buffer);
  }
  if (buffer->control != known->control) broken(Check::wr_queue, tid, opcode);
  Conn* conn = conn_of(tid);
  const uint32_t flow = message.wr.mid.get() >> cpl::kWrFlowIdShift & 0xf'ffff;
  const bool is_release = known->opcode == cpl::Opcode::kTidRelease;
  if (flow != tid || (conn == nullptr && !is_release)) {
    if (flow != tid || !is_of_former_life(tid)) broken(Check::flow_unknown, tid, flow);
    return free_buffer(buffer);
  }
  control_message(buffer, opcode, conn);
}

void Device::control_message(lld_buffer* buffer, uint32_t opcode, Conn* conn) {
  switch (static_cast<cpl::Opcode>(opcode)) {
    case cpl::Opcode::kCloseConReq:
      return conn->close_request(buffer);
    case cpl::Opcode::kAbortReq:
      return conn->abort_request(buffer);
    case cpl::Opcode::kAbortRpl:
      return conn->abort_reply(buffer);
    case cpl::Opcode::kTidRelease:
      release_tid(buffer->as<cpl::TidReq>().ot.tid());
      break;
    case cpl::Opcode::kPassAcceptRpl:
      conn->accept_reply(buffer->as<cpl::PassAcceptRpl>());
      break;
    case cpl::Opcode::kSetTcbField:
      conn->set_tcb(*buffer);
      break;
    default:
      conn->rx_data_ack(*buffer);
      break;
  }
  free_buffer(buffer);
}

}  // namespace chiscsi::sim
