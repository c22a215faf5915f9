#!/bin/sh
# Builds the fuzzers under AddressSanitizer and runs each of them: run.sh SECONDS [TARGET...]
# Below $BUILD/fuzz: corpus/TARGET, where what is found interesting stays, and found/TARGET, the inputs that failed.
# Needs the network once, for the crate libfuzzer-sys, and a C++ compiler; skips without them. First it sees that what a
# fuzzer finds is reported.
set -u
cd "$(dirname "$0")/.."
seconds=$1
shift
build=${BUILD:-$PWD/build}
here=$build/fuzz
export BGLSSL_TEST_PKI=${BGLSSL_TEST_PKI:-$build/c-tests/pki}
host=$(rustc -vV | sed -n 's/^host: //p')
[ $# -gt 0 ] || set -- $(sed -n 's/^name = "\(.*\)"/\1/p' fuzz/Cargo.toml | grep -vE '^(bglssl-fuzz|planted)$')

skip() {
    echo "skip fuzzers: $1"
    exit 0
}
command -v c++ >/dev/null || skip "a C++ compiler"
cargo=${CARGO:-cargo}
$cargo fetch --quiet --manifest-path fuzz/Cargo.toml || skip "the crate libfuzzer-sys"

# The sanitizers' and the coverage's switches are not open in stable Rust.
export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Zsanitizer=address -Ccodegen-units=1 -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
$cargo build --quiet --release --target "$host" --manifest-path fuzz/Cargo.toml --target-dir "$here/target" || {
    echo "not ok fuzzers: they do not build"
    exit 1
}
fuzz/make_corpus.py "$BGLSSL_TEST_PKI" "$here/corpus" || exit 1

export ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 SSL_CERT_FILE=$BGLSSL_TEST_PKI/idle-root.pem
programs=$here/target/$host/release
fuzz/run_fuzzers.py --planted "$programs" "$here"
planted=$?
fuzz/run_fuzzers.py "$seconds" "$programs" "$here" "$@" && [ "$planted" = 0 ]
