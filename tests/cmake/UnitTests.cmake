# SPDX-License-Identifier: GPL-2.0-only
#
# Unit tests: every tests/unit/**/*_test.cc. One program per folder, named after its path, so
# that a folder whose sources do not compile takes no other folder's tests with it. base/ and os/ are
# linked with the POSIX port alone, iscsictl/ also with the tool, offload/ with the offload sources
# and the software adapter, all others with the engine. Each test case becomes one ctest test.

find_package(GTest REQUIRED)
include(GoogleTest)
enable_testing()

# How each test program is compiled. Optimizing instrumented tests takes three times as long as it
# saves; the engine is optimized. The library, which has the last word, is linked last.
add_library(chiscsi_test_flags INTERFACE)
if(CHISCSI_SANITIZE)
  target_compile_options(chiscsi_test_flags INTERFACE -O0 -g1)
endif()

# The headers that all tests include, compiled once: reading them is half of the time of a build.
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/precompiled.cc CONTENT "")
add_library(chiscsi_precompiled STATIC ${CMAKE_CURRENT_BINARY_DIR}/precompiled.cc)
target_link_libraries(chiscsi_precompiled PRIVATE
  chiscsi_includes chiscsi_warnings GTest::gtest chiscsi_test_flags)
target_precompile_headers(chiscsi_precompiled PRIVATE
  <gtest/gtest.h> <algorithm> <atomic> <chrono> <condition_variable> <cstring> <deque> <functional>
  <map> <memory> <mutex> <optional> <random> <set> <string> <thread> <vector>)

function(chiscsi_test_program name)
  cmake_parse_arguments(arg "" "LABEL" "SOURCES;LIBRARIES" ${ARGN})
  add_executable(${name} ${arg_SOURCES})
  target_link_libraries(${name} PRIVATE
    ${arg_LIBRARIES} chiscsi_warnings GTest::gtest GTest::gtest_main chiscsi_test_flags)
  target_precompile_headers(${name} REUSE_FROM chiscsi_precompiled)
  set_property(GLOBAL APPEND PROPERTY CHISCSI_TEST_PROGRAMS ${name})
  # Listing the cases waits until ctest runs: the build itself runs nothing. Limits only catch hangs.
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
    PROPERTIES TIMEOUT 300 LABELS ${arg_LABEL})
endfunction()

# chiscsi_test_again(NAME PREFIX LABEL SETTING): the cases of a program once more, with a setting of
# the environment.
function(chiscsi_test_again name prefix label setting)
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 120
    TEST_PREFIX ${prefix} TEST_LIST ${name}_${prefix}
    PROPERTIES TIMEOUT 300 LABELS ${label} ENVIRONMENT ${setting})
endfunction()

add_library(chiscsi_api_only INTERFACE)
target_include_directories(chiscsi_api_only INTERFACE
  ${CHISCSI_ROOT}/include/common ${CHISCSI_ROOT}/api-ddk)
target_link_libraries(chiscsi_api_only INTERFACE Threads::Threads)

# iscsictl but for main() and its own port of include/os, with a module in memory.
file(GLOB tool_sources CONFIGURE_DEPENDS ${CHISCSI_ROOT}/tools/iscsictl/*.cc)
list(FILTER tool_sources EXCLUDE REGEX "/(main|user_space)\\.cc$")
add_library(chiscsi_tool STATIC EXCLUDE_FROM_ALL ${tool_sources}
  ${CHISCSI_ROOT}/tools/iscsictl/isns/wake.cc ${CHISCSI_ROOT}/tools/iscsictl/isns/kernel_targets.cc
  unit/iscsictl/fake_door.cc)
target_include_directories(chiscsi_tool PUBLIC
  ${CHISCSI_ROOT}/tools/iscsictl ${CHISCSI_ROOT}/tests/unit/iscsictl)
target_link_libraries(chiscsi_tool PUBLIC chiscsi_engine PRIVATE chiscsi_warnings)

file(GLOB_RECURSE unit_tests CONFIGURE_DEPENDS ${CHISCSI_ROOT}/tests/unit/*_test.cc)
set(unit_programs "")
foreach(test IN LISTS unit_tests)
  file(RELATIVE_PATH name ${CHISCSI_ROOT}/tests ${test})
  get_filename_component(name ${name} DIRECTORY)
  string(MAKE_C_IDENTIFIER ${name} name)
  list(APPEND ${name}_sources ${test})
  list(APPEND unit_programs ${name})
endforeach()
list(REMOVE_DUPLICATES unit_programs)

# The iSNS client is an ordinary program and needs nothing of the engine, but for the way to the
# module, which is the tool's.
file(GLOB isns_sources CONFIGURE_DEPENDS ${CHISCSI_ROOT}/tools/iscsictl/isns/*.cc)
list(FILTER isns_sources EXCLUDE REGEX "/(chisns|kernel_targets)\\.cc$")
add_library(chiscsi_isns STATIC ${isns_sources})
target_include_directories(chiscsi_isns PUBLIC ${CHISCSI_ROOT}/tools/iscsictl)
target_link_libraries(chiscsi_isns PUBLIC Threads::Threads PRIVATE chiscsi_warnings)

foreach(name IN LISTS unit_programs)
  if(name STREQUAL unit_offload_conn)  # An adapter and a target of its own.
    file(GLOB fakes CONFIGURE_DEPENDS ${CHISCSI_ROOT}/tests/unit/offload/conn/fake_*.cc)
    list(APPEND ${name}_sources ${fakes})
  endif()
  if(name MATCHES "^unit_(base|os)$")
    set(libraries chiscsi_host)
  elseif(name STREQUAL unit_tools_isns)
    set(libraries chiscsi_isns chiscsi_tool)
  elseif(name STREQUAL unit_api_ddk)
    set(libraries chiscsi_api_only)  # They bring a host and a target of their own.
  elseif(name STREQUAL unit_iscsictl)
    set(libraries chiscsi_tool)
  elseif(name MATCHES "^unit_offload")
    set(libraries chiscsi_sim)
    if(TARGET chiscsi_offload)
      list(PREPEND libraries chiscsi_offload)
    endif()
  else()
    set(libraries chiscsi_engine)
  endif()
  chiscsi_test_program(${name} LABEL unit SOURCES ${${name}_sources} LIBRARIES ${libraries})
endforeach()
