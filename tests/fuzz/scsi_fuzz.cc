// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of the SCSI layer and of the built-in LUN classes, through whole sessions on the simulated
// host.
//
// Input: a byte of settings, then events, one byte each with a few bytes of detail: a command of
// any row of the command table or of none, with any CDB and parameters, by one of two initiators;
// task management; time that passes; an initiator that comes anew. Each command goes to a unit of
// memory and to its twin over a file or a block device, which have to say the same and in the end
// have the same data. Oracles beside that and the sanitizers: each command ends; sense data points
// into the CDB or into its parameters; no command is good with reserved bits set; what was written
// is read (medium_model.hh), and never what memory had in it before (tests/host/storage.cc).
#include "medium_model.hh"
#include "scsi_shots.hh"
#include "session_scene.hh"

namespace chiscsi::fuzz {

constexpr size_t kMostCommands = 60;
constexpr uint32_t kFirstBurst = 65536;

class Range {
 public:
  explicit Range(Input input) : input_(input), units_(input_.byte()), gunner_(input_, units_) {
    models_.assign(units_.count(), MediumModel(units_.blocks(), units_.block_size));
  }

  void play() {
    start();
    for (size_t i = 0; i < kMostCommands && !input_.empty(); ++i)
      event(input_.byte());
    compare_media();
    end();
  }

 private:
  void start() {
    const engine_options options = {2, 30, 1, 8};
    require(engine_start(&options) == 0, "engine_start()");
    std::string keys;
    for (const char* key : {"PortalGroup=1@127.0.0.1:3260", "AuthMethod=None", "InitialR2T=No",
                            "ImmediateData=Yes", "FirstBurstLength=65536", "MaxBurstLength=262144"})
      keys.append(key).push_back('\0');
    for (const std::string& line : units_.lines)
      keys.append("TargetDevice=" + line).push_back('\0');
    const int size = static_cast<int>(keys.size());
    require(engine_target_add(this, kTarget, "chiscsi", keys.data(), size) == 0,
            "engine_target_add()");
    for (uint8_t i = 0; i < 2; ++i)
      come(i);
  }

  void end() {
    for (auto& peer : peers_)
      peer->link.close();
    settle();
    require(engine_target_remove(this, kTarget) == 0, "engine_target_remove()");
    engine_stop();
    require(open_sockets() == 0, "a socket is left");
  }

  // Initiator `which` logs in, in place of what it had before.
  void come(uint8_t which) {
    Peer::Login login;
    login.target_name = kTarget;
    login.isid = static_cast<uint8_t>(which + 1);
    login.max_recv_data_segment_length = 65536;
    login.keys = {{"InitialR2T", "No"},
                  {"ImmediateData", "Yes"},
                  {"FirstBurstLength", "65536"},
                  {"MaxBurstLength", "262144"}};
    peers_[which] = std::make_unique<Peer>(kPort);
    peers_[which]->reads_anything = true;
    peers_[which]->log_in(login);
    peers_[which]->collect();
    require(peers_[which]->in_full_feature(), "login");
  }

  void event(uint8_t code) {
    if (code < 0xe0) return command(code);
    switch (code % 8) {
      case 0:
        return task_management();
      case 1: {
        static constexpr uint32_t kTimes[] = {10, 1000, 5001, 61000};
        return advance(kTimes[input_.byte() & 3]);
      }
      case 2:
        peers_[current_]->link.close();
        settle();
        return come(current_);
      case 3:
        return come(current_);
      default:
        current_ ^= 1;
    }
  }

  void command(uint8_t row) {
    const Shot shot = gunner_.aim(row, echo_);
    // Not all units have it, and to those that have it it may do something.
    if (units_.count() > 1 && shot.opcode() == Opcode::kWriteAtomic16) return;
    std::vector<Peer::Outcome> outcomes;
    for (uint8_t unit = 0; unit < units_.count(); ++unit) {
      outcomes.push_back(fire(shot, unit));
      judge(shot, outcomes.back());
      judge_medium(shot, outcomes.back(), unit);
    }
    echo_ = outcomes[0].data;
    if (units_.count() > 1) compare(shot, outcomes[0], outcomes[1]);
  }

