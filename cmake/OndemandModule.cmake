# SPDX-License-Identifier: Apache-2.0
# ondemand_add_module(<module> HEADERS h... [SOURCES cpp...] [DEPS modules...] [PRIVATE libs...])
#
# One folder lib/<module>, one namespace ondemand::<module>, one static library ondemand_<module>.
# DEPS are modules of ours that the headers use; PRIVATE are third-party libraries that only the
# sources see.  tests/lint/layers.txt holds the same table for includes.
function(ondemand_add_module module)
  cmake_parse_arguments(ARG "" "" "HEADERS;SOURCES;DEPS;PRIVATE" ${ARGN})
  set(target ondemand_${module})
  if(ARG_SOURCES)
    add_library(${target} STATIC ${ARG_SOURCES})
    set(scope PUBLIC)
    target_link_libraries(${target} PRIVATE ondemand_settings ondemand_warnings ${ARG_PRIVATE})
  else()
    add_library(${target} INTERFACE)
    set(scope INTERFACE)
  endif()
  add_library(ondemand::${module} ALIAS ${target})
  target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/lib"
                 FILES ${ARG_HEADERS})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${target} ${scope} ondemand::${dep})
  endforeach()
endfunction()

# ondemand_add_tool(<tool> SOURCES cpp... DEPS modules... [PRIVATE libs...])
#
# The tool is a static library <tool>_run, so that tests run it in process, and a main.cpp.
function(ondemand_add_tool tool)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS;PRIVATE" ${ARGN})
  add_library(${tool}_run STATIC ${ARG_SOURCES})
  target_include_directories(${tool}_run PUBLIC "${PROJECT_SOURCE_DIR}/tools")
  target_link_libraries(${tool}_run PRIVATE ondemand_settings ondemand_warnings ${ARG_PRIVATE})
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${tool}_run PUBLIC ondemand::${dep})
  endforeach()
  add_executable(${tool} main.cpp)
  target_link_libraries(${tool} PRIVATE ${tool}_run ondemand_settings ondemand_warnings)
  install(TARGETS ${tool} RUNTIME)
endfunction()
