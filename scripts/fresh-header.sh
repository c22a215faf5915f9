#!/bin/sh
# Prints the header that cbindgen makes from src/ffi as it is now.
set -eu
cd "$(dirname "$0")/.."
exec "${CARGO:-cargo}" run --quiet --release --locked --manifest-path tools/header/Cargo.toml \
    --target-dir "${BUILD:-$PWD/build}/tools"
