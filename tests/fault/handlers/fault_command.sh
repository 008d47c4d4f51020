#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A command handler that misbehaves as the payload on stdin says: "<word> [number]".
# Journal as fault_exec.py's.
note() {
    echo "$1 $WHERRY_JOB_ID $WHERRY_ATTEMPT $WHERRY_FENCE $$" >>"$FAULT_JOURNAL"
}
read -r word number
note start
case $word in
sleep) sleep "$number" ;; # seconds
hold) # until the test opens the gate, for all or for this fence
    gate=$FAULT_JOURNAL.open
    until [ -e "$gate" ] || [ -e "$gate.$WHERRY_FENCE" ]; do sleep 0.1; done
    ;;
crash) kill -KILL $$ ;;
exit) exit "$number" ;;
hang)
    trap '' TERM INT HUP
    while :; do sleep 3600; done
    ;;
orphan)
    trap '' TERM INT HUP
    setsid sh -c 'trap "" TERM INT HUP; while :; do sleep 3600; done' &
    while :; do sleep 3600; done
    ;;
flood) yes "a line of a noisy program" | head -c "$((number * 1048576))" >&2 ;;
esac
note end
