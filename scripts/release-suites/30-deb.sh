#!/bin/sh
# Debian's packages.
exec scripts/check-deb.sh
