# SPDX-License-Identifier: Apache-2.0
#
# Third-party libraries, all through pkg-config. Which file may include which of
# them is a table in tests/lint/test_layers.py.
find_package(PkgConfig REQUIRED)
set(THREADS_PREFER_PTHREAD_FLAG ON)
find_package(Threads REQUIRED)

# The names are also what libwherry's own .pc file must require: see install.cmake.
pkg_search_module(MSGPACK REQUIRED IMPORTED_TARGET msgpack-c msgpack) # Debian 13, 12
# Debian 13's msgpack-c.pc names the relative folder "include" (its headers are in the
# system's). CMake refuses a relative folder.
get_target_property(msgpack_includes PkgConfig::MSGPACK INTERFACE_INCLUDE_DIRECTORIES)
if(msgpack_includes)
    list(FILTER msgpack_includes INCLUDE REGEX "^/")
    set_target_properties(PkgConfig::MSGPACK PROPERTIES
        INTERFACE_INCLUDE_DIRECTORIES "${msgpack_includes}")
endif()
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto>=3.0)
pkg_check_modules(SSL REQUIRED IMPORTED_TARGET libssl>=3.0 libcrypto>=3.0)
pkg_check_modules(EVENT REQUIRED IMPORTED_TARGET
    libevent_core>=2.1.12 libevent_extra>=2.1.12 libevent_openssl>=2.1.12)
pkg_check_modules(HIREDIS REQUIRED IMPORTED_TARGET hiredis>=0.14)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8>=10.40)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson>=2.14)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)

if(WH_TESTS STREQUAL "ON")
    pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka>=1.1.5)
elseif(NOT WH_TESTS STREQUAL "OFF")
    pkg_check_modules(CMOCKA QUIET IMPORTED_TARGET cmocka>=1.1.5)
endif()
