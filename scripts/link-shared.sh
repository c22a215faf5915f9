#!/bin/sh
# Links the shared library from the static one: link-shared.sh ARCHIVE LIBRARY VERSION "SYSTEM LIBRARIES"
# rustc could link it, but has a version script of its own, which cannot be combined with one that names a version.
# The file name of LIBRARY is the SONAME. CC, LDFLAGS and OPENSSL_DIR are honoured.
set -eu
here=$(dirname "$0")
archive=$1 library=$2 version=$3 libraries=$4
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
sed '/^#/d; /^$/d' "$here/../abi/symbols.txt" >"$work/symbols"
{
    echo "$version {"
    echo "global:"
    sed 's/$/;/' "$work/symbols"
    echo "local: *;"
    echo "};"
} >"$work/map"
sed 's/^/-Wl,-u,/' "$work/symbols" >"$work/wanted"
if [ -n "${OPENSSL_DIR:-}" ]; then
    places="-L$OPENSSL_DIR/lib64 -L$OPENSSL_DIR/lib"
else
    places=$(pkg-config --libs-only-L openssl 2>/dev/null || :)
fi
# shellcheck disable=SC2086 # lists of words
${CC:-cc} -shared -o "$library.tmp" -Wl,-soname,"$(basename "$library")" -Wl,--version-script="$work/map" \
    -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack -Wl,--gc-sections -Wl,-O1 -Wl,--as-needed -Wl,--build-id=sha1 \
    @"$work/wanted" "$archive" $places $libraries ${LDFLAGS:-}
mv "$library.tmp" "$library"
