#!/bin/sh
# Prints the header that build.rs makes from src/ffi as it is now. Arguments: cargo's flags.
set -eu
out=$("${CARGO:-cargo}" build "$@" --message-format=json 2>/dev/null |
    grep '"reason":"build-script-executed"' | grep '[/#]bglssl[@#]' |
    sed -n 's/.*"out_dir":"\([^"]*\)".*/\1/p' | tail -1)
[ -n "$out" ] || { echo "fresh-header: cargo did not say where the header is" >&2; exit 1; }
cat "$out/bglssl.h"
