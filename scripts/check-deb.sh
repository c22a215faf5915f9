#!/bin/sh
# Debian's packages: built by dpkg-buildpackage in a copy of the sources below $BUILD, looked at by lintian, unpacked,
# and used. Ends with a line `N passed, M failed, K skipped`.
set -u
cd "$(dirname "$0")/.." || exit 1
. scripts/cases.sh
tree=${BUILD:-$PWD/build}/deb

for tool in dpkg-buildpackage dh lintian; do
    command -v $tool >/dev/null || skip_all "packages for Debian" "the command $tool"
done

rm -rf "$tree"
copy_sources "$tree/bglssl" || exit 1
# The Rust that is here need not be a package. The C tests have their own suite.
build() (
    cd "$tree/bglssl" || return 1
    within 1800 env -u MAKEFLAGS -u MAKELEVEL -u BUILD -u CARGO_FLAGS -u CARGO_TARGET_DIR CARGO_HOME="${CARGO_HOME:-$HOME/.cargo}" \
        RUSTUP_HOME="${RUSTUP_HOME:-$HOME/.rustup}" DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc -b -d
)
try "dpkg-buildpackage builds the packages" build || finish
changes=$(ls "$tree"/*.changes)
try "lintian has no complaint" lintian --allow-root --fail-on error,warning "$changes"
for deb in "$tree"/libbglssl0_*.deb "$tree"/libbglssl-dev_*.deb; do
    dpkg-deb -x "$deb" "$tree/root" || exit 1
done
depends_on_versions() {
    dpkg-deb -f "$tree"/libbglssl0_*.deb Depends | grep -E 'libssl3' &&
        dpkg-deb --ctrl-tarfile "$tree"/libbglssl0_*.deb | tar -xO ./symbols | grep -F '(symver)BGLSSL_' ||
        dpkg-deb --ctrl-tarfile "$tree"/libbglssl0_*.deb | tar -xO ./symbols | grep -F '@BGLSSL_'
}
try "the library's package knows its symbols by version" depends_on_versions
links() {
    libdir=$(dirname "$(find "$tree/root/usr/lib" -name libbglssl.so)") || return 1
    ${CC:-cc} -I "$tree/root/usr/include" -o "$tree/version" examples/projects/version.c -L "$libdir" -lbglssl &&
        LD_LIBRARY_PATH=$libdir "$tree/version"
}
documents_are_linked() {
    [ -f "$tree/root/usr/share/doc/libbglssl-dev/README.md" ] &&
        find "$tree/root/usr/share/doc" -name '*.md' -exec scripts/check_links.py {} +
}
try "links of the packages' documents lead to what is in the packages" documents_are_linked
try "a program is compiled and runs with what the packages hold" links
finish
