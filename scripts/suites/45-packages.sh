#!/bin/sh
# The installed library in programs' build systems, and as packagers want it.
exec c-tests/check-packages.sh
