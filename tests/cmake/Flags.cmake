# SPDX-License-Identifier: GPL-2.0-only
#
# Compiler settings of the host build: the warnings, the sanitizers and the dialect of the engine.
# The engine's sources get the same language restrictions here as in the kernel module (compare
# include/build/cxx.mk); tests and the POSIX port are ordinary C++20. Interface targets:
#   chiscsi_warnings   warnings and sanitizers, for everything
#   chiscsi_includes   include paths and definitions, for everything
#   chiscsi_dialect    the engine's language, for sources that also go into the kernel

set(CHISCSI_SANITIZE "" CACHE STRING "empty, 'address,undefined' or 'thread'")

option(CHISCSI_AS_SHIPPED "the engine as one object and without checks, as in the module" OFF)

add_library(chiscsi_warnings INTERFACE)
target_compile_options(chiscsi_warnings INTERFACE
  -Wall -Wextra -Werror -Wno-missing-field-initializers -Wvla -g)
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  target_compile_options(chiscsi_warnings INTERFACE -Wthread-safety)
endif()
if(CHISCSI_SANITIZE)
  target_compile_options(chiscsi_warnings INTERFACE
    -fsanitize=${CHISCSI_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer -O1)
  # Tests that look at the types of the engine's objects would have to find them in the engine.
  if(CHISCSI_SANITIZE MATCHES undefined)
    target_compile_options(chiscsi_warnings INTERFACE -fno-sanitize=vptr)
  endif()
  target_link_options(chiscsi_warnings INTERFACE -fsanitize=${CHISCSI_SANITIZE})
endif()

add_library(chiscsi_includes INTERFACE)
target_include_directories(chiscsi_includes INTERFACE
  ${CHISCSI_ROOT}/include ${CHISCSI_ROOT} ${CHISCSI_ROOT}/tests/host)
if(NOT CHISCSI_AS_SHIPPED)
  target_compile_definitions(chiscsi_includes INTERFACE
    CHISCSI_EXTRACHECKS=1 CHISCSI_TRACING=1)
endif()

add_library(chiscsi_dialect INTERFACE)
target_compile_options(chiscsi_dialect INTERFACE
  -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit
  -Wno-invalid-offsetof)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
  target_compile_options(chiscsi_dialect INTERFACE -fcheck-new -Wsuggest-override)
endif()
