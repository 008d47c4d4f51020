# SPDX-License-Identifier: Apache-2.0
#
# Compiler flags of the whole tree: language, warnings, hardening, sanitizers.
# Everything here is silent on the headers of our dependencies.
include(CheckCCompilerFlag)
include(CheckPIESupported)

set(CMAKE_POSITION_INDEPENDENT_CODE ON)
check_pie_supported(LANGUAGES C)

# No -DNDEBUG anywhere: an assertion that only holds in debug builds is no use.
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_C_FLAGS_DEBUG "-O0 -g3")
if(WH_SANITIZE)
    set(CMAKE_C_FLAGS_DEBUG "-O1 -g")
endif()

add_compile_definitions(_POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
include_directories("${CMAKE_SOURCE_DIR}" "${CMAKE_BINARY_DIR}")

# __FILE__ and assertion texts name the file inside the tree, on every machine.
add_compile_options("-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=")

add_compile_options(
    -Wall -Wextra -Wpedantic
    -Wshadow                                # the wrong variable
    -Wconversion -Wsign-conversion          # lengths from the wire
    -Wstrict-prototypes -Wmissing-prototypes # every non-static is in a header
    -Wcast-qual -Wwrite-strings             # const is ownership
    -Wformat=2
    -Wswitch-enum                           # the forgotten state
    -Wvla -Wundef -Wnull-dereference -Wimplicit-fallthrough
    -Wpointer-arith -Wdouble-promotion)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-Wformat-signedness -Wlogical-op -Wduplicated-cond
        -Wduplicated-branches)
elseif(CMAKE_C_COMPILER_ID MATCHES "Clang")
    add_compile_options(-Wthread-safety)
endif()
if(WH_WERROR)
    add_compile_options(-Werror)
endif()

add_link_options(-Wl,--as-needed)

if(WH_FUZZ)
    if(NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
        message(FATAL_ERROR "WH_FUZZ needs clang: use `cmake --preset fuzz`")
    endif()
    add_compile_options(-fsanitize=fuzzer-no-link)
    add_link_options(-fsanitize=fuzzer-no-link)
endif()

if(WH_SANITIZE)
    set(wh_sanitize -fsanitize=${WH_SANITIZE} -fno-omit-frame-pointer)
    if(NOT WH_SANITIZE MATCHES "thread")
        list(APPEND wh_sanitize -fno-sanitize-recover=all)
    endif()
    add_compile_options(${wh_sanitize})
    add_link_options(${wh_sanitize})
endif()

if(WH_COVERAGE)
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()

if(NOT WH_SANITIZE AND NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
    foreach(flag stack-clash-protection cf-protection)
        string(MAKE_C_IDENTIFIER "WH_HAS_${flag}" has)
        check_c_compiler_flag("-Werror -f${flag}" ${has})
        if(${has})
            add_compile_options(-f${flag})
        endif()
    endforeach()
    add_link_options(-Wl,-z,relro -Wl,-z,now)
endif()
