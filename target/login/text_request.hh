// SPDX-License-Identifier: GPL-2.0-only
//
// TextExchange: Text Requests of one connection in full feature phase, as a state machine without
// sockets and threads.
//
// One exchange is open at a time. A request text may come in several PDUs (C bit), an answer may
// leave in several PDUs (C bit and Target Transfer Tag); both are bounded. A request with the
// reserved Target Transfer Tag resets whatever was open. What was negotiated counts only when the
// exchange has ended. Used by the connection's worker. RFC 7143 sections 6.4, 11.10, 11.11.
#pragma once

#include <cstdint>

#include "base/own_ptr.hh"
#include "base/span.hh"
#include "iscsi/bhs.hh"
#include "target/login/discovery.hh"
#include "target/login/parameters.hh"
#include "target/login/text_codec.hh"

namespace chiscsi {

struct TextLimits {
  uint32_t max_text_bytes = 16 * 1024;          // One request text.
  uint32_t max_text_pdus = 16;                  // Requests that make up one text.
  uint32_t max_requests = 64;                   // Requests of one negotiation, answer parts aside.
  uint32_t max_keys = 64;                       // Keys of one negotiation.
  uint32_t max_answer_bytes = 2 * 1024 * 1024;  // One answer; above: Reject, out of resources.
  uint32_t max_send_data_segment_length = 0xffffff;  // What the transport can send.
};

class TextExchange {
 public:
  enum class Step : uint8_t {
    kRespond,  // Send response() with response_data().
    kReject,   // Send a Reject PDU with reject_reason(); the exchange was reset.
  };

  // `directory` and `parameters` outlive the exchange; parameters.max_send_data_segment_length is
  // read for every answer and changed when a new declaration of the peer takes effect.
  TextExchange(TargetDirectory& directory, ConnectionParameters& parameters,
               const DiscoveryContext& context, const TextLimits& limits);
  TextExchange(const TextExchange&) = delete;
  TextExchange& operator=(const TextExchange&) = delete;

  // Takes one Text Request with its whole data segment. Context: process; the directory may sleep.
  Step on_request(const iscsi::TextRequest& request, Bytes data);

  // Forgets an open exchange and frees its memory, for instance when the session ends.
  void reset();

  // After kRespond: the header (numbers are the sender's to stamp) and its data, valid until the
  // next call.
  const iscsi::TextResponse& response() const { return response_; }
  Bytes response_data() const { return response_data_; }
  // After kReject.
  iscsi::RejectReason reject_reason() const { return reject_reason_; }
  const char* failure_reason() const { return reason_; }
  bool is_open() const { return state_ != State::kIdle; }

 private:
  enum class State : uint8_t {
    kIdle,
    kGathering,    // In the middle of a continued request text.
    kNegotiating,  // The peer has not said that it is done.
    kAnswering,    // In the middle of a continued answer.
  };
  // What a key or a text came to: nothing, or why the request is rejected.
  struct Verdict {
    iscsi::RejectReason reason = iscsi::RejectReason::kProtocolError;
    const char* text = nullptr;
    bool is_ok() const { return text == nullptr; }
  };

  Verdict check(const iscsi::TextRequest& request) const;
  void open(const iscsi::TextRequest& request);
  Verdict gather(Bytes data);
  Verdict process_text();
  Verdict take_key(const KeyInfo& info, Text value, TextWriter& answer);
  Verdict take_receive_limit(Text value);
  Verdict send_targets(Text value, TextWriter& answer);
  Step send_part(bool peer_is_done);
  Step respond(uint8_t flags, Bytes data, State next);
  Step reject(const Verdict& verdict);

  // Immutable.
  TargetDirectory& directory_;
  ConnectionParameters& parameters_;
  const DiscoveryContext context_;
  const TextLimits limits_;

  State state_ = State::kIdle;
  uint32_t initiator_task_tag_ = 0;
  uint32_t target_transfer_tag_ = 0;  // The one the peer has to return.
  uint32_t next_tag_ = 1;
  uint8_t opcode_byte_ = 0;  // With the immediate bit, which stays the same.
  uint32_t requests_ = 0;
  uint32_t text_pdus_ = 0;
  TextBuffer text_;
  TextBuffer answer_;
  size_t answered_ = 0;
  OfferedKeys offered_;
  SeenKeys seen_;
  uint32_t new_max_send_ = 0;  // Declared in this exchange; 0: nothing.

  iscsi::TextResponse response_ = {};
  Bytes response_data_;
  iscsi::RejectReason reject_reason_ = iscsi::RejectReason::kProtocolError;
  const char* reason_ = "";
};

}  // namespace chiscsi
