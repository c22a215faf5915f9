#!/bin/sh
# The C tests: plain, most of them under AddressSanitizer and some under valgrind, against other TLS libraries' tools; and
# the checks of header, symbols, SONAME and coverage.
if ! command -v python3 >/dev/null; then
    echo "skipped: the command python3"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
exec make --no-print-directory -C c-tests check-all BUILD="${BUILD:-$PWD/build}/c-tests" \
    BGLSSL_LIBDIR="${BUILD:-$PWD/build}/lib"
