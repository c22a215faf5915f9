#!/bin/sh
# A minimal Debian 13.
exec scripts/check-debian.sh trixie amd64
