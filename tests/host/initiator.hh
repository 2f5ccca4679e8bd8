// SPDX-License-Identifier: GPL-2.0-only
//
// A raw iSCSI initiator for tests: one blocking connection, PDUs built and taken apart byte by
// byte, nothing hidden. The simple calls (login(), read(), write()) behave as a correct initiator
// and watch the numbers of every response; all fields of a Pdu can be bent before it is sent, and
// raw bytes in any portions, too. One thread per Initiator. Waits have a generous limit.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "iscsi/bhs.hh"
#include "stream.hh"

namespace chiscsi::test {

using ByteVector = std::vector<uint8_t>;
using KeyList = std::vector<std::pair<std::string, std::string>>;

struct Pdu {
  iscsi::Bhs bhs;
  ByteVector ahs;   // Padded to words by its maker.
  ByteVector data;  // Without padding.

  iscsi::Opcode opcode() const { return bhs.opcode(); }
  uint32_t task_tag() const { return bhs.initiator_task_tag.get(); }
  template <typename T>
  T& as() {
    return bhs.as<T>();
  }
  template <typename T>
  const T& as() const {
    return bhs.as<T>();
  }
  // The key=value pairs of a text or login PDU, each key's values in order.
  std::multimap<std::string, std::string> keys() const;
  void set_keys(const KeyList& keys);
};

// The functions of task management (RFC 7143 s11.5.1).
enum TaskFunction : uint8_t {
  kAbortTask = 1,
  kAbortTaskSet = 2,
  kClearAca = 3,
  kClearTaskSet = 4,
  kLunReset = 5,
  kWarmReset = 6,
  kColdReset = 7,
  kTaskReassign = 8,
};

struct LoginOptions {
  std::string initiator_name = "iqn.2026-11.org.example:initiator";
  std::string target_name = "iqn.2026-11.org.example:target";  // Empty: not sent.
  std::string session_type = "Normal";
  KeyList keys;  // Further keys of the first request.
  uint8_t isid[6] = {0x80, 0x12, 0x34, 0x56, 0x00, 0x01};
  uint16_t tsih = 0;
  uint16_t cid = 0;
  // Answers further rounds (CHAP); without it an empty request asks for the transition.
  std::function<KeyList(const Pdu& response)> next_round;
  iscsi::Stage first_stage = iscsi::Stage::kOperational;
};

struct LoginResult {
  bool in_full_feature = false;
  bool answered = false;     // False: the connection ended or nothing came.
  uint16_t status = 0xffff;  // Class and detail.
  uint16_t tsih = 0;
  std::multimap<std::string, std::string> keys;  // Of all responses.
  std::string key(const std::string& name) const;
};

// What a command led to.
struct Outcome {
  bool answered = false;
  uint8_t status = 0xff;
  uint8_t response = 0xff;
  uint8_t flags = 0;  // The residual bits of the response.
  uint32_t residual = 0;
  uint32_t exp_data_sn = 0;
  ByteVector data;
  ByteVector sense;  // Without the two bytes of its length.
  uint32_t data_in_pdus = 0;
  std::vector<iscsi::R2t> r2ts;

  bool good() const { return answered && response == 0 && status == 0; }
  uint8_t sense_key() const { return sense.size() > 2 ? sense[2] & 0xf : 0xff; }
};

// How the data of a write leaves the initiator.
struct WriteShape {
  uint32_t immediate = 0;    // Bytes in the command PDU.
  uint32_t unsolicited = 0;  // Bytes in unsolicited Data-Out PDUs after it.
  uint32_t segment = 8192;   // Longest data segment of a Data-Out PDU.
};

class Initiator {
 public:
  // `address`: a local one, IPv4 or IPv6 (without brackets); over TCP only.
  explicit Initiator(uint16_t port, const char* address = "127.0.0.1")
      : Initiator(connect_to(port, address)) {}
  explicit Initiator(std::unique_ptr<Stream> stream) : stream_(std::move(stream)) {}
  ~Initiator();
  Initiator(const Initiator&) = delete;
  Initiator& operator=(const Initiator&) = delete;

  bool connected() const { return stream_ != nullptr; }
  uint16_t local_port() const;
  void disconnect();
  void disconnect_with_reset();

  // ---- Raw ----

