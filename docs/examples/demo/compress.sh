#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The demo's command handler: one process per job. Payload (stdin): a file's path. Writes
# $DEMO_OUT/<job id>.gz and says its name. Exit statuses are those of sysexits.h.
set -eu
path=$(cat; printf x) # $() alone would cut a newline at the end of a name
path=${path%x}
[ -e "$path" ] || { echo "$path: no such file" >&2; exit 66; }
out=$DEMO_OUT/$WHERRY_JOB_ID.gz
gzip -c -- "$path" >"$out.part"
mv "$out.part" "$out"
echo "$out"
