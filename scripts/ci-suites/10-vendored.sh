#!/bin/sh
# The build with an OpenSSL of its own, as on a machine without OpenSSL's development files.
set -u
build=${BUILD:-$PWD/build}/vendored
library=$build/lib/$(cat abi/soname)
. scripts/cases.sh

program_runs() {
    ${CC:-cc} -Iinclude -o "$build/version" examples/projects/version.c -L"$build/lib" -lbglssl &&
        LD_LIBRARY_PATH=$build/lib "$build/version" | grep '^bglssl with OpenSSL '
}
needs_no_openssl() { ! readelf -d "$library" | grep -E 'NEEDED.*lib(ssl|crypto)'; }
# As it is installed: debug information says where OpenSSL was built.
names_no_directory_of_the_build() {
    strip --strip-unneeded -o "$build/stripped" "$library" &&
        ! grep -aoE '[[:print:]]*'"$PWD"'[[:print:]]*' "$build/stripped"
}
exports_are_right() {
    c-tests/check_symbols.sh "$build/lib" abi >"$build/symbols"
    cat "$build/symbols"
    grep -q '^ok' "$build/symbols" && ! grep -q '^not ok' "$build/symbols"
}
# The places of configuration, providers and engines are the system's.
places_are_the_systems() {
    strings "$library" | grep -E '^(OPENSSLDIR|MODULESDIR|ENGINESDIR): ' | tee "$work/places"
    system=$(openssl version -d | sed 's/^OPENSSLDIR: //')
    grep -qxF "OPENSSLDIR: $system" "$work/places" || { echo "the system's is $system"; return 1; }
}

try it_builds within 1800 make lib VENDORED=yes BUILD="$build" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$PWD/target}/vendored" ||
    finish
try it_needs_no_openssl_of_the_system needs_no_openssl
try a_program_runs_with_it program_runs
try it_looks_where_the_systems_openssl_does places_are_the_systems
try it_exports_what_the_interface_lists exports_are_right
try it_names_no_directory_of_the_build names_no_directory_of_the_build
finish
