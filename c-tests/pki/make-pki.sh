#!/bin/sh
# Makes the tests' certificates and keys in the directory given. The passphrase of all that is encrypted is "secret".
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$1
mkdir -p "$out/issued"
cd "$out"

cat >openssl.cnf <<'EOF'
[ca]
default_ca = all
[all]
new_certs_dir = issued
database = index.txt
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
email_in_dn = no
utf8 = yes
string_mask = utf8only
[any]
commonName = optional
organizationName = optional
[req]
distinguished_name = name
string_mask = utf8only
[name]
EOF
: >index.txt

PAST=20200101000000Z
YESTERDAY=$(date -u -d yesterday +%Y%m%d%H%M%SZ)
FUTURE=$(date -u -d '5 years' +%Y%m%d%H%M%SZ)
SOON=$(date -u -d '1 year' +%Y%m%d%H%M%SZ)
LATER=$(date -u -d '10 years' +%Y%m%d%H%M%SZ)
LEAF='basicConstraints=critical,CA:FALSE'
CA='basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign'
LOCAL='DNS:localhost,IP:127.0.0.1,IP:::1'

quietly() {
    "$@" >openssl.log 2>&1 || { cat openssl.log >&2; echo "failed: $*" >&2; exit 1; }
}

key() { # NAME [KIND]
    case ${2:-ecdsa} in
    rsa) quietly openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$1.key" ;;
    ed25519) quietly openssl genpkey -algorithm ED25519 -out "$1.key" ;;
    *) quietly openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1.key" ;;
    esac
}

# issue NAME ISSUER EXTENSIONS [FROM [TO [SUBJECT]]]: signs NAME.key's certificate; the issuer `-` signs itself.
issue() {
    printf '%s\n' "$3" >"$1.ext"
    quietly openssl req -new -utf8 -config openssl.cnf -key "$1.key" -subj "${6:-/O=bglssl/CN=$1}" -out "$1.csr"
    if [ "$2" = - ]; then
        set -- "$1" "$1" "$3" "${4:-}" "${5:-}" -selfsign
        signer=
    else
        signer="-cert $2.pem"
    fi
    # shellcheck disable=SC2086
    quietly openssl ca -batch -notext -config openssl.cnf ${6:+$6} $signer -keyfile "$2.key" -in "$1.csr" \
        -out "$1.pem" -extfile "$1.ext" -startdate "${4:-$YESTERDAY}" -enddate "${5:-$FUTURE}"
}

leaf() { # NAME ISSUER SUBJECT-ALT-NAMES [KIND]
    key "$1" "${4:-}"
    issue "$1" "$2" "$LEAF
subjectAltName=$3"
}

purpose() { # NAME ISSUER PURPOSE
    key "$1"
    issue "$1" "$2" "$LEAF
extendedKeyUsage=$3"
}

for ca in root root2 idle-root; do
    key $ca
    issue $ca - "$CA"
done
key intermediate
issue intermediate root "$CA"

leaf good root "$LOCAL"
leaf good-rsa root "$LOCAL" rsa
leaf good-ed25519 root "$LOCAL" ed25519
leaf untrusted root2 "$LOCAL"
leaf wrong-name root 'DNS:elsewhere.example,IP:127.0.0.99'
leaf wildcard root 'DNS:*.example.test'
leaf dns-only root 'DNS:localhost'
leaf host-a root 'DNS:a.test,DNS:www.a.test'
leaf host-a-rsa root 'DNS:a.test' rsa
leaf host-b root 'DNS:b.test'
leaf host-wild root 'DNS:*.wild.test'
leaf ip-as-dns root 'DNS:127.0.0.1'
leaf many-names root 'DNS:localhost,IP:192.0.2.1,IP:2001:db8::1,email:who@example.test,URI:https://example.test/x'

leaf chained-alone intermediate "$LOCAL"
cp chained-alone.key chained.key
cat chained-alone.pem intermediate.pem >chained.pem

# A chain whose CA expires long before its end.
key intermediate-soon
issue intermediate-soon root "$CA" "$YESTERDAY" "$SOON"
leaf chained-soon intermediate-soon "$LOCAL"
cat intermediate-soon.pem >>chained-soon.pem

# A certificate of some 12 kB, so that a handshake does not fit into a small socket buffer.
names=DNS:localhost
i=0
while [ $i -lt 300 ]; do
    names="$names,DNS:host-$i.a-rather-long-name.example.test"
    i=$((i + 1))
done
leaf heavy root "$names"

key expired
issue expired root "$LEAF
subjectAltName=$LOCAL" $PAST "$YESTERDAY"
key not-yet
issue not-yet root "$LEAF
subjectAltName=$LOCAL" "$FUTURE" "$LATER"
key self-signed
issue self-signed - "$LEAF
subjectAltName=$LOCAL"

