#!/bin/sh
# The C tests under valgrind, all of them that it can take: make check has some.
exec make --no-print-directory -s -C c-tests check-valgrind-all BUILD="${BUILD:-$PWD/build}/c-tests" \
    BGLSSL_LIBDIR="${BUILD:-$PWD/build}/lib"