  Peer::Outcome fire(const Shot& shot, uint8_t unit) {
    Peer& peer = *peers_[current_];
    Bhs bhs = peer.make_command(shot.direction, shot.length, unit);
    std::copy_n(shot.cdb.begin(), 16, bhs.as<ScsiCommand>().cdb);
    std::string ahs;
    if (shot.cdb_size > 16) ahs = std::string("\0\x11\x01\0", 4) + shot.cdb.substr(16);
    std::string data = shot.data;
    if (shot.opcode() == Opcode::kThirdPartyCopyOut && data.size() >= 32) name_unit(data, unit);
    peer.add(bhs, data.substr(0, kFirstBurst), ahs);
    peer.send_all();
    peer.collect();
    // A unit that formats or sanitizes itself takes time.
    for (int i = 0; i < 100 && !peer.outcome.over; ++i) {
      while (!peer.r2ts.empty()) {
        peer.answer_r2t_from(data);
        peer.send_all();
        peer.collect();
      }
      if (peer.outcome.over) break;
      advance(1000);
      peer.collect();
    }
    if (!peer.outcome.over) show(shot, peer.outcome);
    require(peer.outcome.over, "a command never ends");
    return peer.outcome;
  }
  static void name_unit(std::string& data, uint8_t unit) {
    if (static_cast<uint8_t>(data[24]) == Gunner::kOwnName >> 56 && data[31] == 0)
      data[31] = static_cast<char>(unit);
  }

  void task_management() {
    const uint8_t detail = input_.byte();
    for (uint8_t unit = 0; unit < units_.count(); ++unit) {
      Peer& peer = *peers_[current_];
      Bhs bhs = peer.make(iscsi::Opcode::kTaskManagementRequest, true);
      auto& request = bhs.as<TaskManagementRequest>();
      request.function = kFinalBit | (1 + detail % 8);
      request.lun[1] = unit;
      request.referenced_task_tag = peer.last_command_tag;
      request.ref_cmd_sn = peer.cmd_sn - 1;
      peer.add(bhs, {});
      peer.send_all();
      peer.collect();
    }
    // The reset of a target may end sessions.
    advance(1000);
    for (uint8_t i = 0; i < 2; ++i) {
      peers_[i]->collect();
      if (!peers_[i]->link.is_open()) come(i);
    }
  }

  // ---- Oracles ----

  void judge(const Shot& shot, const Peer::Outcome& outcome) {
    const std::string rubbish(8, kRubbish);
    if (outcome.data.find(rubbish) != std::string::npos)
      complain(shot, outcome, "memory of somebody else is read");
    if (outcome.response == 0 && outcome.status == 2) judge_sense(shot, outcome);
    if (outcome.response != 0 || outcome.status != 0) {
      if (outcome.status != 2 && outcome.response == 0 && !outcome.sense.empty())
        complain(shot, outcome, "sense data without CHECK CONDITION");
      return;
    }
    const CommandInfo* info = row_of(shot);
    if (info == nullptr) return;
    for (uint8_t i = 1; i + 1 < info->usage_size; ++i) {
      if ((shot.at(i) & ~(info->usage[i] | info->allowed[i])) != 0)
        complain(shot, outcome, "good with reserved bits set");
    }
  }
  void judge_medium(const Shot& shot, const Peer::Outcome& outcome, uint8_t unit) {
    if (outcome.response != 0) return;
    const std::string& sense = outcome.sense;
    const auto key = static_cast<uint8_t>(sense.size() < 3 ? 0 : sense[2] & 0xf);
    const uint32_t room = (shot.direction & kCommandRead) != 0 ? shot.length : 0;
    const char* wrong = models_[unit].apply(
        {shot.cdb.substr(0, shot.cdb_size), shot.data, outcome.data, room, outcome.status, key});
    if (wrong != nullptr) complain(shot, outcome, wrong);
  }
  static const CommandInfo* row_of(const Shot& shot) {
    const CommandInfo* found = nullptr;
    scsi::for_each_command([&](const CommandInfo& info) {
      if (info.opcode != shot.opcode()) return;
      if (!info.has_service_action() || info.service_action == (shot.at(1) & 0x1f)) found = &info;
    });
    return found;
  }

