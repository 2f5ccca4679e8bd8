# SPDX-License-Identifier: GPL-2.0-only
#
# chiscsi_header_check(TARGET): an object library with one generated source per header, which
# includes it twice and nothing else. So each header compiles alone; those that are C (*.h) compile
# as C11 and as C++, those of a storage driver's API and of the control ABI among them.

function(chiscsi_header_check target)
  file(GLOB_RECURSE headers RELATIVE ${CHISCSI_ROOT} CONFIGURE_DEPENDS
    ${CHISCSI_ROOT}/include/*.h ${CHISCSI_ROOT}/include/*.hh
    ${CHISCSI_ROOT}/transport/*.hh ${CHISCSI_ROOT}/target/*.h ${CHISCSI_ROOT}/target/*.hh)
  list(FILTER headers EXCLUDE REGEX "/(linux|sim|build)/")
  set(sources "")
  foreach(name IN LISTS headers)
    set(header ${CHISCSI_ROOT}/${name})
    set(languages cc)
    if(header MATCHES "\\.h$")
      list(APPEND languages c)
    endif()
    foreach(language IN LISTS languages)
      string(MAKE_C_IDENTIFIER ${name} identifier)
      set(source ${CMAKE_CURRENT_BINARY_DIR}/headers/${identifier}.${language})
      file(CONFIGURE OUTPUT ${source} CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
      list(APPEND sources ${source})
    endforeach()
  endforeach()
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${sources})
  target_link_libraries(${target} PRIVATE chiscsi_warnings chiscsi_includes)
  target_compile_options(${target} PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
endfunction()
