#!/bin/sh
# What the libraries export is what abi/ says: check_symbols.sh LIBDIR ABI-DIR
libdir=$1 abi=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

grep -v '^#' "$abi/symbols.txt" | sed '/^$/d' | LC_ALL=C sort >"$work/listed"
version=$(cat "$abi/symbol-version")
# The version itself is an absolute symbol.
nm -D --defined-only "$libdir/libbglssl.so" | awk '$2 != "A" { print $3 }' >"$work/versioned"
sed 's/@.*//' "$work/versioned" | LC_ALL=C sort >"$work/exported"

if [ -s "$work/exported" ] && diff "$work/listed" "$work/exported" >"$work/diff"; then
    echo "ok exported_symbols_are_the_listed_ones"
else
    echo "not ok exported_symbols_are_the_listed_ones: $(grep '^[<>]' "$work/diff" | head -20 | tr '\n' ' ')(<: listed only, >: exported only)"
fi

unversioned=$(grep -v "@@$version\$" "$work/versioned" | head -20 | tr '\n' ' ')
if [ -z "$unversioned" ]; then
    echo "ok exported_symbols_have_the_version_of_the_interface"
else
    echo "not ok exported_symbols_have_the_version_of_the_interface: $unversioned(without $version)"
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
