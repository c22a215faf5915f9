#!/bin/sh
# What the libraries export is what abi/ says: check_symbols.sh LIBDIR ABI-DIR
libdir=$1 abi=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -v '^#' "$abi/symbols.txt" | sed '/^$/d' | LC_ALL=C sort >"$work/listed"
nm -D --defined-only "$libdir/libbglssl.so" | awk '{ print $3 }' | sed 's/@.*//' | LC_ALL=C sort >"$work/exported"

if [ -s "$work/exported" ] && diff "$work/listed" "$work/exported" >"$work/diff"; then
    echo "ok exported_symbols_are_the_listed_ones"
else
    echo "not ok exported_symbols_are_the_listed_ones: $(grep '^[<>]' "$work/diff" | head -20 | tr '\n' ' ')(<: listed only, >: exported only)"
fi

# readelf, because nm asks a plugin about members that hold LLVM's bitcode beside the code.
readelf -Ws "$libdir/libbglssl.a" 2>"$work/log" | awk '$4 == "FUNC" && $7 != "UND" { print $8 }' | LC_ALL=C sort -u \
    >"$work/static"
missing=$(LC_ALL=C comm -23 "$work/listed" "$work/static" | tr '\n' ' ')
if [ -z "$missing" ] && [ -s "$work/static" ]; then
    echo "ok static_library_has_the_listed_symbols"
else
    echo "not ok static_library_has_the_listed_symbols: lacks $missing"
fi
