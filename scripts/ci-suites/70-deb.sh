#!/bin/sh
# Debian's packages.
# Takes: 240 s
exec scripts/check-deb.sh
