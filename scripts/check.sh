#!/bin/sh
# Runs test suites and adds their counts up: check.sh [SUITE...], by default all of scripts/suites.
# Each suite ends with a line "N passed, M failed, K skipped"; one that does not, or that exits with an error and says
# that nothing failed, counts as a failure. What was skipped and what failed is told once more at the end, so that the
# last lines of a log say what is wrong. After each suite is a line with the seconds that it took.
# A suite with a line `# Takes: N s` is skipped unless so much time is left until CHECK_UNTIL (in seconds since 1970), if
# that is set.
set -u
cd "$(dirname "$0")/.."
passed=0 failed=0 skipped=0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
log=$work/log
: >"$work/failures" >"$work/skips"

# digest SUITE: from the log on standard input, each case that failed, with the lines below it that say why, into
# failures, and each that was skipped into skips. A suite may name a case twice, when it tells and when it adds up.
digest() {
    awk -v suite="$1" -v failures="$work/failures" -v skips="$work/skips" '
        { line = $0; sub(/^ +/, "", line) }
        line ~ /^(not ok|FAILED) / {
            reasons = seen[line]++ ? 0 : 40
            if (reasons) print suite ": " line >>failures
            next
        }
        line ~ /^(skip|SKIPPED|skipped:) / { if (!seen[line]++) print suite ": " line >>skips; reasons = 0; next }
        /^(  \||#|    )/ { if (reasons-- > 0) print "    " $0 >>failures; next }
        { reasons = 0 }'
}

no_time_left() {
    echo "skip $name: no time left: it takes $takes s, and there are $((left > 0 ? left : 0)) s"
    echo "0 passed, 0 failed, 1 skipped"
}

suite() {
    name=$1
    shift
    echo "=== $name"
    began=$(date +%s)
    takes=$(sed -n 's/^# Takes: \([0-9]*\) s.*/\1/p' "$1")
    if [ -n "$takes" ] && [ -n "${CHECK_UNTIL:-}" ]; then
        left=$((CHECK_UNTIL - $(date +%s)))
        [ "$left" -ge "$takes" ] || set -- no_time_left
    fi
    { "$@"; echo "$?" >"$work/status"; } 2>&1 | tee "$log"
    status=$(cat "$work/status")
    echo "--- $name: $(($(date +%s) - began)) s"
    told=$(grep -c . "$work/failures")
    digest "$name" <"$log"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -1)
    if [ -z "$line" ]; then
        why="it printed no count (exit status $status)"
        failed=$((failed + 1))
    else
        set -- $(echo "$line" | tr -dc '0-9 ')
        passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
        why=
        if [ "$2" != 0 ] && [ "$(grep -c . "$work/failures")" = "$told" ]; then
            why="$2 failed, of which it named none"
        elif [ "$2" = 0 ] && [ "$status" != 0 ]; then
            why="exit status $status"
            failed=$((failed + 1))
        fi
    fi
    if [ -n "$why" ]; then
        echo "not ok $name: $why"
        { echo "$name: not ok: $why"; tail -n 20 "$log" | sed 's/^/    | /'; } >>"$work/failures"
    fi
}

[ $# -gt 0 ] || set -- scripts/suites/*
for script in "$@"; do
    suite "$(basename "$script" | sed 's/^[0-9]*-//; s/\..*//')" "$script"
done

if [ -s "$work/skips" ]; then
    echo "=== skipped"
    cat "$work/skips"
fi
if [ -s "$work/failures" ]; then
    echo "=== failed"
    cat "$work/failures"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
