# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Wherry exec handlers in bash: source this file, define a function, call wherry_run.
#
#   . wherry-handler.sh
#   handle() { wherry_progress 50 "half way"; tr a-z A-Z; }
#   wherry_run handle
# The function runs in a subshell per job: the payload on stdin, WHERRY_JOB_ID,
# WHERRY_ATTEMPT … in the environment. Its stdout is the result (64 KiB at most), its
# stderr (logged when it ends) its error message. Exit status 0 is ok, 64 65 66 67 77 are
# permanent, others are retried; wherry_fail, wherry_retry, wherry_snooze say more.
# Needs bash 4 and coreutils; with flock(1), folders that killed handlers left in TMPDIR are
# removed by the next one that starts. The protocol (FLP/1): docs/handlers.md. Inside: a reader takes
# frames and jobs run in the background; both tell the one writer by lines in a FIFO.

wherry_progress() { wherry_tell progress "${1:-0}" "${2-}"; } # PERCENT [MESSAGE]
wherry_log() { wherry_tell log "${1:-info}" "${2-}"; }        # LEVEL MESSAGE
wherry_busy() { wherry_tell busy "${1:-0}"; } # FOR_MS: the worker claims nothing; 0: it may
wherry_tell() { # one line, short enough to be written in one piece
    local text=${3:0:800}
    printf '%s %s %s %s\n' "$1" "$WHERRY_JOB_ID" "$2" "${text//$'\n'/ }" >&"$wherry_events"
}
# CATEGORY [MESSAGE]; DELAY_MS [MESSAGE [CATEGORY]], twice: end the job.
wherry_fail() { wherry_end fail "" "${1:-invalid}" "${2-}"; }
wherry_retry() { wherry_end retry "${1-}" "${3:-error}" "${2-}"; }
wherry_snooze() { wherry_end snooze "${1:-0}" "${3-}" "${2-}"; }
wherry_end() {
    printf '%s\n' "$@" >"$wherry_dir/$WHERRY_JOB_ID.end"
    exit 1
}

