# SPDX-License-Identifier: GPL-2.0-only
#
# Protocol tests: every tests/protocol/*_test.cc, one program each, against an engine that runs in
# the same process and listens on the loop-back address. They use the raw initiator of
# tests/host/initiator.hh and the scripted storage driver of tests/host/fake_driver.hh.

add_library(chiscsi_protocol STATIC EXCLUDE_FROM_ALL
  host/initiator.cc host/stream.cc host/memory_transport.cc
  host/memory_transport_script.cc host/placed_tasks.cc host/fake_driver.cc
  host/control_call.cc host/fake_driver_commands.cc host/fake_disks.cc host/engine_fixture.cc
  host/offload_run.cc host/protocol_fixture.cc)
target_link_libraries(chiscsi_protocol
  PUBLIC chiscsi_offload chiscsi_sim chiscsi_target GTest::gtest PRIVATE chiscsi_warnings)

file(GLOB protocol_tests CONFIGURE_DEPENDS ${CHISCSI_ROOT}/tests/protocol/*_test.cc)
foreach(test IN LISTS protocol_tests)
  get_filename_component(name ${test} NAME_WE)
  chiscsi_test_program(protocol_${name} LABEL protocol
    SOURCES ${test} LIBRARIES chiscsi_protocol)
  # The engine is the same over a transport of another module.
  chiscsi_test_again(protocol_${name} Memory. memory CHISCSI_TEST_TRANSPORT=memory)
endforeach()

# Once more over one that places write data and cuts Data-In sequences: what moves data, or ends in
# the middle of it. Not data_wait: there the driver hears of an abort before the burst has ended, and
# buffers that somebody else writes to go back after it.
foreach(name IN ITEMS
    abort command connection_end control data_out_hostile hostile_request lun multi_connection
    parameter_data patterns storage storage_abort task_end task_management traffic transport)
  chiscsi_test_again(protocol_${name}_test Placing. placing CHISCSI_TEST_TRANSPORT=placing)
endforeach()

# And over the offload transport, to a software adapter of either generation.
foreach(name IN ITEMS
    abort command connection_end control login lun multi_connection parameter_data storage task_end
    traffic)
  foreach(chip IN ITEMS 5 6)
    chiscsi_test_again(protocol_${name}_test Offload${chip}. offload
      CHISCSI_TEST_TRANSPORT=offload${chip})
  endforeach()
endforeach()

# Options of configure that only tests use: the sources which look at the option are compiled once
# more with it, and take the place of the engine's in the program of tests/protocol/options.
add_library(chiscsi_digest_failures OBJECT EXCLUDE_FROM_ALL
  ${CHISCSI_ROOT}/transport/pdu_reader.cc)
target_link_libraries(chiscsi_digest_failures
  PRIVATE chiscsi_includes chiscsi_warnings chiscsi_dialect)
target_compile_definitions(chiscsi_digest_failures PRIVATE CHISCSI_DEBUG_DIGEST_FAILURES=1)
chiscsi_test_program(protocol_digest_failures_test LABEL protocol
  SOURCES ${CHISCSI_ROOT}/tests/protocol/options/digest_failures_test.cc
    $<TARGET_OBJECTS:chiscsi_digest_failures>
  LIBRARIES chiscsi_protocol)
