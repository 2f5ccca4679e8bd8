# SPDX-License-Identifier: GPL-2.0-only
#
# chiscsi_sources(OUT DIR...): the C++ sources below top-level folders that are not tied to the
# kernel, so without anything under a linux/ or sim/ folder. A folder that does not exist has none.
# The build looks for new files by itself.

function(chiscsi_sources out)
  set(found "")
  foreach(dir IN LISTS ARGN)
    file(GLOB_RECURSE here RELATIVE ${CHISCSI_ROOT} CONFIGURE_DEPENDS ${CHISCSI_ROOT}/${dir}/*.cc)
    list(APPEND found ${here})
  endforeach()
  list(FILTER found EXCLUDE REGEX "/(linux|sim)/")
  list(TRANSFORM found PREPEND ${CHISCSI_ROOT}/)
  set(${out} ${found} PARENT_SCOPE)
endfunction()
