#!/bin/sh
# ThreadSanitizer must notice a planted race: check_race_detector.sh PROGRAM
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if "$1" >"$log" 2>&1; then
    echo "not ok tsan_notices_a_race: not noticed"
elif grep -q 'data race' "$log"; then
    echo "ok tsan_notices_a_race"
else
    echo "not ok tsan_notices_a_race: $(head -c 300 "$log" | tr '\n' ' ')"
fi
