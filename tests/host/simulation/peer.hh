// SPDX-License-Identifier: GPL-2.0-only
//
// An initiator for the simulated host that may send anything and checks everything it gets.
//
// Whatever was sent, a target's answers keep rules: framing, padding and digests, StatSN and the
// command window, Data-In and R2T trains that stay inside their command, one status per command,
// data that is fill_data() of tag and offset. The program ends when one is broken. What a peer can
// no longer know, because it has sent bytes that are no PDUs or one task tag twice, it does not
// judge. Write data that it sends under a tag and an offset is fill_data() of the two, so that the
// storage driver can tell whether a byte landed where it should.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "iscsi/bhs.hh"
#include "simulation.hh"

namespace chiscsi::simulation {

class Peer {
 public:
  using Keys = std::vector<std::pair<std::string, std::string>>;
  struct Login {
    std::string initiator_name = "iqn.2026-11.org.example:peer";
    std::string target_name;  // Empty: a discovery session.
    Keys keys;
    uint8_t isid = 1;
    uint32_t cmd_sn = 1;
    uint32_t max_recv_data_segment_length = 8192;
    // Another connection of the session that this one has; null: a session of its own. Keys are
    // then those of a connection.
    const Peer* leader = nullptr;
    uint16_t cid = 0;
  };
  struct Answer {
    iscsi::Bhs bhs;
    std::string data;
  };
  // An R2T that has not been answered in full.
  struct OpenR2t {
    iscsi::R2t bhs;
    uint32_t sent = 0;
    uint32_t data_sn = 0;
  };

  explicit Peer(uint16_t port) : link(port) {}

  // Sends the one request of a login; the answer comes with collect().
  void log_in(const Login& login);
  bool in_full_feature() const { return in_full_feature_; }

  // PDUs with sensible fields.
  iscsi::Bhs make(iscsi::Opcode opcode, bool immediate);
  iscsi::Bhs make_command(uint8_t direction, uint32_t length, uint8_t lun);
  iscsi::Bhs make_data_out(uint32_t task_tag, uint32_t transfer_tag, uint32_t data_sn,
                           uint32_t offset, bool final);
  // Puts a PDU into what send_all() sends, with lengths and digests. The data of a command or of
  // Data-Out is fill_data() of what the header says, of `size` bytes.
  void add(const iscsi::Bhs& bhs, const std::string& data, const std::string& ahs = {});
  void add_data(const iscsi::Bhs& bhs, uint32_t size);
  // Bytes that need not be a PDU.
  void add_raw(const std::string& bytes);
  // Sends what was added; with a split, in two parts between which the engine runs.
  void send_all(size_t split = 0);
  // Sends the first bytes of what was added: the test does something before the rest.
  void send_first(size_t size);
  // Answers the oldest R2T, with `most` bytes of it; or whole, out of a command's data, and with
  // zeros where that has ended.
  void answer_r2t(uint32_t most);
  void answer_r2t_from(const std::string& data);

  // Takes and checks what has come.
  void collect();
  // The last PDU of this kind, since the last login; and how many of all kinds.
  std::optional<Answer> last(iscsi::Opcode opcode) const;
  uint64_t answers = 0;
  uint64_t statuses = 0;  // Of commands.
  uint64_t good_statuses = 0;

  // How the last command that was sent has ended; `data` is what it has read.
  struct Outcome {
    bool over = false;
    uint8_t response = 0;
    uint8_t status = 0;
    uint8_t flags = 0;  // Overflow and underflow.
    uint32_t residual = 0;
    std::string data, sense;

    bool operator==(const Outcome&) const = default;
  };
  Outcome outcome;

  // Read data is what a medium has, and not fill_data().
  bool reads_anything = false;
  // What comes is taken for what it is, and not judged: the adapter in between lies.
  bool is_lenient = false;

  Link link;
  bool spoil_header_digest = false;  // Of what is added.
  bool spoil_data_digest = false;
  std::vector<OpenR2t> r2ts;
  uint32_t cmd_sn = 1;
  uint32_t exp_stat_sn = 0;
  uint32_t next_task_tag = 1;
  uint32_t last_command_tag = 0;
  uint16_t tsih = 0;
  uint32_t exp_cmd_sn = 0;
  uint32_t max_cmd_sn = 0;

 private:
  void require(bool condition, const char* what) const;
  // What is known of a command that was sent.
  struct Sent {
    bool unknowable = false;
    uint8_t flags = 0;
    uint32_t length = 0;
    uint32_t data_sn = 0;
    uint32_t received = 0;
    uint32_t burst = 0;
    uint32_t r2t_sn = 0;
    bool over = false;
  };
  iscsi::Bhs next_data_out(OpenR2t& r2t, uint32_t size);
  bool take_pdu();
  void check(const Answer& answer);
  void check_numbers(const Answer& answer);
  void check_data_in(const Answer& answer);
  void check_r2t(const Answer& answer);
  void check_response(const Answer& answer);
  void note_outcome(const Answer& answer);
  void check_end(Sent& sent, uint8_t flags, uint32_t residual);
  void note_login(const Answer& answer);
  void join(const Peer& leader);
  Sent* sent(const iscsi::Bhs& bhs);
  void note_sent(const iscsi::Bhs& bhs);
  void note_burst(const iscsi::DataOut& data_out, size_t size);
  uint32_t number_of(const std::string& key, uint32_t otherwise) const;

  std::string outgoing_;
  std::string incoming_;
  size_t taken_ = 0;  // Of incoming_.
  std::map<uint32_t, Sent> commands_;
  std::map<iscsi::Opcode, Answer> last_;
  std::map<std::string, std::string> agreed_;
  bool in_full_feature_ = false;
  bool anything_goes_ = false;  // What the target has seen is no longer known.
  bool header_digest_ = false;
  bool data_digest_ = false;
  bool numbers_known_ = false;
  uint32_t segment_limit_ = 8192;
  uint32_t max_burst_ = 262144;
  uint32_t max_r2ts_ = 1;
};

}  // namespace chiscsi::simulation
