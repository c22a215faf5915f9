#!/bin/sh
# The unit tests of the crate, its formatting, and clippy's lints.
set -u
passed=0 failed=0
try() {
    name=$1
    shift
    if "$@" >/tmp/bglssl-rust-$$.log 2>&1; then
        echo "ok $name"
        passed=$((passed + 1))
    else
        cat /tmp/bglssl-rust-$$.log
        echo "not ok $name"
        failed=$((failed + 1))
    fi
}
cargo=${CARGO:-cargo}
try unit_tests_pass $cargo test --quiet ${CARGO_FLAGS:-}
try source_is_formatted $cargo fmt --check
try clippy_has_no_complaint $cargo clippy --quiet --all-targets ${CARGO_FLAGS:-} -- -D warnings
rm -f /tmp/bglssl-rust-$$.log
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
