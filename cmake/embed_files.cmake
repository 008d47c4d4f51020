# SPDX-License-Identifier: Apache-2.0
#
# Turns files into one C table, sorted by name:
#   cmake -DOUT_DIR=… -DNAME=dashboard "-DFILES=a;b" -P embed_files.cmake
# gives OUT_DIR/NAME.c and NAME.h with wh_NAME_files[] and wh_NAME_files_len.
cmake_minimum_required(VERSION 3.25)
include("${CMAKE_CURRENT_LIST_DIR}/c_array.cmake")

list(SORT FILES)
set(arrays "")
set(rows "")
set(index 0)
foreach(file ${FILES})
    get_filename_component(name "${file}" NAME)
    wh_c_array("${file}" bytes)
    string(APPEND arrays "static const char file_${index}[] = {\n${bytes}\n};\n\n")
    string(APPEND rows "    {\"${name}\", file_${index}, sizeof(file_${index}) - 1},\n")
    math(EXPR index "${index} + 1")
endforeach()
string(TOUPPER "${NAME}" guard)
file(WRITE "${OUT_DIR}/${NAME}.h" "/* Generated: files embedded in the program. */
#ifndef WH_GENERATED_${guard}_H
#define WH_GENERATED_${guard}_H
#include <stddef.h>

struct wh_${NAME}_file {
    const char *name; /* without folder */
    const char *data; /* NUL-terminated, the NUL not counted */
    size_t len;
};
extern const struct wh_${NAME}_file wh_${NAME}_files[];
extern const size_t wh_${NAME}_files_len;

#endif
")
file(WRITE "${OUT_DIR}/${NAME}.c" "/* Generated: do not edit. */
#include \"generated/${NAME}.h\"

${arrays}const struct wh_${NAME}_file wh_${NAME}_files[] = {
${rows}};
const size_t wh_${NAME}_files_len = sizeof(wh_${NAME}_files) / sizeof(wh_${NAME}_files[0]);
")