# The text of a flat JSON object's field; empty when absent. Names, ids and numbers need
# no unescaping; in other texts \" and \\ are undone, the rest stays.
wherry_field() { # JSON NAME
    local string='"'$2'"[[:space:]]*:[[:space:]]*"(([^"\\]|\\.)*)"'
    local number='"'$2'"[[:space:]]*:[[:space:]]*(-?[0-9]+)'
    REPLY=
    if [[ $1 =~ $string ]]; then
        REPLY=${BASH_REMATCH[1]}
        REPLY=${REPLY//\\\"/\"}
        REPLY=${REPLY//\\\\/\\}
    elif [[ $1 =~ $number ]]; then
        REPLY=${BASH_REMATCH[1]}
    fi
}

wherry_quote() { # TEXT: a JSON string; what is not printable ASCII becomes ?
    local LC_ALL=C
    REPLY=${1//\\/\\\\}
    REPLY=\"${REPLY//\"/\\\"}\"
    REPLY=${REPLY//[^ -~]/?}
}

wherry_reader() {
    local header body_len n=0
    while IFS= read -r header <&3; do
        header=${header:-empty}
        [[ ${#header} -lt 16384 && $header == \{*\} ]] || break
        n=$((n + 1))
        wherry_field "$header" body_len
        body_len=${REPLY:-0}
        [[ $body_len =~ ^[0-9]{1,9}$ ]] || break
        : >"$wherry_dir/$n.body"
        [[ $body_len -gt 0 ]] &&
            dd bs="$body_len" count=1 iflag=fullblock <&3 >"$wherry_dir/$n.body" 2>/dev/null
        [[ $(wc -c <"$wherry_dir/$n.body") -eq $body_len ]] || break
        printf '%s\n' "$header" >"$wherry_dir/$n.header"
        echo "frame $n" >&"$wherry_events"
        header=
    done
    # At a clean end read leaves nothing in header.
    local status=${header:+76}
    [[ -n $header ]] && echo "wherry-handler: a malformed frame" >&2
    echo "gone ${status:-0}" >&"$wherry_events"
}

wherry_job() { # FUNCTION N JSON: in a subshell of its own
    local name pair status function=$1 n=$2 json=$3
    for pair in id:JOB_ID attempt fence type org queue region deadline_ms max_attempts \
        traceparent entity_type entity_id; do
        name=${pair#*:}
        wherry_field "$json" "${pair%:*}"
        export "WHERRY_${name^^}=$REPLY"
    done
    ("$function") <"$wherry_dir/$n.body" >"$wherry_dir/$WHERRY_JOB_ID.out" \
        2>"$wherry_dir/$WHERRY_JOB_ID.err" 3<&- 4>&- {wherry_lock}>&-
    status=$?
    cat "$wherry_dir/$WHERRY_JOB_ID.err" >&2
    echo "done $WHERRY_JOB_ID $n $status" >&"$wherry_events"
}

wherry_category() { # EXIT STATUS
    local categories=([64]=invalid invalid not_found not_found connection unavailable
        [75]=unavailable [77]=permission [124]=timeout)
    REPLY=${categories[$1]-error}
    [[ $1 -gt 128 && $1 -lt 193 ]] && REPLY=crash
}

wherry_result() { # ID N EXIT-STATUS
    local base=$wherry_dir/$1 status=ok delay="" category="" message="" size end=()
    size=$(wc -c <"$base.out")
    if [[ -e $base.end ]]; then
        mapfile -t end <"$base.end"
        status=${end[0]} delay=${end[1]} category=${end[2]} message="${end[*]:3}"
    elif [[ $3 -ne 0 ]]; then
        status=retry
        message=$(tail -c 1024 "$base.err" | tr '\n\0' '  ')
        wherry_category "$3"
        category=$REPLY message=${message:-exit status $3}
    elif [[ $size -gt 65536 ]]; then
        status=fail category=oversize message="result of $size bytes, limit 65536"
    fi
    wherry_quote "${message:0:1024}"
    message=$REPLY
    printf '{"op":"result","id":"%s","status":"%s","message":%s' "$1" "$status" "$message" >&4
    [[ $category =~ ^[A-Za-z0-9_]+$ ]] && printf ',"category":"%s"' "$category" >&4
    [[ $delay =~ ^[0-9]{1,12}$ ]] && printf ',"delay_ms":%s' "$delay" >&4
    if [[ $status == ok && $size -gt 0 ]]; then
        printf ',"body_len":%s}\n' "$size" >&4
        cat "$base.out" >&4
    else
        printf '}\n' >&4
    fi
    rm -f "$base".* "$wherry_dir/$2".*
}

wherry_kill_below() { # PID: its descendants, not itself, which still has to report
    local child children=()
    read -ra children 2>/dev/null <"/proc/$1/task/$1/children"
    for child in "${children[@]}"; do
        wherry_kill_below "$child"
        kill -TERM "$child" 2>/dev/null
    done
}

wherry_frame() { # FUNCTION N
    local json op
    json=$(<"$wherry_dir/$2.header")
    wherry_field "$json" op
    op=$REPLY
    wherry_field "$json" id
    case $op in
    hello) printf '{"op":"ready","version":1,"concurrency":%d}\n' "$wherry_concurrency" >&4 ;;
    ping) printf '{"op":"pong"}\n' >&4 ;;
    job)
        wherry_job "$1" "$2" "$json" &
        wherry_jobs[$REPLY]=$!
        return
        ;;
    cancel) [[ -n ${wherry_jobs[$REPLY]-} ]] && wherry_kill_below "${wherry_jobs[$REPLY]}" ;;
    shutdown) wherry_stopping=1 ;;
    esac
    rm -f "$wherry_dir/$2".*
}

wherry_leave() { # EXIT STATUS
    local id
    trap - EXIT
    for id in "${!wherry_jobs[@]}"; do
        wherry_kill_below "${wherry_jobs[$id]}"
    done
    kill "$wherry_reader_pid" 2>/dev/null
    rm -rf "$wherry_dir"
    exit "$1"
}

# A folder of our own, locked as long as we live; unlocked ones are nobody's any more.
wherry_folder() {
    local base=${TMPDIR:-/tmp} old new
    for old in "$base"/wherry-handler.*; do
        if [[ -O $old && -d $old && ! -L $old ]] && command -v flock >/dev/null; then
            flock -n "$old/lock" rm -rf "$old" || : # its owner lives
        fi
    done
    new=$(mktemp -d "$base/wherry-new.XXXXXX") || exit 73
    exec {wherry_lock}>"$new/lock" || exit 73
    if command -v flock >/dev/null; then flock "$wherry_lock"; fi
    wherry_dir=${new/%wherry-new.??????/wherry-handler.${new##*.}}
    mv "$new" "$wherry_dir" || exit 73
}

wherry_run() { # FUNCTION [CONCURRENCY]
    local event id a b
    declare -gA wherry_jobs=()
    wherry_concurrency=${2:-1} wherry_stopping=
    wherry_folder
    mkfifo -m 600 "$wherry_dir/events" || exit 73
    exec {wherry_events}<>"$wherry_dir/events"
    wherry_reader {wherry_lock}>&- &
    wherry_reader_pid=$!
    trap 'wherry_leave 143' EXIT TERM INT
    while IFS=' ' read -r event id a b <&"$wherry_events"; do
        case $event in
        frame) wherry_frame "$1" "$id" ;;
        progress)
            wherry_quote "$b"
            [[ $a =~ ^[0-9]{1,3}$ ]] &&
                printf '{"op":"progress","id":"%s","percent":%d,"message":%s}\n' \
                    "$id" "$((10#$a > 100 ? 100 : 10#$a))" "$REPLY" >&4
            ;;
        busy) [[ $a =~ ^[0-9]{1,6}$ ]] && printf '{"op":"busy","for_ms":%d}\n' "$((10#$a))" >&4 ;;
        log)
            wherry_quote "$b"
            printf '{"op":"log","id":"%s","level":"%s","message":%s}\n' \
                "$id" "${a//[^a-z]/}" "$REPLY" >&4
            ;;
        done)
            wherry_result "$id" "$a" "$b"
            unset "wherry_jobs[$id]"
            ;;
        gone) wherry_leave "$id" ;;
        esac
        [[ -n $wherry_stopping && ${#wherry_jobs[@]} -eq 0 ]] && wherry_leave 0
    done
}
