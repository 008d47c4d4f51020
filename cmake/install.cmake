# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` puts where. Programs and handlers install themselves in
# layers.cmake; here are the library, its headers, wherry.pc and the CMake package.
# tests/install builds consumers against the result.
if(NOT TARGET wherry_shared)
    return()
endif()

set(wh_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/wherry")
file(GLOB wh_public_headers CONFIGURE_DEPENDS
    "${CMAKE_SOURCE_DIR}/common/client/wherry.h" "${CMAKE_SOURCE_DIR}/common/client/plugin.h")

install(FILES ${wh_public_headers}
    DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/wherry" COMPONENT development)
install(TARGETS wherry_shared wherry_static EXPORT wherry
    LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT library
        NAMELINK_COMPONENT development
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT development)
install(EXPORT wherry NAMESPACE Wherry:: FILE wherry-targets.cmake
    DESTINATION "${wh_cmake_dir}" COMPONENT development)

# Static consumers need the same libraries; MSGPACK has two names, so ask which.
if(MSGPACK_MODULE_NAME)
    set(WH_MSGPACK_MODULE "${MSGPACK_MODULE_NAME}")
else()
    set(WH_MSGPACK_MODULE msgpack)
endif()
set(WH_PC_REQUIRES_PRIVATE "hiredis ${WH_MSGPACK_MODULE} libevent_core libevent_extra \
libevent_openssl libpcre2-8 libssl libcrypto yaml-0.1")

# The .pc file finds its own prefix, so that an installed tree can be moved.
file(RELATIVE_PATH WH_PC_PREFIX "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
configure_file(cmake/wherry.pc.in "${WH_GENERATED}/wherry.pc" @ONLY)
install(FILES "${WH_GENERATED}/wherry.pc"
    DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT development)

configure_package_config_file(cmake/wherry-config.cmake.in
    "${WH_GENERATED}/wherry-config.cmake" INSTALL_DESTINATION "${wh_cmake_dir}")
write_basic_package_version_file("${WH_GENERATED}/wherry-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(FILES "${WH_GENERATED}/wherry-config.cmake"
    "${WH_GENERATED}/wherry-config-version.cmake"
    DESTINATION "${wh_cmake_dir}" COMPONENT development)
