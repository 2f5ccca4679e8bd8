// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of the whole target: engine, transport and storage driver port on the simulated host. See
// session_scene.hh for the input and what is checked.
#include "session_scene.hh"

using namespace chiscsi::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 6) return 0;
  const uint64_t before = host_live_allocations();
  {
    Scene scene(Input(data, size));
    scene.play();
  }
  require(host_live_allocations() == before, "memory is left");
  return 0;
}
