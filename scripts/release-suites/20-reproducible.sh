#!/bin/sh
# The same sources give the same libraries, byte for byte, wherever they are built.
set -u
build=${BUILD:-$PWD/build}
there=$(mktemp -d)
trap 'rm -rf "$there"' EXIT
trap 'exit 1' INT TERM HUP
passed=0 failed=0

result() { # NAME STATUS
    if [ "$2" = 0 ]; then
        echo "ok $1"
        passed=$((passed + 1))
    else
        echo "not ok $1"
        tail -n 40 "$there/log" | sed 's/^/  | /'
        failed=$((failed + 1))
    fi
}
mkdir "$there/sources"
git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C "$there/sources" || exit 1
env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u CARGO_TARGET_DIR -u CARGO_FLAGS timeout 1800 make -C "$there/sources" lib \
    >"$there/log" 2>&1
result it_builds_elsewhere $?
for file in "$(cat abi/soname)" libbglssl.a; do
    cmp "$build/lib/$file" "$there/sources/build/lib/$file" >"$there/log" 2>&1
    result "${file}_is_the_same" $?
done
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" = 0 ]
