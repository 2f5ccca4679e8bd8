// SPDX-License-Identifier: GPL-2.0-only
//
// The play of session_scene.hh over the offload transport and the software adapter.
//
// Input: as there, with three bytes of what adapter it is behind the settings. Events from 0xf4 on
// are the adapter's: faults by name, and states.
#pragma once

#include "session_scene.hh"
#include "simulation/adapter.hh"

namespace chiscsi::fuzz {

class AdapterScene : public Scene {
 public:
  explicit AdapterScene(Input input) : Scene(input) { has_adapter_ = true; }

 protected:
  void adapter_starts() override {
    const uint8_t bits = input_.byte(), sizes = input_.byte();
    static constexpr uint32_t kFragments[] = {0, 700, 64, 1000};
    static constexpr uint32_t kCredits[] = {0, 64, 128, 200};
    static constexpr sim_ack_policy kPolicies[] = {SIM_ACK_COMPLETION, SIM_ACK_PARTIAL,
                                                   SIM_ACK_DELAYED, SIM_ACK_PARTIAL};
    sim_config& config = adapter_.config;
    config.chip = (bits & 1) != 0 ? 5 : 6;
    config.completion_moderation = (bits & 2) != 0 ? 0 : 1;
    config.bounce = bits >> 2 & 1;
    config.cut_headers = bits >> 3 & 1;
    config.pages_only = bits >> 4 & 1;
    config.has_iso = (bits & 0x20) != 0 ? 0 : 1;
    config.ack_policy = kPolicies[bits >> 6];
    config.fragment_size = kFragments[sizes & 3];
    config.no_ppods = sizes >> 2 & 1;
    if ((sizes & 8) != 0) config.ppod_size = 512;
    config.wr_credits = kCredits[sizes >> 4 & 3];
    config.seed = input_.byte() + 1u;
    require(adapter_.start(backend()) == 0, "offload_add_backend()");
  }
  virtual const lld_ops* backend() { return sim_backend(); }

  void adapter_event(uint8_t code) override {
    if (code % 4 == 0) {
      static constexpr lld_state kStates[] = {LLD_STATE_DOWN, LLD_STATE_RECOVERY, LLD_STATE_FATAL};
      is_hostile();
      sim_state(adapter_.device, kStates[input_.byte() % 3]);
      settle();
      sim_state(adapter_.device, LLD_STATE_UP);
    } else {
      static constexpr const char* kFaults[] = {
          "allocation", "no_pods", "no_map", "arp_failure", "resolving",       "header_crc",
          "data_crc",   "pad",     "colour", "tcb_silent",  "negative_advice", "peer_reset"};
      const uint8_t which = input_.byte();
      is_hostile();
      sim_fault(adapter_.device, kFaults[(which & 0x3f) % std::size(kFaults)], 1 + (which >> 6));
    }
    settle();
  }

  void adapter_ends() override {
    adapter_.stop();
    if (is_honest_) {
      for (const std::string& complaint : adapter_.complaints())
        require(false, complaint.c_str());
    }
    adapter_.destroy();
  }

  simulation::Adapter adapter_;
};

}  // namespace chiscsi::fuzz
