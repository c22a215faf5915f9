#!/bin/sh
# A session with the example programs, which prints who is accepted, who is refused, and with which messages.
#
#   demo.sh DIRECTORY-OF-THE-PROGRAMS
#
# The certificates are made in a directory that is removed at the end. Ends with status 0 if everything went as expected,
# 1 if anything did not, 77 if the openssl command is missing.
set -u

command -v timeout >/dev/null || { echo "demo: the timeout command of coreutils is needed"; exit 77; }
programs=$(cd "${1:?usage: demo.sh DIRECTORY-OF-THE-PROGRAMS}" && pwd) || exit 1
command -v openssl >/dev/null || { echo "demo: the openssl command is needed to make certificates"; exit 77; }

work=$(mktemp -d) || exit 1
server_pid=
failures=0 failed=

finish() {
  [ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
cd "$work" || exit 1

# --------------------------------------------------------------------------------------------------------------- output

section() { printf '\n== %s\n' "$1"; }
say() { printf '   %s\n' "$@"; }
show() { sed 's/^/     | /' "$1"; }
failure() {
  printf '   !! NOT AS EXPECTED: %s\n' "$1"
  failed="$failed
     - $1"
  failures=$((failures + 1))
}

# --------------------------------------------------------------------------------------------------------- certificates

# authority NAME: a certification authority in the directory NAME.
authority() {
  mkdir "$1" && : >"$1/index" && echo 01 >"$1/serial"
  cat >"$1/ca.cnf" <<CNF
[ca]
default_ca = this
[this]
database = $1/index
serial = $1/serial
new_certs_dir = $1
certificate = $1/ca.pem
private_key = $1/ca.key
default_md = sha256
default_days = 30
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
[req]
distinguished_name = dn
[dn]
CNF
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config "$1/ca.cnf" -days 30 \
    -subj "/CN=$1" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
    -keyout "$1/ca.key" -out "$1/ca.pem" 2>openssl.log
}

# certificate AUTHORITY FILE COMMON-NAME ALT-NAME [START END]: FILE.pem and FILE.key.
certificate() {
  issuer=$1 file=$2 cn=$3 alt=$4
  shift 4
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config "$issuer/ca.cnf" -subj "/CN=$cn" \
    -addext "subjectAltName=$alt" -keyout "$file.key" -out "$file.csr" 2>openssl.log &&
  openssl ca -batch -notext -config "$issuer/ca.cnf" ${1:+-startdate "$1" -enddate "$2"} \
    -in "$file.csr" -out "$file.pem" 2>openssl.log
}

# --------------------------------------------------------------------------------------------------------- the programs

# start_server PROGRAM ARGUMENTS...: the server chooses its port and says so in its first line: that line is awaited.
start_server() {
  program=$1
  shift
  rm -f server.fifo && mkfifo server.fifo
  timeout 200 "$programs/$program" "$@" >server.fifo 2>&1 &
  server_pid=$!
  exec 3<server.fifo
  read -r first_line <&3 || first_line=
  port=${first_line##* }
  case $first_line in
  listening*) say "$program: $first_line" ;;
  *) failure "$program did not start: $first_line $(cat <&3)"; port=1 ;;
  esac
}

# Ends the server, and prints what it has printed since, which is in server.log.
stop_server() {
  kill "$server_pid" 2>/dev/null
  wait "$server_pid"
  server_status=$?
  server_pid=
  cat <&3 >server.log
  exec 3<&-
  [ "$server_status" -eq 0 ] || failure "the server ended with status $server_status"
  say "and the server's output:"
  show server.log
}

run_client() {
  printf 'Good morning.\nGood night.\n' >sent
  say "\$ tls-client $*"
  timeout 30 "$programs/tls-client" "$@" <sent >received 2>client.log
  client_status=$?
  show client.log
}

# accepted REASON ARGUMENTS...: the client must connect, and get back what it sent.
accepted() {
  say "Accepted: $1"
  shift
  run_client "$@"
  [ "$client_status" -eq 0 ] || failure "the client ended with status $client_status"
  if cmp -s sent received; then
    say "The server has sent back what the client sent."
  else
    failure "the server has not sent back what the client sent"
  fi
}

# refused REASON WORDS ARGUMENTS...: the client must fail, with these words (a regular expression) in its message.
refused() {
  say "Refused: $1"
  words=$2
  shift 2
  run_client "$@"
  [ "$client_status" -eq 1 ] || failure "the client ended with status $client_status"
  grep -Eqi -- "$words" client.log || failure "the client's message does not say: $words"
  [ ! -s received ] || failure "the client has printed something"
}

# The server's output must have this in it (a regular expression).
server_printed() {
  grep -Eqi -- "$1" server.log || failure "the server's output does not have: $1"
}

# ---------------------------------------------------------------------------------------------------------- the session

section "The certificates"
say "Two CAs, unknown to each other; the honest one signs a server's certificate for localhost," \
    "one that has expired, and two for clients, one of them expired. The untrusted CA signs a client's, too."
authority honest && authority untrusted &&
certificate honest server localhost DNS:localhost,IP:127.0.0.1 &&
certificate honest expired localhost DNS:localhost 20200101000000Z 20200201000000Z &&
certificate honest client Ada DNS:ada.example &&
certificate honest late Bob DNS:bob.example 20200101000000Z 20200201000000Z &&
certificate untrusted intruder Eve DNS:eve.example ||
{ failure "openssl could not make the certificates: $(cat openssl.log)"; exit 1; }

section "A server with a good certificate"
start_server tls-echo-server --cert server.pem --key server.key --alpn http/1.1
accepted "the certificate is for localhost, and signed by the CA that the client trusts." \
  --ca honest/ca.pem --alpn h2,http/1.1 localhost "$port"
accepted "the certificate names the IP address, too." --ca honest/ca.pem 127.0.0.1 "$port"
accepted "the client asks for TLS 1.2." --ca honest/ca.pem --protocol tlsv1_2 localhost "$port"
accepted "a session of an earlier connection is resumed." --ca honest/ca.pem --resume localhost "$port"
grep -q 'session *resumed' client.log || failure "the session was not resumed"
refused "the certificate is for localhost, not for the name that the client wants." 'not for "example\.com"' \
  --ca honest/ca.pem --hostname example.com localhost "$port"
refused "the client trusts another CA." "unable to get local issuer|unable to verify" \
  --ca untrusted/ca.pem localhost "$port"
refused "the client trusts the CAs of this system, and this CA is none of them." \
  "unable to get local issuer|unable to verify" localhost "$port"
accepted "the client verifies nothing, and says so." --insecure localhost "$port"
grep -q 'not verified' client.log || failure "the client does not say that it has verified nothing"
stop_server
server_printed "accepted, TLSv1.2"
server_printed "alpn http/1\.1"
server_printed "refused: .*alert"

section "A server whose certificate has expired"
start_server tls-echo-server --cert expired.pem --key expired.key
refused "the certificate has expired in 2020." "expired" --ca honest/ca.pem localhost "$port"
stop_server
server_printed "refused: .*alert"

section "A server that asks its clients for certificates"
start_server tls-echo-server --cert server.pem --key server.key --ca honest/ca.pem
accepted "the client shows a certificate of the CA that the server trusts." \
  --ca honest/ca.pem --cert client.pem --key client.key localhost "$port"
refused "the client shows no certificate." "certificate required|handshake failure" \
  --ca honest/ca.pem localhost "$port"
refused "the client shows a certificate of a CA that the server does not know." "unknown ca" \
  --ca honest/ca.pem --cert intruder.pem --key intruder.key localhost "$port"
refused "the client shows a certificate that has expired." "expired" \
  --ca honest/ca.pem --cert late.pem --key late.key localhost "$port"
refused "the client's key does not belong to its certificate: this is found before it connects." "match|belong" \
  --ca honest/ca.pem --cert client.pem --key late.key localhost "$port"
stop_server
server_printed "accepted, .*CN=Ada"
server_printed "refused: .*(did not return|no) .*certificate"
server_printed "refused: .*expired"

section "One thread for all clients"
start_server tls-poll-server --cert server.pem --key server.key
accepted "this server has one thread, which never waits for a single client." --ca honest/ca.pem localhost "$port"
stop_server
server_printed "served 1 client"

section "The two programs of the manual"
start_server manual-server 0 server.pem server.key
say "\$ manual-client localhost $port honest/ca.pem"
timeout 30 "$programs/manual-client" localhost "$port" honest/ca.pem >received 2>client.log ||
  failure "manual-client has failed"
show client.log
show received
printf 'Hello there!\nHow are you?\n' | cmp -s - received || failure "the answers are not what was sent"
wait "$server_pid" || failure "manual-server has failed"
server_pid=
cat <&3 >server.log
exec 3<&-
show server.log

section "The end"
if [ "$failures" -eq 0 ]; then
  say "Everything went as expected."
else
  say "$failures things did not go as expected:$failed"
  exit 1
fi