  // Sends the bytes in portions of at most `portion`; 0: at once. False when the connection is
  // dead.
  bool send_bytes(const ByteVector& bytes, size_t portion = 0);
  // The PDU as it goes onto the wire, lengths and digests filled in.
  ByteVector to_wire(Pdu pdu) const;
  bool send(const Pdu& pdu, size_t portion = 0) { return send_bytes(to_wire(pdu), portion); }
  // The next PDU, or nothing at the end of the stream, at the limit, or at a broken PDU: see
  // problem().
  std::optional<Pdu> receive(unsigned limit_ms = kLimitMs);
  // The next PDU with this opcode (and, if given, task tag); others wait for later calls.
  std::optional<Pdu> receive_opcode(iscsi::Opcode opcode, unsigned limit_ms = kLimitMs);
  std::optional<Pdu> receive_for(uint32_t task_tag, unsigned limit_ms = kLimitMs);
  // True when the target ends the connection within the limit; what comes before is dropped.
  bool closed_by_target(unsigned limit_ms = kLimitMs);
  // True when no PDU comes for so long.
  bool is_silent(unsigned for_ms = 100);

  // ---- PDUs with sensible fields; each new one gets its own task tag ----

  Pdu make(iscsi::Opcode opcode, bool immediate = false);
  // A CDB of more than 16 bytes comes with the header segment for it.
  Pdu make_command(const ByteVector& cdb, uint32_t length, uint8_t flags, uint64_t lun = 0);
  Pdu make_data_out(const Pdu& command, uint32_t target_transfer_tag, uint32_t data_sn,
                    uint32_t offset, const ByteVector& data, bool final);
  Pdu make_task_management(uint8_t function, uint32_t referenced_tag, uint64_t lun = 0);
  // Takes the next CmdSN for a PDU that make() has not numbered.
  uint32_t next_cmd_sn() { return cmd_sn++; }

  // ---- A correct initiator ----

  LoginResult login(const LoginOptions& options = {});
  // All targets of SendTargets=All in a discovery session, as the response's keys.
  KeyList send_targets(const std::string& what = "All");
  Outcome finish(const Pdu& command, const ByteVector* data = nullptr, uint32_t segment = 8192);
  Outcome no_data(const ByteVector& cdb, uint64_t lun = 0);
  Outcome read(const ByteVector& cdb, uint32_t length, uint64_t lun = 0);
  Outcome write(const ByteVector& cdb, const ByteVector& data, const WriteShape& shape = {},
                uint64_t lun = 0);
  // The response's code, or nothing.
  std::optional<uint8_t> task_management(uint8_t function, uint32_t referenced_tag = 0xffffffff,
                                         uint64_t lun = 0);
  std::optional<uint8_t> logout(uint8_t reason = 0);
  // A NOP-Out that comes back with its data: the connection is in order.
  bool ping(const ByteVector& data = {1, 2, 3});

  // Checked and kept up to date by receive(); a test may change them.
  uint32_t cmd_sn = 100;
  uint32_t exp_stat_sn = 0;
  uint32_t exp_cmd_sn = 0;
  uint32_t max_cmd_sn = 0;
  uint32_t next_task_tag = 0x1000;
  bool header_digest = false;
  bool data_digest = false;
  bool spoil_header_digest = false;  // Of what is sent.
  bool spoil_data_digest = false;
  bool check_numbers = true;
  // Empty, or what the target did wrong (digest, StatSN, window), in order.
  const std::vector<std::string>& problems() const { return problems_; }

  static constexpr unsigned kLimitMs = 60000;

 private:
  void end_stream(bool reset);
  bool fill(size_t bytes, unsigned limit_ms);
  bool take_digest(size_t covered, bool on, const char* what);
  void note_numbers(const Pdu& pdu);
  void login_done(LoginResult& result, const Pdu& response);
  bool send_burst(const Pdu& command, uint32_t tag, const ByteVector& data, uint32_t offset,
                  uint32_t length, uint32_t segment);

  std::unique_ptr<Stream> stream_;
  bool stat_sn_known_ = false;
  uint32_t longest_segment_ = 0xffffffff;  // What the target takes in one PDU.
  ByteVector received_;
  size_t used_ = 0;
  std::deque<Pdu> waiting_;
  std::vector<std::string> problems_;
};

// CDBs.
ByteVector inquiry_cdb(uint16_t length);
ByteVector test_unit_ready_cdb();
ByteVector read10_cdb(uint32_t block, uint16_t blocks);
ByteVector write10_cdb(uint32_t block, uint16_t blocks);

// Bytes that differ from place to place.
ByteVector pattern(size_t size, unsigned seed = 1);

}  // namespace chiscsi::test
