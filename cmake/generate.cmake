# SPDX-License-Identifier: Apache-2.0
#
# Generated sources: the Lua library (as text, C array and line map), its test
# build, and the dashboard's files. All in ${build}/generated, none in git.
#   #include "generated/lua_bundle.h"   wh_lua_bundle, wh_lua_bundle_len
#   #include "generated/dashboard.h"    wh_dashboard_files
file(GLOB wh_lua_manifest CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/lua/manifest.txt")
file(GLOB_RECURSE wh_lua_parts CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/lua/*.lua")
set(wh_assemble "${CMAKE_SOURCE_DIR}/cmake/assemble_lua.cmake")
set(wh_generated_files)

# wh_lua_library(NAME SYMBOL TEST): writes NAME.lua, NAME.map, SYMBOL.c, SYMBOL.h.
function(wh_lua_library name symbol test)
    set(outputs "${WH_GENERATED}/${name}.lua" "${WH_GENERATED}/${name}.map"
        "${WH_GENERATED}/${symbol}.c" "${WH_GENERATED}/${symbol}.h")
    add_custom_command(OUTPUT ${outputs}
        COMMAND "${CMAKE_COMMAND}" -DLUA_DIR=${CMAKE_SOURCE_DIR}/lua -DOUT_DIR=${WH_GENERATED}
            -DNAME=${name} -DSYMBOL=${symbol} -DTEST=${test} -P "${wh_assemble}"
        DEPENDS "${wh_lua_manifest}" ${wh_lua_parts} "${wh_assemble}"
        COMMENT "Assembling ${name}.lua" VERBATIM)
    set(wh_generated_files ${wh_generated_files} ${outputs} PARENT_SCOPE)
endfunction()

set(WH_LUA_BUNDLE_SOURCES)
if(wh_lua_manifest)
    wh_lua_library(wherry_1 lua_bundle OFF)
    wh_lua_library(wherry_1_test lua_bundle_test ON)
    set(WH_LUA_BUNDLE_SOURCES "${WH_GENERATED}/lua_bundle.c")
else()
    message(STATUS "lua/manifest.txt: not there yet")
endif()

set(WH_DASHBOARD_SOURCES)
file(GLOB wh_dashboard CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/scheduler/dashboard/*"
    "${CMAKE_SOURCE_DIR}/scheduler/api/openapi.yaml")
list(FILTER wh_dashboard EXCLUDE REGEX "\\.(c|h|md)$")
if(wh_dashboard)
    set(wh_embed "${CMAKE_SOURCE_DIR}/cmake/embed_files.cmake")
    set(outputs "${WH_GENERATED}/dashboard.c" "${WH_GENERATED}/dashboard.h")
    add_custom_command(OUTPUT ${outputs}
        COMMAND "${CMAKE_COMMAND}" -DOUT_DIR=${WH_GENERATED} -DNAME=dashboard
            "-DFILES=${wh_dashboard}" -P "${wh_embed}"
        DEPENDS ${wh_dashboard} "${wh_embed}"
        COMMENT "Embedding the dashboard" VERBATIM)
    set(WH_DASHBOARD_SOURCES "${WH_GENERATED}/dashboard.c")
    list(APPEND wh_generated_files ${outputs})
endif()

if(wh_generated_files)
    add_custom_target(wh_generated ALL DEPENDS ${wh_generated_files})
endif()
