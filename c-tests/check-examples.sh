#!/bin/sh
# The examples as a user meets them: the library is installed into a directory of its own, the examples are compiled
# against what is there, by pkg-config, and run.
#
#   check-examples.sh                 prints a line for each case, and "N passed, M failed, K skipped" at the end
#
# MAKE, CC and CARGO_TARGET_DIR are honoured.
set -u
cd "$(dirname "$0")/.." || exit 1

work=$(mktemp -d) || exit 1
server_pid=
finish() {
  [ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
passed=0 failed=0 skipped=0

ok() { echo "ok - $1"; passed=$((passed + 1)); }
not_ok() { echo "not ok - $1"; tail -n 60 "$2" | sed 's/^/#   /'; failed=$((failed + 1)); }
skip() { echo "skip - $1: $2"; skipped=$((skipped + 1)); }
# try NAME COMMAND...: status 0 is ok, 77 is skip with the last line as the reason, anything else is not ok.
try() {
  name=$1
  shift
  "$@" >"$work/log" 2>&1 </dev/null
  case $? in
  0) ok "$name" ;;
  77) skip "$name" "$(tail -n 1 "$work/log")" ;;
  *) not_ok "$name" "$work/log"; return 1 ;;
  esac
}
finish_with_summary() {
  echo "$passed passed, $failed failed, $skipped skipped"
  [ "$failed" -eq 0 ]
  exit
}

make=${MAKE:-make}
# A make above us has its own ideas about flags and jobs: the one below starts afresh.
unset MAKEFLAGS MFLAGS MAKELEVEL

# ---- installed, and found by pkg-config alone
prefix=$work/prefix
try "make install puts the library into a prefix" timeout 580 "$make" install PREFIX="$prefix" || finish_with_summary
try "make install honours DESTDIR" timeout 580 "$make" install PREFIX=/usr DESTDIR="$work/stage" &&
  try "what is installed under DESTDIR does not name it" \
    sh -c '! grep -rIl -- "$1" "$1"' sh "$work/stage"
try "make uninstall leaves nothing behind" sh -c \
  '"$1" uninstall PREFIX=/usr DESTDIR="$2" && left=$(find "$2" ! -type d) && echo "$left" && test -z "$left"' \
  sh "$make" "$work/stage"
try "LIBDIR says where the library goes, and pkg-config finds it there" sh -c \
  '"$1" install PREFIX="$2" LIBDIR="$2/lib64" && test -s "$2/lib64/libbglssl.so" &&
   PKG_CONFIG_PATH="$2/lib64/pkgconfig" pkg-config --libs bglssl | grep -F -- "-L$2/lib64"' sh "$make" "$work/lib64"
try "make install needs no cargo once the library is built" \
  "$make" install PREFIX="$work/no-cargo" CARGO="$work/there-is-no-cargo"
try "a prefix may have a blank" sh -c \
  '"$1" install PREFIX="$2/with blank" && test -s "$2/with blank/lib/libbglssl.so"' sh "$make" "$work"
try "each function has a manual page of its name" sh -c \
  'for function in $(grep -v "^#" abi/symbols.txt); do test -s "$1/$function.3" || { echo "$function"; exit 1; }; done' \
  sh "$prefix/share/man/man3"
PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export PKG_CONFIG_PATH
pages=$(cd man && ls ./*.3)
for page in $pages; do
  try "the manual page ${page#./} is installed" test -s "$prefix/share/man/man3/${page#./}"
done

# ---- compiled, shared and static, and nothing to complain about
mkdir "$work/shared" "$work/static"
# Some systems' libcrypto wants further libraries where it is linked statically (zlib, zstd), which may not be there.
echo 'int main(void) { return 0; }' >"$work/nothing.c"
kinds="shared static"
if ! ${CC:-cc} -o "$work/nothing" "$work/nothing.c" $(pkg-config --static --libs bglssl) >"$work/log" 2>&1; then
  skip "the static examples" "$(grep -o 'cannot find -l[a-z0-9]*' "$work/log" | head -n 1)"
  kinds=shared
fi
for kind in $kinds; do
  [ "$kind" = shared ] && static= || static=STATIC=1
  for source in examples/tls-*.c examples/manual-*.c; do
    program=$(basename "$source" .c)
    try "$program compiles, $kind" timeout 120 "$make" -C examples $static OUT="$work/$kind" \
      CC="${CC:-cc}" CFLAGS="-O1 -g -Wall -Wextra -Wpedantic -Werror" "$work/$kind/$program"
  done
done
try "the shared programs need the shared library" \
  sh -c 'readelf -d "$1" | grep -q "NEEDED.*libbglssl"' sh "$work/shared/tls-client"
[ "$kinds" = shared ] || try "the static programs do not need the shared library" \
  sh -c 'test -x "$1" && ! readelf -d "$1" | grep "NEEDED.*libbglssl"' sh "$work/static/tls-client"

# ---- run
for kind in $kinds; do
  try "the demo goes as told, $kind" timeout 300 sh examples/demo.sh "$work/$kind"
done

hold() { # CONNECTIONS
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$work/server.key" -out "$work/server.pem" || return 1
  ${CC:-cc} -O1 -g -Wall -Wextra -Werror $(pkg-config --cflags bglssl) -o "$work/hold-connections" \
    c-tests/hold-connections.c $(pkg-config --libs bglssl) -Wl,-rpath,"$prefix/lib" || return 1
  mkfifo "$work/server.out" || return 1
  "$work/shared/tls-poll-server" --cert "$work/server.pem" --key "$work/server.key" --max "$1" \
    >"$work/server.out" 2>&1 &
  server_pid=$!
  exec 3<"$work/server.out"
  read -r first_line <&3
  timeout 200 "$work/hold-connections" "$work/server.pem" "${first_line##* }" "$1"
  status=$?
  kill "$server_pid"
  wait "$server_pid" || status=1
  server_pid=
  cat <&3 >"$work/server.log"
  exec 3<&-
  # The reason of a skip is to stay the last line.
  [ "$status" -ne 77 ] || return 77
  cat "$work/server.log"
  grep -q "served $1 clients, at most $1 at a time" "$work/server.log" || status=1
  return "$status"
}
if command -v openssl >/dev/null; then
  try "tls-poll-server holds 1000 connections in one thread" hold 1000
else
  skip "tls-poll-server holds 1000 connections in one thread" "the openssl command is not installed"
fi

finish_with_summary
