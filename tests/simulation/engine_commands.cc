// SPDX-License-Identifier: GPL-2.0-only
//
// Commands for tests/bench/instructions to count: a session with the engine on the simulated host,
// one kind of command over and over. What the host, the storage driver and the initiator here do is
// not the engine's; the script tells them apart by their source files. Two runs that differ in
// their rounds alone differ in nothing else.
//
//   engine_commands read|write SIZE DEPTH ROUNDS [digests]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "simulated_target.hh"

namespace chiscsi::simulation {
namespace {

using namespace iscsi;

constexpr uint32_t kLongest = 256 * 1024;
constexpr uint32_t kFirstBurst = 64 * 1024;

struct Work {
  bool write = false;
  uint32_t size = 0;
  int depth = 0;
  int rounds = 0;
  bool digests = false;
};

// As our target and open-iscsi agree by default.
void set_up(SimulatedTarget& target, const Work& work) {
  target.target_keys.back() = "MaxRecvDataSegmentLength=262144";
  target.login.max_recv_data_segment_length = kLongest;
  target.login.keys = {{"InitialR2T", "Yes"}, {"ImmediateData", "Yes"}};
  if (work.digests) {
    target.login.keys.emplace_back("HeaderDigest", "CRC32C");
    target.login.keys.emplace_back("DataDigest", "CRC32C");
  }
  target.storage.most_lent = kLongest;
}

// All commands of a round are sent before the engine runs, and are over at its end.
void run_round(Peer& peer, const Work& work) {
  for (int i = 0; i < work.depth; ++i) {
    const uint8_t direction = work.write ? kCommandWrite : kCommandRead;
    peer.add_data(peer.make_command(direction, work.size, 0),
                  work.write ? std::min(work.size, kFirstBurst) : 0);
  }
  peer.send_all();
  settle();
  peer.collect();
  while (!peer.r2ts.empty())
    peer.answer_r2t(kLongest);
  peer.send_all();
  settle();
  peer.collect();
}

int run(const Work& work) {
  SimulatedTarget target;
  set_up(target, work);
  if (target.start() != 0) return 1;
  const std::unique_ptr<Peer> peer = target.log_in();
  if (!peer->in_full_feature()) return 1;
  for (int i = 0; i < work.rounds; ++i)
    run_round(*peer, work);
  return peer->good_statuses ==
                 static_cast<uint64_t>(work.rounds) * static_cast<uint64_t>(work.depth)
             ? 0
             : 1;
}

bool parse(int argc, char** argv, Work& work) {
  if (argc < 5 || argc > 6) return false;
  work.write = strcmp(argv[1], "write") == 0;
  work.size = static_cast<uint32_t>(atoi(argv[2]));
  work.depth = atoi(argv[3]);
  work.rounds = atoi(argv[4]);
  work.digests = argc == 6;
  return (work.write || strcmp(argv[1], "read") == 0) && work.size != 0 && work.size % 4 == 0 &&
         work.size <= kLongest && work.depth > 0 && work.rounds > 0;
}

}  // namespace
}  // namespace chiscsi::simulation

int main(int argc, char** argv) {
  chiscsi::simulation::Work work;
  if (!chiscsi::simulation::parse(argc, argv, work)) {
    fputs("usage: engine_commands read|write SIZE DEPTH ROUNDS [digests]\n", stderr);
    return 2;
  }
  const int status = chiscsi::simulation::run(work);
  if (status != 0) fputs("engine_commands: not all commands were good\n", stderr);
  return status;
}
