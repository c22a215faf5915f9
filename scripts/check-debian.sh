#!/bin/sh
# The library on a Debian that is not this machine's: check-debian.sh SUITE ARCHITECTURE
#
#   check-debian.sh trixie amd64      Debian 13, with its own OpenSSL, gcc and Rust
#   check-debian.sh trixie i386       the same in 32 bits
#
# debootstrap makes a minimal system in $BUILD/debian (once), by root, from the mirror that apt knows or DEBIAN_MIRROR.
# There, the tests' list of what is missing is followed to the letter, and then the demo and the plain C tests are run.
# The crates are brought along, so that only Debian's packages come by the network. Skips where this cannot be done.
# PROFILE is that of the build (release). Ends with a line `N passed, M failed, K skipped`.
set -u
cd "$(dirname "$0")/.." || exit 1
suite=$1 architecture=$2
profile=${PROFILE:-release}
root=${BUILD:-$PWD/build}/debian/$suite-$architecture
. scripts/cases.sh
case_prefix="Debian $suite ($architecture): "
cannot() { skip_all "demo and C tests" "$1"; }

[ "$(id -u)" = 0 ] || cannot "root's rights"
for tool in debootstrap unshare apt-get; do
    command -v $tool >/dev/null || cannot "the command $tool"
done
unshare --mount --pid --fork true 2>/dev/null || cannot "namespaces of its own"
mirror=${DEBIAN_MIRROR:-$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)}
[ -n "$mirror" ] || cannot "a mirror: apt knows none, and DEBIAN_MIRROR is not set"

personality=
[ "$architecture" != i386 ] || personality=linux32
# inside SECONDS COMMAND...: mounts and processes of the minimal system end with the command.
inside() {
    seconds=$1
    shift
    within "$seconds" unshare --mount --pid --fork --kill-child sh -c '
        root=$1
        shift
        mount -t proc proc "$root/proc" && mount --rbind /dev "$root/dev" && mount -t sysfs sysfs "$root/sys" || exit 1
        cp /etc/resolv.conf "$root/etc/resolv.conf"
        exec chroot "$root" "$@"' sh "$root" $personality \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
        ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} BGLSSL_TEST_SLOW=3 "$@"
}

# ---- the minimal system
if [ ! -e "$root/.minimal" ]; then
    rm -rf "$root"
    mkdir -p "$root"
    within 900 debootstrap --variant=minbase --arch="$architecture" "$suite" "$root" "$mirror" >"$work/log" 2>&1 ||
        cannot "debootstrap fails: $(tail -n 1 "$work/log")"
    # Installers write this file, debootstrap does not.
    echo "127.0.0.1 localhost" >"$root/etc/hosts"
    touch "$root/.minimal"
fi
inside 60 true >"$work/log" 2>&1 || cannot "nothing runs in it: $(tail -n 1 "$work/log")"

# ---- the sources and the crates
rm -rf "$root/src"
mkdir -p "$root/root/.cargo"
copy_sources "$root/src/bglssl" || exit 1
"${CARGO:-cargo}" vendor --locked --versioned-dirs "$root/src/crates" >"$work/source" 2>"$work/log" ||
    cannot "the crates: $(tail -n 1 "$work/log")"
sed "s|^directory = .*|directory = \"/src/crates\"|" "$work/source" >"$root/root/.cargo/config.toml"

# ---- what is missing, and the line that brings it
if [ ! -e "$root/.complete" ]; then
    # As a minimal system has no make, its first message comes from the script itself.
    inside 60 sh -c 'cd /src/bglssl && scripts/needs.sh check' >"$work/told" 2>&1 && touch "$root/.complete"
fi
if [ ! -e "$root/.complete" ]; then
    ! grep '^no time left' "$work/told" >"$work/log" || cannot "$(cat "$work/log")"
    line=$(sed -n 's/^  \(apt-get install .*\)/\1/p' "$work/told")
    try "says in one message what is missing, and the line that installs it" test -n "$line" || finish
    inside 1200 sh -c "apt-get update -q && $line -y -q" >"$work/log" 2>&1 || cannot "packages: $(tail -n 1 "$work/log")"
    touch "$root/.complete"
fi
try "that line was all" inside 60 sh -c 'cd /src/bglssl && scripts/needs.sh check' || finish
inside 60 sh -c 'rustc --version; cc --version | head -n 1; openssl version; uname -m' 2>&1 | sed 's/^/# /'

# ---- README's commands
try "make lib" inside 1500 make -C /src/bglssl lib "PROFILE=$profile" || finish
try "make demo" inside 600 make -C /src/bglssl demo "PROFILE=$profile"
inside 2400 make -C /src/bglssl check-c "PROFILE=$profile" >"$work/log" 2>&1 </dev/null
status=$?
grep -E '^(  )?(not ok|skip |\|)|^  \||^[a-z_]*: [0-9]+ passed' "$work/log" |
    sed "s/^  \(not ok\|skip\) /  \1 $case_prefix/"
counts=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' "$work/log" | tail -n 1)
if [ -n "$counts" ]; then
    set -- $(echo "$counts" | tr -dc '0-9 ')
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
else
    verdict "make check-c has a count" "$status"
fi
finish
