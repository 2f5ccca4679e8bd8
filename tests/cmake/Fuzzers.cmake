# SPDX-License-Identifier: GPL-2.0-only
#
# Fuzzers: every tests/fuzz/NAME_fuzz.cc becomes the program fuzz_NAME, with libFuzzer, the address
# sanitizer and the undefined-behaviour sanitizer. The libraries they link are instrumented for
# coverage, too. Those of whole sessions run on the simulated host, and all but fuzz_session and fuzz_scsi with the
# offload transport and the software adapter there. Run by tests/fuzz/run.

if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
  message(FATAL_ERROR "the fuzzers need clang")
endif()

target_compile_options(chiscsi_warnings INTERFACE
  -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)

include(Simulation)

file(GLOB fuzzers CONFIGURE_DEPENDS ${CHISCSI_ROOT}/tests/fuzz/*_fuzz.cc)
foreach(source IN LISTS fuzzers)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name ${name})
  add_executable(fuzz_${name} ${source})
  if(TARGET chiscsi_offload AND name MATCHES "^(cpl|offload|pagepod)")
    target_link_libraries(fuzz_${name} PRIVATE chiscsi_offload)
  endif()
  if(name MATCHES "^(session|scsi|peer|adapter|work_request)$")
    target_link_libraries(fuzz_${name} PRIVATE chiscsi_simulation)
  endif()
  if(name MATCHES "^(peer|adapter|work_request)$")
    target_link_libraries(fuzz_${name} PRIVATE chiscsi_simulated_adapter)
  endif()
  target_link_libraries(fuzz_${name} PRIVATE chiscsi_engine chiscsi_warnings)
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer,address,undefined)
endforeach()
