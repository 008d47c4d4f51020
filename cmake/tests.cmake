# SPDX-License-Identifier: Apache-2.0
#
# Tests register themselves by where they lie:
#   tests/unit/<layer folder>/test_*.c   link that layer and nothing above it
#   tests/lua/test_*.c                   link wh_store
#   tests/{integration,fault,property}/test_*.c   link everything
#   tests/{integration,fault,install,guard,lint,e2e}/test_*.{sh,py}   run as they are
#   tests/fuzz/fuzz_*.c                  replay tests/fuzz/corpus/<name>, or libFuzzer
#   tests/bench/*.c                      programs in build/bench, not run by ctest
# A test's label is its folder; e2e has the label "integration".
set(wh_everything wh_cli wh_worker wh_scheduler wh_client wh_store)
set(wh_timeout_unit 30)
set(wh_timeout_lua 90)
set(wh_timeout_integration 180)
set(wh_timeout_fault 240)
set(wh_timeout_property 240)
set(wh_timeout_fuzz 60)
set(wh_timeout_lint 180)
set(wh_timeout_install 300)
set(wh_timeout_guard 300)
set(wh_timeout_scale 1)
if(WH_SANITIZE OR WH_COVERAGE)
    set(wh_timeout_scale 3)
endif()

# A test that asks for absurd amounts of memory wants NULL back, as from glibc.
set(wh_test_environment "WH_BUILD_DIR=${CMAKE_BINARY_DIR}" "WH_SOURCE_DIR=${CMAKE_SOURCE_DIR}")
if(WH_SANITIZE)
    list(APPEND wh_test_environment
        "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:allocator_may_return_null=1"
        "UBSAN_OPTIONS=print_stacktrace=1"
        "TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1:allocator_may_return_null=1")
endif()

# wh_test_properties(NAME LABEL): what every test gets.
function(wh_test_properties name label)
    math(EXPR timeout "${wh_timeout_${label}} * ${wh_timeout_scale}")
    set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout}
        SKIP_RETURN_CODE 77 ENVIRONMENT "${wh_test_environment}")
endfunction()

