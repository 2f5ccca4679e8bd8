// SPDX-License-Identifier: GPL-2.0-only
//
// Asynchronous Messages. Without memory for one the connection is dropped by make_control(), which
// tells the initiator enough.
#include "target/session/async_message.hh"

#include "target/session/connection.hh"

namespace chiscsi::async_message {

namespace {

constexpr uint32_t kSenseLengthSize = 2;

OwnPtr<ControlPdu> make_message(Connection& connection, iscsi::AsyncEvent event,
                                uint32_t data_size = 0) {
  OwnPtr<ControlPdu> pdu =
      connection.make_control(iscsi::Opcode::kAsyncMessage, iscsi::kReservedTag, data_size);
  if (pdu) pdu->bhs.as<iscsi::AsyncMessage>().async_event = static_cast<uint8_t>(event);
  return pdu;
}

}  // namespace

void report_scsi_event(Connection& connection, SenseCode code) {
  OwnPtr<ControlPdu> pdu =
      make_message(connection, iscsi::AsyncEvent::kScsi, kSenseLengthSize + kFixedSenseSize);
  if (!pdu) return;
  uint8_t* data = pdu->data.data();
  data[0] = 0;
  data[1] = kFixedSenseSize;
  put_sense(data + kSenseLengthSize, code, false);
  connection.queue_control(std::move(pdu));
}

void request_logout(Connection& connection, uint16_t seconds) {
  OwnPtr<ControlPdu> pdu = make_message(connection, iscsi::AsyncEvent::kLogoutRequest);
  if (!pdu) return;
  pdu->bhs.as<iscsi::AsyncMessage>().parameter3 = seconds;
  connection.queue_control(std::move(pdu));
}

}  // namespace chiscsi::async_message
