#!/bin/sh
# The fuzzers, for a short time each.
make --no-print-directory -C c-tests pki BUILD="${BUILD:-$PWD/build}/c-tests" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
fuzz/run.sh "${SECONDS_EACH:-20}" 2>&1 | tee "$log"
count() { grep -c "^$1 " "$log"; }
echo "$(count ok) passed, $(count 'not ok') failed, $(count skip) skipped"
[ "$(count 'not ok')" = 0 ] && [ "$(grep -cE '^(ok|skip) ' "$log")" != 0 ]
