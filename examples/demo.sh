#!/bin/sh
# A session with the example programs, told as it happens: who is accepted, who is refused, and in which words.
#
#   demo.sh DIRECTORY-OF-THE-PROGRAMS
#
# The certificates are made on the spot, in a directory that is removed at the end. Ends with status 0 when everything
# went as told, 1 when anything did not, 77 when the openssl command is missing.
set -u

command -v timeout >/dev/null || { echo "demo: the timeout command of coreutils is needed"; exit 77; }
programs=$(cd "${1:?usage: demo.sh DIRECTORY-OF-THE-PROGRAMS}" && pwd) || exit 1
command -v openssl >/dev/null || { echo "demo: the openssl command is needed to make certificates"; exit 77; }

work=$(mktemp -d) || exit 1
server_pid=
surprises=0 told=

finish() {
  [ -z "$server_pid" ] || kill "$server_pid" 2>/dev/null
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP
cd "$work" || exit 1

# ---------------------------------------------------------------------------------------------------- the narrator

chapter() { printf '\n== %s\n' "$1"; }
say() { printf '   %s\n' "$@"; }
show() { sed 's/^/     | /' "$1"; }
surprise() {
  printf '   !! NOT AS TOLD: %s\n' "$1"
  told="$told
     - $1"
  surprises=$((surprises + 1))
}

# -------------------------------------------------------------------------------------------------- the certificates

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

# --------------------------------------------------------------------------------------------------------- the actors

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
  *) surprise "$program did not start: $first_line $(cat <&3)"; port=1 ;;
  esac
}

# What the server has said since, in server.log.
stop_server() {
  kill "$server_pid" 2>/dev/null
  wait "$server_pid"
  server_status=$?
  server_pid=
  cat <&3 >server.log
  exec 3<&-
  [ "$server_status" -eq 0 ] || surprise "the server ended with status $server_status"
  say "and the server's own account:"
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
  [ "$client_status" -eq 0 ] || surprise "the client ended with status $client_status"
  if cmp -s sent received; then
    say "The server has sent back, word for word, what the client said."
  else
    surprise "the server has not sent back what the client said"
  fi
}

# refused REASON WORDS ARGUMENTS...: the client must fail, with these words (a regular expression) in its message.
refused() {
  say "Refused: $1"
  words=$2
  shift 2
  run_client "$@"
  [ "$client_status" -eq 1 ] || surprise "the client ended with status $client_status"
  grep -Eqi -- "$words" client.log || surprise "the client's message does not say: $words"
  [ ! -s received ] || surprise "the client has printed something"
}

# The server's account of the last scene must have this in it (a regular expression).
server_said() {
  grep -Eqi -- "$1" server.log || surprise "the server's account does not say: $1"
}

# ---------------------------------------------------------------------------------------------------------- the session

chapter "The certificates"
say "Two authorities, unknown to each other; the honest one signs a server's certificate for localhost," \
    "one that has expired, and two for clients, one of them expired. The untrusted CA signs a client's, too."
authority honest && authority untrusted &&
certificate honest server localhost DNS:localhost,IP:127.0.0.1 &&
certificate honest expired localhost DNS:localhost 20200101000000Z 20200201000000Z &&
certificate honest client Ada DNS:ada.example &&
certificate honest late Bob DNS:bob.example 20200101000000Z 20200201000000Z &&
certificate untrusted intruder Eve DNS:eve.example ||
{ surprise "openssl could not make the certificates: $(cat openssl.log)"; exit 1; }

chapter "A server with a good certificate"
start_server tls-echo-server --cert server.pem --key server.key --alpn http/1.1
accepted "the certificate is for localhost, and signed by the CA that the client trusts." \
  --ca honest/ca.pem --alpn h2,http/1.1 localhost "$port"
accepted "the certificate names the IP address, too." --ca honest/ca.pem 127.0.0.1 "$port"
accepted "TLS 1.2 will do." --ca honest/ca.pem --protocol tlsv1_2 localhost "$port"
accepted "a session of an earlier connection can be taken up again." --ca honest/ca.pem --resume localhost "$port"
grep -q 'session *resumed' client.log || surprise "the session was not resumed"
refused "the certificate is for localhost, not for the name that the client wants." 'not for "example\.com"' \
  --ca honest/ca.pem --hostname example.com localhost "$port"
refused "the client trusts another CA." "unable to get local issuer|unable to verify" \
  --ca untrusted/ca.pem localhost "$port"
refused "the client trusts the CAs of this system, and this CA is none of them." \
  "unable to get local issuer|unable to verify" localhost "$port"
accepted "the client was told to verify nothing (it says so)." --insecure localhost "$port"
grep -q 'not verified' client.log || surprise "the client does not say that it has verified nothing"
stop_server
server_said "accepted, TLSv1.2"
server_said "alpn http/1\.1"
server_said "refused: .*alert"

chapter "A server whose certificate has expired"
start_server tls-echo-server --cert expired.pem --key expired.key
refused "the certificate has expired in 2020." "expired" --ca honest/ca.pem localhost "$port"
stop_server
server_said "refused: .*alert"

chapter "A server that asks its clients for certificates"
start_server tls-echo-server --cert server.pem --key server.key --ca honest/ca.pem
accepted "the client shows a certificate of the CA that the server trusts." \
  --ca honest/ca.pem --cert client.pem --key client.key localhost "$port"
refused "the client shows no certificate." "certificate required|handshake failure" \
  --ca honest/ca.pem localhost "$port"
refused "the client shows a certificate of a CA that the server does not know." "unknown ca" \
  --ca honest/ca.pem --cert intruder.pem --key intruder.key localhost "$port"
refused "the client shows a certificate that has expired." "expired" \
  --ca honest/ca.pem --cert late.pem --key late.key localhost "$port"
refused "the client's key does not belong to its certificate: found before any connection." "match|belong" \
  --ca honest/ca.pem --cert client.pem --key late.key localhost "$port"
stop_server
server_said "accepted, .*CN=Ada"
server_said "refused: .*(did not return|no) .*certificate"
server_said "refused: .*expired"

chapter "One thread for all clients"
start_server tls-poll-server --cert server.pem --key server.key
accepted "this server never waits for one client, and answers all the same." --ca honest/ca.pem localhost "$port"
stop_server
server_said "served 1 client"

chapter "The two programs of the manual"
start_server manual-server 0 server.pem server.key
say "\$ manual-client localhost $port honest/ca.pem"
timeout 30 "$programs/manual-client" localhost "$port" honest/ca.pem >received 2>client.log ||
  surprise "manual-client has failed"
show client.log
show received
printf 'Hello there!\nHow are you?\n' | cmp -s - received || surprise "the answers are not what was said"
wait "$server_pid" || surprise "manual-server has failed"
server_pid=
cat <&3 >server.log
exec 3<&-
show server.log

chapter "The end"
if [ "$surprises" -eq 0 ]; then
  say "Everything went as told."
else
  say "$surprises things did not go as told:$told"
  exit 1
fi