  // Fixed format (SPC-5 section 4.4.3).
  void judge_sense(const Shot& shot, const Peer::Outcome& outcome) {
    const std::string& sense = outcome.sense;
    const auto at = [&](size_t i) { return static_cast<uint8_t>(sense[i]); };
    if (sense.size() < 18) return complain(shot, outcome, "short sense data");
    if ((at(0) & 0x7f) != 0x70 || sense.size() < at(7) + 8u)
      complain(shot, outcome, "no sense data of fixed format");
    if (at(2) == 0) complain(shot, outcome, "CHECK CONDITION without a sense key");
    if ((at(2) & 0xf) != 5 || (at(15) & 0x80) == 0) return;
    const bool in_cdb = (at(15) & 0x40) != 0;
    const size_t pointer = at(16) << 8 | at(17);
    if (in_cdb && pointer >= shot.cdb_size) complain(shot, outcome, "a pointer behind the CDB");
    if (!in_cdb && pointer >= std::max<size_t>(shot.length, 1))
      complain(shot, outcome, "a pointer behind the parameters");
    if (in_cdb && at(12) == 0x26) complain(shot, outcome, "a pointer to the CDB for a parameter");
    if (!in_cdb && at(12) == 0x24) complain(shot, outcome, "a pointer to no field of the CDB");
  }

  // What both say has to be the same, but for what each is.
  void compare(const Shot& shot, Peer::Outcome one, Peer::Outcome two) {
    if (tells_of_unit(shot.opcode())) {
      one.data.clear(), two.data.clear();
      one.residual = two.residual = 0;
      one.flags = two.flags = 0;
    }
    if (one == two) return;
    show(shot, one);
    complain(shot, two, "the twins differ");
  }
  static bool tells_of_unit(Opcode opcode) {
    switch (opcode) {
      case Opcode::kInquiry:
      case Opcode::kServiceActionIn16:
      case Opcode::kMaintenanceIn:
      case Opcode::kLogSense:
      case Opcode::kThirdPartyCopyIn:
        return true;
      default:
        return false;
    }
  }

  // Read by somebody who has a right to: one who has none is told the same of both.
  void compare_media() {
    constexpr uint32_t kBytes = 65536;
    Shot shot;
    shot.direction = kCommandRead;
    shot.length = kBytes;
    shot.put(0, 1, 0x88);
    for (uint64_t at = 0; at < kMegabyte && units_.count() > 1; at += kBytes) {
      shot.put(2, 8, at / units_.block_size);
      shot.put(10, 4, kBytes / units_.block_size);
      const Peer::Outcome one = fire(shot, 0), two = fire(shot, 1);
      judge(shot, one);
      judge_medium(shot, one, 0);
      compare(shot, one, two);
    }
  }

  static void show(const Shot& shot, const Peer::Outcome& outcome) {
    const auto dump = [](const char* what, const std::string& bytes, size_t most) {
      fprintf(stderr, "%s (%zu):", what, bytes.size());
      for (size_t i = 0; i < bytes.size() && i < most; ++i)
        fprintf(stderr, " %02x", static_cast<uint8_t>(bytes[i]));
      fputc('\n', stderr);
    };
    dump("cdb", shot.cdb.substr(0, shot.cdb_size), 32);
    dump("data out", shot.data, 64);
    fprintf(stderr, "length %u, direction %02x: response %u status %02x flags %02x residual %u\n",
            shot.length, shot.direction, outcome.response, outcome.status, outcome.flags,
            outcome.residual);
    dump("data in", outcome.data, 64);
    dump("sense", outcome.sense, 32);
  }
  static void complain(const Shot& shot, const Peer::Outcome& outcome, const char* what) {
    show(shot, outcome);
    require(false, what);
  }

  Input input_;
  Units units_;
  Gunner gunner_;
  std::unique_ptr<Peer> peers_[2];
  uint8_t current_ = 0;
  std::string echo_;
  std::vector<MediumModel> models_;
};

}  // namespace chiscsi::fuzz

using namespace chiscsi::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const uint64_t before = host_live_allocations();
  {
    Range range(Input(data, size));
    range.play();
  }
  require(host_live_allocations() == before, "memory is left");
  return 0;
}
