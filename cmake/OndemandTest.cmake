# SPDX-License-Identifier: Apache-2.0
find_package(GTest 1.12 REQUIRED CONFIG)
include(GoogleTest)

# What the thread sanitizer is for: the tests of everything that has threads, and the tools.
add_custom_target(threaded_tests)
# The fuzz targets alone.
add_custom_target(fuzzers)

# Tests are compiled to run once: less optimisation, and the headers that all of them include only
# once.  A compiler launcher (ccache) has a cache of its own, which precompiled headers disturb.
add_library(ondemand_test_settings INTERFACE)
target_compile_options(ondemand_test_settings INTERFACE $<$<CONFIG:RelWithDebInfo>:-O1;-g1>)
# With precompiled headers GCC 12 and 13 report these inside libstdc++'s string code; the same tests
# compile silently without.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  target_compile_options(ondemand_test_settings INTERFACE
    -Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread)
endif()
set(ondemand_precompile ON)
if(CMAKE_CXX_COMPILER_LAUNCHER)
  set(ondemand_precompile OFF)
endif()
if(ondemand_precompile)
  file(WRITE "${CMAKE_BINARY_DIR}/test_headers.cpp" "")
  add_library(ondemand_test_headers OBJECT EXCLUDE_FROM_ALL "${CMAKE_BINARY_DIR}/test_headers.cpp")
  target_link_libraries(ondemand_test_headers PRIVATE
                        ondemand_settings ondemand_warnings ondemand_test_settings GTest::gmock_main)
  target_precompile_headers(ondemand_test_headers PRIVATE <gmock/gmock.h> <gtest/gtest.h>)
endif()

# ondemand_add_unit_test(<name> SOURCES cpp... DEPS modules... [PRIVATE libs...] [THREADED])
function(ondemand_add_unit_test name)
  cmake_parse_arguments(ARG "THREADED" "" "SOURCES;DEPS;PRIVATE" ${ARGN})
  add_executable(${name}_tests ${ARG_SOURCES})
  if(ARG_THREADED)
    add_dependencies(threaded_tests ${name}_tests)
  endif()
  target_include_directories(${name}_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  target_link_libraries(${name}_tests PRIVATE ondemand_settings ondemand_warnings
                        ondemand_test_settings ${ARG_PRIVATE} GTest::gmock_main)
  if(ondemand_precompile)
    target_precompile_headers(${name}_tests REUSE_FROM ondemand_test_headers)
  endif()
  foreach(dep IN LISTS ARG_DEPS)
    target_link_libraries(${name}_tests PRIVATE ondemand::${dep})
  endforeach()
  gtest_discover_tests(${name}_tests DISCOVERY_MODE PRE_TEST TEST_PREFIX "${name}/"
                       PROPERTIES LABELS unit TIMEOUT 300)
endfunction()

# ondemand_add_script_test(<name> <script> [LABELS ...] [TIMEOUT seconds] [LOCK resource...])
# A script exits 0 (passed), 77 (skipped, the reason on its output) or anything else (failed).
function(ondemand_add_script_test name script)
  cmake_parse_arguments(ARG "" "TIMEOUT" "LABELS;LOCK" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  add_test(NAME ${name} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/${script}")
  set_tests_properties(${name} PROPERTIES
    SKIP_RETURN_CODE 77 TIMEOUT ${ARG_TIMEOUT} LABELS "${ARG_LABELS}"
    ENVIRONMENT "ONDEMAND_BIN=${CMAKE_BINARY_DIR}/bin;ONDEMAND_SOURCE=${PROJECT_SOURCE_DIR}")
  if(ARG_LOCK)
    set_tests_properties(${name} PROPERTIES RESOURCE_LOCK "${ARG_LOCK}")
  endif()
endfunction()
