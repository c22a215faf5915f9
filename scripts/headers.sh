#!/bin/sh
# The headers, which tools/header makes from src/ffi by cbindgen:
#
#   headers.sh write    updates include/
#   headers.sh check    fails, with the difference, if include/ is not what would be written
set -eu
cd "$(dirname "$0")/.."
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
"${CARGO:-cargo}" run --quiet --release --locked --manifest-path tools/header/Cargo.toml \
    --target-dir "${BUILD:-$PWD/build}/tools" -- "$fresh"
case ${1-} in
write)
    rm -rf include/bglssl
    mkdir -p include
    cp -R "$fresh/." include/
    ;;
check)
    diff -ru include "$fresh" || { echo "include/ is stale: run make header"; exit 1; }
    ;;
*)
    echo "usage: headers.sh write|check" >&2
    exit 2
    ;;
esac
