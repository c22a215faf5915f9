#!/bin/sh
# Runs the C tests, and the comparison of the foreign declarations, against other versions of OpenSSL than the
# system's: check-openssl.sh [111] [300] [400].
# Each is built once, from the sources of the openssl-src crate, below $BUILD, and linked statically.
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-$PWD/build}
[ $# -gt 0 ] || set -- 111 400
for version in "$@"; do
    there=$build/openssl-$version
    if [ ! -d "$there/install/include" ]; then
        echo "=== building OpenSSL $version"
        mkdir -p "$there"
        env -u MAKEFLAGS -u MAKELEVEL "${CARGO:-cargo}" run --quiet --manifest-path tools/openssl-build/Cargo.toml \
            --features "v$version" --target-dir "$there/tool" -- "$there" >"$there/log" 2>&1 ||
            { tail "$there/log"; exit 1; }
    fi
    echo "=== OpenSSL $version"
    OPENSSL_DIR=$there/install OPENSSL_STATIC=1 BUILD=$build/with-$version CARGO_TARGET_DIR=$build/target-$version \
        "${MAKE:-make}" -s check-c VENDORED=no
    OPENSSL_DIR=$there/install "${MAKE:-make}" -s -C c-tests check-externs BUILD="$build/with-$version/c-tests"
done