# wh_test(PATH LINK … LABEL l): a program from one C file under tests/.
function(wh_test path)
    cmake_parse_arguments(arg "" "LABEL" "LINK" ${ARGN})
    cmake_path(RELATIVE_PATH path BASE_DIRECTORY "${CMAKE_SOURCE_DIR}/tests"
        OUTPUT_VARIABLE relative)
    cmake_path(REMOVE_EXTENSION relative LAST_ONLY OUTPUT_VARIABLE stem)
    cmake_path(GET stem PARENT_PATH folder)
    cmake_path(GET stem FILENAME program)
    string(REPLACE "/" "." name "${stem}")
    add_executable(${name} "${path}")
    set_target_properties(${name} PROPERTIES OUTPUT_NAME "${program}"
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/${folder}")
    target_link_libraries(${name} PRIVATE wh_test_support ${arg_LINK} PkgConfig::CMOCKA)
    add_test(NAME ${name} COMMAND ${name})
    wh_test_properties(${name} ${arg_LABEL})
endfunction()

# wh_test_folder(FOLDER LABEL l LINK …): every test_*.c below tests/FOLDER.
function(wh_test_folder folder)
    cmake_parse_arguments(arg "" "LABEL" "LINK" ${ARGN})
    file(GLOB_RECURSE tests CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/${folder}/test_*.c")
    foreach(test ${tests})
        wh_test("${test}" LABEL ${arg_LABEL} LINK ${arg_LINK})
    endforeach()
endfunction()

# Support code may use any layer its users link; it brings only the lowest along.
wh_layer(wh_test_support FOLDERS tests/support
    LINK wh_base PkgConfig::HIREDIS PkgConfig::CMOCKA m)
if(WH_LUA_BUNDLE_SOURCES)
    add_library(wh_lua_test STATIC "${WH_GENERATED}/lua_bundle_test.c")
    add_dependencies(wh_lua_test wh_generated)
else()
    add_library(wh_lua_test INTERFACE)
endif()

wh_test_folder(unit/common/base LABEL unit LINK wh_base)
wh_test_folder(unit/common/job LABEL unit LINK wh_job PkgConfig::JANSSON)
wh_test_folder(unit/common/io LABEL unit LINK wh_io)
wh_test_folder(unit/common/store LABEL unit LINK wh_store wh_lua_test)
wh_test_folder(unit/common/client LABEL unit LINK wh_client wh_lua_test)
wh_test_folder(unit/common/schedule LABEL unit LINK wh_schedule)
wh_test_folder(unit/common/cli LABEL unit LINK wh_cli wh_lua_test)
wh_test_folder(unit/worker LABEL unit LINK wh_worker wh_lua_test)
wh_test_folder(unit/scheduler LABEL unit LINK wh_scheduler wh_lua_test)
wh_test_folder(lua LABEL lua LINK wh_store wh_lua_test)
foreach(folder integration fault property)
    wh_test_folder(${folder} LABEL ${folder} LINK ${wh_everything} wh_lua_test)
endforeach()

set(wh_script_folders integration fault lint e2e)
if(NOT WH_SANITIZE AND NOT WH_COVERAGE) # an instrumented library is not for consumers
    list(APPEND wh_script_folders install)
    if(CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo") # the figures are of this build
        list(APPEND wh_script_folders guard)
    endif()
endif()
foreach(folder ${wh_script_folders})
    set(label ${folder})
    if(folder STREQUAL "e2e")
        set(label integration)
    endif()
    file(GLOB scripts CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/${folder}/test_*.sh"
        "${CMAKE_SOURCE_DIR}/tests/${folder}/test_*.py")
    foreach(script ${scripts})
        get_filename_component(stem "${script}" NAME_WE)
        add_test(NAME ${folder}.${stem} COMMAND "${script}")
        wh_test_properties(${folder}.${stem} ${label})
    endforeach()
endforeach()

file(GLOB fuzzers CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/fuzz/fuzz_*.c")
foreach(source ${fuzzers})
    get_filename_component(fuzzer "${source}" NAME_WE)
    set(corpus "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${fuzzer}")
    if(NOT IS_DIRECTORY "${corpus}") # the corpus may also leave the prefix out
        string(REGEX REPLACE "^fuzz_" "" short "${fuzzer}")
        set(corpus "${CMAKE_SOURCE_DIR}/tests/fuzz/corpus/${short}")
    endif()
    add_executable(${fuzzer} "${source}")
    set_target_properties(${fuzzer} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/tests/fuzz")
    target_link_libraries(${fuzzer} PRIVATE wh_test_support ${wh_everything} wh_lua_test)
    if(WH_FUZZ)
        target_link_options(${fuzzer} PRIVATE -fsanitize=fuzzer)
        if(IS_DIRECTORY "${corpus}")
            add_test(NAME fuzz.${fuzzer} COMMAND ${fuzzer} -runs=0 "${corpus}")
        else()
            add_test(NAME fuzz.${fuzzer} COMMAND ${fuzzer} -runs=1)
        endif()
    else()
        target_sources(${fuzzer} PRIVATE "${CMAKE_SOURCE_DIR}/tests/fuzz/replay_main.c")
        add_test(NAME fuzz.${fuzzer} COMMAND ${fuzzer} "${corpus}")
    endif()
    wh_test_properties(fuzz.${fuzzer} fuzz)
endforeach()

file(GLOB benches CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/bench/*.c")
foreach(source ${benches})
    get_filename_component(bench "${source}" NAME_WE)
    add_executable(bench_${bench} "${source}")
    set_target_properties(bench_${bench} PROPERTIES OUTPUT_NAME "${bench}"
        RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bench")
    target_link_libraries(bench_${bench} PRIVATE wh_test_support ${wh_everything} wh_lua_test)
endforeach()

# Handlers of the benchmarks and of the tests; never installed.
foreach(pair tests/bench/plugins:bench-plugins tests/support/plugins:test-plugins)
    string(REPLACE ":" ";" pair "${pair}")
    list(GET pair 0 folder)
    list(GET pair 1 target_folder)
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*.c")
    foreach(source ${sources})
        get_filename_component(name "${source}" NAME_WE)
        if(TARGET plugin_${name})
            continue()
        endif()
        add_library(plugin_${name} MODULE "${source}")
        set_target_properties(plugin_${name} PROPERTIES PREFIX "" OUTPUT_NAME "${name}"
            LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib/wherry/${target_folder}")
    endforeach()
endforeach()

# Where the time of a job goes, as a table.
add_custom_target(profile
    COMMAND "${CMAKE_COMMAND}" -E env ${wh_test_environment}
        "${CMAKE_SOURCE_DIR}/tests/bench/profile.py"
    DEPENDS wherry-worker wherry-executor bench_producer handler_noop wh_generated
    USES_TERMINAL VERBATIM)
