#!/bin/sh
# Runs every test suite and adds their counts up. Each suite ends with a line "N passed, M failed, K skipped";
# one that does not, or that exits with an error and says that nothing failed, counts as a failure.
set -u
cd "$(dirname "$0")/.."
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

suite() {
    name=$1
    shift
    echo "=== $name"
    { "$@"; echo "exit status $?" >>"$log.status"; } 2>&1 | tee "$log"
    status=$(sed -n 's/^exit status //p' "$log.status"); rm -f "$log.status"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -1)
    if [ -z "$line" ]; then
        echo "not ok $name: it printed no count (exit status $status)"
        failed=$((failed + 1))
        return
    fi
    set -- $(echo "$line" | tr -dc '0-9 ')
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + ${3:-0}))
    if [ "$status" != 0 ] && [ "$2" = 0 ]; then
        echo "not ok $name: exit status $status"
        failed=$((failed + 1))
    fi
}

for script in scripts/suites/*; do
    suite "$(basename "$script" | sed 's/^[0-9]*-//; s/\..*//')" "$script"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
