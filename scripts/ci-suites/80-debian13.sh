#!/bin/sh
# A minimal Debian 13.
# Takes: 420 s
exec scripts/check-debian.sh trixie amd64
