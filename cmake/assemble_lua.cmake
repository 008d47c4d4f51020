# SPDX-License-Identifier: Apache-2.0
#
# Joins the parts of the Redis function library in the order of manifest.txt.
#   cmake -DLUA_DIR=… -DOUT_DIR=… -DNAME=wherry_1 -DSYMBOL=lua_bundle -DTEST=OFF -P …
# Writes OUT_DIR/NAME.lua, NAME.map ("first-line lines file" per part, to turn a
# run-time error's line into the source's), SYMBOL.c and SYMBOL.h (array
# wh_SYMBOL, size wh_SYMBOL_len). @CONTENT_HASH@ in the text becomes the first 16
# hex digits of the text's SHA-256. TEST=ON takes test/X.lua instead of lib/X.lua
# where it exists (a clock that tests can set).
cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/c_array.cmake")

file(STRINGS "${LUA_DIR}/manifest.txt" parts)
# The library is always called wherry_1: a test build is loaded in its place.
set(text "#!lua name=wherry_1\n")
set(map "")
set(line 2)
foreach(part ${parts})
    string(REGEX REPLACE "#.*$" "" part "${part}")
    string(STRIP "${part}" part)
    string(REGEX REPLACE "^lua/" "" part "${part}")
    if(part STREQUAL "")
        continue()
    endif()
    if(TEST)
        string(REGEX REPLACE "^lib/" "test/" replacement "${part}")
        if(EXISTS "${LUA_DIR}/${replacement}")
            set(part "${replacement}")
        endif()
    endif()
    if(NOT EXISTS "${LUA_DIR}/${part}")
        message(FATAL_ERROR "lua/manifest.txt names ${part}, which does not exist")
    endif()
    file(READ "${LUA_DIR}/${part}" body)
    if(NOT body MATCHES "\n$")
        string(APPEND body "\n")
    endif()
    string(REGEX MATCHALL "\n" newlines "${body}")
    list(LENGTH newlines count)
    math(EXPR first "${line} + 1")
    string(APPEND map "${first} ${count} lua/${part}\n")
    # A chunk has 200 local names at most: the local functions of a file are not among them, and nothing of an api
    # file. What a lib file defines by `local NAME = …` is for all that follow.
    set(is_block FALSE)
    if(part MATCHES "^api/")
        set(is_block TRUE)
    elseif(body MATCHES "\nlocal function ")
        set(is_block TRUE)
        set(definition "\nlocal ([A-Za-z_]+(, [A-Za-z_]+)*) = ")
        string(REGEX MATCHALL "${definition}" names "${body}")
        string(REGEX REPLACE "${definition}" "\n\\1 = " body "${body}")
        string(REGEX REPLACE "${definition}" "\\1" names "${names}")
        string(REPLACE ";" ", " names "${names}")
        string(APPEND text "local ${names}; ")
    endif()
    if(is_block)
        string(APPEND text "do -- @file lua/${part}\n${body}end\n")
        math(EXPR line "${line} + 2 + ${count}")
    else()
        string(APPEND text "-- @file lua/${part}\n${body}")
        math(EXPR line "${line} + 1 + ${count}")
    endif()
endforeach()

string(SHA256 hash "${text}")
string(SUBSTRING "${hash}" 0 16 hash)
string(REPLACE "@CONTENT_HASH@" "${hash}" text "${text}")
file(WRITE "${OUT_DIR}/${NAME}.lua" "${text}")
file(WRITE "${OUT_DIR}/${NAME}.map" "${map}")

wh_c_array("${OUT_DIR}/${NAME}.lua" bytes)
string(TOUPPER "${SYMBOL}" guard)
file(WRITE "${OUT_DIR}/${SYMBOL}.h" "/* Generated: ${NAME}.lua as bytes; NUL-terminated, \
the NUL not counted. */
#ifndef WH_GENERATED_${guard}_H
#define WH_GENERATED_${guard}_H
#include <stddef.h>

extern const char wh_${SYMBOL}[];
extern const size_t wh_${SYMBOL}_len;

#endif
")
file(WRITE "${OUT_DIR}/${SYMBOL}.c" "/* Generated from lua/: do not edit. */
#include \"generated/${SYMBOL}.h\"

const char wh_${SYMBOL}[] = {
${bytes}
};
const size_t wh_${SYMBOL}_len = sizeof(wh_${SYMBOL}) - 1;
")
