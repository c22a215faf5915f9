#!/bin/sh
# What the build, the demo and the tests need of the machine, in this one place.
#
#   needs.sh build      fails, in one message, if something is missing that `make lib` needs
#   needs.sh demo       likewise for `make demo`
#   needs.sh check      likewise for `make check`; tools whose tests are skipped without them are named, too
#   needs.sh install    installs everything with apt-get (as root)
#   needs.sh install-ci likewise, with what the suites of scripts/ci-suites need besides, if it can be had
#
# Debian's packages for everything:
packages="gcc libc6-dev g++ make perl pkg-config libssl-dev openssl python3 binutils ca-certificates curl gnutls-bin valgrind mandoc \
texinfo clang cmake meson"
ci_packages="debootstrap dpkg-dev debhelper lintian"
# Programs of others that the tests meet, some of which start servers when they are installed.
peer_packages="tshark libnss3-tools nginx haproxy tinyproxy-bin squid microsocks dante-server ncat socat stunnel4"
set -u
need=${1:-check}
missing= wanted=
oldest_rust=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml")

lacks() { ! command -v "$1" >/dev/null 2>&1; }

rust=$("${RUSTC:-rustc}" --version 2>/dev/null | cut -d ' ' -f 2)
rust_is_new_enough() {
    ! lacks "${CARGO:-cargo}" && [ -n "$rust" ] &&
        [ "$(printf '%s\n%s\n' "$oldest_rust" "${rust%%-*}" | sort -V | head -n 1)" = "$oldest_rust" ]
}
# Debian 12 has an old Rust, and a newer one under names of its own.
if ! rust_is_new_enough; then
    case $(sed -n 's/^VERSION_ID="\(.*\)"/\1/p' /etc/os-release 2>/dev/null) in
    12) rust_packages="cargo-web rustc-web" ;;
    *) rust_packages="cargo rustc" ;;
    esac
    packages="$rust_packages $packages"
fi
# wants PACKAGES TEXT: says what is missing, and the packages that bring it.
wants() {
    wanted="$wanted${1:+ $1}"
    missing="$missing
  $2"
}
require() { ! lacks "$1" || wants "$2" "$1 ($3)"; }

case $need in
install | install-ci)
    if [ "$(id -u)" != 0 ] || lacks apt-get; then
        echo "needs.sh: only root can install, with apt-get: $packages" >&2
        exit 1
    fi
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # a list of words
    apt-get update -q && apt-get install -y -q --no-install-recommends $packages || exit
    [ "$need" = install-ci ] || exit 0
    # Without these, suites and tests are skipped.
    for package in $ci_packages $peer_packages; do
        apt-get install -y -q --no-install-recommends "$package" || echo "note: $package cannot be installed"
    done
    if ! lacks rustup; then
        timeout 300 rustup component add rust-src || echo "note: without rust-src there are no tests under ThreadSanitizer"
    fi
    exit 0
    ;;
esac

rust_is_new_enough ||
    wants "$rust_packages ca-certificates" \
        "Rust $oldest_rust or newer, with cargo (${rust:+here is $rust; }these packages, or https://rustup.rs)"
echo '#include <stdio.h>' | "${CC:-cc}" -E - >/dev/null 2>&1 || wants "gcc libc6-dev" "a C compiler, and libc's headers"
require make make "runs all this"
can_build_openssl() { perl -MFindBin -MIPC::Cmd -MFile::Compare -MTime::Piece -e1 2>/dev/null; }
if [ "${VENDORED:-}" = yes ]; then
    can_build_openssl || wants perl "perl with its modules (builds OpenSSL)"
elif [ -n "${OPENSSL_DIR:-}" ]; then
    : # the build says it if there is none
elif lacks pkg-config; then
    wants "pkg-config libssl-dev" "pkg-config (finds OpenSSL; or build one with VENDORED=yes)"
elif ! pkg-config --exists 'openssl >= 1.1.1' && ! can_build_openssl; then
    wants libssl-dev "OpenSSL's development files (or perl with its modules, package perl, to build an OpenSSL from source)"
fi
[ "$need" = build ] || getent hosts localhost >/dev/null ||
    wants "" "an address of localhost (the line '127.0.0.1 localhost' in /etc/hosts)"
case $need in
demo) require openssl openssl "makes the certificates" ;;
check)
    require openssl openssl "makes the certificates"
    require python3 python3 "runs the tests"
    require readelf binutils "looks into the library"
    ;;
esac

if [ -n "$missing" ]; then
    echo "Missing on this machine:$missing" >&2
    if [ -n "$wanted" ]; then
        echo "On Debian and its like, as root:" >&2
        echo "  apt-get install --no-install-recommends$wanted" >&2
    fi
    exit 1
fi

if [ "$need" = check ]; then
    for tool in g++ valgrind gnutls-cli curl mandoc makeinfo clang cmake meson; do
        ! lacks "$tool" || echo "note: without the command $tool some tests are skipped"
    done
fi
exit 0
