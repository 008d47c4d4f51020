# SPDX-License-Identifier: Apache-2.0
#
# wh_c_array(FILE out): ${out} becomes the bytes of FILE as C character constants
# with a final NUL. Constants, not a string: C11 promises only 4095 characters.
function(wh_c_array file out)
    file(READ "${file}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${hex}")
    set(item "'\\\\x[0-9a-f][0-9a-f]',")
    set(row "${item}${item}${item}${item}${item}${item}${item}${item}${item}${item}${item}${item}")
    string(REGEX REPLACE "(${row})" "\\1\n    " bytes "${bytes}")
    set(${out} "    ${bytes}'\\0'" PARENT_SCOPE)
endfunction()
