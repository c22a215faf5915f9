#!/bin/sh
# The unit tests of the crate, its formatting, clippy's lints, and the freshness of the committed header.
set -u
passed=0 failed=0
log=$(mktemp)
try() {
    name=$1
    shift
    if "$@" >"$log" 2>&1; then
        echo "ok $name"
        passed=$((passed + 1))
    else
        cat "$log"
        echo "not ok $name"
        failed=$((failed + 1))
    fi
}
cargo=${CARGO:-cargo}
try unit_tests_pass $cargo test --quiet ${CARGO_FLAGS:-}
try source_is_formatted $cargo fmt --check
try clippy_has_no_complaint $cargo clippy --quiet --all-targets ${CARGO_FLAGS:-} -- -D warnings
header_is_fresh() {
    scripts/fresh-header.sh ${CARGO_FLAGS:-} | diff - include/bglssl.h ||
        { echo "include/bglssl.h is stale: run make header"; return 1; }
}
try the_committed_header_is_what_cbindgen_makes header_is_fresh
unsafe_stays_below() {
    ! grep -rlE '\bunsafe\b' src | grep -vE '^src/(ffi|ossl|posix)[/.]'
}
try unsafe_is_only_in_the_door_and_the_cellars unsafe_stays_below
rm -f "$log"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
