#!/bin/sh
# The C tests that make check does not run under AddressSanitizer and valgrind, and those for ThreadSanitizer.
# Takes: 600 s
exec make --no-print-directory -C c-tests check-sanitizers-rest BUILD="${BUILD:-$PWD/build}/c-tests" \
    BGLSSL_LIBDIR="${BUILD:-$PWD/build}/lib"
