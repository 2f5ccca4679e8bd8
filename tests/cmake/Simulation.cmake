# SPDX-License-Identifier: GPL-2.0-only
#
# The simulated host (tests/host/simulation): threads as coroutines, a clock that stands still and
# sockets in memory, with an initiator and a storage driver to go with them. An object library, so
# that its os_* functions are the ones that count and not those of chiscsi_host's archive. Its
# stacks are known to the address sanitizer alone: not for builds under the thread sanitizer, which
# would find nothing anyway in what runs on one thread.

set(simulation_sources
  host/simulation/peer.cc host/simulation/socket.cc host/simulation/storage.cc
  host/simulation/storage_jobs.cc host/simulation/thread.cc)
add_library(chiscsi_simulation OBJECT EXCLUDE_FROM_ALL ${simulation_sources})
target_link_libraries(chiscsi_simulation PUBLIC chiscsi_engine PRIVATE chiscsi_warnings)

# The offload transport and the software adapter on that host, see host/simulation/adapter.hh. To be
# linked beside chiscsi_simulation.
add_library(chiscsi_simulated_adapter OBJECT EXCLUDE_FROM_ALL host/simulation/adapter.cc)
target_link_libraries(chiscsi_simulated_adapter
  PUBLIC chiscsi_offload chiscsi_sim PRIVATE chiscsi_warnings)
