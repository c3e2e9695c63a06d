# SPDX-License-Identifier: Apache-2.0
# Language level, build type and instrumentation, carried by one INTERFACE target.
set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_VERIFY_INTERFACE_HEADER_SETS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin")
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Build type" FORCE)
endif()

set(ONDEMAND_SANITIZE "" CACHE STRING "Sanitizers for the whole build, e.g. address,undefined or thread")
option(ONDEMAND_COVERAGE "Instrument for gcov" OFF)

add_library(ondemand_settings INTERFACE)
target_compile_definitions(ondemand_settings INTERFACE
  _FILE_OFFSET_BITS=64
  $<$<NOT:$<CONFIG:Release>>:_GLIBCXX_ASSERTIONS>)
if(ONDEMAND_SANITIZE)
  target_compile_options(ondemand_settings INTERFACE
    -fsanitize=${ONDEMAND_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(ondemand_settings INTERFACE -fsanitize=${ONDEMAND_SANITIZE})
  target_compile_definitions(ondemand_settings INTERFACE ONDEMAND_SANITIZED=1)
endif()
if(ONDEMAND_COVERAGE)
  target_compile_options(ondemand_settings INTERFACE --coverage)
  target_link_options(ondemand_settings INTERFACE --coverage)
endif()
if(ONDEMAND_BUILD_FUZZERS)
  target_compile_options(ondemand_settings INTERFACE -fsanitize=fuzzer-no-link)
endif()
