#!/bin/sh
# The unit tests of the crate, its formatting, clippy's lints, the freshness of the committed headers, and what the fuzzers
# declare of the C API.
set -u
. scripts/cases.sh

# try_with COMPONENT NAME COMMAND...: skipped where cargo lacks the component.
try_with() {
    if $cargo "$1" --version >/dev/null 2>&1; then
        shift
        try "$@"
    else
        skip "$2" "cargo $1 is not installed"
    fi
}
cargo=${CARGO:-cargo}
# Not optimised: that is built sooner, and looks for overflows.
flags=$(echo " ${CARGO_FLAGS:-} " | sed 's/ --release / /')
try unit_tests_pass $cargo test --quiet $flags
try_with fmt source_is_formatted $cargo fmt --check
try_with clippy clippy_has_no_complaint $cargo clippy --quiet --all-targets $flags -- -D warnings
try the_committed_headers_are_what_cbindgen_makes scripts/headers.sh check
unsafe_stays_below() {
    ! grep -rnE '\bunsafe\b' src | grep -vE '^src/(ffi|ossl|posix)[/.]|^[^:]*:[0-9]+: *//'
}
try unsafe_is_only_in_the_outer_layers unsafe_stays_below
if command -v python3 >/dev/null; then
    try the_fuzzers_declare_the_c_api_as_it_is fuzz/check_declarations.py
    try a_wrong_declaration_of_a_fuzzer_is_noticed fuzz/check_declarations.py --self-test
else
    skip the_fuzzers_declare_the_c_api_as_it_is "the command python3"
fi
finish
