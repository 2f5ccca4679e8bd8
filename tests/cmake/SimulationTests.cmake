# SPDX-License-Identifier: GPL-2.0-only
#
# Tests on the simulated host: every tests/simulation/*_test.cc, one program each. They run in the
# build under the address sanitizer only, see Simulation.cmake.

if(CHISCSI_SANITIZE STREQUAL thread)
  return()
endif()
include(Simulation)

file(GLOB simulation_tests CONFIGURE_DEPENDS ${CHISCSI_ROOT}/tests/simulation/*_test.cc)
foreach(test IN LISTS simulation_tests)
  get_filename_component(name ${test} NAME_WE)
  set(libraries chiscsi_simulation)
  if(name MATCHES "^offload_")
    list(APPEND libraries chiscsi_simulated_adapter)
  endif()
  chiscsi_test_program(simulation_${name} LABEL protocol
    SOURCES ${test} LIBRARIES ${libraries})
endforeach()

# It counts the bytes that the engine copies: gcc calls memcpy(), clang's sanitizer a function of its own.
if(TARGET simulation_budget_test)
  if(CMAKE_CXX_COMPILER_ID MATCHES Clang AND CHISCSI_SANITIZE MATCHES address)
    target_compile_definitions(simulation_budget_test PRIVATE COUNTED_COPY=__asan_memcpy)
    target_link_options(simulation_budget_test PRIVATE -Wl,--wrap=__asan_memcpy)
  else()
    target_link_options(simulation_budget_test PRIVATE -Wl,--wrap=memcpy)
  endif()
endif()

# What tests/bench/instructions counts. Not a test.
add_executable(engine_commands EXCLUDE_FROM_ALL ${CHISCSI_ROOT}/tests/simulation/engine_commands.cc)
target_link_libraries(engine_commands PRIVATE chiscsi_simulation chiscsi_warnings GTest::gtest)
