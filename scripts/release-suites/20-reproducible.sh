#!/bin/sh
# The same sources give the same libraries, byte for byte, wherever they are built.
set -u
. scripts/cases.sh
copy_sources "$work/sources" || exit 1
try it_builds_elsewhere within 1800 env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u CARGO_TARGET_DIR -u CARGO_FLAGS \
    make -C "$work/sources" lib
for file in "$(cat abi/soname)" libbglssl.a; do
    try "${file}_is_the_same" cmp "${BUILD:-$PWD/build}/lib/$file" "$work/sources/build/lib/$file"
done
finish
