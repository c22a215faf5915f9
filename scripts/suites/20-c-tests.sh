#!/bin/sh
# The C tests: plain, under sanitizers and valgrind, with threads, against other TLS libraries' tools; and the checks of
# header, symbols, SONAME and coverage.
exec make --no-print-directory -C c-tests check-all BUILD="${BUILD:-$PWD/build}/c-tests" \
    BGLSSL_LIBDIR="${BUILD:-$PWD/build}/lib"
