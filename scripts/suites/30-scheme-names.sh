#!/bin/sh
# Every C name that the Scheme half uses, against the header. Needs no Bigloo.
if ! command -v python3 >/dev/null; then
    echo "skipped: the command python3"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
exec bigloo/tests/check_names.py include/bglssl/*.h bigloo/src/*.h -- bigloo/src/*.scm
