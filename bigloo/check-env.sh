#!/bin/sh
# check-env.sh: says in plain words what is missing to build (library ssl).
bigloo=${BIGLOO:-bigloo} cc=${CC:-cc} cargo=${CARGO:-cargo}
missing=0

miss() {
  echo "missing: $1"
  missing=$((missing + 1))
}
ask() { "$bigloo" -eval "(begin (display $1) (newline) (exit 0))" </dev/null 2>/dev/null | tail -n 1; }

if command -v "$bigloo" >/dev/null 2>&1; then
  release=$(ask "(bigloo-config 'release-number)")
  dir=$(ask "(bigloo-config 'library-directory)")
  if [ -z "$release" ]; then
    miss "a Bigloo that runs: '$bigloo' does not answer (does it find its shared libraries?)"
  else
    echo "Bigloo $release, with its libraries in $dir"
    case $release in
    [0-3].* | 4.[0-3]*) miss "Bigloo 4.4a or later: this one is $release" ;;
    esac
    [ -e "$dir/bigloo.h" ] || miss "bigloo.h in $dir: Bigloo's own installation is not complete"
    [ -e "$dir/bigloo.heap" ] || miss "bigloo.heap in $dir: Bigloo's own installation is not complete"
    [ -e "$dir/pthread.heap" ] || echo "note: without Bigloo's pthread library the tests with threads are skipped"
    [ -w "$dir" ] || echo "note: $dir is not writable: install as its owner, or with BIGLOO_LIBDIR=directory"
  fi
else
  miss "Bigloo: no program '$bigloo' on the PATH; name one with BIGLOO=program"
fi
command -v "$cc" >/dev/null 2>&1 || miss "a C compiler: no program '$cc' (Debian: apt-get install gcc)"
command -v "$cargo" >/dev/null 2>&1 || miss "Rust's cargo: no program '$cargo' (Debian: apt-get install cargo)"
if ! printf '#include <openssl/ssl.h>\n' | "$cc" -fsyntax-only -x c - 2>/dev/null; then
  echo "note: OpenSSL's development files are missing (Debian: apt-get install libssl-dev); the build then makes its own OpenSSL, which takes minutes"
fi
command -v openssl >/dev/null 2>&1 || echo "note: without the openssl command most tests are skipped (Debian: apt-get install openssl)"

if [ "$missing" -gt 0 ]; then
  echo "$missing missing"
  exit 1
fi
echo "nothing is missing"
