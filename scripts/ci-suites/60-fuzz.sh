#!/bin/sh
# The fuzzers, for a short time each.
# Takes: 780 s
make --no-print-directory -C c-tests pki BUILD="${BUILD:-$PWD/build}/c-tests" >&2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
{ fuzz/run.sh "${SECONDS_EACH:-20}"; echo $? >"$work/status"; } 2>&1 | tee "$work/log"
count() { grep -c "^$1 " "$work/log"; }
echo "$(count ok) passed, $(count 'not ok') failed, $(count skip) skipped"
[ "$(cat "$work/status")" = 0 ] && [ "$(grep -cE '^(ok|skip) ' "$work/log")" != 0 ]
