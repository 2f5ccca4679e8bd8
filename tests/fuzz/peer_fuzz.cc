// SPDX-License-Identifier: GPL-2.0-only
//
// Fuzzer of the whole target over the offload transport: hostile initiators and a storage driver of
// any mood, and a software adapter (T5 or T6) that keeps to its rules but has faults and changes
// its state. See adapter_scene.hh for the input. Oracles beside those of session_fuzz: no rule of
// the adapter is broken, and nothing of it is left over.
#include "adapter_scene.hh"

using namespace chiscsi::fuzz;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 9) return 0;
  const uint64_t before = host_live_allocations();
  {
    AdapterScene scene(Input(data, size));
    scene.play();
  }
  require(host_live_allocations() == before, "memory is left");
  return 0;
}
