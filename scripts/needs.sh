#!/bin/sh
# What the build, the demo and the tests need of the machine, in this one place.
#
#   needs.sh build      fails, in one message, if something is missing that `make lib` needs
#   needs.sh demo       likewise for `make demo`
#   needs.sh check      likewise for `make check`; tools whose tests are skipped without them are named, too
#   needs.sh install    installs everything with apt-get (as root)
#
# Debian's packages for everything:
packages="gcc g++ make perl pkg-config libssl-dev openssl python3 binutils curl gnutls-bin valgrind mandoc clang"
set -u
need=${1:-check}
missing=

lacks() { ! command -v "$1" >/dev/null 2>&1; }
require() { ! lacks "$1" || missing="$missing
  $1 ($2)"; }

if [ "$need" = install ]; then
    if [ "$(id -u)" != 0 ] || lacks apt-get; then
        echo "needs.sh: only root can install, with apt-get: $packages" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    apt-get update -q && apt-get install -y -q --no-install-recommends $packages
    exit
fi

require "${CARGO:-cargo}" "Rust 1.85 or newer: https://rustup.rs, or the packages cargo and rustc"
require cc "a C compiler: package gcc"
require make "package make"
if lacks pkg-config; then
    missing="$missing
  pkg-config (finds OpenSSL: package pkg-config; or build with VENDORED=yes)"
elif ! pkg-config --exists 'openssl >= 1.1.1' && lacks perl; then
    missing="$missing
  OpenSSL's development files (package libssl-dev), or perl, to build an OpenSSL from source"
fi
case $need in
demo) require openssl "makes the certificates: package openssl" ;;
check)
    require openssl "makes the certificates: package openssl"
    require python3 "runs the tests: package python3"
    ;;
esac

if [ -n "$missing" ]; then
    echo "Missing on this machine:$missing" >&2
    echo "On Debian and its like, as root:" >&2
    echo "  apt-get install $packages" >&2
    exit 1
fi

if [ "$need" = check ]; then
    for tool in g++ valgrind gnutls-cli curl mandoc clang; do
        ! lacks "$tool" || echo "note: without the command $tool some tests are skipped"
    done
fi
exit 0
