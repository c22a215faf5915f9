#!/bin/sh
# What `make install` puts into a prefix serves the build systems of programs, and packagers: CMake, Meson, debug
# information of its own, what is in the crate.
#
#   check-packages.sh                 prints a line for each case, and "N passed, M failed, K skipped" at the end
#
# MAKE and CC are honoured. Builds nothing of the library if it is built.
set -u
cd "$(dirname "$0")/.." || exit 1

. scripts/cases.sh

make=${MAKE:-make}
unset MAKEFLAGS MFLAGS MAKELEVEL
prefix=$work/prefix
try "make install puts the library into a prefix" timeout 580 "$make" install PREFIX="$prefix" || finish
library=$prefix/lib/$(cat abi/soname)

# ---- what is in the library
try "the installed library is stripped" sh -c '! readelf -SW "$1" | grep -F .debug_info' sh "$library"
try "the installed library names no directory of the build" sh -c '! grep -aF -- "$2" "$1"' sh "$library" "$PWD"
split_debug_fits() {
  "$make" install PREFIX=/usr DESTDIR="$work/split" DEBUGDIR=/usr/lib/debug || return 1
  file=$(find "$work/split/usr/lib/debug/.build-id" -name '*.debug') || return 1
  readelf -SW "$file" | grep -F .debug_info || return 1
  [ "$(readelf -n "$file" | grep 'Build ID')" = "$(readelf -n "$work/split/usr/lib/${library##*/}" | grep 'Build ID')" ] ||
    return 1
  "$make" uninstall PREFIX=/usr DESTDIR="$work/split" DEBUGDIR=/usr/lib/debug || return 1
  left=$(find "$work/split" ! -type d)
  echo "left: $left"
  [ -z "$left" ]
}
try "DEBUGDIR gets the debug information, found by build id, and uninstall takes it out" split_debug_fits
relative_prefix_is_absolute() {
  "$make" install PREFIX=build/relative && grep -x "prefix=$PWD/build/relative" build/relative/lib/pkgconfig/bglssl.pc
  status=$?
  rm -rf build/relative
  return $status
}
try "a relative PREFIX is one from where make runs" relative_prefix_is_absolute
own_include_directory() {
  "$make" install PREFIX="$work/own" INCLUDEDIR="$work/own/headers" &&
    PKG_CONFIG_PATH=$work/own/lib/pkgconfig pkg-config --cflags bglssl | grep -F -- "-I$work/own/headers" &&
    test -s "$work/own/headers/bglssl.h"
}
try "INCLUDEDIR says where the headers go, and pkg-config finds them there" own_include_directory
prefix_with_blanks() {
  spaced="$work/a prefix with blanks"
  "$make" install PREFIX="$spaced" || return 1
  flags=$(PKG_CONFIG_PATH=$spaced/lib/pkgconfig pkg-config --cflags --libs bglssl) || return 1
  eval "${CC:-cc} -o '$work/spaced' examples/projects/version.c $flags" &&
    LD_LIBRARY_PATH="$spaced/lib" "$work/spaced" | grep '^bglssl with OpenSSL ' && "$make" uninstall PREFIX="$spaced"
}
try "a PREFIX may have blanks, which pkg-config escapes" prefix_with_blanks

# ---- documents
installed_links() { find "$prefix/share/doc/bglssl" -name '*.md' -exec scripts/check_links.py {} +; }
if command -v python3 >/dev/null; then
  try "links of installed documents lead to what is installed" installed_links
else
  skip "links of installed documents lead to what is installed" "python3 is not installed"
fi

# ---- a source tree that cannot be written to
build_elsewhere() {
  # `make -n` says where cargo is told to build; a build of the whole would take minutes.
  "$make" -n lib BUILD="$work/elsewhere" >"$work/elsewhere.log" && grep -F -- "$work/elsewhere/target" "$work/elsewhere.log" &&
    ! grep -F -- "$PWD/target" "$work/elsewhere.log"
}
if [ -z "${CARGO_TARGET_DIR:-}" ]; then
  try "with BUILD elsewhere nothing is built in the source tree" build_elsewhere
else
  skip "with BUILD elsewhere nothing is built in the source tree" "CARGO_TARGET_DIR is set"
fi

# ---- build systems
runs() { LD_LIBRARY_PATH=$prefix/lib "$1" | grep '^bglssl with OpenSSL '; }
cmake_project() { # STATIC
  cmake -S examples/projects -B "$work/cmake-$1" -DCMAKE_PREFIX_PATH="$prefix" -DSTATIC="$1" &&
    cmake --build "$work/cmake-$1" && runs "$work/cmake-$1/version"
}
newer_is_refused() {
  mkdir "$work/newer" &&
    sed 's/find_package(bglssl 0.1 REQUIRED)/find_package(bglssl 99.0 REQUIRED)/' examples/projects/CMakeLists.txt \
      >"$work/newer/CMakeLists.txt" && cp examples/projects/version.c "$work/newer/" || return 1
  ! cmake -S "$work/newer" -B "$work/newer/build" -DCMAKE_PREFIX_PATH="$prefix" || return 1
}
if command -v cmake >/dev/null; then
  try "a CMake project finds the shared library" cmake_project OFF
  if pkg-config --exists openssl; then
    try "a CMake project finds the static library" cmake_project ON
  else
    skip "a CMake project finds the static library" "OpenSSL's development files"
  fi
  try "a CMake project that wants a newer version is refused" newer_is_refused
else
  skip "CMake projects" "the command cmake"
fi
meson_project() { # true or false
  PKG_CONFIG_PATH=$prefix/lib/pkgconfig meson setup "$work/meson-$1" examples/projects -Dprefer_static="$1" &&
    meson compile -C "$work/meson-$1" && runs "$work/meson-$1/version"
}
if command -v meson >/dev/null && command -v ninja >/dev/null; then
  try "a Meson project finds the shared library" meson_project false
else
  skip "Meson projects" "the commands meson and ninja"
fi

# ---- another compiler
clang_builds() {
  pc=$prefix/lib/pkgconfig
  clang -Wall -Wextra -Werror -Wpedantic -o "$work/by-clang" examples/projects/version.c \
    $(PKG_CONFIG_PATH=$pc pkg-config --cflags --libs bglssl) && runs "$work/by-clang"
}
if command -v clang >/dev/null; then
  try "clang compiles and links a program" clang_builds
else
  skip "clang compiles and links a program" "the command clang"
fi

# ---- the crate
crate_is_complete() {
  "${CARGO:-cargo}" package --list --allow-dirty >"$work/crate" || return 1
  cat "$work/crate"
  for file in Cargo.toml Cargo.lock LICENSE LICENSES/MIT.txt README.md build.rs abi/soname src/lib.rs include/bglssl.h; do
    grep -qx "$file" "$work/crate" || { echo "lacks $file"; return 1; }
  done
  ! grep -E '^(c-tests|bigloo|fuzz|bench|\.ci)/' "$work/crate"
}
if command -v "${CARGO:-cargo}" >/dev/null; then
  try "the crate has what it needs, and no tests of the C side" crate_is_complete
else
  skip "the crate has what it needs, and no tests of the C side" "the command cargo"
fi

finish
