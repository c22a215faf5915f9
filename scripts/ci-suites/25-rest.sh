#!/bin/sh
# The C tests that make check does not run under AddressSanitizer and valgrind, those for ThreadSanitizer, and more faults.
# Takes: 750 s
exec make --no-print-directory -C c-tests check-rest BUILD="${BUILD:-$PWD/build}/c-tests" \
    BGLSSL_LIBDIR="${BUILD:-$PWD/build}/lib"