# One DNS name that reads as two, where nobody quotes it.
key forged-names
issue forged-names root "$LEAF
subjectAltName=@names
[names]
DNS.1=\"good.example, DNS:evil.example\"
DNS.2=localhost"

# A revocation list of each CA; root has revoked one certificate.
# A certificate that has every identifier, and a list of one timestamp of one byte.
key identifiers
issue identifiers root "$LEAF
subjectAltName=$LOCAL
subjectKeyIdentifier=0A0B0C0D
2.5.29.35=DER:30:06:80:04:01:02:03:04
certificatePolicies=2.23.140.1.2.1,1.2.3.4
1.3.6.1.4.1.11129.2.4.2=DER:04:05:00:03:00:01:AA"

# OCSP: a certificate that demands a staple, and responders with and without the right to sign.
key must-staple
issue must-staple root "$LEAF
subjectAltName=$LOCAL
tlsfeature=status_request"
# Likewise, but the extension is given in DER (RFC 7633).
demanding() { # NAME DER
    key "$1"
    issue "$1" root "$LEAF
subjectAltName=$LOCAL
1.3.6.1.5.5.7.1.24=DER:$2"
}
demanding must-staple-alone 30:03:02:01:05
demanding must-staple-behind-two-bytes 30:07:02:02:12:34:02:01:05
demanding must-staple-long-length 30:81:03:02:01:05
demanding must-staple-unreadable 30:02:01:02
purpose ocsp-responder root OCSPSigning
purpose ocsp-pretender root serverAuth

# As public CAs issue them: it signs no lists.
key signs-only
issue signs-only root "$LEAF
keyUsage=critical,digitalSignature
subjectAltName=$LOCAL"

leaf revoked root "$LOCAL"
quietly openssl ca -config openssl.cnf -keyfile root.key -cert root.pem -revoke revoked.pem
for ca in root intermediate; do
    quietly openssl ca -config openssl.cnf -keyfile $ca.key -cert $ca.pem -gencrl -crldays 3650 -out $ca.crl
done

# A list of root's that ends in 30 days, and a CA that ends in a year, before the certificate that it issued.
quietly openssl ca -config openssl.cnf -keyfile root.key -cert root.pem -gencrl -crldays 30 -out brief.crl
quietly openssl crl -in root.crl -outform DER -out root.der.crl
key brief-ca
issue brief-ca root "$CA" "$YESTERDAY" "$(date -u -d '1 year' +%Y%m%d%H%M%SZ)"
leaf of-brief-ca-alone brief-ca "$LOCAL"
cp of-brief-ca-alone.key of-brief-ca.key
cat of-brief-ca-alone.pem brief-ca.pem >of-brief-ca.pem

purpose client root clientAuth
purpose client2 root clientAuth
purpose client-untrusted root2 clientAuth
purpose client-chained-alone intermediate clientAuth
purpose server-purpose root serverAuth
cp client-chained-alone.key client-chained.key
cat client-chained-alone.pem intermediate.pem >client-chained.pem
key client-rsa rsa
issue client-rsa root "$LEAF
extendedKeyUsage=clientAuth"
key client-ed25519 ed25519
issue client-ed25519 root "$LEAF
extendedKeyUsage=clientAuth"
key client-expired
issue client-expired root "$LEAF
extendedKeyUsage=clientAuth" $PAST "$YESTERDAY"

# Keys in every dress.
quietly openssl pkcs8 -topk8 -in good.key -v2 aes-256-cbc -passout pass:secret -out good-encrypted.key
quietly openssl rsa -in good-rsa.key -aes128 -traditional -passout pass:secret -out good-rsa-encrypted-old.key
quietly openssl rsa -in good-rsa.key -traditional -out good-rsa-old.key
quietly openssl ecparam -name prime256v1 -genkey -out ec-parameters-first.key
quietly openssl pkey -in good.key -outform DER -out good.key.der
quietly openssl pkcs8 -topk8 -in good.key -v2 aes-256-cbc -passout pass:secret -outform DER -out good-encrypted.key.der
quietly openssl pkey -in good.key -pubout -out good.pub
# Ciphers that OpenSSL 3 keeps apart from the others.
case $(openssl version) in
'OpenSSL 1.'*) legacy= ;;
*) legacy='-provider legacy -provider default' ;;
esac
old() { # NAME FORMAT CIPHER...: in PKCS#8
    name=$1 form=$2
    shift 2
    # shellcheck disable=SC2086
    quietly openssl pkcs8 -topk8 $legacy -in good.key "$@" -passout pass:secret -outform "$form" -out "$name"
}
old old-md5-des.key PEM -v1 PBE-MD5-DES
old old-md5-des.key.der DER -v1 PBE-MD5-DES
old old-rc2.key PEM -v1 PBE-SHA1-RC2-64
old old-des.key PEM -v2 des-cbc
# shellcheck disable=SC2086
quietly openssl rsa -in good-rsa.key -traditional $legacy -des-cbc -passout pass:secret -out old-own-form-des.key
# shellcheck disable=SC2086
quietly openssl rsa -in good-rsa.key -traditional $legacy -rc2-cbc -passout pass:secret -out old-own-form-rc2.key
cat >openssh.key <<'END'
-----BEGIN OPENSSH PRIVATE KEY-----
b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW
-----END OPENSSH PRIVATE KEY-----
END

