#!/bin/sh
# Where the time goes: the same load as the benchmark's, with a look into the servers. Needs what
# tests/bench/run has built, and perf, strace or valgrind.
set -u
umask 022
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
here=$root/tests/bench
out=$root/build-bench

usage() {
    cat <<END
usage: sh tests/bench/profile.sh WHAT [options]

  cpu           where CPU time goes, by process, library and function, kernel included (perf)
  calls         the same with who called whom, user space only by debug information (perf)
  syscalls      system calls of each process, and how many for a message (perf trace, or strace)
  instructions  instructions of the bridge for a message, by function, the broker not counted
                (callgrind): the same in every run, whatever else the machine does

  --candidate KIND  whose, see tests/bench/run --help [sigbridge]; instructions: sigbridge's only
  --sigbridge FILE  this program [build-bench/sigbridge/sigbridge]
  --seconds N       of load, for cpu and calls [5]
  --lines N         of each list [40]
  --out DIR         where the data goes, for perf report and callgrind_annotate [build-bench/profile]
END
}

die() {
    printf 'profile.sh: %s\n' "$*" >&2
    exit 1
}

value() {
    [ $# -ge 2 ] || die "$1 needs a value; see --help"
}

what=
kind=sigbridge
sigbridge=$out/sigbridge/sigbridge
seconds=5
lines=40
data=$out/profile
while [ $# -gt 0 ]; do
    case $1 in
    --candidate) value "$@"; kind=$2; shift ;;
    --sigbridge) value "$@"; sigbridge=$2; shift ;;
    --seconds) value "$@"; seconds=$2; shift ;;
    --lines) value "$@"; lines=$2; shift ;;
    --out) value "$@"; data=$2; shift ;;
    --help | -h) usage; exit 0 ;;
    cpu | calls | syscalls | instructions) what=$1 ;;
    *) die "unknown: $1; see --help" ;;
    esac
    shift
done
[ -n "$what" ] || { usage >&2; exit 2; }
load=$out/load/load
[ -x "$load" ] || die "$load is missing: sh tests/bench/run builds it"
case $kind in
sigbridge*) [ -x "$sigbridge" ] || die "$sigbridge is missing: sh tests/bench/run builds it" ;;
esac
PATH=$PATH:/usr/sbin
export PATH
mkdir -p "$data" || exit 1

# One server at a time, started and ended by serve.mjs.
server=
finish() {
    [ -z "$server" ] || { kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; }
    server=
}
trap finish EXIT
trap 'exit 1' HUP INT TERM

# serve [COMMAND]: sets $at to the generator's options and $pids to the processes. COMMAND runs the bridge.
serve() {
    rm -f "$data/serve"
    node "$here/serve.mjs" "$kind" --sigbridge "$sigbridge" --relay "$out/relay/relay" --under "${1:-}" >"$data/serve" &
    server=$!
    at=
    tries=0
    while [ -z "$at" ] && [ $tries -lt 300 ] && kill -0 $server 2>/dev/null; do
        sleep 0.1
        at=$(cat "$data/serve")
        tries=$((tries + 1))
    done
    [ -n "$at" ] || die "$kind did not start"
    pids=${at##*--pids }
}

generator() {
    first=$(node -e 'import(process.argv[1]).then((m) => console.log(m.cores().generator))' "$here/processes.mjs")
    # shellcheck disable=SC2086 # options, one per word
    set -- taskset -c "$first" "$load" "$@" $at
    "$@"
}

# field NAME FILE: a number of the generator's result.
field() {
    sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p" "$2"
}

# Virtual machines often have no counters of cycles: the clock is always there.
record() {
    serve
    generator saturation --seconds "$seconds" --warmup 1 >"$data/load" &
    loader=$!
    sleep 1
    perf record -q -e cpu-clock -F 4999 "$@" -p "$pids" -o "$data/perf.data" -- sleep "$seconds" || die "perf could not record"
    wait $loader || die "the generator found something wrong"
    finish
    printf '%s us of CPU per message, %s messages/s while perf looked on\n\n' \
        "$(field cpuUsPerMessage "$data/load")" "$(field messagesPerSecond "$data/load")"
}

report() {
    # Some versions add two empty columns for cycles that were not counted.
    perf report -i "$data/perf.data" --stdio "$@" 2>/dev/null | grep -v '^#' | grep -v '^$' |
        sed 's/ *- *- *$//; s/ *$//' | cut -c1-110 | head -n "$lines"
    printf '\n'
}

profile_cpu() {
    record
    printf 'by process and library\n'
    report --sort comm,dso
    printf 'by function\n'
    report --sort comm,dso,symbol
    printf 'more of it: perf report -i %s\n' "$data/perf.data"
}

profile_calls() {
    record --call-graph dwarf,4096
    report --children -g none --sort comm,symbol
    printf 'who called whom: perf report -i %s --children\n' "$data/perf.data"
}

# Few messages at once, as at low load, where each costs the most calls.
profile_syscalls() {
    serve
    if perf trace -s -p "$pids" -o "$data/trace" -- true 2>/dev/null; then
        generator latency --pairs 64 --rate 100 --seconds 3 --warmup 0 >"$data/load" &
        loader=$!
        perf trace -s -p "$pids" -o "$data/trace" -- tail --pid=$loader -f /dev/null
    else
        strace -f -c -o "$data/trace" -p "$pids" 2>/dev/null &
        tracer=$!
        sleep 1
        generator latency --pairs 64 --rate 100 --seconds 3 --warmup 0 >"$data/load" &
        loader=$!
        tail --pid=$loader -f /dev/null
        kill -INT $tracer
        wait $tracer
    fi
    wait $loader || die "the generator found something wrong"
    finish
    cat "$data/trace"
    messages=$(field messages "$data/load")
    printf '%s messages, and 128 sessions that joined and left. Calls for a message:\n' "$messages"
    # perf trace has a table for each process, strace one for all.
    awk -v messages="$messages" '
        function say(who, name, calls) {
            if (calls / messages >= 0.05)
                printf "  %-14s %-16s %.2f\n", who, name, calls / messages
        }
        / events, / { process = $1 }
        process && $1 ~ /^[a-z]/ && $2 ~ /^[0-9]+$/ { say(process, $1, $2) }
        !process && $1 ~ /^[0-9.]+$/ && $NF ~ /^[a-z]/ && $NF != "total" { say("all", $NF, $4) }
    ' "$data/trace"
}

# What a start, the joins and the end cost is in both runs, so the difference is the messages'.
profile_instructions() {
    [ "$kind" = sigbridge ] || die "instructions are counted of sigbridge only"
    pairs=10
    few=2
    many=22
    for rounds in $few $many; do
        serve "valgrind --tool=callgrind --callgrind-out-file=$data/callgrind.$rounds"
        generator burst --pairs $pairs --rounds "$rounds" >"$data/load" || die "the generator found something wrong"
        finish
    done
    messages=$(((many - few) * pairs * 18))
    total() {
        sed -n 's/^\(totals\|summary\): \([0-9]*\).*/\2/p' "$data/callgrind.$1" | tail -n 1
    }
    printf '%s instructions of the bridge for a message, of %s messages in handshakes\n\n' \
        $((($(total $many) - $(total $few)) / messages)) $messages
    printf 'by function, of the longer run, its start and end included\n'
    callgrind_annotate "$data/callgrind.$many" 2>/dev/null | grep -E '^ *[0-9,]+ ' | cut -c1-140 | head -n "$lines"
    printf '\nmore of it: callgrind_annotate --inclusive=yes %s\n' "$data/callgrind.$many"
}

"profile_$what"
