# SPDX-License-Identifier: Apache-2.0
#
# The kinds of target this tree has: layer, program, plug-in, public library.

# Sets ${out} to the C files of the folders, main.c left out.
function(wh_sources out)
    set(found)
    foreach(folder ${ARGN})
        file(GLOB files CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*.c")
        list(APPEND found ${files})
    endforeach()
    list(FILTER found EXCLUDE REGEX "/main\\.c$")
    set(${out} "${found}" PARENT_SCOPE)
endfunction()

# wh_layer(NAME FOLDERS … [SOURCES …] LINK …): a static library, or, while its
# folders are empty, an interface that only passes its links on.
function(wh_layer name)
    cmake_parse_arguments(arg "" "" "FOLDERS;SOURCES;LINK" ${ARGN})
    wh_sources(sources ${arg_FOLDERS})
    list(APPEND sources ${arg_SOURCES})
    if(sources)
        add_library(${name} STATIC ${sources})
        target_link_libraries(${name} PUBLIC ${arg_LINK})
        if(TARGET wh_generated)
            add_dependencies(${name} wh_generated)
        endif()
    else()
        add_library(${name} INTERFACE)
        target_link_libraries(${name} INTERFACE ${arg_LINK})
    endif()
endfunction()

# wh_program(NAME (MAIN file | FOLDER folder) LINK …), skipped while it has no source.
function(wh_program name)
    cmake_parse_arguments(arg "" "MAIN;FOLDER" "LINK" ${ARGN})
    if(arg_FOLDER)
        file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${arg_FOLDER}/*.c")
    else()
        file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${arg_MAIN}")
    endif()
    if(NOT sources)
        message(STATUS "${name}: no sources yet")
        return()
    endif()
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE ${arg_LINK})
    install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT programs)
endfunction()

# wh_plugins(FOLDER LINK …): each NAME.c there becomes lib/wherry/handlers/NAME.so.
function(wh_plugins folder)
    cmake_parse_arguments(arg "" "" "LINK" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/${folder}/*.c")
    foreach(source ${sources})
        get_filename_component(handler "${source}" NAME_WE)
        add_library(handler_${handler} MODULE "${source}")
        set_target_properties(handler_${handler} PROPERTIES PREFIX "" OUTPUT_NAME "${handler}"
            LIBRARY_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/lib/wherry/handlers")
        target_link_libraries(handler_${handler} PRIVATE ${arg_LINK})
        install(TARGETS handler_${handler}
            LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/wherry/handlers" COMPONENT programs)
    endforeach()
endfunction()

# libwherry: shared (only WH_API symbols leave it; it takes from the lower layers
# what the client needs) and static (all layers in one archive).
function(wh_public_library)
    get_target_property(kind wh_client TYPE)
    if(NOT kind STREQUAL "STATIC_LIBRARY")
        message(STATUS "libwherry: no sources yet")
        return()
    endif()
    add_library(wherry_shared SHARED $<TARGET_OBJECTS:wh_client>)
    target_link_libraries(wherry_shared PRIVATE wh_store)
    set_target_properties(wherry_shared PROPERTIES OUTPUT_NAME wherry EXPORT_NAME wherry
        VERSION ${WH_ABI_MAJOR}.0.0 SOVERSION ${WH_ABI_MAJOR} LINKER_LANGUAGE C)
    if(NOT WH_SANITIZE)
        target_link_options(wherry_shared PRIVATE -Wl,--no-undefined)
    endif()

    add_library(wherry_static STATIC $<TARGET_OBJECTS:wh_client>)
    foreach(layer wh_base wh_job wh_io wh_store)
        get_target_property(kind ${layer} TYPE)
        if(kind STREQUAL "STATIC_LIBRARY")
            target_sources(wherry_static PRIVATE $<TARGET_OBJECTS:${layer}>)
        endif()
    endforeach()
    target_link_libraries(wherry_static PRIVATE
        PkgConfig::HIREDIS PkgConfig::MSGPACK PkgConfig::EVENT PkgConfig::MICROHTTPD
        PkgConfig::PCRE2 PkgConfig::YAML PkgConfig::SSL Threads::Threads)
    set_target_properties(wherry_static PROPERTIES OUTPUT_NAME wherry LINKER_LANGUAGE C)

    foreach(target wherry_shared wherry_static)
        target_include_directories(${target} INTERFACE
            "$<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>")
    endforeach()
endfunction()
