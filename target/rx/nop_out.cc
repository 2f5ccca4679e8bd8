// SPDX-License-Identifier: GPL-2.0-only
//
// NOP-Out (RFC 7143 section 11.18): a ping of the initiator is echoed, an answer to ours is noted.
#include "target/rx/rx.hh"

namespace chiscsi::rx {

namespace {

bool answers_our_ping(const Connection& connection, const iscsi::NopOut& request) {
  return connection.ping_outstanding && request.target_transfer_tag.get() == connection.ping_tag;
}

// The ping's own buffer goes back with the answer.
void echo(Connection& connection, const iscsi::NopOut& request, Buffer data) {
  OwnPtr<ControlPdu> answer =
      connection.make_control(iscsi::Opcode::kNopIn, request.initiator_task_tag.get());
  if (!answer) return;
  const uint32_t size = request.data_segment_length.get();
  const uint32_t limit = connection.parameters.max_send_data_segment_length;
  answer->data_size = size < limit ? size : limit;
  answer->data = std::move(data);
  auto& bhs = answer->bhs.as<iscsi::NopIn>();
  __builtin_memcpy(bhs.lun, request.lun, sizeof(bhs.lun));
  bhs.target_transfer_tag = iscsi::kReservedTag;
  connection.queue_control(std::move(answer));
}

}  // namespace

void execute_nop_out(Connection& connection, const iscsi::NopOut& request, Buffer data) {
  if (request.initiator_task_tag.get() != iscsi::kReservedTag) {
    echo(connection, request, std::move(data));
  } else if (answers_our_ping(connection, request)) {
    connection.ping_answered();
  }
}

}  // namespace chiscsi::rx
