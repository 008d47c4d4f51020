# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` puts where. Programs and handlers install themselves in
# layers.cmake; here are the completions, the systemd units, the library, its headers,
# wherry.pc and the CMake package. tests/install builds consumers against the result.
if(TARGET wherry AND NOT CMAKE_CROSSCOMPILING) # it prints them itself
    set(wh_completions "${WH_GENERATED}/completions")
    file(MAKE_DIRECTORY "${wh_completions}")
    foreach(shell bash zsh fish)
        add_custom_command(TARGET wherry POST_BUILD
            COMMAND wherry completion ${shell} > "${wh_completions}/${shell}" VERBATIM)
    endforeach()
    install(FILES "${wh_completions}/bash" RENAME wherry COMPONENT programs
        DESTINATION "${CMAKE_INSTALL_DATADIR}/bash-completion/completions")
    install(FILES "${wh_completions}/zsh" RENAME _wherry COMPONENT programs
        DESTINATION "${CMAKE_INSTALL_DATADIR}/zsh/site-functions")
    install(FILES "${wh_completions}/fish" RENAME wherry.fish COMPONENT programs
        DESTINATION "${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d")
endif()

# The units name the folder of the programs, which is known when they are installed.
foreach(unit wherry-worker wherry-scheduler)
    if(TARGET ${unit})
        install(CODE "
            set(WH_BINDIR \"\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}\")
            configure_file(\"${CMAKE_SOURCE_DIR}/cmake/${unit}.service.in\"
                \"${WH_GENERATED}/${unit}.service\" @ONLY)
            file(INSTALL \"${WH_GENERATED}/${unit}.service\"
                DESTINATION \"\${CMAKE_INSTALL_PREFIX}/lib/systemd/system\")"
            COMPONENT programs)
    endif()
endforeach()

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
