#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Counts the words of a plain text. Payload: the text; result: the number.
#
# handlers:
#   text.count: "exec:bash docs/examples/shell/example-handler.sh"
set -u
# shellcheck source=docs/examples/shell/wherry-handler.sh
. "$(dirname "${BASH_SOURCE[0]}")/wherry-handler.sh"

handle() {
    local text words
    text=$(cat)
    [ -n "$text" ] || wherry_fail invalid "the payload has no text"
    words=$(wc -w <<<"$text")
    wherry_progress 100
    wherry_log info "$words words, attempt $WHERRY_ATTEMPT"
    printf '%d' "$words"
}

wherry_run handle 2
