#!/bin/sh
# Debian's packages: built by dpkg-buildpackage in a copy of the sources below $BUILD, looked at by lintian, unpacked,
# and used. Ends with a line `N passed, M failed, K skipped`.
set -u
cd "$(dirname "$0")/.." || exit 1
work=${BUILD:-$PWD/build}/deb
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 1' INT TERM HUP
passed=0 failed=0

for tool in dpkg-buildpackage dh lintian; do
    if ! command -v $tool >/dev/null; then
        echo "skip packages for Debian: the command $tool"
        echo "0 passed, 0 failed, 1 skipped"
        exit 0
    fi
done

# try NAME COMMAND...
try() {
    name=$1
    shift
    if "$@" >"$log" 2>&1 </dev/null; then
        echo "ok - $name"
        passed=$((passed + 1))
    else
        echo "not ok - $name"
        tail -n 40 "$log" | sed 's/^/#   /'
        failed=$((failed + 1))
        return 1
    fi
}
finish() {
    echo "$passed passed, $failed failed, 0 skipped"
    [ "$failed" = 0 ]
    exit
}

rm -rf "$work"
mkdir -p "$work/bglssl"
git ls-files -co --exclude-standard -z | tar -c --null -T - | tar -x -C "$work/bglssl" || exit 1
# The Rust that is here need not be a package. The C tests have their own suite.
build() {
    cd "$work/bglssl" || return 1
    env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u CARGO_FLAGS -u CARGO_TARGET_DIR CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" \
        RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" DEB_BUILD_OPTIONS=nocheck timeout 1800 dpkg-buildpackage -us -uc -b -d
}
try "dpkg-buildpackage builds the packages" build || finish
changes=$(ls "$work"/*.changes)
try "lintian has no complaint" lintian --allow-root --fail-on error,warning "$changes" || :
for deb in "$work"/libbglssl0_*.deb "$work"/libbglssl-dev_*.deb; do
    dpkg-deb -x "$deb" "$work/root" || exit 1
done
depends_on_versions() {
    dpkg-deb -f "$work"/libbglssl0_*.deb Depends | grep -E 'libssl3' &&
        dpkg-deb --ctrl-tarfile "$work"/libbglssl0_*.deb | tar -xO ./symbols | grep -F '(symver)BGLSSL_' ||
        dpkg-deb --ctrl-tarfile "$work"/libbglssl0_*.deb | tar -xO ./symbols | grep -F '@BGLSSL_'
}
try "the library's package knows its symbols by version" depends_on_versions
links() {
    libdir=$(dirname "$(find "$work/root/usr/lib" -name libbglssl.so)") || return 1
    ${CC:-cc} -I "$work/root/usr/include" -o "$work/version" examples/projects/version.c -L "$libdir" -lbglssl &&
        LD_LIBRARY_PATH=$libdir "$work/version"
}
try "a program is compiled and runs with what the packages hold" links
finish