# Certificates in every dress.
quietly openssl x509 -in good.pem -outform DER -out good.der
{
    echo 'Some words before.'
    quietly openssl x509 -in good.pem -noout -text
    cat openssl.log good.pem
    echo 'and some after'
} >with-text.pem
sed 's/$/\r/' good.pem >crlf.pem
{
    cat good.der
    printf '\r\n'
} >line-after.der
{
    cat good.der
    printf '\nx'
} >words-after.der
cat good.key good.pem root.pem >key-then-certificates.pem
head -c 400 good.pem >half.pem
sed '5s/^..../####/' good.pem >garbled.pem
cat good.pem half.pem >good-then-half.pem
printf '' >empty.pem
printf 'no certificate at all\n' >words.pem
cat good.pem intermediate.pem root.pem >three.pem
quietly openssl x509 -in good.pem -trustout -addtrust serverAuth -out trusted.pem
cat trusted.pem root.pem >trusted-then-root.pem
quietly openssl x509 -in root.pem -trustout -addreject serverAuth -out root-rejected.pem
quietly openssl x509 -in root.pem -trustout -addreject codeSigning -out root-rejected-for-code.pem
quietly openssl x509 -in intermediate.pem -trustout -addtrust serverAuth -out intermediate-for-servers.pem
openssl x509 -in root.pem -noout -hash >root.hash
quietly openssl req -x509 -new -config openssl.cnf -key good.key -days 3650 -outform DER -out long-name.der \
    -subj '/O=A certification authority with a name of some length/CN=numbered 0000'
quietly openssl x509 -in root.pem -trustout -addtrust serverAuth -out root-for-servers.pem
quietly openssl req -new -key good.key -subj /CN=good -out request.pem
awk 'BEGIN { print "[req]\ndistinguished_name=d\nx509_extensions=x\n[d]\n[x]\nsubjectAltName=@names\n[names]"
             for (i = 0; i < 9000; i++) printf "DNS.%d=n%d\n", i, i }' >crowd.cnf
quietly openssl req -x509 -new -key good.key -subj /CN=crowd -days 30 -config crowd.cnf -out crowd.pem
rm crowd.cnf
{
    printf '\357\273\277'
    cat good.pem
} >byte-order-mark.pem

p12() { # NAME PASSPHRASE OPTIONS...
    name=$1 pass=$2
    shift 2
    quietly openssl pkcs12 -export -out "$name.p12" -passout "pass:$pass" "$@"
}
p12 good secret -inkey good.key -in good.pem
p12 chained secret -inkey chained.key -in chained-alone.pem -certfile three.pem
p12 no-passphrase '' -inkey good.key -in good.pem
p12 certificates-only secret -nokeys -in good.pem
# Two certificates in the form of Java's keytool, which marks each as trusted: keytool -importcert -storetype PKCS12.
base64 -d "$here/truststore.p12.base64" >truststore.p12
# RC2, as everybody wrote it before OpenSSL 3.
case $(openssl version) in
'OpenSSL 1.'*) p12 old-cipher secret -inkey good.key -in good.pem ;;
*) p12 old-cipher secret -legacy -inkey good.key -in good.pem ;;
esac

python3 "$here/odd_names.py" good.der good.key root.key
cp good.key nul-in-host-name.key
cp good.key cn-localhost.key
# answer NAME SUBJECT SIGNER: what OCSP says of a certificate.
answer() {
    quietly openssl ocsp -index index.txt -CA root.pem -issuer root.pem -cert "$2.pem" -rsigner "$3.pem" -rkey "$3.key" \
        -ndays 3650 -respout "$1.ocsp"
}
answer good good ocsp-responder
answer revoked revoked ocsp-responder
answer pretended good ocsp-pretender

# What was issued and revoked, for more answers of OCSP.
mv index.txt ocsp-index.txt
mv index.txt.attr ocsp-index.txt.attr 2>/dev/null || :
rm -rf issued openssl.cnf openssl.log ./*.csr ./*.ext index.txt*
: >complete
