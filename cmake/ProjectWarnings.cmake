# SPDX-License-Identifier: Apache-2.0
# Warnings are asked for here and made errors only by the developer presets,
# so that a packager's newer compiler does not break the build.
add_library(ondemand_warnings INTERFACE)
target_compile_options(ondemand_warnings INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
    -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual -Wnull-dereference -Wformat=2
    -Wimplicit-fallthrough>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(ondemand_warnings INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wsuggest-override -Wlogical-op -Wduplicated-cond -Wduplicated-branches>)
  # GCC 12 and 13 report these inside libstdc++'s string code once inlining is deep (sanitizers,
  # -O3); none of it is ours.
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
    target_compile_options(ondemand_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
    if(ONDEMAND_SANITIZE)
      target_compile_options(ondemand_warnings INTERFACE
        $<$<COMPILE_LANGUAGE:CXX>:-Wno-null-dereference -Wno-maybe-uninitialized>
        $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds -Wno-stringop-overflow -Wno-stringop-overread>)
    endif()
  endif()
endif()
