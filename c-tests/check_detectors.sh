#!/bin/sh
# Each planted fault must be noticed by each detector that should: check_detectors.sh ASAN-DIR PLAIN-DIR VALGRIND CERTIFICATE
asan=$1 plain=$2 valgrind=$3 certificate=$4
log=$(mktemp)
trap 'rm -f "$log"' EXIT

caught() { # NAME WORDS COMMAND...
    name=$1 words=$2
    shift 2
    "$@" >"$log" 2>&1
    status=$?
    if [ $status -eq 0 ]; then
        echo "not ok $name: not noticed"
    elif grep -q "$words" "$log"; then
        echo "ok $name"
    else
        echo "not ok $name: exit status $status without \"$words\": $(head -c 300 "$log" | tr '\n' ' ')"
    fi
}

caught asan_notices_a_leak 'detected memory leaks' "$asan/planted_leak"
caught asan_notices_an_overrun 'heap-buffer-overflow' "$asan/planted_overrun"
caught asan_notices_a_use_after_free 'heap-use-after-free' "$asan/planted_use_after_free" "$certificate"

if command -v "$valgrind" >"$log"; then
    memcheck="$valgrind --leak-check=full --show-leak-kinds=definite,indirect,possible --error-exitcode=99"
    memcheck="$memcheck --errors-for-leak-kinds=definite,indirect,possible"
    caught valgrind_notices_a_leak 'definitely lost: [1-9]' $memcheck "$plain/planted_leak"
    caught valgrind_notices_an_overrun 'Invalid read' $memcheck "$plain/planted_overrun"
    caught valgrind_notices_a_use_after_free 'Invalid read' $memcheck "$plain/planted_use_after_free" "$certificate"
else
    echo "skip valgrind_notices_planted_faults: the command valgrind"
fi
