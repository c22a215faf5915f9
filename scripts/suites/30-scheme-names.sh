#!/bin/sh
# Every C name that the Scheme half uses, against the header. Needs no Bigloo.
exec bigloo/tests/check_names.py include/bglssl.h bigloo/src/*.h -- bigloo/src/*.scm
