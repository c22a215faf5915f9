#!/bin/sh
# The examples as a user meets them: the library is installed into a directory of its own, the examples are compiled
# against what is there, by pkg-config, and run.
#
#   check-examples.sh                 prints a line for each case, and "N passed, M failed, K skipped" at the end
#
# MAKE, CC and CARGO_TARGET_DIR are honoured.
set -u
cd "$(dirname "$0")/.." || exit 1

. scripts/cases.sh
server_pid=
trap '[ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null; rm -rf "$work"' EXIT

make=${MAKE:-make}
# A make above us has its own ideas about flags and jobs: the one below starts afresh.
unset MAKEFLAGS MFLAGS MAKELEVEL

# ---- installed, and found by pkg-config alone
prefix=$work/prefix
try "make install puts the library into a prefix" timeout 580 "$make" install PREFIX="$prefix" || finish
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
  for source in examples/*.c; do
    [ "$source" != examples/common.c ] || continue
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
  try "the demo goes as expected, $kind" timeout 300 sh examples/demo.sh "$work/$kind"
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
# ---- the short programs, against each other and against the openssl command
run=$work/shared
pki=$work/short
make_short_pki() {
  mkdir "$pki" || return 1
  ec="-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
  openssl req -x509 $ec -subj /CN=authority -keyout "$pki/ca.key" -out "$pki/ca.pem" || return 1
  for who in server client; do
    openssl req $ec -subj "/CN=$who" -keyout "$pki/$who.key" -out "$pki/$who.csr" || return 1
    echo "subjectAltName=DNS:localhost,IP:127.0.0.1" >"$pki/ext"
    openssl x509 -req -in "$pki/$who.csr" -CA "$pki/ca.pem" -CAkey "$pki/ca.key" -CAcreateserial -days 2 \
      -extfile "$pki/ext" -out "$pki/$who.pem" || return 1
  done
}
# start LOG COMMAND...: a server in the background; $port is what its first line ends with.
start() {
  log=$1
  shift
  mkfifo "$log.fifo" || return 1
  "$@" >"$log.fifo" 2>"$log" &
  server_pid=$!
  exec 4<"$log.fifo"
  rm "$log.fifo"
  read -r line <&4 || return 1
  port=${line##* }
}
stop() { # SIGNAL
  kill -"$1" "$server_pid"
  wait "$server_pid"
  ended=$?
  server_pid=
  exec 4<&-
  return "$ended"
}
talk() { # TEXT OPENSSL-OPTIONS...: the answer to one line
  text=$1
  shift
  { echo "$text"; sleep 1; } | timeout 20 openssl s_client -connect "127.0.0.1:$port" -servername localhost \
    -CAfile "$pki/ca.pem" -verify_return_error -quiet -no_ign_eof "$@"
}
mtls_server_serves_its_clients_only() {
  start "$work/mtls.log" "$run/mtls-server" "$pki/server.pem" "$pki/server.key" "$pki/ca.pem" 0 || return 1
  talk hello -cert "$pki/client.pem" -key "$pki/client.key" | grep -x hello || return 1
  talk hello | grep -x hello && return 1
  stop TERM || return 1
  grep "certificate" "$work/mtls.log"
}
inspector_prints_what_a_certificate_says() {
  "$run/certificate-inspector" "$pki/ca.pem" >"$work/inspected" || return 1
  "$run/certificate-inspector" "$pki/server.pem" >>"$work/inspected" || return 1
  cat "$work/inspected"
  grep -q "key: EC, 256 bits, a CA" "$work/inspected" && grep -q "name: DNS:localhost" "$work/inspected"
}
inspector_prints_the_chain_of_a_server() {
  start "$work/inspect.log" "$run/mtls-server" "$pki/server.pem" "$pki/server.key" "$pki/ca.pem" 0 || return 1
  timeout 20 "$run/certificate-inspector" 127.0.0.1 "$port" >"$work/inspected"
  stop TERM || return 1
  cat "$work/inspected"
  grep -q "verification of the chain: .*certificate" "$work/inspected" && grep -q "CN=server" "$work/inspected"
}
proxy_carries_both_directions() {
  start "$work/backend.log" python3 -u c-tests/site.py backwards || return 1
  backend_pid=$server_pid backend_port=$port
  start "$work/proxy.log" "$run/tls-proxy" "$pki/server.pem" "$pki/server.key" 0 127.0.0.1 "$backend_port" || return 1
  timeout 60 python3 c-tests/ask_backwards.py "$pki/ca.pem" "$port"
  status=$?
  stop TERM
  kill "$backend_pid"
  cat "$work/proxy.log"
  return "$status"
}
client_goes_through_a_proxy() {
  start "$work/site.log" python3 -u c-tests/site.py page "$pki/server.pem" "$pki/server.key" || return 1
  site_pid=$server_pid site_port=$port
  start "$work/connect.log" python3 -u bigloo/tests/peer_proxy.py 0 || return 1
  SSL_CERT_FILE="$pki/ca.pem" timeout 30 "$run/tls-through-proxy" "http://me:secret@127.0.0.1:$port" localhost \
    "$site_port" >"$work/page"
  status=$?
  timeout 30 "$run/tls-through-proxy" "http://me:secret@127.0.0.1:$port" refuse 443 2>"$work/refused" && status=1
  stop TERM
  kill "$site_pid" 2>/dev/null
  cat "$work/page" "$work/refused"
  grep -qx "it works" "$work/page" && grep -q "403 Not to this one" "$work/refused" || status=1
  grep "secret" "$work/refused" && status=1
  return "$status"
}
starttls_client_upgrades_an_smtp_connection() {
  start "$work/smtp.log" python3 -u c-tests/site.py starttls "$pki/server.pem" "$pki/server.key" || return 1
  timeout 30 "$run/starttls-client" localhost "$port" "$pki/ca.pem" | tee "$work/smtp" || return 1
  wait "$server_pid"
  server_pid=
  exec 4<&-
  grep -q "221 bye" "$work/smtp"
}
tls_in_tls_reaches_the_host_behind_the_proxy() {
  start "$work/tunnel.log" python3 -u c-tests/tunnel.py "$pki/server.pem" "$pki/server.key" || return 1
  read -r line <&4
  echo "carried inside" | timeout 30 "$run/tls-in-tls" localhost "$port" localhost "${line##* }" "$pki/ca.pem" >"$work/tunnel"
  status=$?
  wait "$server_pid"
  server_pid=
  exec 4<&-
  cat "$work/tunnel" "$work/tunnel.log"
  [ "$status" = 0 ] && grep -qx "CARRIED INSIDE" "$work/tunnel"
}
dtls_echo_answers() {
  start "$work/dtls.log" "$run/dtls-echo" server "$pki/server.pem" "$pki/server.key" 0 || return 1
  timeout 60 "$run/dtls-echo" client "$pki/ca.pem" 127.0.0.1 "$port" "one datagram" >"$work/dtls"
  status=$?
  stop TERM
  cat "$work/dtls" "$work/dtls.log"
  [ "$status" = 0 ] && grep -qx "one datagram" "$work/dtls"
}
https_get() { # KIND: gets the page of a site of this kind
  start "$work/https.log" python3 -u c-tests/site.py "$1" "$pki/server.pem" "$pki/server.key" || return 1
  SSL_CERT_FILE=$pki/ca.pem timeout 30 "$run/https-get" localhost / "$port" >"$work/page" 2>"$work/get.log"
  status=$?
  wait "$server_pid"
  server_pid=
  exec 4<&-
  cat "$work/page" "$work/get.log"
  grep -qx "it works" "$work/page" || return 2
  return "$status"
}
https_get_prints_a_page() { https_get page; }
https_get_tells_a_truncated_page() {
  https_get cut
  [ "$?" = 1 ] && grep -q "close_notify\|cut\|truncat" "$work/get.log"
}
if command -v openssl >/dev/null && command -v python3 >/dev/null; then
  try "certificates for the short programs" make_short_pki
  for case in mtls_server_serves_its_clients_only inspector_prints_what_a_certificate_says \
    inspector_prints_the_chain_of_a_server proxy_carries_both_directions client_goes_through_a_proxy \
    starttls_client_upgrades_an_smtp_connection tls_in_tls_reaches_the_host_behind_the_proxy dtls_echo_answers \
    https_get_prints_a_page https_get_tells_a_truncated_page; do
    try "$case" "$case"
  done
else
  skip "the short programs" "the openssl command or python3 is not installed"
fi
try "https-get has at most 25 lines" test "$(wc -l <examples/https-get.c)" -le 25
try "mtls-server has at most 80 lines" test "$(wc -l <examples/mtls-server.c)" -le 80

if command -v openssl >/dev/null; then
  try "tls-poll-server holds 1000 connections in one thread" hold 1000
else
  skip "tls-poll-server holds 1000 connections in one thread" "the openssl command is not installed"
fi

finish
